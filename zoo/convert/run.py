"""One conversion: resolve, open, plan, check, stream, verify, certify, publish."""

from __future__ import annotations

import json
import logging
import re
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from zoo import configs, env, files, hub, registry
from zoo.cards import Architecture, Card
from zoo.checkpoint import Checkpoint, open_checkpoint, target_infos, widen
from zoo.checkpoint import stream as stream_tensors
from zoo.checkpoint.rules import KeyMap, Plan, Step, TensorInfo, check_shapes
from zoo.cli import Progress, size
from zoo.convert import certificate as certificates
from zoo.convert.certificate import Certificate, FileStamp, Written, stamp
from zoo.convert.plan import current
from zoo.errors import CheckpointError, UsageError
from zoo.tokenization.load import FILES as TOKENIZER_FILES

log = logging.getLogger("zoo")

WEIGHTS = "model.safetensors"
# What sentence-transformers writes beside a model: its pooling, and its longest text.
SENTENCE_FILES = (
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "1_Pooling/config.json",
)
COMPANIONS = (*TOKENIZER_FILES, *SENTENCE_FILES)
COMMIT = re.compile(r"[0-9a-f]{40}")
Verify = Callable[..., Mapping[str, Any]]


@dataclass(frozen=True)
class Result:
    """What became of one name: status is "converted" or "already done"."""

    name: str
    target: Path
    status: str
    certificate: Certificate
    seconds: float


@dataclass(frozen=True)
class Upstream:
    """A published folder, opened and understood."""

    snapshot: hub.Snapshot
    config: Mapping[str, Any]
    family: str
    architecture: Architecture
    keymap: KeyMap

    @property
    def name(self) -> str:
        return self.snapshot.name

    @property
    def files(self) -> list[Path]:
        """config.json and the small files beside it; the weight files come from the checkpoint."""
        names = ("config.json", *COMPANIONS)
        return [self.snapshot.path / n for n in names if (self.snapshot.path / n).is_file()]


def understand(snapshot: hub.Snapshot) -> Upstream:
    """Reads a published folder's config.json and finds the key table for it.

    Raises:
        UsageError: the folder is a converted one.
        ConfigError, NotYetError: no family runs it, or not yet.
    """
    config = configs.read(snapshot.path)
    if "zoo" in config:
        raise UsageError(
            f"'{snapshot.name}' is converted already.", f"Load it as it is: zoo.load('{snapshot.name}')."
        )
    family, architecture = registry.family_of(config)
    keymap = import_module(f"{architecture.module}.keymap").KEYMAP.prefer(architecture.task)
    card = snapshot.card
    return Upstream(snapshot, config, card.family if card else family.name, architecture, keymap)


def different_from_card(config: Mapping[str, Any], card: Card | None) -> tuple[str, ...]:
    """Sizes in config.json that are not the card's. The file decides, but the reader should know."""
    if card is None:
        return ()
    differ = [k for k, v in card.config.items() if k in config and config[k] != v]
    return tuple(f"config.json has {k}={config[k]!r}, the card of {card.name} {card.config[k]!r}" for k in differ)


def finished(upstream: Upstream, target: Path, verify: bool) -> Certificate | None:
    """The certificate of an earlier conversion of the same files by the same rules; None when work is left."""
    old = current(target, verify)
    if old is None:
        return None
    folder = upstream.snapshot.path
    now = [folder / f.name for f in old.files]
    if not all(p.is_file() and p.stat().st_size == f.size for p, f in zip(now, old.files, strict=True)):
        return None
    return old if certificates.same_files((_stamp_in(folder, p) for p in now), old.files) else None


def finished_at_commit(name: str, target: Path, verify: bool) -> Certificate | None:
    """As `finished`, for a name that is pinned to a commit: a commit never changes, so nobody is asked."""
    sources = {(s.id, s.revision) for s in hub.refer(name).sources if COMMIT.fullmatch(s.revision)}
    old = current(target, verify) if sources else None
    return old if old and (old.source["id"], old.source["revision"]) in sources else None


