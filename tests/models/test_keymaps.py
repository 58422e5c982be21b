"""Every key table is read both ways without losing a bit."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pytest

from tests.models.peers import PREFIX, SIZES, SUFFIX, ours, torch_model
from zoo import registry
from zoo.checkpoint import backward, forward
from zoo.checkpoint.dialect import Dialect
from zoo.checkpoint.keymap import KeyMap
from zoo.errors import KeyRuleError
from zoo.models.common.weights import groups_of
from zoo.outline import layout

FAMILIES = ("xlmr", "xlmr_xl", "structbert")


def table(family: str) -> KeyMap:
    return import_module(f"zoo.models.{family}.keymap").KEYMAP


def backwards(keymap: KeyMap, state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    out: dict[str, np.ndarray] = {}
    for step in keymap.reverse(state).steps:
        out |= backward(step, state.__getitem__)
    return out


@pytest.mark.torch
@pytest.mark.parametrize("task", SUFFIX)
@pytest.mark.parametrize("family", FAMILIES)
def test_there_and_back(family: str, task: str | None) -> None:
    state = {k: v.numpy() for k, v in torch_model(family, task).state_dict().items()}
    mine = {f"encoder.{k}" if task is None else k: v for k, v in ours(state, family, task).items()}
    again = backwards(table(family), mine)
    base = table(family).base
    untied = {k: v for k, v in state.items() if not k.endswith(("decoder.weight", "decoder.bias"))}
    assert set(again) == {base + k if task is None else k for k in untied}
    for key, value in untied.items():
        assert np.array_equal(again[base + key if task is None else key], value)


@pytest.mark.torch
@pytest.mark.parametrize("task", SUFFIX)
@pytest.mark.parametrize("family", FAMILIES)
def test_layout_is_what_the_file_fills(family: str, task: str | None) -> None:
    peer = torch_model(family, task, num_labels=2 if task == "qa" else 5)
    state = {k: v.numpy() for k, v in peer.state_dict().items()}
    mine = {f"encoder.{k}" if task is None else k: v.shape for k, v in ours(state, family, task).items()}
    config = {**peer.config.to_dict(), "architectures": [PREFIX[family] + SUFFIX[task]]}
    _, architecture = registry.family_of(config)
    assert layout(architecture, config, groups_of(mine)) == mine


SPELLINGS = ("", "bert.", "module.", "module.bert.")


@pytest.mark.parametrize("prefix", SPELLINGS)
@pytest.mark.parametrize(("weight", "bias"), [("weight", "bias"), ("gamma", "beta")])
def test_structbert_prefixes_and_old_norms(prefix: str, weight: str, bias: str) -> None:
    keys = [
        f"{prefix}embeddings.word_embeddings.weight",
        f"{prefix}embeddings.LayerNorm.{weight}",
        f"{prefix}embeddings.LayerNorm.{bias}",
        f"{prefix}encoder.layer.11.output.LayerNorm.{weight}",
        f"{prefix}pooler.dense.weight",
    ]
    assert [t for step in table("structbert").plan(keys).steps for t in step.targets] == [
        "encoder.embeddings.word.weight",
        "encoder.embeddings.norm.weight",
        "encoder.embeddings.norm.bias",
        "encoder.layers.11.feed_forward_norm.weight",
        "encoder.pooler.dense.weight",
    ]


def test_pretraining_head_is_kept_for_the_way_back() -> None:
    keys = ["cls.seq_relationship.weight", "cls.seq_relationship.bias", "bert.embeddings.position_ids"]
    steps = table("structbert").plan(keys).steps
    assert [step.targets[0] for step in steps] == [
        "unused.seq_relationship.weight",
        "unused.seq_relationship.bias",
        "unused.position_ids",
    ]
    assert {step.rule.op for step in steps} == {"copy"}  # verbatim, so a square matrix cannot be turned unseen


@pytest.mark.parametrize(("family", "head"), [("xlmr", "lm_head"), ("structbert", "cls.predictions")])
def test_bias_of_a_file_that_names_only_the_decoder(family: str, head: str) -> None:
    plan = table(family).plan([f"{head}.decoder.bias"])
    assert plan.steps[0].rule.op == "copy" and plan.steps[0].targets == ("mlm.bias",)
    both = table(family).plan([f"{head}.decoder.bias", f"{head}.bias"])
    assert [step.rule.op for step in both.steps] == ["tie", "copy"]


def test_task_decides_what_classifier_means() -> None:
    keys = ["classifier.weight", "classifier.bias"]
    for family in FAMILIES:
        for task in ("tagging", "multiple-choice"):
            steps = table(family).prefer(task).plan(keys).steps
            group = task.replace("-", "_")
            assert [s.targets[0] for s in steps] == [f"{group}.output.weight", f"{group}.output.bias"]


def test_unknown_key_is_an_error() -> None:
    with pytest.raises(KeyRuleError, match=r"roberta\.encoder\.layer\.0\.adapter"):
        table("xlmr").plan(["roberta.encoder.layer.0.adapter.weight"])


DIALECTS = [
    (f, d) for f in ("xlmr", "structbert", "funnel") for d in import_module(f"zoo.models.{f}.keymap").PADDLENLP
]


@pytest.mark.parametrize(("family", "dialect"), DIALECTS, ids=lambda value: getattr(value, "stem", ""))
def test_paddlenlp_copies_and_nothing_is_lost(family: str, dialect: Dialect) -> None:
    sizes = {"block_sizes": [2, 1], "d_model": 24, "n_head": 2, "d_head": 4, "d_inner": 24, "vocab_size": 50}
    config = {
        **(sizes if family == "funnel" else SIZES),
        "architectures": [f"{dialect.stem}ForTokenClassification"],
    }
    _, architecture = registry.family_of(config)
    rng = np.random.default_rng(0)
    for task in dialect.heads:
        groups = {"encoder.pooler", task.replace("-", "_")}
        state = {n: rng.normal(size=s) for n, s in layout(architecture, config, groups).items()}
        written = backwards(dialect.keymap, state)
        read: dict[str, np.ndarray] = {}
        for step in dialect.keymap.prefer(task).plan(written).steps:
            assert step.rule.op == "copy"
            read |= forward(step, written.__getitem__)
        assert set(read) == set(state) and all(np.array_equal(read[n], state[n]) for n in state)
