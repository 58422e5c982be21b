"""Reads and writes LoRA adapters in peft's format: adapter_config.json and adapter_model.safetensors.

peft calls a tensor as torch does, behind `base_model.model.`; the family's key table tells whose it is here. A
linear layer with the weight W [O, I] has A [rank, I] and B [O, rank] there and becomes W + scale B A.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from zoo.checkpoint import backward, forward, open_checkpoint, widen, write_safetensors
from zoo.checkpoint.dtypes import check_finite
from zoo.checkpoint.keymap import KeyMap
from zoo.checkpoint.rules import Plan, Shape, TensorInfo
from zoo.errors import CheckpointError, UsageError
from zoo.files import Fields, quote, read_object

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
PREFIX = "base_model.model."
PARTS = (".lora_A.weight", ".lora_B.weight")
MAX_RANK, MAX_BYTES = 1 << 12, 8 << 30
# Fields of peft's LoraConfig that are read, or that change nothing in a trained adapter whatever they say ...
READ = ("peft_type", "r", "lora_alpha", "use_rslora", "bias", "init_lora_weights")
HARMLESS = (
    "auto_mapping", "base_model_name_or_path", "eva_config", "exclude_modules", "fan_in_fan_out", "inference_mode",
    "layers_pattern", "layers_to_transform", "lora_dropout", "megatron_core", "modules_to_save", "peft_version",
    "qalora_group_size", "revision", "runtime_config", "target_modules", "task_type",
)  # fmt: skip
# ... and first values of A and B that leave the network itself as it was. Any other field must be empty.
PLAIN_STARTS = (True, False, None, "gaussian", "orthogonal", "eva")
# Our head -> what peft calls its task; others have none.
TASK_TYPES = {
    "classification": "SEQ_CLS",
    "tagging": "TOKEN_CLS",
    "qa": "QUESTION_ANS",
    "embedding": "FEATURE_EXTRACTION",
}

Pair = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Adapter:
    """Changes to a network.

    Attributes:
        pairs: our name of a weight -> A [rank, I] and B [O, rank], float32.
        whole: our name -> a tensor in our layout that is put in whole, such as those of a head.
        rank: of every pair.
        alpha: see `scale`.
        rank_stabilised: the scale is alpha / sqrt(rank) (Kalajdzievski 2023, arXiv 2312.03732).
        dropout: rate that it was trained with; for information.
        source: what messages call it.
    """

    pairs: Mapping[str, Pair]
    whole: Mapping[str, np.ndarray]
    rank: int
    alpha: float
    rank_stabilised: bool = False
    dropout: float = 0.0
    source: str = field(default="", compare=False)

    @property
    def scale(self) -> float:
        """Gives the factor on B A: alpha / rank."""
        return self.alpha / (self.rank**0.5 if self.rank_stabilised else self.rank)

    def check(self, expected: Mapping[str, Shape]) -> None:
        """Raises CheckpointError unless the network has every tensor that the adapter is for, in its shape.

        Args:
            expected: our names and shapes, of the network.
        """
        wanted = {name: (a.shape[1], b.shape[0]) for name, (a, b) in self.pairs.items()}
        wanted |= {name: array.shape for name, array in self.whole.items()}
        for name, shape in wanted.items():
            if name not in expected:
                raise CheckpointError(
                    f"{self.source} has '{name}', and the network has no such tensor.",
                    "Load the model that the adapter was trained on, with its head: task=..., labels=...",
                )
            if tuple(expected[name]) != tuple(shape):
                raise CheckpointError(
                    f"{self.source} has '{name}' for {list(shape)}; the network's is {list(expected[name])}.",
                    "Load the model that the adapter was trained on, with as many labels=...",
                )

    def merge(self, name: str, array: np.ndarray) -> np.ndarray:
        """Gives a tensor of the network, [I, O] where it is changed, with the adapter in it; float32."""
        if name not in self.pairs:
            return array
        a, b = self.pairs[name]
        return np.ascontiguousarray(array + np.float32(self.scale) * (b @ a).T)


def read(folder: Path, keymap: KeyMap, task: str | None) -> Adapter:
    """Reads an adapter.

    Args:
        folder: with peft's two files.
        keymap: the network's key table, torch's layout.
        task: the head, as upstream calls several heads alike.

    Raises:
        UsageError: no such folder, or no adapter in it.
        CheckpointError: a damaged file, a kind of adapter that is more than A and B, a tensor of no known place.
    """
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            safe = (folder / "adapter_model.bin").is_file()
            raise UsageError(
                f"adapter={quote(str(folder), 200)} has no file {name}.",
                "Save it again with peft: model.save_pretrained(DIR), which writes safetensors."
                if safe
                else "Give the folder that peft's save_pretrained wrote, or best/adapter of a run with --lora.",
            )
    source = quote(str(folder), 200)
    about = _settings(Fields(read_object(folder / CONFIG), quote(str(folder / CONFIG), 200)))
    if (folder / WEIGHTS).stat().st_size > MAX_BYTES:
        raise CheckpointError(f"{source}: {WEIGHTS} has more than {MAX_BYTES:,} bytes, which no adapter has.")
    with open_checkpoint(folder / WEIGHTS) as file:
        arrays = {name: np.array(widen(file.read(name), info.dtype)) for name, info in file.infos.items()}
    for name, array in arrays.items():
        check_finite(name, array, folder / WEIGHTS)
    sides: list[dict[str, np.ndarray]] = [{}, {}]
    whole: dict[str, np.ndarray] = {}
    for name, array in arrays.items():
        side = next((n for n, end in enumerate(PARTS) if name.endswith(end)), None)
        if not name.startswith(PREFIX) or ("lora_" in name and side is None):
            raise CheckpointError(f"{source} has a tensor {quote(name)}, which is none of a plain LoRA adapter.")
        key = name.removeprefix(PREFIX)
        (whole if side is None else sides[side])[key if side is None else key.removesuffix(PARTS[side])] = array
    pairs = _pairs(sides[0], sides[1], about["rank"], keymap.prefer(task), source)
    if not pairs:
        raise CheckpointError(f"{source} has no A and B of any layer.", "Get the adapter again.")
    return Adapter(pairs, _whole(whole, keymap.prefer(task), source), source=source, **about)


def write(
    folder: Path,
    adapter: Adapter,
    keymap: KeyMap,
    *,
    base: str,
    task: str | None,
    linears: Iterable[str],
) -> None:
    """Writes an adapter that peft opens on the model of transformers.

    Args:
        folder: is made.
        keymap: as for `read`.
        base: what peft is told that the adapter is for.
        task: the head; a bare network's keys lack the table's `base`, as in transformers.
        linears: our names of the weights of all linear layers, by which `target_modules` is as short as can be.

    Raises:
        KeyRuleError: a tensor has no key of its own upstream. Nothing was written.
    """
    bare = keymap.base if task in (None, "embedding") else ""
    tensors: dict[str, np.ndarray] = {}
    changed = _modules(keymap.reverse(adapter.pairs), bare)
    for name, (a, b) in adapter.pairs.items():
        tensors |= {PREFIX + changed[name] + end: array for end, array in zip(PARTS, (a, b), strict=True)}
    saved: dict[str, np.ndarray] = {}
    for step in keymap.reverse(adapter.whole).steps:
        saved |= backward(step, adapter.whole.__getitem__)
    saved = {key.removeprefix(bare): array for key, array in saved.items()}
    config = {
        "peft_type": "LORA",
        "task_type": TASK_TYPES.get(task or ""),
        "base_model_name_or_path": base,
        "inference_mode": True,
        "r": adapter.rank,
        "lora_alpha": int(adapter.alpha) if adapter.alpha == int(adapter.alpha) else adapter.alpha,
        "lora_dropout": adapter.dropout,
        "use_rslora": adapter.rank_stabilised,
        "bias": "none",
        "fan_in_fan_out": False,
        "init_lora_weights": True,
        "target_modules": _targets(set(changed.values()), _modules(keymap.reverse(linears), bare).values()),
        "modules_to_save": sorted({key.removeprefix(keymap.base).partition(".")[0] for key in saved}) or None,
    }
    tensors |= {PREFIX + key: array for key, array in saved.items()}
    folder.mkdir()
    infos = [TensorInfo(name, "F32", array.shape) for name, array in tensors.items()]
    arrays = (np.ascontiguousarray(array, np.float32) for array in tensors.values())
    write_safetensors(folder / WEIGHTS, infos, arrays, {"format": "pt"})
    (folder / CONFIG).write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", "utf-8")


def _settings(fields: Fields) -> dict[str, Any]:
    """Gives rank, alpha and what the scale is; refuses what changes numbers in a way that is not read."""
    kind = fields.text("peft_type", "")
    if kind != "LORA":
        raise CheckpointError(f"{fields.source} has peft_type={quote(kind)}; only LORA is read.", MERGE)
    start = fields.content.get("init_lora_weights", True)
    odd = {k: v for k, v in fields.content.items() if k not in (*READ, *HARMLESS) and v not in EMPTY}
    if fields.text("bias", "none") != "none":
        odd["bias"] = fields.content["bias"]
    if not isinstance(start, bool | str | None) or start not in PLAIN_STARTS:
        odd["init_lora_weights"] = start
    if odd:
        name, value = next(iter(odd.items()))
        raise CheckpointError(
            f"{fields.source} has {quote(name)[1:-1]}={quote(value)}, which is not read: its numbers would differ.",
            MERGE,
        )
    return {
        "rank": fields.whole("r", 8, 1, MAX_RANK),
        "alpha": fields.number("lora_alpha", 8.0, -1e6, 1e6),
        "rank_stabilised": fields.flag("use_rslora", False),
        "dropout": fields.number("lora_dropout", 0.0, 0.0, 1.0),
    }


EMPTY: tuple[object, ...] = (None, False, {}, [], "")
MERGE = "Merge it with peft (model.merge_and_unload().save_pretrained(DIR)), then load DIR."


def _pairs(
    downs: Mapping[str, np.ndarray], ups: Mapping[str, np.ndarray], rank: int, keymap: KeyMap, source: str
) -> dict[str, Pair]:
    """Gives A and B by our names; those of a layer that is several here are divided as its weight is."""
    made: dict[str, Pair] = {}
    for module in {**downs, **ups}:
        a, b = downs.get(module), ups.get(module)
        if a is None or b is None:
            raise CheckpointError(
                f"{source} has A or B of {quote(module)}, and not both.", "Get the adapter again."
            )
        if a.ndim != 2 or b.ndim != 2 or a.shape[0] != rank or b.shape[1] != rank:
            raise CheckpointError(
                f"{source} has A {list(a.shape)} and B {list(b.shape)} of {quote(module)}; {CONFIG} has r={rank}."
            )
        hit = keymap.match(f"{module}.weight")
        if hit is None or hit[0].op not in ("transpose", "split"):
            raise CheckpointError(
                f"{source} changes {quote(module)}, which is no linear layer of this network.",
                "Load the model that the adapter was trained on.",
            )
        rule, _, numbers = hit
        if b.shape[0] % len(rule.targets):
            raise CheckpointError(f"{source} has B {list(b.shape)} of {quote(module)}, which is no fused layer's.")
        for target, part in zip(rule.targets, np.split(b, len(rule.targets)), strict=True):
            name = target.format(**numbers)
            if name in made:
                raise CheckpointError(f"{source} changes '{name}' twice.")
            made[name] = a, part
    return made


def _whole(tensors: Mapping[str, np.ndarray], keymap: KeyMap, source: str) -> dict[str, np.ndarray]:
    """Gives the tensors beside A and B by our names."""
    for key in tensors:
        hit = keymap.match(key)
        if hit is None or hit[0].op in ("tie", "drop") or hit[0].targets[0].startswith("unused."):
            raise CheckpointError(f"{source} has {quote(key)}, which has no place in this network.", MERGE)
    made: dict[str, np.ndarray] = {}
    for step in keymap.plan(tensors).steps if tensors else ():
        made |= forward(step, tensors.__getitem__)
    return {name: np.ascontiguousarray(array) for name, array in made.items()}


def _modules(plan: Plan, bare: str) -> dict[str, str]:
    """Gives our names of weights and the upstream modules that they are of."""
    return {s.targets[0]: s.sources[0].removesuffix(".weight").removeprefix(bare) for s in plan.steps}


def _targets(changed: set[str], all_modules: Iterable[str]) -> list[str]:
    """Gives the last parts of the names of modules where these mean no other module, else the names."""
    ends = {name.rpartition(".")[2] for name in changed}
    meant = {name for name in all_modules if name.rpartition(".")[2] in ends}
    return sorted(ends if meant == changed else changed)