def convert(name: str, target: Path, *, verify: Verify | None = None, stream: Any = None) -> Result:
    """Converts one checkpoint into `target`.

    Args:
        name: card, repository, or folder, see zoo.hub.
        target: folder to publish; appears whole or not at all.
        verify: compares the new folder with the original before it is published (conversion.verify.verify).
        stream: where progress goes; stderr by default.

    Raises:
        ZooError: what is wrong with the name, the files, the keys or the numbers. Nothing is published then.
    """
    started = time.monotonic()
    if old := finished_at_commit(name, target, verify is not None):
        return Result(old.name, target, "already done", old, time.monotonic() - started)
    upstream = understand(hub.resolve(name))
    source = upstream.snapshot.path.resolve()
    if target.resolve() == source or source in target.resolve().parents:
        raise UsageError(f"'{target}' is inside the source, which is never written to.", "Give another --out.")
    guard(target)
    if old := finished(upstream, target, verify is not None):
        return Result(upstream.name, target, "already done", old, time.monotonic() - started)
    notes = different_from_card(upstream.config, upstream.snapshot.card)
    for note in notes:
        log.warning("%s", note)
    try:
        with files.publish(target) as folder, open_checkpoint(source) as checkpoint:
            if old := finished(upstream, target, verify is not None):
                raise _DoneByAnother(old)
            done = _write(upstream, checkpoint, folder, notes, stream)
            if verify is not None:
                done = replace(done, parity=_compare(verify, upstream, folder, stream))
            done.write(folder)
    except _DoneByAnother as other:
        return Result(upstream.name, target, "already done", other.certificate, time.monotonic() - started)
    return Result(upstream.name, target, "converted", done, time.monotonic() - started)


class _DoneByAnother(Exception):
    """Another process published the same conversion while this one waited; leaves `publish` without publishing."""

    def __init__(self, certificate: Certificate) -> None:
        self.certificate = certificate


def _compare(verify: Verify, upstream: Upstream, folder: Path, stream: Any) -> dict[str, Any]:
    """Has a written folder compared with its original."""
    with open_checkpoint(folder / WEIGHTS) as written:
        names = set(written.infos)
    report = verify(
        upstream=upstream.snapshot.path,
        converted=folder,
        family=upstream.family,
        architecture=upstream.architecture.name,
        task=_task(upstream, names),
        keymap=upstream.keymap,
        names=names,
        say=lambda line: print(f"{upstream.name}: {line}", file=stream or sys.stderr, flush=True),
    )
    return dict(report)


def guard(target: Path) -> None:
    """Only a folder that this command wrote is replaced.

    Raises:
        UsageError: the target holds something else.
    """
    if target.is_file() or (
        target.is_dir() and any(target.iterdir()) and not (target / certificates.NAME).is_file()
    ):
        raise UsageError(f"'{target}' holds files that are not of a conversion; they stay.", "Give another --out.")


def _task(upstream: Upstream, names: set[str]) -> str | None:
    """The head of the file: the architecture's, if the file has its tensors."""
    task = upstream.architecture.task
    group = "seq2seq." if task == "generation" else f"{task}.".replace("-", "_")
    return task if any(n.startswith(group) for n in names) else None


def _embedding(upstream: Upstream) -> dict[str, Any]:
    """The pooling of a folder of sentence-transformers, whose own head has no weights."""
    from zoo.models.common.pooling import is_sentence_folder, sentence_options

    if upstream.architecture.task is not None or not is_sentence_folder(upstream.snapshot.path):
        return {}
    return {"task": "embedding", "options": sentence_options(upstream.snapshot.path)}


def _network() -> tuple[Any, Any]:
    """What knows a network's tensors. It imports paddle, which takes seconds (a dry run does without) and puts a
    signal handler of its own on SIGTERM; ours comes back."""
    handler = signal.getsignal(signal.SIGTERM)
    from zoo.loading import layout
    from zoo.models.common.weights import groups_of

    if callable(handler) and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)
    return layout, groups_of


def prepare(upstream: Upstream, checkpoint: Checkpoint) -> tuple[Plan, list[TensorInfo]]:
    """The plan of a conversion, and the tensors that it will write, in order.

    Raises:
        KeyRuleError: a key without a rule, or tensors that are not config.json's network.
    """
    plan = upstream.keymap.plan(checkpoint.infos)
    shapes = {name: info.shape for name, info in checkpoint.infos.items()}
    written = list(target_infos(plan, checkpoint).values())
    layout, groups_of = _network()
    groups = groups_of([i.name for i in written])
    expected = dict(layout(upstream.architecture, dict(upstream.config), groups))
    for name in set(upstream.keymap.optional) - {i.name for i in written}:
        expected.pop(name, None)
    expected |= {i.name: i.shape for i in written if i.name.startswith("unused.")}
    check_shapes(plan, shapes, expected)
    return plan, written


