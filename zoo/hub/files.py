"""Which files of a repository a model needs, and whether they are what was announced."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from zoo import env
from zoo.errors import HubError
from zoo.files import read_json
from zoo.hub.http import file_sha256

# Everything that is small: configuration, tokenizer, pooling modules, what the zoo itself writes.
SMALL = (
    "config.json",
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
# One of these is taken, the first that is there: files that run no code when they are opened come first.
WEIGHTS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "palm_model.pt",
    "model.pt",
    "model_state.pdparams",
)
# What follows the network of a sentence-transformers model, each module in a folder, some with weights.
MODULES = "modules.json"
MODULE_WEIGHTS = ("model.safetensors", "pytorch_model.bin")


@dataclass(frozen=True)
class RemoteFile:
    """A file as its source announces it; `size` 0 and `sha256` empty when the source does not say."""

    name: str
    size: int = 0
    sha256: str = ""


def choose(
    names: Iterable[str], kind: str, where: str, read: Callable[[str], Path], only: Sequence[str] = ()
) -> list[str]:
    """The names of the files to fetch.

    Args:
        names: what the source has.
        kind: "weights" (everything a model needs) or "config" (everything but the weights).
        where: what an error calls the source.
        read: fetches a small file, for the index of a sharded checkpoint.
        only: the patterns of a card whose files have other names.

    Raises:
        HubError: there is no weight file that the zoo reads, or a shard is missing.
    """
    names = sorted(names)
    if outside := [n for n in names if n.startswith("/") or ".." in n.split("/")]:
        raise HubError(f"{where} lists the file '{outside[0]}', which lies outside of it.")
    folders = module_folders(read(MODULES)) if MODULES in names else []
    small = [n for n in names if any(fnmatchcase(n, p) for p in SMALL)]
    small += [n for f in folders if (n := f"{f}/config.json") in names]
    if kind == "config" and small:
        return small
    if only:
        weights = [n for n in names if any(fnmatchcase(n, p) for p in only)]
    else:
        weights = [w for w in WEIGHTS if w in names][:1] + _module_weights(names, folders)
    if not weights:
        others = ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")
        raise NoWeights(
            f"{where} has no weight file that the zoo reads. It has: {others or 'nothing'}.",
            f"Files it reads: {', '.join(WEIGHTS)}.",
        )
    if weights[0].endswith(".index.json"):
        shards = shards_of(read(weights[0]))
        if absent := [s for s in shards if s not in names]:
            raise NoWeights(f"{where} lacks {absent[0]}, one of the {len(shards)} parts that {weights[0]} names.")
        weights += shards
    return list(dict.fromkeys([*small, *weights]))


class NoWeights(HubError):
    """The files are not there; in a cache it means that they were never downloaded."""


def module_folders(listing: Path) -> list[str]:
    """The folders that a modules.json names, in its order; none where it is not a list of modules."""
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
        found += [n for w in MODULE_WEIGHTS if (n := f"{folder}/{w}") in names][:1]
    return found


def shards_of(index: Path) -> list[str]:
    """File names in the index of a sharded checkpoint.

    Raises:
        HubError: the index is not one.
    """
    try:
        parts = sorted(set(json.loads(index.read_text("utf-8"))["weight_map"].values()))
    except (ValueError, KeyError, AttributeError, TypeError):
        raise HubError(f"{index} is not the index of a sharded checkpoint.") from None
    if bad := [p for p in parts if not isinstance(p, str) or "/" in p or "\\" in p]:
        raise HubError(f"{index} names {bad[0]!r}, which is not a file beside it.")
    return parts


def verify(path: Path, sha256: str, where: str) -> None:
    """Compares a file with the digest that was announced or pinned; the outcome is remembered.

    Raises:
        HubError: they differ.
    """
    if not sha256:
        return
    state = path.stat()
    note = env.home() / "verified" / sha256
    stamp = f"{state.st_size} {state.st_mtime_ns}"
    if note.exists() and note.read_text() == stamp:
        return
    digest = file_sha256(path)
    if digest != sha256:
        raise WrongDigest(
            f"{path.name} of {where} has sha256 {digest}, but {sha256} was announced.",
            f"The file is {path}. Delete it and try again; if it stays so, do not use it.",
        )
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(stamp)
    except OSError:
        return  # a read-only home only costs the next check its time


class WrongDigest(HubError):
    """A file that is not what was announced."""


def remove(path: Path) -> None:
    """Removes a file, and what it links to in a cache of blobs."""
    target = Path(os.path.realpath(path))
    path.unlink(missing_ok=True)
    target.unlink(missing_ok=True)
