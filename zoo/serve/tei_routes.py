"""The protocol of Hugging Face's text-embeddings-inference, and /pipeline for models of other heads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from fastapi import APIRouter, Request, Response

from zoo import __version__
from zoo.search.compare import similarities
from zoo.serve.answering import Answering, as_json
from zoo.serve.model import CLASSIFICATION, EMBEDDINGS, RERANK, Question, ServedModel
from zoo.serve.refusals import BACKEND, INVALID, Refusal
from zoo.serve.schema import Embed, Items, Predict, Rerank, Similarity, SimilarityParameters, Sparse

SPARSE = "sparse"
# Options of a pipeline that make its work grow, and how far a client may go.
OPTION_BOUNDS = {"num_beams": 16, "num_return_sequences": 16, "candidate_labels": 100}


def tei_routes(answering: Answering) -> APIRouter:
    """Gives the routes."""
    router, model = APIRouter(), answering.model

    @router.post("/embed")
    async def embed(body: Embed, request: Request) -> Response:
        answer = await answering.vectors(
            request, body.inputs, body.dimensions, body.normalize, body.prompt_name, body.cut
        )
        return as_json([vector.tolist() for vector in answer.values], answer)

    @router.post("/embed_sparse")
    async def embed_sparse(body: Sparse, request: Request) -> Response:
        model.need(EMBEDDINGS)
        if not model.sparse:
            raise Refusal(BACKEND, f"The model {model.name} gives dense vectors only.")
        answer = await answering.vectors(
            request, body.inputs, prompt_name=body.prompt_name, cut=body.cut, outputs=(SPARSE,)
        )
        rows = [[{"index": n, "value": w} for n, w in sorted(text.sparse.items())] for text in answer.values]
        return as_json(rows, answer)

    @router.post("/rerank")
    async def rerank(body: Rerank, request: Request) -> Response:
        model.need(RERANK)
        options = {"function_to_apply": "none" if body.raw_scores else "sigmoid"}
        answering.check_count(len(body.texts))
        answer = await answering.ask(request, Question(RERANK, [(body.query, body.texts)], options, body.cut))
        found = [{"index": one["corpus_id"], "score": one["score"]} for one in answer.values[0]]
        if body.return_text:
            found = [{**one, "text": body.texts[one["index"]]} for one in found]
        return as_json(found, answer)

    @router.post("/predict")
    async def predict(body: Predict, request: Request) -> Response:
        model.need(CLASSIFICATION)
        given, several = body.inputs
        items = [parts if len(parts) == 2 else parts[0] for parts in given]
        options = {"top_k": None, "function_to_apply": "none" if body.raw_scores else None}
        answer = await answering.ask(request, Question(CLASSIFICATION, items, options, body.cut))
        found = [[{"score": one["score"], "label": one["label"]} for one in row] for row in answer.values]
        return as_json(found if several else found[0], answer)

    @router.post("/similarity")
    async def similarity(body: Similarity, request: Request) -> Response:
        how = body.parameters or SimilarityParameters()
        texts: list[Any] = [body.inputs.source_sentence, *body.inputs.sentences]
        answer = await answering.vectors(request, texts, normalize=False, prompt_name=how.prompt_name, cut=how.cut)
        vectors = np.stack(answer.values)
        return as_json(similarities(vectors[:1], vectors[1:], model.similarity)[0].tolist(), answer)

    @router.post("/pipeline")
    async def pipeline(body: Items, request: Request) -> Response:
        items = [tuple(item) if isinstance(item, list) else item for item in body.inputs]
        _check_options(body.options)
        answering.check_count(len(items) * len(_listed(body.options.get("candidate_labels"))))
        answer = await answering.ask(request, Question(model.main, items, body.options))
        return as_json({"answers": answer.values}, answer)

    @router.get("/info")
    async def info() -> dict[str, Any]:
        return _info(model, answering)

    return router


def _check_options(options: Mapping[str, Any]) -> None:
    for name, most in OPTION_BOUNDS.items():
        value = options.get(name)
        size = len(value) if isinstance(value, list) else value if isinstance(value, int) else 0
        if size > most:
            raise Refusal(INVALID, f"The option '{name}' may be at most {most} here; this asks for {size:,}.", name)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) and value else [value]


def _info(model: ServedModel, answering: Answering) -> dict[str, Any]:
    limits, choice = answering.limits, model.deployed.choice
    bounds = ("max_concurrent_requests", "max_batch_tokens", "max_batch_requests", "max_client_batch_size")
    return {
        "model_id": model.name,
        "model_sha": None,
        "model_dtype": choice.precision,
        "model_type": _type(model),
        **{name: getattr(limits, name) for name in bounds},
        "max_input_length": model.row_length(model.main),
        "auto_truncate": True,
        "version": __version__,
        "engine": choice.engine,
        "routes": model.routes,
    }


def _type(model: ServedModel) -> dict[str, Any]:
    if model.main == EMBEDDINGS:
        return {"embedding": {"dimensions": model.width}}
    labels = dict(enumerate(getattr(model.deployed.config, "labels", ())))
    names = {"id2label": labels, "label2id": {label: n for n, label in labels.items()}}
    return {{RERANK: "reranker", CLASSIFICATION: "classifier"}.get(model.main, model.main): names}
