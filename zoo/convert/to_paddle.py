"""One conversion: resolve, open, plan, check, stream, verify, certify, publish."""

from __future__ import annotations

import json
import logging
import re
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from zoo import env, files, hub
from zoo.cards import Card
from zoo.checkpoint import Checkpoint, open_checkpoint
from zoo.checkpoint import stream as stream_tensors
from zoo.convert import certificate as certificates
from zoo.convert.certificate import Certificate, FileStamp, Written, stamp
from zoo.convert.placing import Placed, check_aliases, place
from zoo.convert.plan import current
from zoo.errors import CheckpointError, UsageError
from zoo.keys import SOURCE_FORM, SOURCE_KEYS
from zoo.mark import Mark
from zoo.model_folder import ModelFolder
from zoo.paddlenlp import LEGACY_CONFIG_FILE, TORCH
from zoo.terminal import Progress, size
from zoo.tokenization.load import TOKENIZER_FILES as TOKENIZER_FILES

log = logging.getLogger("zoo")

WEIGHTS = "model.safetensors"
CONFIG_FILES = ("config.json", LEGACY_CONFIG_FILE)
COMMIT_PATTERN = re.compile(r"[0-9a-f]{40}")
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
    model: ModelFolder

    @property
    def name(self) -> str:
        """What a user called it."""
        return self.snapshot.name

    @property
    def family(self) -> str:
        """Of its card, else of config.json: InfoXLM's files use XLM-R's class names."""
        return self.snapshot.card.family if self.snapshot.card else self.model.family.name

    @property
    def files(self) -> list[Path]:
        """config.json and the small files beside it; the weight files come from the checkpoint."""
        names = (*CONFIG_FILES, *companions(self.snapshot.path))
        return [self.snapshot.path / n for n in names if (self.snapshot.path / n).is_file()]


def companions(folder: Path) -> list[str]:
    """Names of the files that go with a model's weights as they are: its tokenizer's and sentence-transformers'.

    Raises:
        CheckpointError, NotYetError: modules.json is damaged, or not what the zoo reads.
    """
    from zoo.models.common.sentence_transformers.description import files_of

    return [*(name for name in TOKENIZER_FILES if (folder / name).is_file()), *files_of(folder)]


def _keep_prompts(folder: Path, card: Card | None) -> None:
    """Writes prompts that a card knows and the files lack into a folder of sentence-transformers."""
    from zoo.models.common.sentence_transformers.description import SentenceModel, is_sentence_folder

    if card and card.prompts and is_sentence_folder(folder):
        stored = SentenceModel.read(folder)
        if (full := stored.with_prompts(card.prompts)) is not stored:
            full.write(folder)


def understand(snapshot: hub.Snapshot) -> Upstream:
    """Reads a published folder's config.json and finds who runs it.

    Raises:
        UsageError: the folder is a converted one.
        ConfigError, NotYetError: no family runs it, or not yet.
    """
    model = ModelFolder.read(snapshot.path)
    if model.mark:
        raise UsageError(
            f"'{snapshot.name}' is converted already.", f"Load it as it is: zoo.load('{snapshot.name}')."
        )
    return Upstream(snapshot, model)


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
    if not {p.relative_to(folder).as_posix() for p in upstream.files} <= {f.name for f in old.files}:
        return None  # made when the zoo did not take all of them along
    return old if certificates.same_files((_stamp_in(folder, p) for p in now), old.files) else None


