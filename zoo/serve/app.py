"""The application: the routes of both protocols behind the gate, /health, /metrics, and the forms of errors."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from zoo import __version__
from zoo.serve.answering import Answering
from zoo.serve.batcher import Batcher
from zoo.serve.gate import Gate
from zoo.serve.limits import Limits
from zoo.serve.metrics import CONTENT_TYPE, Metrics
from zoo.serve.model import ServedModel
from zoo.serve.openai_routes import openai_routes
from zoo.serve.refusals import INTERNAL, INVALID, OF_STATUS, UNHEALTHY, Refusal, of_validation
from zoo.serve.tei_routes import tei_routes

log = logging.getLogger("zoo")


class Application:
    """A model as an ASGI application.

    Args:
        model: that answers.
        limits: of the server.
        key: that clients must have; "" for none.

    Attributes:
        gate: the ASGI application.
    """

    def __init__(self, model: ServedModel, limits: Limits, key: str = "") -> None:
        metrics = Metrics()
        self.batcher = Batcher(model.answer, limits, metrics)
        app = FastAPI(title="zoo serve", version=__version__, docs_url=None, redoc_url=None)
        answering = Answering(model, self.batcher, limits)
        for router in (tei_routes(answering), openai_routes(answering)):
            app.include_router(router)
        _add_errors(app)

        @app.get("/health")
        async def health() -> dict[str, str]:
            if self.gate.stopping or not self.batcher.alive:
                raise Refusal(UNHEALTHY, "The server is stopping.")
            return {"status": "ok", "model": model.name}

        @app.get("/metrics")
        async def figures() -> Response:
            return Response(metrics.text(), media_type=CONTENT_TYPE)

        self.gate = Gate(app, app.openapi()["paths"], limits, metrics, key)

    def close(self) -> None:
        """Answers what waits and ends the model's thread."""
        self.batcher.close()


def _add_errors(app: FastAPI) -> None:
    """Gives every error the form of the route's protocol."""

    @app.exception_handler(Refusal)
    async def refused(request: Request, error: Refusal) -> JSONResponse:
        return error.response(request.url.path)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        return of_validation(error).response(request.url.path)

    @app.exception_handler(HTTPException)
    async def status(request: Request, error: HTTPException) -> JSONResponse:
        known = OF_STATUS.get(error.status_code, INVALID)
        words: dict[int, Any] = {
            404: "There is no such route; GET /info names them.",
            405: "Another method is meant.",
        }
        return Refusal(known, words.get(error.status_code, error.detail)).response(request.url.path)

    @app.exception_handler(Exception)
    async def internal(request: Request, error: Exception) -> JSONResponse:
        log.error("%s failed: %s", request.url.path, type(error).__name__)
        return Refusal(INTERNAL, "The server made a mistake; its log says which.").response(request.url.path)
