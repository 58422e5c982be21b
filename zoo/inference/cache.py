"""Compiled networks on disk: $ZOO_HOME/compiled/<key>/, the graph's files and graph.json.

The key says everything that a graph comes from, so that an entry is right or not found: the weights, the config,
the head, the engine, versions, and the zoo's own code. A graph serves fp32 and bf16: both open the same files.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo import env, files
from zoo.errors import DiskError, ZooError
from zoo.files import Fields, clean, is_name, quote, read_object
from zoo.inference.graph import Graph
from zoo.version import __version__

if TYPE_CHECKING:
    from paddle import Tensor

    from zoo.models.common.base import Model

log = logging.getLogger("zoo")

FORMAT = 1
GRAPH_FILE = "graph.json"  # written last, and part of every entry
UNUSED_SECONDS = 30 * 86400  # seconds after which an entry that nobody opened goes
LEFTOVER_SECONDS = 86400  # seconds after which what a killed process left goes, where no lock tells that it is dead
WAIT_SECONDS = 60.0  # seconds to wait for another process that compiles the same
# Names in the cache: entries, what belongs to exports, and what is temporary (today's, and of older versions).
KEY_PATTERN = re.compile("[0-9a-f]{32}")
LEFTOVER_PATTERN = re.compile(r"\.([0-9a-f]{32}(?:\.compile)?)(\.zoo-tmp-.+|\.zoo-lock|\.tmp|\.old|\.lock|)")
KNOWN_PATTERN = re.compile(rf"\.known-{KEY_PATTERN.pattern}\.json")
CACHE_PATTERN = re.compile(
    rf"{KEY_PATTERN.pattern}|\.export-{KEY_PATTERN.pattern}|{KNOWN_PATTERN.pattern}|{LEFTOVER_PATTERN.pattern}"
)
GRAPH_PATTERN = re.compile(
    r"(model|source|step)\.(json|pdiparams|onnx|xml|bin)|graph\.json|\.zoo-files\.json(\.new)?"
)
CODE_FOLDERS = ("models", "inference")  # folders of the zoo that decide what a graph is


def folder() -> Path:
    """Where the entries are: $ZOO_HOME/compiled."""
    return env.home() / "compiled"


@contextmanager
def graph_of(
    model: Model, engine: str, versions: dict[str, str], write: Callable[[Any, Path], Graph]
) -> Iterator[tuple[Graph, bool]]:
    """The graph of a network for an engine, from the cache or new; for as long as the block lasts.

    Two processes that want the same graph make it once. A damaged entry is made again. Where the cache cannot be
    written the graph is temporary, with a warning.

    Args:
        model: the network; its weights as they are now.
        engine: whose graph.
        versions: of the packages that make and run it.
        write: makes the graph in an empty folder; an OSError of its own means that the disk is full.

    Yields:
        The graph, and whether it was in the cache.

    Raises:
        DiskError: no disk has room for the graph.
    """
    target = folder() / key_of(model, engine, versions)
    if found := entry(target.name):
        yield found, True
        return
    with ExitStack() as stack:
        try:
            made, was_there = _kept(target, model, write)
        except (OSError, ZooError) as problem:  # one of `write` comes again, and is the caller's
            made, was_there = _temporary(stack, model, write, problem), False
        yield made, was_there


def entry(key: str) -> Graph | None:
    """Gives an entry that is whole, None where there is none; from now on it counts as used today."""
    if not KEY_PATTERN.fullmatch(key) or (found := _read(folder() / key)) is None:
        return None
    _touch(found.folder)
    return found


def _kept(target: Path, model: Model, write: Callable[[Any, Path], Graph]) -> tuple[Graph, bool]:
    """A new entry, and whether another process made it meanwhile."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with files.lock(target.with_name(f"{target.name}.compile"), longest=WAIT_SECONDS):
        if found := _read(target):
            return found, True
        _clear(target)
        with files.publish(target, last=GRAPH_FILE) as work:
            made = write(model, work)
            content = {
                "format": FORMAT,
                "inputs": made.inputs,
                "outputs": made.outputs,
                "files": {file.name: _state(file) for file in sorted(work.iterdir())},
            }
            (work / GRAPH_FILE).write_text(json.dumps(content, indent=2) + "\n", "utf-8")
    _remove_unused(target)
    return replace(made, folder=target), False


def _temporary(stack: ExitStack, model: Model, write: Callable[[Any, Path], Graph], problem: Exception) -> Graph:
    """A graph that lasts as long as the stack, because of a problem with the cache."""
    reason = problem.message if isinstance(problem, ZooError) else f"{clean(str(problem), 200)}."
    try:
        made = write(model, Path(stack.enter_context(TemporaryDirectory(ignore_cleanup_errors=True))))
    except (OSError, ZooError) as error:
        if not isinstance(error, OSError | DiskError) and not isinstance(error.__cause__, OSError):
            raise  # of the network
        raise DiskError(f"{reason} The folder for temporary files has no room either.") from None
    log.warning("%s The network is compiled at every start; set ZOO_HOME to a folder that can be written.", reason)
    return made


