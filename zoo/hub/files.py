"""Chooses the files of a repository that a model needs, and checks that they are what was announced."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from zoo import env
from zoo.checkpoint.weight_files import MODULE_WEIGHT_FILES, TOKEN_OUTPUT_FILES, WEIGHT_FILES
from zoo.errors import HubError
from zoo.files import clean, git_blob_name, parse_json, quote, read_bytes, read_json, read_object, sha256
from zoo.hub.names import check_files, leads_out

# Everything that is small: configuration, tokenizer, pooling modules, what the zoo itself writes.
SMALL_FILES = (
    "config.json",
    "model_config.json",
    "adapter_config.json",
    "configuration.json",
    "certificate.json",
    "task.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "dict.txt",
    "sentencepiece.bpe.model",
    "spiece.model",
    "modules.json",
    "config_sentence_transformers.json",
    "sentence_*_config.json",
    "[0-9]*_*/config.json",
    "*bert*/config.json",
    "LICENSE*",
)
MAX_DOCUMENT_BYTES = 256 << 20  # a tokenizer.json or an index
MODULES_FILE = "modules.json"  # of sentence-transformers: modules behind the network, some with weights


@dataclass(frozen=True)
class RemoteFile:
    """A file as its source announces it.

    Attributes:
        name: relative to the model's folder.
        size: bytes; None when the source does not say.
        sha256, blob: of the content, 64 hexadecimal digits, and git's name of it, 40; empty when not announced.
    """

    name: str
    size: int | None = None
    sha256: str = ""
    blob: str = ""

    @property
    def digest(self) -> str:
        """Gives the better one of the two digests, or ""."""
        return self.sha256 or self.blob


def choose(
    names: Iterable[str], kind: str, where: str, read: Callable[[str], Path], only: Sequence[str] = ()
) -> list[str]:
    """Gives the names of the files to fetch.

    Args:
        names: what the source has.
        kind: "weights" (everything a model needs) or "config" (everything but the weights).
        where: what an error calls the source.
        read: fetches a small file, for the index of a sharded checkpoint.
        only: the patterns of a card whose files have other names.

    Raises:
        HubError: there is no weight file that the zoo reads, a shard is missing, or a name is none for a file.
    """
    names = sorted(names)
    if outside := [n for n in names if leads_out(n)]:
        raise HubError(f"{where} lists the file {quote(outside[0])}, which lies outside of it.")
    folders = module_folders(read(MODULES_FILE)) if MODULES_FILE in names else []
    configs = {f"{folder}/config.json" for folder in folders}
    small = [n for n in names if n in configs or any(fnmatchcase(n, p) for p in SMALL_FILES)]
    check_files(small, where)
    if kind == "config" and small:
        return small
    if only:
        weights = [n for n in names if any(fnmatchcase(n, p) for p in only)]
    else:
        weights = [w for w in WEIGHT_FILES if w in names][:1] + _module_weights(names, folders)
        weights += [name for name in TOKEN_OUTPUT_FILES.values() if weights and name in names]
    if not weights:
        others = ", ".join(map(clean, names[:6])) + (", ..." if len(names) > 6 else "")
        raise NoWeights(
            f"{where} has no weight file that the zoo reads. It has: {others or 'nothing'}.",
            f"Files it reads: {', '.join(WEIGHT_FILES)}.",
        )
    if weights[0].endswith(".index.json"):
        shards = shards_of(read(weights[0]))
        if absent := sorted(set(shards) - set(names)):
            raise NoWeights(
                f"{where} lacks {clean(absent[0])}, one of the {len(shards)} parts that {weights[0]} names."
            )
        weights += shards
    wanted = list(dict.fromkeys(small + weights))
    check_files(wanted, where)
    return wanted


class NoWeights(HubError):
    """An error for files that are not there; in a cache it means that they were never downloaded."""


def module_folders(listing: Path) -> list[str]:
    """Gives the folders that a modules.json names, in its order; none where it is not a list of modules."""
    try:
        content = read_json(listing, error=HubError)
    except HubError:
        return []  # whoever loads the model says what is wrong with it
    entries = content if isinstance(content, list) else []
    paths = [entry.get("path") for entry in entries if isinstance(entry, dict)]
    return [path.rstrip("/") for path in paths if isinstance(path, str) and path]


def _module_weights(names: list[str], folders: list[str]) -> list[str]:
    numbered = [n.partition("/")[0] for n in names if fnmatchcase(n, "[0-9]*_*/*")]
    found = []
    for folder in dict.fromkeys([*folders, *numbered]):
        found += [n for w in MODULE_WEIGHT_FILES if (n := f"{folder}/{w}") in names][:1]
    return found


def shards_of(index: Path) -> list[str]:
    """Gives the file names in the index of a sharded checkpoint.

    Raises:
        HubError: the index is not one.
    """
    parts = read_object(index, limit=MAX_DOCUMENT_BYTES, error=HubError).get("weight_map")
    if not isinstance(parts, dict) or not parts:
        raise HubError(f"{index} is not the index of a sharded checkpoint.")
    if bad := [p for p in parts.values() if not isinstance(p, str) or "/" in p or leads_out(p)]:
        raise HubError(f"{index} names {quote(bad[0])}, which is not a file beside it.")
    return sorted(set(parts.values()))


def difference(path: Path, file: RemoteFile) -> str:
    """Gives what a file has other than announced, as the end of a sentence; "" when nothing."""
    size = path.stat().st_size
    if file.size is not None and size != file.size:
        return f"has {size:,} bytes, but {file.size:,} were announced."
    found = digest_like(path, file.digest)
    if found == file.digest:
        return ""
    kind = "sha256" if file.sha256 else "the blob name"
    return f"has {kind} {found}, but {file.digest} was announced."


def digest_like(path: Path, digest: str) -> str:
    """Gives a file's digest of the same kind as another one: sha256 (64 digits), git's blob name (40), or ""."""
    if len(digest) == 64:
        return sha256(path)
    return git_blob_name(path) if digest else ""


def foreign(path: Path, file: RemoteFile, kind: str = "") -> str:
    """Gives what a file without a digest is instead of itself, as the end of a sentence; "" when nothing is odd.

    Args:
        kind: the Content-Type that came with it.
    """
    if file.digest:
        return ""
    with open(path, "rb") as stream:
        start = stream.read(256).lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")) or kind.lower().startswith("text/html"):
        return "is a web page."
    if start.startswith(b"version https://git-lfs"):
        return "is a pointer of Git LFS, not the file itself."
    if file.name.endswith(".json"):
        try:
            parse_json(read_bytes(path, MAX_DOCUMENT_BYTES, HubError), "it", error=HubError)
        except HubError as error:
            return f"is no JSON: {clean(error.message, 200)}"
    return ""


def verify(path: Path, file: RemoteFile, where: str) -> None:
    """Compares a file with what was announced or pinned; the outcome is remembered.

    Raises:
        HubError: they differ.
    """
    if not file.digest and file.size is None:
        return
    with disk_errors(path.parent):
        note, stamp = _note(path, file.digest)
        if file.digest and _noted(note) == stamp and file.size in (None, path.stat().st_size):
            return
        wrong = difference(path, file)
    if wrong:
        raise WrongDigest(
            f"{path.name} of {where} {wrong}",
            f"The file is {path}. Delete it and try again; if it stays so, do not use it.",
        )
    remember(path, file)


def remember(path: Path, file: RemoteFile) -> None:
    """Notes that a file is as announced, so that the next `verify` need not read it."""
    if file.digest:
        with suppress(OSError):  # a read-only home only costs the next check its time
            note, stamp = _note(path, file.digest)
            note.parent.mkdir(parents=True, exist_ok=True)
            note.write_text(stamp)


def _note(path: Path, digest: str) -> tuple[Path, str]:
    state = path.stat()
    return env.home() / "verified" / digest, f"{state.st_size} {state.st_mtime_ns}"


def _noted(note: Path) -> str:
    try:
        with open(note, "rb") as stream:
            return stream.read(100).decode("ascii")
    except (OSError, ValueError):
        return ""


class WrongDigest(HubError):
    """An error for a file that is not what was announced."""


def check_inside(path: Path, root: Path) -> None:
    """Looks where a file would be written.

    Raises:
        HubError: a link on the way leads out of the cache.
    """
    real, base = os.path.realpath(path.parent), os.path.realpath(root)
    if os.path.commonpath((real, base)) != base:
        raise HubError(f"{quote(str(path), 200)} is by a link in {quote(real, 200)}, outside of the cache.")


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turns what a disk refuses into a sentence about a folder of a cache.

    Raises:
        HubError: the disk is full, or the folder cannot be used.
    """
    variable = "ZOO_HOME" if folder.is_relative_to(env.home()) else "HF_HOME"
    try:
        yield
    except OSError as problem:
        where, why = quote(str(folder), 200), problem.strerror or type(problem).__name__
        if problem.errno in (errno.ENOSPC, errno.EDQUOT):
            raise HubError(f"The disk is full: {where}.", f"Free some space, or set {variable}.") from None
        raise HubError(f"{where} cannot be written to: {why}.", f"Set {variable} to a folder of yours.") from None