def _write(
    upstream: Upstream, checkpoint: Checkpoint, folder: Path, notes: tuple[str, ...], stream: Any
) -> Certificate:
    """Writes weights, config.json and the tokenizer's files into the folder; returns the certificate."""
    plan, written = prepare(upstream, checkpoint)
    total = sum(int(np.prod(i.shape)) * (8 if i.dtype.endswith("64") else 4) for i in written)
    if (free := shutil.disk_usage(folder).free) < total:
        raise CheckpointError(
            f"'{folder.parent}' has {size(free)} left and {size(total)} are needed.", "Give --out."
        )
    source_keys = json.dumps({name: info.dtype for name, info in checkpoint.infos.items()})
    _check_aliases(plan, checkpoint)
    with Progress(f"converting {upstream.name}", total, stream=stream) as progress:
        done = stream_tensors(plan, checkpoint, folder / WEIGHTS, {"source_keys": source_keys}, progress.add)
    names = {i.name for i in written}
    mark = {
        "format": certificates.FORMAT,
        "family": upstream.family,
        "architecture": upstream.architecture.name,
        "task": _task(upstream, names),
        **_embedding(upstream),
    }
    text = json.dumps({**upstream.config, "zoo": mark}, indent=2, ensure_ascii=False)
    (folder / "config.json").write_text(text + "\n", encoding="utf-8")
    for path in (p for p in upstream.files if p.name != "config.json" or p.parent != upstream.snapshot.path):
        copy = folder / path.relative_to(upstream.snapshot.path)
        copy.parent.mkdir(exist_ok=True)
        shutil.copyfile(path, copy)
    source = upstream.snapshot.source
    return Certificate(
        name=upstream.name,
        family=upstream.family,
        architecture=upstream.architecture.name,
        task=mark["task"],  # type: ignore[arg-type]
        source={"kind": source.kind, "id": source.id, "revision": upstream.snapshot.revision}
        if source
        else {"kind": "folder", "id": upstream.snapshot.path.name, "revision": ""},
        files=(
            *(_stamp_in(upstream.snapshot.path, p, done.sha256[p.name]) for p in checkpoint.files),
            *(_stamp_in(upstream.snapshot.path, p) for p in upstream.files),
        ),
        rules=certificates.rules_version(upstream.keymap),
        coverage=certificates.coverage(plan, checkpoint.infos),
        weights=Written(WEIGHTS, done.bytes),
        checks=(
            "every upstream key has a rule and every tensor of the network is filled once",
            "every shape is the one that config.json's network has",
            "every number is finite",
            "every alias equals its tensor",
        ),
        versions=env.versions(),
        date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        notes=notes,
    )


def _stamp_in(folder: Path, path: Path, sha256: str = "") -> FileStamp:
    """A file's stamp under its name within the source folder; hashed here unless its digest is known."""
    name = path.relative_to(folder).as_posix() if folder in path.parents else path.name
    return FileStamp(name, path.stat().st_size, sha256) if sha256 else replace(stamp(path), name=name)


def _check_aliases(plan: Plan, checkpoint: Checkpoint) -> None:
    """Aliases are left out of our file, so each must hold what its tensor holds.

    Raises:
        CheckpointError: one holds other numbers.
    """
    holder = {target: step for step in plan.steps if step.rule.op != "tie" for target in step.targets}
    for step in plan.steps:
        if step.rule.op == "tie":
            _check_alias(step, holder[step.targets[0]], checkpoint)


def _check_alias(alias: Step, step: Step, checkpoint: Checkpoint) -> None:
    name, other = alias.sources[0], step.sources[0]
    one, two = checkpoint.read(name), checkpoint.read(other)
    if one.__array_interface__["data"] == two.__array_interface__["data"] and one.shape == two.shape:
        return
    same = one.shape == two.shape and np.array_equal(
        widen(one, checkpoint.infos[name].dtype), widen(two, checkpoint.infos[other].dtype)
    )
    if not same:
        raise CheckpointError(
            f"'{name}' should be the same tensor as '{other}' (rule {alias.rule}) and holds other numbers.",
            "The zoo has no untied variant of this network.",
        )
