"""Plain HTTP for the places that huggingface_hub does not serve: resume, retries, digests, atomic publish."""

from __future__ import annotations

import errno
import hashlib
import http.client
import json
import os
import shutil
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from zoo.cli import Progress, size
from zoo.errors import HubError

TRIES = 5
PAUSE = 1.0  # seconds before the second try, doubled each time
TIMEOUT = 30.0
CHUNK = 1 << 20
T = TypeVar("T")


class Unreachable(HubError):
    """Nobody answers, or the server is broken for now: another source or the cache may help."""


class Missing(HubError):
    """The server answered that there is no such thing, or not for this user."""


class Broken(Exception):
    """A try that failed in a way that another try may mend."""


def with_retries(action: Callable[[], T], what: str, tries: int = TRIES) -> T:
    """Calls `action` until it does not raise `Broken`.

    Raises:
        Unreachable: it was still broken at the last try.
    """
    for turn in range(tries):
        try:
            return action()
        except Broken as broken:
            reason = broken
        if turn < tries - 1:
            time.sleep(PAUSE * 2**turn)
    raise Unreachable(
        f"{what}: {reason}, {tries} times in a row.", "Try again later; a cut download goes on where it stopped."
    )


def get_json(url: str) -> Any:
    """A small JSON document.

    Raises:
        HubError: it could not be had, or the answer is not JSON.
    """

    def once() -> Any:
        with _open(url, {}) as answer:
            return json.loads(_read(answer))

    try:
        return with_retries(once, url)
    except ValueError:
        raise Unreachable(f"{url} did not answer with JSON.", "Is a proxy or a login page in between?") from None


def download(url: str, target: Path, *, total: int = 0, sha256: str = "") -> str:
    """Fetches a file; `target` appears only when it is complete and its digest is right.

    A download that was cut goes on where it stopped if the server can tell that the file is still the same one
    (by its ETag), or if we know its digest beforehand.

    Args:
        url: address.
        target: where the file goes.
        total: bytes expected, 0 when not known.
        sha256: digest expected, empty when not known.

    Returns:
        The sha256 of the file.

    Raises:
        HubError: nothing was written to `target`.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    with Progress(target.name, total) as progress:
        with_retries(lambda: _fetch(url, part, total, sha256, progress), url)
    digest = file_sha256(part)
    if sha256 and digest != sha256:
        part.unlink()
        raise HubError(
            f"{url} has sha256 {digest}, but {sha256} was announced. The download was thrown away.",
            "Try again; if it stays so, the file was replaced or a proxy alters it: do not use it.",
        )
    os.replace(part, target)
    part.with_suffix(".etag").unlink(missing_ok=True)
    return digest


def _fetch(url: str, part: Path, total: int, sha256: str, progress: Progress) -> None:
    """One try: appends to `part` where the server allows it, else starts again."""
    etag_file = part.with_suffix(".etag")
    etag = etag_file.read_text() if etag_file.exists() else ""
    have = part.stat().st_size if part.exists() and (etag or sha256) else 0
    if total and have == total:
        return
    headers = {"Range": f"bytes={have}-"} | ({"If-Range": etag} if etag else {}) if have else {}
    with _open(url, headers) as answer:
        if answer.status != 206:
            have = 0
        length = answer.headers.get("Content-Length")
        end = have + int(length) if length else total
        if total and end != total:
            raise Unreachable(f"{url} is {size(end)} long, but {size(total)} were announced.", "Try again later.")
        check_disk(part.parent, end - have)
        strong = answer.headers.get("ETag", "")
        etag_file.write_text("" if strong.startswith("W/") else strong)
        progress.total = end
        progress.to(have)
        with open(part, "ab" if have else "wb") as file:
            while chunk := _read(answer, CHUNK):
                _write(file, chunk)
                progress.add(len(chunk))
    if end and part.stat().st_size != end:
        raise Broken(f"the connection was cut after {size(part.stat().st_size)} of {size(end)}")


def _write(file: Any, chunk: bytes) -> None:
    try:
        file.write(chunk)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise HubError(f"the disk of {file.name} is full.", "Free some space, or set ZOO_HOME.") from None
        raise HubError(f"{file.name} cannot be written: {error.strerror}.") from None


def check_disk(folder: Path, needed: int) -> None:
    """Stops before a download that would fill the disk.

    Raises:
        HubError: fewer than `needed` bytes are free.
    """
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise HubError(
            f"{size(needed)} are needed and {size(free)} are free on the disk of {folder}.",
            "Free some space, or put the caches elsewhere: set ZOO_HOME and HF_HOME.",
        )


def _open(url: str, headers: dict[str, str]) -> Any:
    """An open response, or one of `Missing`, `Unreachable`, `Broken`."""
    request = urllib.request.Request(url, headers={"User-Agent": "paddle-model-zoo", **headers})
    try:
        return urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in (401, 403):
            raise Missing(f"{url} may not be read ({error.code}).", "Is it public?") from None
        if error.code in (404, 410):
            raise Missing(f"{url} does not exist ({error.code}).") from None
        raise Broken(f"the server answered {error.code}") from None
    except urllib.error.URLError as error:
        if isinstance(error.reason, ConnectionRefusedError | socket.gaierror):
            raise Unreachable(f"{url} cannot be reached: {error.reason}.", "Is this machine connected?") from None
        raise Broken(str(error.reason)) from None
    except (OSError, http.client.HTTPException) as error:
        raise Broken(str(error) or type(error).__name__) from None


def _read(answer: Any, count: int = -1) -> bytes:
    try:
        return answer.read(count)
    except http.client.IncompleteRead as error:
        return error.partial
    except (OSError, http.client.HTTPException) as error:
        raise Broken(str(error) or type(error).__name__) from None


def file_sha256(path: Path) -> str:
    """Digest of a file, read once."""
    digest = hashlib.sha256()
    with open(path, "rb", buffering=0) as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
