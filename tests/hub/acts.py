"""What a server can do on the bare socket: say nothing, drip, never end, or send what is no HTTP."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler

Act = Callable[[BaseHTTPRequestHandler, threading.Event], None]
OK = b"HTTP/1.1 200 OK\r\n"


def silence(handler: BaseHTTPRequestHandler, stop: threading.Event) -> None:
    """Takes the request and says nothing."""
    stop.wait(20)


def hang_up(handler: BaseHTTPRequestHandler, stop: threading.Event) -> None:
    """Closes the connection without an answer."""


def says(text: bytes, then: Act = hang_up) -> Act:
    """Sends these bytes as they are, then does something else."""

    def act(handler: BaseHTTPRequestHandler, stop: threading.Event) -> None:
        handler.wfile.write(text)
        handler.wfile.flush()
        then(handler, stop)

    return act


def drips(start: bytes = OK + b"Content-Length: 5000\r\n\r\n", every: float = 0.1) -> Act:
    """Sends a start, then one byte after the other, slowly."""

    def act(handler: BaseHTTPRequestHandler, stop: threading.Event) -> None:
        handler.wfile.write(start)
        while not stop.wait(every):
            handler.wfile.write(b" ")

    return act


def never_ends(start: bytes, piece: bytes) -> Act:
    """Sends a start, then the same piece again and again, as fast as it is taken."""

    def act(handler: BaseHTTPRequestHandler, stop: threading.Event) -> None:
        handler.wfile.write(start)
        while not stop.is_set():
            handler.wfile.write(piece)

    return act


def redirects(where: str, body: Act = hang_up) -> Act:
    """Sends the client elsewhere."""
    return says(b"HTTP/1.1 302 Found\r\nLocation: " + where.encode("latin-1") + b"\r\n\r\n", body)
