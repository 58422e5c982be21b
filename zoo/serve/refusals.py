"""What a server says when it does not answer: a status, and the words of the two protocols."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from zoo.errors import ZooError
from zoo.files import clean

OPENAI_PREFIX = "/v1/"  # of the routes that answer in OpenAI's form


class Kind(NamedTuple):
    """A kind of refusal: text-embeddings-inference's name and status, and OpenAI's status, type and code."""

    name: str
    status: int
    openai_status: int
    openai_type: str = "invalid_request_error"
    code: str | None = None


INVALID = Kind("Validation", 422, 400)
EMPTY = Kind("Empty", 400, 400)
TOO_LARGE = Kind("Validation", 413, 413)
BACKEND = Kind("Backend", 424, 424, "server_error")
OVERLOADED = Kind("Overloaded", 429, 429, "rate_limit_error", "rate_limit_exceeded")
UNHEALTHY = Kind("Unhealthy", 503, 503, "server_error")
INTERNAL = Kind("Internal", 500, 500, "server_error")
UNAUTHORIZED = Kind("Unauthorized", 401, 401, code="invalid_api_key")
NO_MODEL = Kind("NotFound", 404, 404, code="model_not_found")
OF_STATUS = {
    404: Kind("NotFound", 404, 404),
    405: Kind("MethodNotAllowed", 405, 405),
    408: Kind("Timeout", 408, 408),
    415: Kind("UnsupportedMediaType", 415, 415),
}
HEADERS = {
    401: {"WWW-Authenticate": "Bearer"},
    429: {"Retry-After": "1"},
    503: {"Retry-After": "1"},
}


class Refusal(Exception):
    """A request that gets no answer.

    Args:
        kind: one of this module's.
        message: what was sent, why it does not work, what to send instead.
        param: the field that is meant.
    """

    def __init__(self, kind: Kind, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.kind, self.message, self.param = kind, message, param

    @classmethod
    def of(cls, error: ZooError) -> Refusal:
        """Makes one of what a pipeline says of a request."""
        return cls(INVALID, " ".join(filter(None, (error.message, error.hint))))

    def response(self, path: str) -> JSONResponse:
        """Gives the answer to a request of this path."""
        if path.startswith(OPENAI_PREFIX):
            about = {"type": self.kind.openai_type, "param": self.param, "code": self.kind.code}
            content: Mapping[str, Any] = {"error": {"message": self.message, **about}}
            status = self.kind.openai_status
        else:
            content, status = {"error": self.message, "error_type": self.kind.name}, self.kind.status
        return JSONResponse(content, status, dict(HEADERS.get(status, {})))


def of_validation(error: RequestValidationError) -> Refusal:
    """Makes a refusal of what is wrong with a body: its first fault, and the field that has it."""
    first = error.errors()[0]
    place = [str(part) for part in first["loc"] if part != "body"]
    if first["type"] == "json_invalid":
        return Refusal(INVALID, f"The body is no JSON: {clean(str(first['ctx']['error']))}.")
    kind = EMPTY if first["type"] == "empty" else INVALID
    words = {"extra_forbidden": "is unknown here", "missing": "is missing", "model_attributes_type": "is no object"}
    said = words.get(first["type"]) or first["msg"][:1].lower() + first["msg"][1:]
    where = f"'{clean('.'.join(place))}'" if place else "The body"
    return Refusal(kind, f"{where} {said}.", place[0] if place else None)
