"""The way back: a converted folder as transformers or PaddleNLP reads it, by the same key tables."""

from __future__ import annotations

import filecmp
import json
import logging
import math
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from zoo import configs, env, files, hub
from zoo.checkpoint import Checkpoint, backward, narrow, open_checkpoint, write_safetensors, write_torch
from zoo.checkpoint.keymap import KeyMap
from zoo.checkpoint.rules import NETWORK_PREFIXES, Plan, TensorInfo, group_of
from zoo.checkpoint.shapes import source_shapes
from zoo.convert import certificate as certificates
from zoo.convert.certificate import Certificate, Written, stamp
from zoo.convert.placing import network
from zoo.convert.plan import keymap_for
from zoo.convert.to_paddle import WEIGHTS, Result, Verify, companions, convert, guard
from zoo.convert.to_paddlenlp import spoken, write
from zoo.errors import CheckpointError, NotYetError, UsageError
from zoo.files import quote
from zoo.keys import SOURCE_FORM, SOURCE_KEYS, kept, listed, source_keys
from zoo.mark import KEY, Mark
from zoo.model_folder import ModelFolder
from zoo.paddlenlp import PADDLENLP, TORCH, VERSION_KEY, dialect_of
from zoo.terminal import Progress

log = logging.getLogger("zoo")


@dataclass(frozen=True)
class Converted:
    """A converted folder, understood."""

    name: str
    model: ModelFolder
    mark: Mark
    keymap: KeyMap

    @property
    def folder(self) -> Path:
        """Where it is."""
        return self.model.path

    @property
    def task(self) -> str | None:
        """The head of the weights."""
        return self.mark.task


@dataclass(frozen=True)
class Exported:
    """What was written: the weight file, the steps it was made by, and what to know about it."""

    weights: Path
    plan: Plan
    notes: tuple[str, ...] = ()


def understand(name: str, folder: Path, to: str) -> Converted:
    """Reads a converted folder's config.json and finds the key table of the library it is written for."""
    model = ModelFolder.read(folder)
    if model.mark is None:
        raise UsageError(f"'{folder}' is not a converted folder.", f"zoo convert {quote(name, 200)}")
    form = to if dialect_of(model.architecture.module, model.architecture.name) else TORCH
    return Converted(name, model, model.mark, keymap_for(model.mark, form))


def export(name: str, target: Path, to: str, *, verify: Verify | None = None, stream: Any = None) -> Result:
    """Writes a model for another library. What is not converted yet is converted on the way, beside the target.

    Args:
        name: card, repository, upstream folder or converted folder.
        target: folder to publish.
        to: "torch" or "paddlenlp".
        verify: compares the conversion on the way with the original; a converted folder has no original to compare.

    Raises:
        ZooError: as `zoo.convert.to_paddle.convert`; UsageError for a target that holds something else.
    """
    started = time.monotonic()
    guard(target)
    folder = converted_folder(name)
    if folder is not None and verify is not None:
        raise UsageError(f"'{name}' is converted already; --verify compares on the way.", "Leave --verify out.")
    with files.scratch(target) as scratch:
        if folder is None:
            folder = convert(name, scratch / "converted", verify=verify, stream=stream).target
        if target.resolve() == folder.resolve():
            raise UsageError(f"'{target}' is the converted folder itself.", "Give another --out.")
        source = understand(name, folder, to)
        if old := _finished(source, target, to):
            return Result(name, target, "already done", old, time.monotonic() - started)
        with files.publish(target) as out, open_checkpoint(folder / WEIGHTS) as checkpoint:
            written = {TORCH: _write_torch, PADDLENLP: _write_paddlenlp}[to]
            _check_whole(source, checkpoint)
            done = written(source, checkpoint, out, stream)
            for note in done.notes:
                log.warning("%s: %s", name, note)
            for companion in companions(folder):
                (out / companion).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(folder / companion, out / companion)
            if to == TORCH:
                _describe_vectors(source, out)
            certificate = _certify(source, checkpoint, done, to)
            certificate.write(out)
    return Result(name, target, "converted", certificate, time.monotonic() - started)


def _describe_vectors(source: Converted, out: Path) -> None:
    """Writes sentence-transformers' files for a model that makes vectors and whose folder has none of them."""
    from zoo.models.common.sentence_transformers.description import SentenceModel, is_sentence_folder

    known, width = source.mark.options, source.model.content.get("hidden_size", 768)
    if known.get("layer") is not None:
        raise NotYetError(
            f"The vectors are made of the states of layer {known['layer']}; sentence-transformers has the last.",
            "Load it with another layer=, or with none, and save it.",
        )
    if source.task == "embedding" and not is_sentence_folder(out):
        SentenceModel.plain(known.get("pooling", "mean"), known.get("normalize", True), width).write(out)


def converted_folder(name: str) -> Path | None:
    """The converted folder a name means: itself, or the copy that was converted before."""
    asked = hub.refer(name)
    label = f"{asked.name}@{asked.revision}" if asked.revision else asked.name
    folder = asked.folder or hub.model_dir(label)
    return folder if (folder / "config.json").is_file() and KEY in configs.read(folder) else None


def _note(to: str) -> str:
    return f"written for {to} from the converted folder"


def _finished(source: Converted, target: Path, to: str) -> Certificate | None:
    """The certificate of an earlier export of the same weights."""
    old = Certificate.read(target)
    if old is None or _note(to) not in old.notes or old.rules != certificates.rules_version(source.keymap):
        return None
    weights = target / old.weights.name
    same = weights.is_file() and weights.stat().st_size == old.weights.size
    same = same and all(_same_bytes(source.folder / name, target / name) for name in companions(source.folder))
    return old if same and old.files == (stamp(source.folder / WEIGHTS),) else None


