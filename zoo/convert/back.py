"""The way back: a converted folder as transformers or PaddleNLP reads it, by the same key tables."""

from __future__ import annotations

import json
import math
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from zoo import configs, env, files, hub
from zoo.checkpoint import (
    Checkpoint,
    backward,
    narrow,
    open_checkpoint,
    write_pdparams,
    write_safetensors,
    write_torch,
)
from zoo.checkpoint.rules import KeyMap, Plan, Step, TensorInfo
from zoo.cli import Progress
from zoo.convert import certificate as certificates
from zoo.convert.certificate import Certificate, Written, stamp
from zoo.convert.plan import keymap_for
from zoo.convert.run import COMPANIONS, WEIGHTS, Result, Verify, convert, guard
from zoo.errors import CheckpointError, UsageError

PDPARAMS = "model_state.pdparams"
# Prefix of the encoder -> PaddleNLP's class names and model type; one class per network there.
PADDLENLP_CLASSES = {"roberta.": ("XLMRoberta", "xlm-roberta"), "bert.": ("Bert", "bert")}
PADDLENLP_HEADS = {
    "mlm": "ForMaskedLM",
    "classification": "ForSequenceClassification",
    "tagging": "ForTokenClassification",
    "qa": "ForQuestionAnswering",
    "multiple-choice": "ForMultipleChoice",
}


@dataclass(frozen=True)
class Converted:
    """A converted folder, understood."""

    name: str
    folder: Path
    config: Mapping[str, Any]
    keymap: KeyMap

    @property
    def mark(self) -> Mapping[str, Any]:
        return self.config["zoo"]

    @property
    def upstream_config(self) -> dict[str, Any]:
        """config.json as it was published."""
        return {k: v for k, v in self.config.items() if k != "zoo"}


def understand(name: str, folder: Path) -> Converted:
    """Reads a converted folder's config.json and finds its key table."""
    config = configs.read(folder)
    return Converted(name, folder, config, keymap_for(config["zoo"]))


def export(name: str, target: Path, to: str, *, verify: Verify | None = None, stream: Any = None) -> Result:
    """Writes a model for another library. What is not converted yet is converted on the way, beside the target.

    Args:
        name: card, repository, upstream folder or converted folder.
        target: folder to publish.
        to: "torch" or "paddlenlp".
        verify: compares the conversion on the way with the original; a converted folder has no original to compare.

    Raises:
        ZooError: as `zoo.convert.run.convert`; UsageError for a target that holds something else.
    """
    started = time.monotonic()
    guard(target)
    folder = _converted(name)
    if folder is not None and verify is not None:
        raise UsageError(f"'{name}' is converted already; --verify compares on the way.", "Leave --verify out.")
    with tempfile.TemporaryDirectory(prefix=".zoo-", dir=_existing(target.parent)) as scratch:
        if folder is None:
            folder = convert(name, Path(scratch) / "converted", verify=verify, stream=stream).target
        if target.resolve() == folder.resolve():
            raise UsageError(f"'{target}' is the converted folder itself.", "Give another --out.")
        source = understand(name, folder)
        if old := _finished(source, target, to):
            return Result(name, target, "already done", old, time.monotonic() - started)
        with files.publish(target) as out, open_checkpoint(folder / WEIGHTS) as checkpoint:
            write = {"torch": _write_torch, "paddlenlp": _write_paddlenlp}[to]
            weights, plan = write(source, checkpoint, out, stream)
            for path in (folder / n for n in COMPANIONS):
                if path.is_file():
                    copy = out / path.relative_to(folder)
                    copy.parent.mkdir(exist_ok=True)
                    shutil.copyfile(path, copy)
            done = _certify(source, checkpoint, plan, to, weights)
            done.write(out)
    return Result(name, target, "converted", done, time.monotonic() - started)


