"""OpenAI's protocol: POST /v1/embeddings and GET /v1/models."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from fastapi import APIRouter, Request, Response

from zoo.files import quote
from zoo.serve.answering import Answering, as_json
from zoo.serve.refusals import NO_MODEL, Refusal
from zoo.serve.schema import OpenAIEmbeddings


def openai_routes(answering: Answering) -> APIRouter:
    """Gives the routes."""
    router, name = APIRouter(prefix="/v1"), answering.model.name

    @router.post("/embeddings")
    async def embeddings(body: OpenAIEmbeddings, request: Request) -> Response:
        if body.model != name:
            raise Refusal(NO_MODEL, f"There is no model {quote(body.model)}; this server has '{name}'.", "model")
        answer = await answering.vectors(request, body.input, body.dimensions)
        packed = body.encoding_format == "base64"
        vectors = [_base64(vector) if packed else vector.tolist() for vector in answer.values]
        data = [{"object": "embedding", "index": n, "embedding": vector} for n, vector in enumerate(vectors)]
        usage = {"prompt_tokens": answer.tokens, "total_tokens": answer.tokens}
        return as_json({"object": "list", "data": data, "model": name, "usage": usage}, answer)

    @router.get("/models")
    async def models() -> dict[str, Any]:
        about = {"id": name, "object": "model", "created": 0, "owned_by": "zoo"}
        return {"object": "list", "data": [about]}

    return router


def _base64(vector: np.ndarray) -> str:
    """Gives a vector as OpenAI packs it: little-endian float32."""
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()
