"""--verify accepts what is equal, refuses what is not, and names the sub-layer, the rule and what mends it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.convert.conftest import Make
from zoo.checkpoint.keymap import KeyMap
from zoo.checkpoint.rules import Rule
from zoo.convert.certificate import Certificate

pytestmark = pytest.mark.torch
XLMR = "FacebookAI/xlm-roberta-base"
BERT = "structbert-en-large"
LAYER = "encoder.layers.{i}."


@pytest.mark.parametrize(
    ("name", "architecture", "form"),
    [
        (XLMR, "", None),
        ("microsoft/infoxlm-base", "", None),
        (BERT, "BertForPreTraining", None),
        (BERT, "BertForSequenceClassification", None),
        (XLMR, "XLMRobertaForQuestionAnswering", None),
        (BERT, "BertForMultipleChoice", None),
        (XLMR, "XLMRobertaForTokenClassification", None),
    ],
)
def test_equal(name: str, architecture: str, form: object, snapshot: Make, tmp_path: Path, command) -> None:  # type: ignore[no-untyped-def]
    code, _, err = command(snapshot(name, architecture, form), "--out", tmp_path / "out", "--verify")
    assert code == 0, err
    certificate = Certificate.read(tmp_path / "out")
    assert certificate is not None and certificate.verified
    parity = certificate.parity
    assert isinstance(parity, dict) and parity["verdict"].startswith("equal within tolerance")
    assert parity["tokenizer"]["lines"] >= 300 and parity["tokenizer"]["different"] == 0
    assert {c["name"] for c in parity["cases"]} >= {"length 1", "padded right", "padded left", "text"}
    assert {"hidden_states.0", "hidden_states.2", "last_hidden_state"} <= set(parity["outputs"])
    assert ("pooler_output" in parity["outputs"]) == (name == BERT)
    assert parity["gradients"]["compared"] >= 3 * 37 and parity["gradients"]["worst"]["relative"] < 1e-4
    if architecture and "Model" not in architecture:
        assert "loss" in parity["outputs"]


def test_equal_in_all_outputs_of_bge_m3(snapshot: Make, tmp_path: Path, command) -> None:  # type: ignore[no-untyped-def]
    code, _, err = command(snapshot("BAAI/bge-m3"), "--out", tmp_path / "out", "--verify")
    assert code == 0, err
    parity = Certificate.read(tmp_path / "out").parity  # type: ignore[union-attr]
    assert {"embeddings", "token_weights", "token_vectors", "pooler_output"} <= set(parity["outputs"])  # type: ignore[index]
    gradients = parity["gradients"]  # type: ignore[index]
    assert gradients["compared"] >= 3 * 39 + 2 * 41 and gradients["worst"]["relative"] < 1e-4


def test_equal_with_one_score(snapshot: Make, tmp_path: Path, command) -> None:  # type: ignore[no-untyped-def]
    code, _, err = command(snapshot("BAAI/bge-reranker-v2-m3"), "--out", tmp_path / "out", "--verify")
    assert code == 0, err
    parity = Certificate.read(tmp_path / "out").parity  # type: ignore[union-attr]
    assert {"logits", "loss"} <= set(parity["outputs"])  # type: ignore[index]


def test_verifies_an_older_conversion(snapshot: Make, tmp_path: Path, command) -> None:  # type: ignore[no-untyped-def]
    source, out = snapshot(XLMR, "XLMRobertaModel"), tmp_path / "out"
    states = []
    for extra in ([], ["--verify"], ["--verify"], []):
        states.append(json.loads(command(source, "--out", out, "--json", *extra)[1])["models"][0]["status"])
    assert states == ["converted", "converted", "already done", "already done"]
    assert Certificate.read(out).verified  # type: ignore[union-attr]


def plant(monkeypatch: pytest.MonkeyPatch, module: str, change) -> None:  # type: ignore[no-untyped-def]
    """Puts a fault into a key table: `change` maps a rule to the rule in its place."""
    import importlib

    keymaps = importlib.import_module(module)
    table: KeyMap = keymaps.KEYMAP
    monkeypatch.setattr(keymaps, "KEYMAP", replace(table, rules=tuple(map(change, table.rules))))


def without_transpose(rule: Rule) -> Rule:
    return replace(rule, op="copy") if rule.targets == (f"{LAYER}attention.output.weight",) else rule


def with_query_and_key_swapped(rule: Rule) -> Rule:
    swap = {"query": "key", "key": "query"}
    if len(rule.targets) == 1 and rule.targets[0].startswith(f"{LAYER}attention."):
        *front, layer, leaf = rule.targets[0].split(".")
        return replace(rule, targets=(".".join((*front, swap.get(layer, layer), leaf)),))
    return rule


def with_gamma_and_beta_swapped(rule: Rule) -> Rule:
    swap = {f"{LAYER}feed_forward_norm.weight": "bias", f"{LAYER}feed_forward_norm.bias": "weight"}
    if rule.targets and rule.targets[0] in swap:
        return replace(rule, targets=(f"{LAYER}feed_forward_norm.{swap[rule.targets[0]]}",))
    return rule


@pytest.mark.parametrize(
    ("change", "layer", "guess"),
    [
        (without_transpose, "encoder.layers.0.attention.output", "Transposing"),
        (with_query_and_key_swapped, "encoder.layers.0.attention.key", "two rules are swapped"),
        (with_gamma_and_beta_swapped, "encoder.layers.0.feed_forward_norm", "gamma and beta"),
    ],
)
@pytest.mark.parametrize(
    ("name", "module"), [(XLMR, "zoo.models.xlmr.keymap"), (BERT, "zoo.models.structbert.keymap")]
)
def test_planted_rule(name, module, change, layer, guess, snapshot: Make, tmp_path, command, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    plant(monkeypatch, module, change)
    code, out, err = command(snapshot(name), "--out", tmp_path / "out", "--verify", "--json")
    assert code == 3, err
    row = json.loads(out)["models"][0]
    culprit = row["report"]["culprit"]
    assert culprit["layer"] == layer and guess in culprit["guess"]
    assert culprit["rule"] in row["error"]["message"] and guess in row["error"]["message"]
    assert culprit["output_gap"] > 1e-5
    assert not (tmp_path / "out").exists()


def test_planted_epsilon(snapshot: Make, tmp_path: Path, command, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    from zoo.models.xlmr import config

    read = config.Config.from_dict.__func__  # type: ignore[attr-defined]
    wrong = classmethod(lambda cls, values: replace(read(cls, values), layer_norm_eps=1e-3))
    monkeypatch.setattr(config.Config, "from_dict", wrong)
    code, out, _ = command(snapshot(XLMR), "--out", tmp_path / "out", "--verify", "--json")
    culprit = json.loads(out)["models"][0]["report"]["culprit"]
    assert code == 3 and culprit["layer"] == "encoder.embeddings.norm"
    assert culprit["guess"].startswith("Epsilon 1e-05 mends")


def test_planted_activation(snapshot: Make, tmp_path: Path, command, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    from zoo.models.common import layers

    monkeypatch.setitem(layers.ACTIVATIONS, "gelu", layers.ACTIVATIONS["gelu_new"])
    code, out, _ = command(snapshot(XLMR), "--out", tmp_path / "out", "--verify", "--json")
    culprit = json.loads(out)["models"][0]["report"]["culprit"]
    assert code == 3 and culprit["layer"] == "encoder.layers.0.feed_forward.outer"
    assert "The original computes gelu there" in culprit["guess"]


def test_planted_tokenizer(snapshot: Make, tmp_path: Path, command, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    from conversion import tokenizers

    encode = tokenizers.encode
    monkeypatch.setattr(tokenizers, "encode", lambda *a: [ids[:-1] for ids in encode(*a)])
    code, _, err = command(snapshot(XLMR), "--out", tmp_path / "out", "--verify")
    assert code == 3 and "other token ids" in err and not (tmp_path / "out").exists()


def test_rounding_is_decided_in_float64() -> None:
    import numpy as np

    from conversion.cases import Case
    from conversion.figures import Figures
    from conversion.reference import Tolerance

    case = Case("one", {"input_ids": np.zeros((1, 2), np.int64)}, None)
    truth = np.ones((1, 2, 4))
    small, large = Figures(Tolerance()), Figures(Tolerance())
    small.output("x", case, truth + 3e-5, truth)
    large.output("x", case, truth + 3e-2, truth)
    assert small.failures and small.maybe_rounding
    assert large.failures and not large.maybe_rounding
    exact = Figures(Tolerance().doubled())
    exact.output("x", case, truth + 3e-9, truth)
    assert exact.failures and not exact.maybe_rounding
    broken = Figures(Tolerance())
    broken.output("x", case, truth * np.nan, truth)
    assert broken.failures and not broken.maybe_rounding


def test_without_a_checkout(command, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    import zoo.convert.__main__ as main

    def without(module: str) -> None:
        def missing(name: str) -> None:
            raise ModuleNotFoundError(f"No module named {module!r}", name=module)

        monkeypatch.setattr(main, "import_module", missing)

    for module, words in (("conversion", "checkout"), ("torch", "pip install")):
        without(module)
        code, _, err = command("minilm", "--verify")
        assert code == 2 and words in err