def _same_bytes(one: Path, other: Path) -> bool:
    return other.is_file() and filecmp.cmp(one, other, shallow=False)


def _check_whole(source: Converted, checkpoint: Checkpoint) -> None:
    """Raises CheckpointError for a converted file that lacks tensors of its network."""
    names = checkpoint.infos
    expected = network(source.model.architecture, source.model.content, names, source.task)
    missing = [n for n in expected if n not in names and n not in source.keymap.optional]
    if missing:
        raise CheckpointError(
            f"'{checkpoint.path}' lacks {len(missing)} tensors of config.json's network: {listed(missing)}.",
            "Convert the published files again.",
        )


def _certify(source: Converted, checkpoint: Checkpoint, done: Exported, to: str) -> Certificate:
    """The certificate of the exported folder: where the converted one came from, and what was written."""
    known = Certificate.read(source.folder)
    origin = known.source if known else {"kind": "folder", "id": source.folder.name, "revision": ""}
    return Certificate(
        name=known.name if known else source.name,
        family=source.mark.family,
        architecture=source.mark.architecture,
        task=source.task,
        source=origin,
        files=(stamp(source.folder / WEIGHTS),),
        rules=certificates.rules_version(source.keymap),
        coverage=certificates.coverage(done.plan, checkpoint.infos),
        weights=Written(done.weights.name, done.weights.stat().st_size),
        checks=("every tensor has a rule back",),
        versions=env.versions(),
        date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        notes=(_note(to), *done.notes),
        parity=known.parity if known else certificates.NOT_VERIFIED,
        trimming=known.trimming if known else {},
    )


def way_back(source: Converted, checkpoint: Checkpoint) -> tuple[Plan, dict[str, str]]:
    """The steps back, and the element type of every upstream key.

    A converted file remembers the keys it came from, aliases and old spellings included; one that was trained, or
    that came from PaddleNLP, gets the keys that transformers writes today.

    Raises:
        CheckpointError: a key came from a tensor that an older key table did not keep.
    """
    if SOURCE_KEYS in checkpoint.metadata and checkpoint.metadata.get(SOURCE_FORM, TORCH) == TORCH:
        dtypes = source_keys(checkpoint)
        plan = source.keymap.plan(dtypes)
        for step in plan.steps:
            if not checkpoint.infos.keys() >= set(step.targets):
                raise CheckpointError(
                    f"'{checkpoint.path}' lacks '{step.targets[0]}', so '{step.sources[0]}' cannot be written: it "
                    "was converted by an older key table.",
                    "Convert the published files again.",
                )
        return plan, dtypes
    plan = source.keymap.reverse(checkpoint.infos)
    return plan, {s: checkpoint.infos[step.targets[0]].dtype for step in plan.steps for s in step.sources}


def _write_torch(source: Converted, checkpoint: Checkpoint, out: Path, stream: Any) -> Exported:
    """Upstream's weight file with its keys, layout and element types, and upstream's config.json.

    transformers reads model.safetensors; where only the publisher's own code reads a checkpoint, the file has that
    code's name and is one of torch.
    """
    plan, dtypes = way_back(source, checkpoint)
    shapes = {name: info.shape for name, info in checkpoint.infos.items()}
    infos = [
        TensorInfo(key, dtypes[key], shape)
        for step in plan.steps
        for key, shape in source_shapes(step, shapes).items()
    ]
    total = sum(4 * math.prod(i.shape) for i in infos)

    def arrays() -> Iterator[np.ndarray]:
        for step in plan.steps:
            for key, array in backward(step, checkpoint.read).items():
                progress.add(array.nbytes)
                yield narrow(array, dtypes[key])

    with Progress(f"writing {source.name} for torch", total, stream=stream) as progress:
        file = out / source.keymap.file
        if file.suffix == ".safetensors":
            write_safetensors(file, infos, arrays(), {"format": "pt"})
        else:
            write_torch(file, infos, arrays())
    config = {k: v for k, v in source.model.upstream_config.items() if k != VERSION_KEY}
    if encoder := config.pop("encoder_config", None):  # it came from a sub-folder
        _write_config(out / Path(config["encoder_pth"]).name, encoder)
    _write_config(out, config)
    return Exported(file, plan, tuple(_notes(source, checkpoint)))


def _notes(source: Converted, checkpoint: Checkpoint) -> Iterator[str]:
    """What the file has that config.json's class has not."""
    own = (*NETWORK_PREFIXES, "unused.", f"{group_of(source.task)}.")
    if others := [n for n in checkpoint.infos if not n.startswith(own)]:
        yield f"written beside the head {source.task or 'of config.json'}: {listed(others)}"
    if beside := kept(checkpoint.infos):
        turned = checkpoint.metadata.get(SOURCE_FORM, TORCH) != TORCH
        how = ", their Linear layers as PaddleNLP has them, [in, out]" if turned else ""
        yield f"written as they were{how}: {listed(beside)}"


def _write_paddlenlp(source: Converted, checkpoint: Checkpoint, out: Path, stream: Any) -> Exported:
    """model_state.pdparams and config.json under PaddleNLP's names."""
    what = spoken(source.model.architecture, source.task, source.model.upstream_config, checkpoint.infos)
    file, plan = write(source.name, what, checkpoint, out, stream)
    _write_config(out, what.config)
    return Exported(file, plan, what.notes)


def _write_config(out: Path, config: Mapping[str, Any]) -> None:
    out.mkdir(exist_ok=True)
    (out / "config.json").write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
