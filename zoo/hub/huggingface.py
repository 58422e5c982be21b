"""Fetches from the Hugging Face Hub and its mirrors, into the cache that huggingface_hub and transformers share.

The files come by our own client, because huggingface_hub makes paths from what a server says (the commit in
X-Repo-Commit, the name of a blob in an ETag) and has no bound on how long it waits. From it comes the user's token.

    models--<org>--<name>/refs/<revision>              the commit that a branch or tag meant
    models--<org>--<name>/snapshots/<commit>/<file>    links to
    models--<org>--<name>/blobs/<digest>               sha256 of a large file, git's blob name of a small one
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from email.message import Message
from pathlib import Path
from urllib.parse import quote as escape

from zoo import env
from zoo.errors import HubError
from zoo.files import Fields, git_blob_name, quote, sha256_of
from zoo.hub.files import RemoteFile, check_inside, difference, disk_errors
from zoo.hub.http import download, get_json
from zoo.hub.names import COMMIT_PATTERN, commit, digest
from zoo.hub.place import Place, files_in, locked
from zoo.hub.transport import Missing, Unreachable

log = logging.getLogger("zoo")
LOGIN_HINT = "log in: `hf auth login`, or set HF_TOKEN."
PART_SUFFIX = ".zoo.incomplete"
STALE_SECONDS = 7 * 24 * 3600  # after which a part that nobody finished is thrown away
MAX_FILES, MAX_FILE_BYTES = 100_000, 1 << 50


class HubPlace(Place):
    """A repository of the Hub, at the branch, tag or commit of its source."""

    @property
    def _root(self) -> Path:
        return env.hub_cache() / f"models--{self.name.replace('/', '--')}"

    @property
    def _revision(self) -> str:
        return self.source.revision or "main"

    @property
    def _shown(self) -> str:
        return f"{self.name} on {env.hub_endpoint()}"

    def folder(self) -> Path:
        return self._root / "snapshots" / self.commit

    def listing(self) -> dict[str, RemoteFile]:
        address = f"{env.hub_endpoint()}/api/models/{escape(self.name)}/revision/{escape(self._revision, safe='')}"
        with self._explained():
            answer = get_json(f"{address}?blobs=true", _headers())
        fields = listing_fields(answer, self._shown)
        self.commit = commit(fields.text("sha", ""), self._shown)
        if COMMIT_PATTERN.fullmatch(self._revision) and self.commit != self._revision:
            raise HubError(f"{self._shown} was asked for {self._revision} and names {self.commit}.")
        entries = fields.items("siblings", [], dict, MAX_FILES)
        return by_name((_remote(entry, self._shown) for entry in entries), self._shown)

    def local(self) -> dict[str, RemoteFile]:
        self.commit = self._revision if COMMIT_PATTERN.fullmatch(self._revision) else self._branch()
        found = files_in(self.folder()) if self.commit else {}
        return {name: self._named(file) for name, file in found.items()}

    def _branch(self) -> str:
        """Gives the commit that a branch or tag meant when it was asked for last; "" when it never was."""
        try:
            with open(self._root / "refs" / self._revision, "rb") as stream:
                text = stream.read(100).decode("ascii").strip()
        except (OSError, ValueError):
            return ""
        return text if COMMIT_PATTERN.fullmatch(text) else ""

    def _named(self, file: RemoteFile) -> RemoteFile:
        """Gives the file with the digest that its blob's name says."""
        blob = Path(os.path.realpath(self.path(file.name)))
        said = digest(blob.name) if blob.parent.name == "blobs" else ""
        return replace(file, sha256=said) if len(said) == 64 else replace(file, blob=said)

    def fetch(self, file: RemoteFile) -> Path:
        target, blobs = self.path(file.name), self._root / "blobs"
        key = file.digest or sha256_of([f"{self.commit}/{file.name}".encode()])[:32]
        with disk_errors(self._root):
            check_inside(target, self._root)
            target.parent.mkdir(parents=True, exist_ok=True)
            blobs.mkdir(parents=True, exist_ok=True)
            with locked(blobs / key):
                blob = blobs / key
                if not file.digest or not blob.is_file() or difference(blob, file):
                    blob = self._download(file, blobs, key)
                _link(blob, target)
        return target

    def _download(self, file: RemoteFile, blobs: Path, key: str) -> Path:
        url = f"{env.hub_endpoint()}/{escape(self.name)}/resolve/{self.commit}/{escape(file.name)}"
        part = blobs / f".{key}{PART_SUFFIX}"
        with self._explained(file.name):
            what = f"{file.name} of {self.name}"
            known = download(url, part, file, what, self.meter, headers=_headers(), announced=_announced)
        blob = blobs / (known.digest or git_blob_name(part))
        os.replace(part, blob)
        return blob

    def finish(self) -> None:
        """Notes which commit a branch or tag meant, so that the name works offline too; tidies up."""
        with suppress(OSError):  # a cache that may only be read
            if self._revision != self.commit and self._branch() != self.commit:
                ref = self._root / "refs" / self._revision
                check_inside(ref, self._root)
                ref.parent.mkdir(parents=True, exist_ok=True)
                partial = ref.with_name(f".{ref.name}.{os.getpid()}")
                partial.write_text(self.commit, "ascii")
                os.replace(partial, ref)
            for part in (self._root / "blobs").glob(f".*{PART_SUFFIX}*"):
                if time.time() - part.stat().st_mtime > STALE_SECONDS:
                    part.unlink()

    @contextmanager
    def _explained(self, file: str = "") -> Iterator[None]:
        """Turns the Hub's refusals into our words."""
        page = f"{env.hub_endpoint()}/{self.name}"
        try:
            yield
        except Missing as error:
            if error.code == "GatedRepo":
                raise Missing(
                    f"{self._shown} asks its users to accept its conditions first.",
                    f"Accept them on {page}, then {LOGIN_HINT}",
                ) from None
            if error.code == "RevisionNotFound":
                raise Missing(f"{self._shown} has no revision {quote(self._revision)}.", f"See {page}.") from None
            if file and error.status in (404, 410) and error.code != "RepoNotFound":
                raise Missing(f"{self._shown} has no file {file}.") from None
            if error.status == 403:
                raise Missing(
                    f"{file or 'It'} may not be read (403): {self._shown}.", f"L{LOGIN_HINT[1:]}"
                ) from None
            raise Missing(
                f"There is no {self._shown}, or it is private.",
                f"Check the spelling; for a private repository {LOGIN_HINT}",
            ) from None