def _existing(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _converted(name: str) -> Path | None:
    """The converted folder a name means: itself, or the copy that was converted before."""
    asked = hub.refer(name)
    label = f"{asked.name}@{asked.revision}" if asked.revision else asked.name
    folder = asked.folder or hub.model_dir(label)
    return folder if (folder / "config.json").is_file() and "zoo" in configs.read(folder) else None


def _note(to: str) -> str:
    return f"written for {to} from the converted folder"


def _finished(source: Converted, target: Path, to: str) -> Certificate | None:
    """The certificate of an earlier export of the same weights."""
    old = Certificate.read(target)
    if old is None or _note(to) not in old.notes or old.rules != certificates.rules_version(source.keymap):
        return None
    weights = target / old.weights.name
    same = weights.is_file() and weights.stat().st_size == old.weights.size
    return old if same and old.files == (stamp(source.folder / WEIGHTS),) else None


def _certify(source: Converted, checkpoint: Checkpoint, plan: Plan, to: str, weights: Path) -> Certificate:
    """The certificate of the exported folder: where the converted one came from, and what was written."""
    known = Certificate.read(source.folder)
    origin = known.source if known else {"kind": "folder", "id": source.folder.name, "revision": ""}
    return Certificate(
        name=known.name if known else source.name,
        family=source.mark["family"],
        architecture=source.mark["architecture"],
        task=source.mark.get("task"),
        source=origin,
        files=(stamp(source.folder / WEIGHTS),),
        rules=certificates.rules_version(source.keymap),
        coverage=certificates.coverage(plan, checkpoint.infos),
        weights=Written(weights.name, weights.stat().st_size),
        checks=("every tensor has a rule back",),
        versions=env.versions(),
        date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        notes=(_note(to),),
        parity=known.parity if known else certificates.NOT_VERIFIED,
    )


def source_shapes(step: Step, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """Shapes of the upstream tensors of a step, from those of ours; the reverse of `rules.target_shapes`."""
    first = shapes[step.targets[0]]
    if step.rule.op in ("copy", "tie"):
        return {step.sources[0]: first}
    rows = sum(shapes[t][-1] for t in step.targets) // len(step.sources)
    return dict.fromkeys(step.sources, (rows, *first[::-1][1:]))


def way_back(source: Converted, checkpoint: Checkpoint) -> tuple[Plan, dict[str, str]]:
    """The steps back, and the element type of every upstream key.

    A converted file remembers the keys it came from, aliases and old spellings included; a trained one does not,
    and gets the keys that transformers writes today.

    Raises:
        CheckpointError: a key came from a tensor that an older key table did not keep.
    """
    if "source_keys" in checkpoint.metadata:
        dtypes = json.loads(checkpoint.metadata["source_keys"])
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


def _write_torch(source: Converted, checkpoint: Checkpoint, out: Path, stream: Any) -> tuple[Path, Plan]:
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
    config = source.upstream_config
    if encoder := config.pop("encoder_config", None):  # it came from a sub-folder
        _write_config(out / Path(config["encoder_pth"]).name, encoder)
    _write_config(out, config)
    return file, plan


def _write_paddlenlp(source: Converted, checkpoint: Checkpoint, out: Path, stream: Any) -> tuple[Path, Plan]:
    """model_state.pdparams and config.json under PaddleNLP's names; `unused.*` has no place there."""
    table, task = keymap_for(source.mark, "PADDLENLP"), source.mark.get("task")
    steps = table.reverse(n for n in checkpoint.infos if not n.startswith("unused.")).steps
    if task == "mlm":
        steps += tuple(Step(rule, rule.sources, rule.targets) for rule in table.rules if rule.op == "tie")
    head = PADDLENLP_HEADS.get(str(task), "Model")
    if head == "Model":  # a bare class has no prefix
        steps = tuple(replace(step, sources=(step.sources[0].removeprefix(table.base),)) for step in steps)
    total = sum(4 * math.prod(checkpoint.infos[step.targets[0]].shape) for step in steps)
    with Progress(f"writing {source.name} for paddlenlp", total, stream=stream) as progress:
        write_pdparams(out / PDPARAMS, _Arrays(steps, checkpoint, progress))
    stem, model_type = PADDLENLP_CLASSES[table.base]
    _write_config(out, source.upstream_config | {"architectures": [stem + head], "model_type": model_type})
    return out / PDPARAMS, Plan(steps)


class _Arrays(Mapping[str, np.ndarray]):
    """PaddleNLP's tensors, each made when it is asked for."""

    def __init__(self, steps: tuple[Step, ...], checkpoint: Checkpoint, progress: Progress) -> None:
        self.steps = {step.sources[0]: step for step in steps}
        self.checkpoint, self.progress = checkpoint, progress

    def __getitem__(self, name: str) -> np.ndarray:
        return backward(self.steps[name], self.checkpoint.read)[name]

    def __iter__(self) -> Iterator[str]:
        for name, step in self.steps.items():
            yield name
            self.progress.add(4 * math.prod(self.checkpoint.infos[step.targets[0]].shape))

    def __len__(self) -> int:
        return len(self.steps)


def _write_config(out: Path, config: Mapping[str, Any]) -> None:
    out.mkdir(exist_ok=True)
    (out / "config.json").write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
