"""Sends one HTTP request, bounded in time, speed and size whatever the server does."""

from __future__ import annotations

import functools
import http.client
import io
import os
import re
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timezone
from email.message import Message
from email.utils import parsedate_to_datetime
from http.client import HTTPMessage
from typing import IO, Any, Protocol
from urllib.parse import SplitResult, urlsplit, urlunsplit

from zoo.errors import HubError
from zoo.files import clean
from zoo.hub.meter import MAX_HEAD_BYTES, BrokenTransfer, Meter

MAX_REDIRECTS = 5
RETRY_STATUSES = (408, 416, 425, 429, 500, 502, 503, 504)  # statuses that another try may mend
HUB_ORIGIN = ("https", "huggingface.co", None)  # may see the token also when a mirror sends us there


class Unreachable(HubError):
    """An error when nobody answers, or the server is broken for now: another source or the cache may help."""


class Missing(HubError):
    """An error when there is no such thing, or not for this user; `code` is the Hub's name of the reason."""

    code = ""
    status = 0


class Answer(Protocol):
    """The open answer to a request: a context manager that closes it.

    Attributes:
        headers: of the answer. linked: of the answer that announced the file, where that was a redirect.
        chunked: the body comes in pieces that each say their size.
    """

    status: int
    headers: Message
    linked: Message
    chunked: bool

    def read1(self, count: int, /) -> bytes: ...

    def close(self) -> None: ...

    def __enter__(self) -> Answer: ...

    def __exit__(self, *error: object) -> None: ...


class _Metered(io.RawIOBase):
    """A stream from a socket whose seconds and bytes a meter counts."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, meter: Meter) -> None:
        self._raw, self._sock, self._meter = raw, sock, meter

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with suppress(OSError):  # closed already: the rest comes from what the system holds
            self._sock.settimeout(self._meter.timeout())
        with self._meter.waiting():
            count: int = self._raw.readinto(buffer) or 0
        self._meter.add(count)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, meter: Meter, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.meter = meter
        self.fp = io.BufferedReader(_Metered(self.fp.detach(), sock, meter))  # type: ignore[attr-defined]

    def begin(self) -> None:
        self.meter.expect(MAX_HEAD_BYTES)
        super().begin()


class _Connection(http.client.HTTPConnection):
    def __init__(self, host: str, *, meter: Meter, **options: Any) -> None:
        super().__init__(host, **options)
        self._meter = meter
        self.response_class = functools.partial(_Response, meter=meter)  # type: ignore[assignment]
        self._create_connection = self._connect_within

    def connect(self) -> None:
        with self._meter.waiting():
            super().connect()

    def _connect_within(self, address: tuple[str, int], timeout: Any, source: Any = None) -> socket.socket:
        """Tries every address of a host, all of them together within the time for one."""
        found = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)
        problem: OSError = OSError("the host has no address")
        end = time.monotonic() + self._meter.timeout()
        for n, (*_, place) in enumerate(found):
            try:
                left = max(0.01, end - time.monotonic())
                sock = socket.create_connection((str(place[0]), address[1]), left / (len(found) - n), source)
            except OSError as error:
                problem = error
            else:
                sock.settimeout(max(0.01, end - time.monotonic()))  # for the handshake of TLS as a whole
                return sock
        raise problem


class _SecureConnection(_Connection, http.client.HTTPSConnection):
    pass


class _Handler(urllib.request.HTTPHandler, urllib.request.HTTPSHandler):
    """A handler of both schemes, over connections with a meter."""

    def __init__(self, meter: Meter) -> None:
        urllib.request.AbstractHTTPHandler.__init__(self)
        self._meter = meter

    def http_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(_Connection, req, meter=self._meter)  # type: ignore[arg-type]

    def https_open(self, req: urllib.request.Request) -> Any:
        made = _certificates()
        return self.do_open(_SecureConnection, req, meter=self._meter, context=made)  # type: ignore[arg-type]


@functools.lru_cache(maxsize=1)
def _certificates() -> ssl.SSLContext:
    """Gives the system's certificates; those of certifi on systems without any."""
    context = ssl.create_default_context()
    paths = ssl.get_default_verify_paths()
    folder = os.path.isdir(paths.capath or "") and os.listdir(paths.capath)
    if not context.get_ca_certs() and not folder:
        with suppress(ImportError):
            import certifi

            context.load_verify_locations(certifi.where())
    return context