def finished_at_commit(name: str, target: Path, verify: bool) -> Certificate | None:
    """As `finished`, for a name that is pinned to a commit: a commit never changes, so nobody is asked."""
    sources = {(s.id, s.revision) for s in hub.refer(name).sources if COMMIT_PATTERN.fullmatch(s.revision)}
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
    try:
        with files.publish(target) as folder, open_checkpoint(source) as checkpoint:
            if old := finished(upstream, target, verify is not None):
                raise _DoneByAnother(old)
            placed = place(upstream.model.content, upstream.model.architecture, upstream.snapshot.path, checkpoint)
            if verify is not None and placed.form != TORCH:
                raise UsageError(
                    f"'{upstream.name}' is PaddleNLP's; --verify compares with a torch original.",
                    "Leave --verify out. In a checkout, `make test-paddlenlp` compares with PaddleNLP.",
                )
            notes = (*different_from_card(upstream.model.content, upstream.snapshot.card), *placed.notes)
            for note in notes:
                log.warning("%s: %s", upstream.name, note)
            done = _write(upstream, placed, checkpoint, folder, notes, stream)
            if verify is not None:
                done = replace(done, parity=_compare(verify, upstream, placed, folder, stream))
            done.write(folder)
    except _DoneByAnother as other:
        return Result(upstream.name, target, "already done", other.certificate, time.monotonic() - started)
    return Result(upstream.name, target, "converted", done, time.monotonic() - started)


class _DoneByAnother(Exception):
    """Another process published the same conversion while this one waited; leaves `publish` without publishing."""

    def __init__(self, certificate: Certificate) -> None:
        self.certificate = certificate


def _compare(verify: Verify, upstream: Upstream, placed: Placed, folder: Path, stream: Any) -> dict[str, Any]:
    """Has a written folder compared with its original."""
    with open_checkpoint(folder / WEIGHTS) as written:
        names = set(written.infos)
    report = verify(
        upstream=upstream.snapshot.path,
        converted=folder,
        family=upstream.family,
        architecture=placed.architecture.name,
        task=placed.task,
        keymap=placed.keymap,
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
        target.is_dir() and any(target.iterdir()) and not (target / certificates.CERTIFICATE_FILE).is_file()
    ):
        raise UsageError(f"'{target}' holds files that are not of a conversion; they stay.", "Give another --out.")


def _write(
    upstream: Upstream,
    placed: Placed,
    checkpoint: Checkpoint,
    folder: Path,
    notes: tuple[str, ...],
    stream: Any,
) -> Certificate:
    """Writes weights, config.json and the tokenizer's files into the folder; returns the certificate."""
    total = sum(int(np.prod(i.shape)) * (8 if i.dtype.endswith("64") else 4) for i in placed.written)
    if (free := shutil.disk_usage(folder).free) < total:
        raise CheckpointError(
            f"'{folder.parent}' has {size(free)} left and {size(total)} are needed.", "Give --out."
        )
    metadata = {SOURCE_KEYS: json.dumps({name: info.dtype for name, info in checkpoint.infos.items()})}
    metadata |= {} if placed.form == TORCH else {SOURCE_FORM: placed.form}
    check_aliases(placed.plan, checkpoint)
    with Progress(f"converting {upstream.name}", total, stream=stream) as progress:
        done = stream_tensors(placed.plan, checkpoint, folder / WEIGHTS, metadata, progress.add)
    mark = Mark(upstream.family, placed.architecture.name, placed.head)
    text = json.dumps(mark.put(upstream.model.content), indent=2, ensure_ascii=False)
    (folder / "config.json").write_text(text + "\n", encoding="utf-8")
    for path in (p for p in upstream.files if p.name not in CONFIG_FILES or p.parent != upstream.snapshot.path):
        copy = folder / path.relative_to(upstream.snapshot.path)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    _keep_prompts(folder, upstream.snapshot.card)
    source = upstream.snapshot.source
    kind, name = (source.kind, source.id) if source else ("folder", upstream.snapshot.path.name)
    origin = {"kind": kind, "id": name, "revision": upstream.snapshot.revision}
    return Certificate(
        name=upstream.name,
        family=upstream.family,
        architecture=placed.architecture.name,
        task=mark.task,
        source=origin if placed.form == TORCH else {**origin, "form": placed.form},
        files=(
            *(_stamp_in(upstream.snapshot.path, p, done.sha256[p.name]) for p in checkpoint.files),
            *(_stamp_in(upstream.snapshot.path, p) for p in upstream.files),
        ),
        rules=certificates.rules_version(placed.keymap),
        coverage=certificates.coverage(placed.plan, checkpoint.infos),
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