def folder_of_export(digests: Mapping[str, str]) -> Path:
    """Where to keep what is found out about the files of an export, which may lie in a folder for reading only."""
    name = hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()[:32]
    return folder() / f".export-{name}"


def key_of(model: Model, engine: str, versions: dict[str, str]) -> str:
    """The name of an entry: 32 hexadecimal digits."""
    from zoo.models.common.base import TaskModel

    head = model.head.identity if isinstance(model, TaskModel) else {}
    source = {
        "format": FORMAT,
        "engine": engine,
        "network": f"{type(model).__module__}.{type(model).__name__}",
        "task": model.task,
        "head": head,
        "config": model.config.to_dict(),
        "weights": weights_digest(model),
        "code": [_code(), *_foreign_code(model)],
        "versions": {"zoo": __version__, **versions},
    }
    return hashlib.sha256(json.dumps(source, sort_keys=True, default=str).encode()).hexdigest()[:32]


def weights_digest(model: Model) -> str:
    """Of the names, types, shapes and values of a network's tensors, as they are in memory now."""
    tensors = model.state_dict()
    with ThreadPoolExecutor(env.threads()) as pool:
        digests = pool.map(_tensor_digest, tensors.values())
        lines = [f"{name} {digest}" for name, digest in zip(tensors, digests, strict=True)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _tensor_digest(tensor: Tensor) -> str:
    where = tensor.detach()
    values = (
        np.from_dlpack(where) if where.place.is_cpu_place() and "float32" in str(where.dtype) else where.numpy()
    )
    digest = hashlib.sha256(np.ascontiguousarray(values).data)
    return f"{tensor.dtype} {list(tensor.shape)} {digest.hexdigest()}"


@lru_cache(maxsize=1)
def _code() -> str:
    root = Path(__file__).parents[1]
    return _files_digest(file for name in CODE_FOLDERS for file in sorted((root / name).rglob("*.py")))


def _foreign_code(model: Model) -> list[str]:
    """Of the modules outside of the zoo that a user's own layers come from."""
    modules = {type(layer).__module__ for layer in model.sublayers(include_self=True)}
    names = sorted(name for name in modules if name.partition(".")[0] not in ("zoo", "paddle"))
    files = [getattr(sys.modules.get(name), "__file__", None) for name in names]
    return [_files_digest(Path(file) for file in files if file)]


def _files_digest(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _read(entry: Path) -> Graph | None:
    """An entry that is whole, or None."""
    try:
        about = Fields(read_object(entry / GRAPH_FILE), quote(str(entry / GRAPH_FILE), 200))
        states = about.object("files", {})
        whole = about.whole("format", 0) == FORMAT and all(
            is_name(name) and _is_as_it_was(entry / name, state) for name, state in states.items()
        )
        inputs, outputs = (tuple(about.items(name, [], str, 100)) for name in ("inputs", "outputs"))
        return Graph(entry, inputs, outputs) if whole and states else None
    except (OSError, ZooError, KeyError, TypeError):
        return None


def _state(file: Path) -> dict[str, Any]:
    stat = file.stat()
    return {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "sha256": files.sha256(file)}


def _is_as_it_was(file: Path, state: dict[str, Any]) -> bool:
    """By size and time, and where only the time differs (a copied cache) by the digest."""
    stat = file.stat()
    if stat.st_size != state["size"]:
        return False
    return stat.st_mtime_ns == state["mtime_ns"] or files.sha256(file) == state["sha256"]


def _touch(entry: Path) -> None:
    try:
        os.utime(entry / GRAPH_FILE)
    except OSError:  # another user's, or read-only
        log.debug("%s cannot be touched", entry)


def _clear(entry: Path) -> None:
    """Removes a damaged entry: of a folder that bears a key, the files that bear the names of ours."""
    if entry.is_dir() and not entry.is_symlink():
        for file in entry.iterdir():
            if GRAPH_PATTERN.fullmatch(file.name):
                file.unlink()


def _remove_unused(kept: Path) -> None:
    """Entries that nobody opened for long, and what killed processes left. What cannot be removed stays."""
    now, paths = time.time(), list(kept.parent.iterdir())
    for name in {found[1] for path in paths if (found := LEFTOVER_PATTERN.fullmatch(path.name))}:
        files.remove_leftovers(kept.with_name(name))
    for path in paths:
        try:
            about = path / GRAPH_FILE if KEY_PATTERN.fullmatch(path.name) else path
            old = LEFTOVER_SECONDS if LEFTOVER_PATTERN.fullmatch(path.name) else UNUSED_SECONDS
            if path == kept or not CACHE_PATTERN.fullmatch(path.name) or now - about.lstat().st_mtime <= old:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.is_file() and (LEFTOVER_PATTERN.fullmatch(path.name) or KNOWN_PATTERN.fullmatch(path.name)):
                path.unlink()
        except OSError as error:
            log.debug("%s stays: %s", path, error)