class _Redirects(urllib.request.HTTPRedirectHandler):
    """A handler of a few redirects, by HTTP only, never from https to http; keeps the token where it belongs."""

    max_redirections, max_repeats = MAX_REDIRECTS, 2
    linked: Message | None = None  # the headers of the answer that announced the file, where that is a redirect

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request:
        if self.linked is None or "X-Linked-Etag" in headers:
            self.linked = headers
        old, new = urlsplit(req.full_url), urlsplit(newurl)
        if new.scheme not in ("http", "https") or not new.hostname or (old.scheme, new.scheme) == ("https", "http"):
            raise Unreachable(f"{shown(req.full_url)} sends us to '{clean(newurl)}', which is not followed.")
        kept = dict(req.headers)
        if _origin(new) not in (_origin(old), HUB_ORIGIN):
            kept.pop("Authorization", None)
        return urllib.request.Request(newurl, headers=kept, unverifiable=True)

    http_error_308 = urllib.request.HTTPRedirectHandler.http_error_302


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    return (parts.scheme, parts.hostname, parts.port)


def open_url(url: str, headers: Mapping[str, str], meter: Meter) -> Answer:
    """Sends a GET and gives the open answer, of status 200 or 206; `answer.linked` has the headers about a file.

    Raises:
        Missing: the server says that there is no such thing, or not for us.
        Unreachable: another try would end the same.
        Broken: another try may end otherwise.
    """
    meter.attempt()
    opener = urllib.request.OpenerDirector()
    redirects = _Redirects()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        _Handler(meter),
        urllib.request.HTTPDefaultErrorHandler(),
        redirects,
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    try:
        request = urllib.request.Request(url, headers={"User-Agent": "paddle-model-zoo", **headers})
        answer = opener.open(request, timeout=meter.timeout())
    except urllib.error.HTTPError as error:
        error.close()
        raise _status(url, error.code, error.headers) from None
    except urllib.error.URLError as error:
        raise _failure(url, error.reason) from None
    except (OSError, http.client.HTTPException, ValueError, OverflowError) as error:
        raise _failure(url, error) from None
    if answer.status not in (200, 206):
        answer.close()
        raise _status(url, answer.status, answer.headers)
    answer.linked = answer.headers if redirects.linked is None else redirects.linked
    return answer


def read(answer: Answer, count: int) -> bytes:
    """Reads some bytes of a body, at most `count`; none at its end.

    Raises:
        Broken: the connection broke, or is too slow.
    """
    try:
        return answer.read1(count)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise BrokenTransfer(_reason(error)) from None


def shown(url: str) -> str:
    """Gives an address as a message shows it: without the name and password that it may have."""
    try:
        parts = urlsplit(url)
        bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    except ValueError:
        bare = url
    return clean(bare, 200)


def _status(url: str, status: int, headers: Message) -> Exception:
    """Makes the exception for an answer that is none of 200 and 206."""
    if status in (401, 403, 404, 410):
        text = f"may not be read ({status})" if status in (401, 403) else f"does not exist ({status})"
        missing = Missing(f"{shown(url)} {text}.", "Is it public?" if status in (401, 403) else "")
        missing.code, missing.status = clean(headers.get("X-Error-Code") or "", 40), status
        return missing
    if status not in RETRY_STATUSES:
        return Unreachable(f"{shown(url)}: the server answered {status}.", "Is it the address of a hub?")
    wait = _retry_after(headers)
    broken = BrokenTransfer(
        f"the server answered {status}" + (f" and asks to wait {wait:,.0f} seconds" if wait else "")
    )
    broken.wait, broken.status = wait, status
    return broken


def _retry_after(headers: Message) -> float:
    """Gives the seconds of a Retry-After (a number or a date) or of the Hub's RateLimit; 0 where none."""
    text = (headers.get("Retry-After") or "").strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return float(text)
    with suppress(TypeError, ValueError, OverflowError):
        date = parsedate_to_datetime(text)
        date = date if date.tzinfo else date.replace(tzinfo=timezone.utc)
        return max(0.0, (date - datetime.now(timezone.utc)).total_seconds())
    limit = re.search(r"r\s*=\s*0\s*;\s*t\s*=\s*([0-9]{1,9})(?![0-9])", headers.get("RateLimit") or "")
    return float(limit[1]) if limit else 0.0


def _failure(url: str, problem: object) -> Exception:
    """Makes the exception for a request that had no answer."""
    hint = "Is this machine connected? A mirror is set with HF_ENDPOINT or MODELSCOPE_ENDPOINT."
    if isinstance(problem, ConnectionRefusedError | socket.gaierror | ssl.SSLCertVerificationError | str):
        return Unreachable(f"{shown(url)} cannot be reached: {clean(str(problem), 200)}.", hint)
    if isinstance(problem, http.client.InvalidURL | ValueError | OverflowError):  # its text may hold the token
        return Unreachable(f"{shown(url)} cannot be asked: the address, or the token, is not well formed.", hint)
    return BrokenTransfer(_reason(problem))


def _reason(problem: object) -> str:
    if isinstance(problem, TimeoutError):
        return "the server was silent for too long"
    if isinstance(problem, http.client.RemoteDisconnected):
        return "the server hung up without an answer"
    if isinstance(problem, http.client.IncompleteRead):
        return "the connection was cut"
    text = clean(str(problem))
    return f"{type(problem).__name__} ({text})" if text else type(problem).__name__
