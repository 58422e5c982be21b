"""Downloads listings and files, with retries, resume and digests: a file is complete and checked, or absent."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from email.message import Message
from pathlib import Path
from typing import IO, TypeVar

from zoo.errors import HubError
from zoo.files import parse_json
from zoo.hub.files import RemoteFile, difference, disk_errors, foreign
from zoo.hub.meter import BrokenTransfer, Meter
from zoo.hub.transport import Answer, Unreachable, open_url, read, shown
from zoo.terminal import Progress, size

MAX_TRIES = 4  # in a row that brought nothing
PAUSE_SECONDS = 1.0  # before the second try, doubled each time
CHUNK_BYTES = 1 << 20  # read at once
MIN_PROGRESS_BYTES = 10**7  # of a file that is worth a bar
NO_SUCH_RANGE = 416
MAX_LISTING_BYTES = 16 << 20  # a listing
MAX_UNKNOWN_BYTES = 16 << 30  # a file whose size nobody says
PROXY_HINT = "Is a proxy or a login page in between?"
TRY_LATER_HINT = "Try again later; a cut download goes on where it stopped."
T = TypeVar("T")


def with_retries(action: Callable[[], T], what: str, meter: Meter) -> T:
    """Calls `action` until it does not raise `Broken`, as long as the meter has patience.

    Raises:
        Unreachable: it was still broken at the last try.
    """
    tries, got = 0, 0
    while True:
        tries += 1
        try:
            return action()
        except BrokenTransfer as broken:
            reason, wait = str(broken), broken.wait
        if meter.got >= got + CHUNK_BYTES:  # a server that cuts, but goes on from there
            tries, got = 1, meter.got
            meter.advanced()
        pause = wait or PAUSE_SECONDS * 2 ** (tries - 1)
        if tries >= MAX_TRIES or pause >= meter.left():
            raise Unreachable(
                f"{what}: {reason}{f', {tries} times in a row' if tries > 1 else ''}.", TRY_LATER_HINT
            )
        meter.failed(pause)
        time.sleep(pause)


def get_json(url: str, headers: Mapping[str, str] | None = None) -> object:
    """Gives a JSON document of at most MAX_LISTING_BYTES, within PATIENCE_SECONDS.

    Raises:
        Missing: there is none.
        Unreachable: it could not be had, or the answer is not JSON.
    """
    meter = Meter(renewed=False)

    def once() -> bytes:
        with open_url(url, headers or {}, meter) as answer:
            meter.expect(2 * MAX_LISTING_BYTES)  # pieces have a size in front
            text = bytearray()
            while piece := read(answer, CHUNK_BYTES):
                text += piece
                if len(text) > MAX_LISTING_BYTES:
                    raise Unreachable(
                        f"The answer of {shown(url)} has more than {size(MAX_LISTING_BYTES)}.", PROXY_HINT
                    )
            if (length := _length(answer)) is not None and len(text) < length:
                raise BrokenTransfer("the connection was cut")
            return bytes(text)

    text = with_retries(once, shown(url), meter)
    try:
        return parse_json(text, "It", error=HubError)
    except HubError as error:
        raise Unreachable(f"{shown(url)} did not answer with JSON. {error.message}", PROXY_HINT) from None


def download(
    url: str,
    part: Path,
    file: RemoteFile,
    what: str,
    meter: Meter,
    *,
    headers: Mapping[str, str] | None = None,
    announced: Callable[[RemoteFile, Message], RemoteFile] = lambda file, headers: file,
) -> RemoteFile:
    """Fetches a file to `part`; whoever calls moves it to where it is read from.

    A download that was cut goes on where it stopped if the server can tell that the file is still the same one
    (by its ETag), or if its digest is known beforehand. What is not as announced is thrown away.

    Args:
        url: address.
        part: where the bytes go; its folder exists. What an earlier call left there is used if possible.
        file: size and digest, as far as they are known.
        what: how messages call the file.
        meter: of all files of a model.
        headers: of the request.
        announced: adds what the headers of the answer say to what is known of the file.

    Returns:
        The file with what is known of it now.

    Raises:
        HubError: it could not be had, or is not what was announced.
    """
    job = _Job(url, part, file, what, meter, headers or {}, announced)
    quiet = file.size is not None and file.size < MIN_PROGRESS_BYTES
    with nullcontext() if quiet else Progress(file.name, file.size or 0) as progress:
        for last in (False, True):
            with_retries(lambda: job.fetch(progress), what, job.meter)
            wrong = difference(part, job.file) or foreign(part, job.file, job.kind)
            if not wrong or last or not job.resumed:
                break
            job.forget()
    if wrong:
        job.forget()
        raise HubError(
            f"{what} {wrong} The download was thrown away.",
            f"Try again. If it stays so, the file was replaced or something alters it: do not use it. {PROXY_HINT}",
        )
    job.etag_file.unlink(missing_ok=True)
    return job.file


class _Job:
    """One download over all of its tries."""

    def __init__(
        self,
        url: str,
        part: Path,
        file: RemoteFile,
        what: str,
        meter: Meter,
        headers: Mapping[str, str],
        announced: Callable[[RemoteFile, Message], RemoteFile],
    ) -> None:
        self.url, self.part, self.file, self.what = url, part, file, what
        self.meter, self.headers, self.announced = meter, headers, announced
        meter.begin()
        self.etag_file = part.with_name(f"{part.name}.etag")
        self.kind = ""  # the Content-Type
        self.resumed = False

    def forget(self) -> None:
        """Throws away what is here."""
        self.part.unlink(missing_ok=True)
        self.etag_file.unlink(missing_ok=True)
        self.resumed = False

    def fetch(self, progress: Progress | None) -> None:
        """Makes one try: appends to the part where the server allows it, else begins anew."""
        have, headers = self._resume()
        if have and have == self.file.size and self.file.digest:
            self.resumed = True
            return
        with self._open({**self.headers, **headers}) as answer:
            if answer.status == 206:
                self._check_range(answer, have)
            else:
                have = 0
            self.resumed = have > 0
            self.file, self.kind = self.announced(self.file, answer.linked), answer.headers.get("Content-Type", "")
            length = _length(answer)
            end = self._end(None if length is None else have + length)
            check_disk(self.part.parent, (end or 0) - have)
            tag = answer.headers.get("ETag", "")
            if tag and not self.file.digest and not tag.startswith("W/"):
                self.etag_file.write_text(tag[:200], "utf-8")
            else:
                self.etag_file.unlink(missing_ok=True)
            self._write(answer, have, end, progress)

    def _open(self, headers: Mapping[str, str]) -> Answer:
        try:
            return open_url(self.url, headers, self.meter)
        except BrokenTransfer as broken:
            if broken.status == NO_SUCH_RANGE:  # what is here is longer than what there is
                self.forget()
            raise

    def _resume(self) -> tuple[int, dict[str, str]]:
        """Gives the bytes that are here and can be gone on from, and the headers that ask for the rest."""
        try:
            etag = self.etag_file.read_text("utf-8")[:200]
            etag = etag if etag.isascii() and etag.isprintable() else ""
        except (OSError, ValueError):
            etag = ""
        have = self.part.stat().st_size if self.part.is_file() and (etag or self.file.digest) else 0
        if self.file.size is not None and have > self.file.size:
            self.forget()
            have = 0
        if not have:
            return 0, {}
        same = {} if self.file.digest or not etag else {"If-Range": etag}
        return have, {"Range": f"bytes={have}-", **same}

    def _check_range(self, answer: Answer, have: int) -> None:
        said = re.fullmatch(
            r"bytes ([0-9]{1,15})-([0-9]{1,15})/([0-9]{1,15}|\*)", answer.headers.get("Content-Range", "")
        )
        if not said or not have or int(said[1]) != have or int(said[2]) < have:
            self.forget()
            raise BrokenTransfer("the server sent another piece than the one that was asked for")

    def _end(self, end: int | None) -> int | None:
        """Gives the size of the whole file; None where nobody says it."""
        known = self.file.size
        if known is not None and end is not None and end != known:
            self.forget()
            raise Unreachable(f"{self.what} is {size(end)} long, but {size(known)} were announced.", PROXY_HINT)
        return end if known is None else known

    def _write(self, answer: Answer, have: int, end: int | None, progress: Progress | None) -> None:
        most = MAX_UNKNOWN_BYTES if end is None else end
        self.meter.expect(2 * max(0, most - have) + CHUNK_BYTES)
        say = progress.to if progress else lambda count: None
        if progress:
            progress.total = end or 0
        say(have)
        done = told = have
        with _open_part(self.part, have) as file:
            while not (done == end and self.file.digest) and (piece := read(answer, CHUNK_BYTES)):
                file.write(piece)
                done += len(piece)
                self.meter.got = max(self.meter.got, done)
                if done > most:
                    break
                if done - told >= CHUNK_BYTES:
                    say(told := done)
        say(done)
        if done > most:
            self.forget()
            raise Unreachable(f"{self.what} goes on after the {size(most)} that it should have.", PROXY_HINT)
        if end is not None and done < end:
            raise BrokenTransfer(f"the connection was cut after {size(done)} of {size(end)}")


def _open_part(part: Path, have: int) -> IO[bytes]:
    """Opens a part for writing behind the bytes that are here; never through a link."""
    flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    handle = os.open(part, flags | (os.O_APPEND if have else os.O_TRUNC), 0o666)
    return os.fdopen(handle, "ab" if have else "wb", buffering=CHUNK_BYTES)


def _length(answer: Answer) -> int | None:
    """Gives the Content-Length; None where there is none, or several, or no number."""
    said = set(answer.headers.get_all("Content-Length") or ())
    text = said.pop().strip() if len(said) == 1 else ""
    return int(text) if re.fullmatch(r"[0-9]{1,15}", text) and not answer.chunked else None


def check_disk(folder: Path, needed: int) -> None:
    """Stops before a download that would fill the disk.

    Raises:
        HubError: fewer than `needed` bytes are free.
    """
    with disk_errors(folder):
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        free = shutil.disk_usage(folder).free
    if needed > free:
        raise HubError(
            f"{size(needed)} are needed and {size(free)} are free on the disk of {folder}.",
            "Free some space, or put the caches elsewhere: set ZOO_HOME and HF_HOME.",
        )