def _headers() -> Mapping[str, str]:
    """Gives the user's token, if any. (`build_hf_headers` would ask the hub something of its own.)"""
    from huggingface_hub import get_token

    if env.flag("HF_HUB_DISABLE_IMPLICIT_TOKEN"):
        return {}
    try:
        token = get_token()
    except Exception as error:  # a login that ran out, of whichever kind
        log.warning("The token of the Hugging Face Hub cannot be used (%s).", type(error).__name__)
        return {}
    return {"Authorization": f"Bearer {token}"} if token else {}


def listing_fields(answer: object, where: str) -> Fields:
    """Gives the fields of a listing.

    Raises:
        Unreachable: it is no object.
    """
    if not isinstance(answer, dict):
        raise Unreachable(f"{where} answers with {quote(answer)}, which is no listing.", "Is it a hub?")
    return Fields(answer, where, Unreachable)


def by_name(files: Iterator[RemoteFile], where: str) -> dict[str, RemoteFile]:
    """Gives the files of a listing, by name.

    Raises:
        Unreachable: one has no name, or is listed twice with different contents.
    """
    found: dict[str, RemoteFile] = {}
    for file in files:
        if not file.name or found.setdefault(file.name, file) != file:
            raise Unreachable(f"{where} lists {quote(file.name)} twice or without a name.", "Is it a hub?")
    return found


def listed_digest(fields: Fields, name: str, digits: int) -> str:
    """Gives a digest of a listing; "" when there is none.

    Raises:
        Unreachable: it is something else.
    """
    text = fields.text(name, "").lower()
    if text and not re.fullmatch(f"[0-9a-f]{{{digits}}}", text):
        raise Unreachable(f"{fields.source} has {name}={quote(text)}, which is no digest.", "Is it a hub?")
    return text


def _remote(entry: Mapping[str, object], where: str) -> RemoteFile:
    fields = Fields(entry, where, Unreachable)
    name, size = fields.text("rfilename", ""), fields.whole("size", None, high=MAX_FILE_BYTES)
    if "lfs" in fields:  # then size and blob may be those of a pointer
        large = fields.below("lfs")
        return RemoteFile(name, large.whole("size", size, high=MAX_FILE_BYTES), listed_digest(large, "sha256", 64))
    return RemoteFile(name, size, blob=listed_digest(fields, "blobId", 40))


def _announced(file: RemoteFile, headers: Message) -> RemoteFile:
    """Adds to a file what the headers of the Hub say of it and its listing did not."""
    said = "" if file.digest else digest(headers.get("X-Linked-Etag") or headers.get("ETag") or "")
    size = headers.get("X-Linked-Size") or ""
    if file.size is None and re.fullmatch(r"[0-9]{1,15}", size):
        file = replace(file, size=int(size))
    return replace(file, sha256=said) if len(said) == 64 else replace(file, blob=file.blob or said)


def _link(blob: Path, target: Path) -> None:
    """Makes `target` a relative link to a blob; where there are no links the blob moves there."""
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        os.symlink(os.path.relpath(blob, target.parent), partial)
    except (OSError, NotImplementedError):
        os.replace(blob, target)
        return
    try:
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)
