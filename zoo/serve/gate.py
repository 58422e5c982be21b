"""What stands before every route: the key, the number of requests, the size of a body and the time for it."""

from __future__ import annotations

import hmac
import time
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any

import anyio

from zoo.serve.limits import BODY_SECONDS, Limits
from zoo.serve.metrics import Metrics
from zoo.serve.refusals import OF_STATUS, OVERLOADED, TOO_LARGE, UNAUTHORIZED, Refusal

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

OPEN = ("/health", "/metrics")  # without a key, and however many requests there are


class Gone(Exception):
    """The client has gone before its request was whole."""


class Gate:
    """Lets requests through to an application, with their bodies read.

    Args:
        app: what answers them.
        paths: that it knows; the others are counted together.
        limits: of the server.
        metrics: hears of every request.
        key: that clients must have; "" for none.

    Attributes:
        held: requests that are inside.
        stopping: every answer closes its connection.
    """

    def __init__(self, app: App, paths: Collection[str], limits: Limits, metrics: Metrics, key: str = "") -> None:
        self.paths = paths
        self.app, self.limits, self.metrics = app, limits, metrics
        self._key = f"Bearer {key}".encode() if key else b""
        self.held = 0
        self.stopping = False

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, status = time.monotonic(), 0

        async def sends(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if self.stopping:
                    message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        self.held += 1
        try:
            await self._pass(scope, receive, sends)
        except Refusal as refusal:
            await refusal.response(scope["path"])(scope, receive, sends)
        except Gone:
            pass
        finally:
            self.held -= 1
            route = scope["path"] if scope["path"] in self.paths else "other"
            self.metrics.requests[route, status or 499] += 1
            if route not in OPEN:
                self.metrics.seconds.add(time.monotonic() - start)

    async def _pass(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["path"] in OPEN:
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        if not hmac.compare_digest(headers.get(b"authorization", b"") if self._key else b"", self._key):
            raise Refusal(UNAUTHORIZED, "The key is missing or wrong; send it as 'Authorization: Bearer KEY'.")
        if self.held > self.limits.max_concurrent_requests:
            raise Refusal(
                OVERLOADED, f"{self.limits.max_concurrent_requests:,} requests are here already; try again."
            )
        if scope["method"] == "POST":
            kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
            if kind != b"application/json":
                raise Refusal(OF_STATUS[415], "Send JSON, with the header Content-Type: application/json.")
        body = await self._body(headers, receive)
        given = False

        async def receives() -> Message:
            nonlocal given
            if given:
                return await receive()  # that the client has gone
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self.app(scope, receives, send)

    async def _body(self, headers: dict[bytes, bytes], receive: Receive) -> bytes:
        """Reads a body.

        Raises:
            Refusal: it is too large, or takes too long to come.
        """
        limit = self.limits.payload_limit
        too_large = Refusal(TOO_LARGE, f"The body has more than {limit:,} bytes; send fewer texts at once.")
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > limit:
            raise too_large
        try:
            with anyio.fail_after(BODY_SECONDS):
                return await _whole(receive, limit, too_large)
        except TimeoutError:
            raise Refusal(OF_STATUS[408], f"The body did not come within {BODY_SECONDS:g} s.") from None


async def _whole(receive: Receive, limit: int, too_large: Refusal) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        body += message.get("body", b"")
        if len(body) > limit:
            raise too_large
        if not message.get("more_body"):
            return bytes(body)
