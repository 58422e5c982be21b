"""What can go wrong with a request to the small hub."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any


@dataclass
class Fault:
    """What goes wrong with the requests whose path matches.

    Attributes:
        pattern: of the path, such as "*/model.safetensors".
        status: answer with this status, 0 to answer normally.
        code: the Hub's name of the error ("GatedRepo", "RepoNotFound", ...).
        cut: close the connection after so many bytes of the body, -1 never.
        damage: send other bytes of the same length under the right ETag.
        drop: leave out these response headers.
        headers: send these beside the others, or instead of those of the same name.
        body: send this instead of the body.
        change: gives another listing for the one that would be sent, which it may alter.
        act: answers over the bare socket instead of the server; see `tests.hub.acts`.
        times: how often, -1 for always.
    """

    pattern: str
    status: int = 0
    code: str = ""
    cut: int = -1
    damage: bool = False
    drop: tuple[str, ...] = ()
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    change: Callable[[Any], Any] | None = None
    act: Callable[[BaseHTTPRequestHandler, threading.Event], None] | None = None
    times: int = -1
