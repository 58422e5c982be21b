"""Compiled networks on disk: $ZOO_HOME/compiled/<key>/, the graph's files and graph.json.

The key says everything that a graph comes from, so that an entry is right or not found: the weights, the config,
the head, the engine, versions, and the zoo's own code. A graph serves fp32 and bf16: both open the same files.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from filelock import FileLock
from paddle import Tensor

from zoo import __version__, env, files
from zoo.inference.static import Graph
from zoo.models.common.base import Model, TaskModel

log = logging.getLogger("zoo")

FORMAT = 1
ABOUT = "graph.json"  # written last, and part of every entry
UNUSED = 30 * 86400  # seconds after which an entry that nobody opened goes
CODE = ("models", "inference")  # folders of the zoo that decide what a graph is


def folder() -> Path:
    """Where the entries are: $ZOO_HOME/compiled."""
    return env.home() / "compiled"


@contextmanager
def graph_of(
    model: Model, engine: str, versions: dict[str, str], write: Callable[[Any, Path], Graph]
) -> Iterator[tuple[Graph, bool]]:
    """The graph of a network for an engine, from the cache or new; for as long as the block lasts.

    Two processes that want the same graph make it once. A damaged entry is made again. Where nothing can be written
    the graph is temporary, with a warning.

    Args:
        model: the network; its weights as they are now.
        engine: whose graph.
        versions: of the packages that make and run it.
        write: makes the graph in an empty folder.

    Yields:
        The graph, and whether it was in the cache.
    """
    target = folder() / key_of(model, engine, versions)
    if found := _read(target):
        _touch(target)
        yield found, True
        return
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        writable = os.access(target.parent, os.W_OK)
    except OSError:
        writable = False
    if not writable:
        log.warning("%s cannot be written: the network is compiled at every start; set ZOO_HOME.", target.parent)
        with TemporaryDirectory() as work:
            yield write(model, Path(work)), False
        return
    with FileLock(target.parent / f".{target.name}.compile"):
        found = _read(target)  # another process was faster
        made = found or _write(target, model, write)
    yield made, found is not None


def key_of(model: Model, engine: str, versions: dict[str, str]) -> str:
    """The name of an entry: 32 hexadecimal digits."""
    head = model.head.options if isinstance(model, TaskModel) else {}
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
    return _files_digest(file for name in CODE for file in sorted((root / name).rglob("*.py")))


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


def _write(target: Path, model: Model, write: Callable[[Any, Path], Graph]) -> Graph:
    with files.publish(target, last=ABOUT) as work:
        made = write(model, work)
        content = {
            "format": FORMAT,
            "inputs": made.inputs,
            "outputs": made.outputs,
            "files": {file.name: _state(file) for file in sorted(work.iterdir())},
        }
        (work / ABOUT).write_text(json.dumps(content, indent=2) + "\n", "utf-8")
    _remove_unused(target)
    return replace(made, folder=target)


def _read(entry: Path) -> Graph | None:
    """An entry that is whole, or None."""
    try:
        content = json.loads((entry / ABOUT).read_text("utf-8"))
        whole = content["format"] == FORMAT and all(
            _is_as_it_was(entry / name, state) for name, state in content["files"].items()
        )
        return Graph(entry, tuple(content["inputs"]), tuple(content["outputs"])) if whole else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _state(file: Path) -> dict[str, Any]:
    stat = file.stat()
    return {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "sha256": file_digest(file)}


def _is_as_it_was(file: Path, state: dict[str, Any]) -> bool:
    """By size and time, and where only the time differs (a copied cache) by the digest."""
    stat = file.stat()
    if stat.st_size != state["size"]:
        return False
    return stat.st_mtime_ns == state["mtime_ns"] or file_digest(file) == state["sha256"]


def file_digest(file: Path) -> str:
    """sha256 of a file's bytes."""
    digest = hashlib.sha256()
    with open(file, "rb", buffering=0) as stream:
        while block := stream.read(1 << 24):
            digest.update(block)
    return digest.hexdigest()


def _touch(entry: Path) -> None:
    try:
        os.utime(entry / ABOUT)
    except OSError:  # another user's, or read-only
        log.debug("%s cannot be touched", entry)


def _remove_unused(kept: Path) -> None:
    """Entries that nobody opened for long. What cannot be removed stays."""
    for about in kept.parent.glob(f"*/{ABOUT}"):
        try:
            if about.parent != kept and time.time() - about.stat().st_mtime > UNUSED:
                shutil.rmtree(about.parent)
        except OSError as error:
            log.debug("%s stays: %s", about.parent, error)
