"""Every key of every published file has a rule, at true size, with no torch, no weights and no network."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from tests.convert.conftest import ROOT
from zoo import registry
from zoo.checkpoint.rules import Rule, Step, TensorInfo
from zoo.checkpoint.shapes import check_shapes, source_shapes, target_shapes
from zoo.errors import KeyRuleError

FILES = sorted((ROOT / "conversion" / "keys").glob("*.json"))
SIZES = {"F16": 2, "F32": 4, "I64": 8}


def read(path: Path) -> tuple[dict[str, object], dict[str, TensorInfo]]:
    data = json.loads(path.read_text(encoding="utf-8"))
    return data, {k: TensorInfo(k, dtype, tuple(shape)) for k, (dtype, shape) in data["tensors"].items()}


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_every_key_at_true_size(path: Path) -> None:
    from importlib import import_module

    from zoo.models.common.weights import groups_of
    from zoo.outline import layout

    data, infos = read(path)
    _, architecture = registry.family_of(data["config"])  # type: ignore[arg-type]
    keymap = import_module(f"{architecture.module}.keymap").KEYMAP.prefer(architecture.task)
    plan = keymap.plan(infos)
    shapes = {name: info.shape for name, info in infos.items()}
    filled = {n: s for step in plan.steps for n, s in target_shapes(step, shapes).items()}
    network = layout(architecture, data["config"], groups_of(filled))  # type: ignore[arg-type]
    check_shapes(plan, shapes, network | {n: s for n, s in filled.items() if n.startswith("unused.")})
    assert not plan.dropped
    back = {source for step in keymap.reverse(filled).steps for source in step.sources}
    assert back <= {*map(today, infos), *(keymap.base + today(k) for k in infos)}


def today(key: str) -> str:
    """An old key as it is spelled now."""
    return key.replace(".gamma", ".weight").replace(".beta", ".bias")


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_sizes_are_those_of_the_card(path: Path) -> None:
    data, infos = read(path)
    card = registry.info(str(data["name"]))
    aliases = ("decoder.weight", "decoder_weight", "decoder.bias", "position_ids", "version")
    aliases = (*aliases, "decoder.embed_tokens.weight", "output_projection.weight")
    own = [i for i in infos.values() if not i.name.endswith(aliases)]
    assert sum(math.prod(i.shape) for i in own) == card.parameters
    size = next((s.size for s in card.sources if s.size), 0)
    if size:
        bytes_ = sum(math.prod(i.shape) * SIZES[i.dtype] for i in own)
        assert abs(bytes_ - size) < 0.01 * size  # the pages show three digits


@pytest.mark.torch
@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_files_are_what_the_script_writes(path: Path) -> None:
    pytest.importorskip("transformers")
    from conversion.headers import document

    card = registry.info(str(read(path)[0]["name"]))
    assert document(card) == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("shape", [(), (3,), (2, 3, 4)])
@pytest.mark.parametrize("place", [0, 1])
def test_tensors_that_do_not_fit_their_rule(shape: tuple[int, ...], place: int) -> None:
    """A sentence, not a mistake of numpy's."""
    sides = (("a.weight", "b.weight"), ("c.weight", "d.weight"))
    for op, sources, targets in (("join", *(sides[0], ("e.weight",))), ("split", ("e.weight",), sides[1])):
        step = Step(Rule(sources, targets, op), sources, targets)
        names, of = (sources, target_shapes) if op == "join" else (targets, source_shapes)
        shapes = dict.fromkeys((*sources, *targets), (4, 4))
        assert of(step, shapes)
        with pytest.raises(KeyRuleError, match=names[place].replace(".", r"\.")):
            of(step, {**shapes, names[place]: shape, **({names[0]: shape} if shape == () else {})})
