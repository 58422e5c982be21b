"""A pipeline behind HTTP.

    pip install fastapi uvicorn
    python examples/server.py classification runs/sst2 --port 8000
    curl localhost:8000/predict -H "Content-Type: application/json" -d '{"inputs": ["a good film"]}'

Requests are answered in threads, which share one pipeline.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from fastapi import FastAPI, HTTPException, Response
from pydantic import BaseModel, Field

import zoo
from zoo.errors import ZooError
from zoo.inference.pipelines.base import Pipeline
from zoo.inference.pipelines.files import plain


class Batch(BaseModel):
    """What a client sends: items as in docs/pipelines.md (a pair as a list of two), and options of the call."""

    inputs: list[Any] = Field(max_length=1024)
    options: dict[str, Any] = Field(default_factory=dict)


def app_of(pipe: Pipeline) -> FastAPI:
    """The application: POST /predict, GET /health."""
    app = FastAPI(title="zoo")

    @app.post("/predict")
    def predict(batch: Batch) -> Response:
        items = [tuple(item) if isinstance(item, list) else item for item in batch.inputs]
        try:
            answers = pipe(items, **batch.options)
        except ZooError as error:  # what was sent is wrong; anything else is a mistake of ours, and a 500
            raise HTTPException(422, str(error)) from None
        return Response(json.dumps({"answers": answers}, default=plain), media_type="application/json")

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok", "model": pipe.deployed.summary}

    return app


def main() -> None:
    """Loads and compiles the model, then listens."""
    import uvicorn

    parser = argparse.ArgumentParser(description="A pipeline behind HTTP.")
    parser.add_argument("task", help="such as classification; see docs/pipelines.md")
    parser.add_argument("model", help="a name, or a folder")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    arguments = parser.parse_args()
    uvicorn.run(app_of(zoo.pipeline(arguments.task, arguments.model)), host=arguments.host, port=arguments.port)


if __name__ == "__main__":
    main()
