"""What the zoo says about its checkpoints: consistent, found by every spelling, and without a framework."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import asdict
from pathlib import Path

import pytest

import zoo
from zoo import published, registry
from zoo.cards import Card
from zoo.errors import ConfigError, UnknownModelError
from zoo.finetune.recipes import recipes
from zoo.models import FAMILIES

CARDS = [card for family in registry.families() for card in family.cards]
TASKS = {"mlm", "classification", "tagging", "qa", "multiple-choice", "embedding", "generation"}


def sizes(card: Card) -> tuple[int, int, int, int]:
    """V, D, layers, F of a BERT-like encoder."""
    config = card.config
    return tuple(int(config[k]) for k in ("vocab_size", "hidden_size", "num_hidden_layers", "intermediate_size"))  # type: ignore


def count(card: Card, *, pooler: bool, types: int, head: str | None) -> int:
    """Parameters of a BERT-like encoder, from its sizes."""
    V, D, layers, F = sizes(card)
    positions = int(card.config["max_position_embeddings"])  # type: ignore[call-overload]
    encoder = (V + positions + types + 2) * D + layers * (4 * D * D + 4 * D + 2 * D * F + F + D + 4 * D)
    heads = {"mlm": D * D + D + 2 * D + V, "qa": 2 * D + 2, "nli": D * D + D + 3 * D + 3, None: 0}
    return encoder + (D * D + D if pooler else 0) + heads[head]


@pytest.mark.parametrize("card", CARDS, ids=lambda c: c.name)
def test_a_card_is_complete(card: Card) -> None:
    assert registry.info(card.name) is card
    assert all(registry.info(alias) is card for alias in card.aliases)
    assert card.languages and card.licence and card.checked
    assert set(card.heads) <= TASKS
    family = registry.family(card.family)
    known = {a.name for f in registry.families() for a in f.architectures}
    assert card.architecture in known, "no family runs the class that this card names"
    assert card in family.cards
    for source in card.sources:
        assert source.kind in {"hub", "modelscope", "archive", "package"}
        assert re.fullmatch(r"[0-9a-f]{40}|", source.revision)
        assert all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in source.sha256.values())
    for score in card.scores:
        assert score.source and score.metric and score.split and 0 < score.value <= 100
    json.dumps(asdict(card))


def test_every_family_and_checkpoint_of_the_zoo_is_there() -> None:
    assert tuple(f.name for f in registry.families()) == FAMILIES
    funnel = {
        f"funnel-transformer/{n}{b}"
        for n in ("small", "medium", "intermediate", "large", "xlarge")
        for b in ("", "-base")
    }
    assert set(zoo.list_models("funnel*")) == funnel
    for name in ("xlm-roberta-base", "xlm-roberta-large", "infoxlm-base", "infoxlm-large", "structbert.en.large"):
        assert zoo.info(name)
    for name in ("structbert.ch.large", "structbert-zh-base", "structbert-zh-lite", "structbert-zh-tiny"):
        assert zoo.info(name)
    for name in ("palm.ch.base", "palm2-chinese-base", "veco_large", "veco-large-nlg", "minilm"):
        assert zoo.info(name)


@pytest.mark.parametrize(
    ("name", "pooler", "types", "head"),
    [
        ("xlmr-base", False, 1, "mlm"),
        ("xlmr-large", False, 1, "mlm"),
        ("xlmr-xl", False, 1, "mlm"),
        ("xlmr-xxl", False, 1, "mlm"),
        ("infoxlm-base", False, 1, "mlm"),
        ("infoxlm-large", False, 1, "mlm"),
        ("joeddav/xlm-roberta-large-xnli", False, 1, "nli"),
        ("deepset/xlm-roberta-base-squad2", False, 1, "qa"),
        ("deepset/xlm-roberta-large-squad2", False, 1, "qa"),
        ("structbert-en-large", False, 2, "mlm"),
        ("structbert-zh-large", True, 2, None),
        ("minilm", True, 2, None),
        ("veco-large", True, 1, None),
    ],
)
def test_the_number_of_parameters_follows_from_the_sizes(
    name: str, pooler: bool, types: int, head: str | None
) -> None:
    card = zoo.info(name)
    assert card.parameters == count(card, pooler=pooler, types=types, head=head)


@pytest.mark.parametrize("card", [c for c in CARDS if c.family == "funnel"], ids=lambda c: c.name)
def test_the_number_of_parameters_of_funnel(card: Card) -> None:
    D, H, K, F = (int(card.config[k]) for k in ("d_model", "n_head", "d_head", "d_inner"))  # type: ignore[call-overload]
    query, key_value, out = D * H * K, 2 * (D * H * K + H * K), H * K * D + D
    relative = 3 * H * K + D * H * K + 2 * H * K
    layer = query + key_value + out + relative + 2 * D + D * F + F + F * D + D + 2 * D
    layers = sum(card.config["block_sizes"]) + (0 if card.name.endswith("-base") else 2)  # type: ignore
    assert card.parameters == 30522 * D + 2 * D + layers * layer


@pytest.mark.parametrize(("layers", "total"), [(24, 962_488_320), (6, 660_148_224)])
def test_the_number_of_parameters_of_vecos_encoder_decoder(layers: int, total: int) -> None:
    card = zoo.info("veco-large-nlg")
    names = ("vocab_size", "d_model", "encoder_ffn_dim", "max_position_embeddings")
    V, D, F, rows = (int(card.config[name]) for name in names)  # type: ignore[call-overload]
    attention, inner = 4 * (D * D + D) + 2 * D, 2 * D * F + F + D + 2 * D
    both = V * D + 2 * ((rows + 2) * D + 2 * D) + 24 * (attention + inner) + layers * (2 * attention + inner)
    assert both == total and (layers < 24 or card.parameters == total)


def test_published_means_agree_with_their_rows() -> None:
    def rows(name: str, task: str, metric: str, source: str) -> list[float]:
        found = [s for s in zoo.info(name).scores if s.language and (s.task, s.metric) == (task, metric)]
        return [s.value for s in found if source in s.source]

    paper = rows("infoxlm-base", "xnli", "accuracy", "InfoXLM paper")
    assert len(paper) == 15 and sum(paper) / 15 == pytest.approx(76.5, abs=0.05)
    fairseq = rows("xlmr-large", "xnli-translate-train", "accuracy", "fairseq")
    assert len(fairseq) == 15 and sum(fairseq) / 15 == pytest.approx(83.6, abs=0.05)
    for metric, mean in (("en->x", 80.61), ("x->en", 77.79)):
        tatoeba = rows("infoxlm-base", "tatoeba-14", metric, "InfoXLM for Paddle")
        assert len(tatoeba) == 14 and sum(tatoeba) / 14 == pytest.approx(mean, abs=0.05)
    mlqa = rows("xlmr-large", "mlqa", "f1", "fairseq")
    assert sum(mlqa) / 7 == pytest.approx(70.7, abs=0.05)


def test_a_published_score_stands_once() -> None:
    keys = [score.key for score in published.scores()]
    assert len(set(keys)) == len(keys)
    known = {recipe.name for recipe in recipes()}
    assert {name for score in published.scores() for name in score.recipes} <= known
    assert all(re.fullmatch(r"[\w.-]+(/[\w.-]+)?", score.model) for score in published.scores())


def test_wildcards_know_names_tails_aliases_and_families() -> None:
    assert zoo.list_models() == [c.name for c in CARDS]
    assert zoo.list_models("XLARGE*") == ["funnel-transformer/xlarge", "funnel-transformer/xlarge-base"]
    assert zoo.list_models("veco") == ["veco-large", "veco-large-nlg"]
    assert "sentence-transformers/all-MiniLM-L6-v2" in zoo.list_models("minilm")
    assert zoo.list_models("no-such-*") == []


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("xlm-roberta-bsae", "FacebookAI/xlm-roberta-base"),
        ("funnel-transformer/xlage", "funnel-transformer/xlarge"),
        ("InfoXLM-bass", "microsoft/infoxlm-base"),
        ("structbert-en-larg", "structbert-en-large"),
    ],
)
def test_a_typing_error_gets_a_suggestion(typed: str, meant: str) -> None:
    with pytest.raises(UnknownModelError) as error:
        zoo.info(typed)
    assert f"Did you mean '{meant}'" in error.value.hint and f"'./{typed}'" in error.value.hint


def test_a_name_like_nothing_gets_no_suggestion() -> None:
    with pytest.raises(UnknownModelError) as error:
        zoo.info("qwertz")
    assert "Did you mean" not in str(error.value)


# From a config.json to who runs it


@pytest.mark.parametrize(
    ("config", "family", "architecture", "task"),
    [
        ({"architectures": ["XLMRobertaModel"]}, "xlmr", "XLMRobertaModel", None),
        ({"architectures": ["RobertaForMaskedLM"]}, "xlmr", "RobertaForMaskedLM", "mlm"),
        (
            {"architectures": ["CamembertForTokenClassification"]},
            "xlmr",
            "CamembertForTokenClassification",
            "tagging",
        ),
        (
            {"architectures": ["BertForSequenceClassification"]},
            "structbert",
            "BertForSequenceClassification",
            "classification",
        ),
        ({"architectures": ["SbertForQuestionAnswering"]}, "structbert", "SbertForQuestionAnswering", "qa"),
        ({"architectures": ["BertForMultipleChoice"]}, "structbert", "BertForMultipleChoice", "multiple-choice"),
        ({"model_type": "bert"}, "structbert", "BertModel", None),
        ({"model_type": "sbert"}, "structbert", "SbertModel", None),
        ({"model_type": "structbert"}, "structbert", "BertModel", None),
        ({"model_type": "xlm-roberta", "architectures": None}, "xlmr", "XLMRobertaModel", None),
        ({"model_type": "roberta", "architectures": []}, "xlmr", "RobertaModel", None),
        ({"model_type": "camembert"}, "xlmr", "CamembertModel", None),
        ({"model_type": "xlm-roberta-xl"}, "xlmr_xl", "XLMRobertaXLModel", None),
        ({"architectures": ["XLMRobertaXLForMaskedLM"]}, "xlmr_xl", "XLMRobertaXLForMaskedLM", "mlm"),
        (
            {
                "architectures": ["XLMRobertaModel"],
                "zoo": {"family": "infoxlm", "architecture": "XLMRobertaForMaskedLM"},
            },
            "infoxlm",
            "XLMRobertaForMaskedLM",
            "mlm",
        ),
    ],
)
def test_who_runs_a_config(config: dict, family: str, architecture: str, task: str | None) -> None:
    found = registry.family_of(config)
    assert (found[0].name, found[1].name, found[1].task) == (family, architecture, task)
    assert found[1].module in {"zoo.models.xlmr", "zoo.models.xlmr_xl", "zoo.models.structbert"}


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"model_type": "gpt2"},
        {"architectures": ["XLMModel"], "model_type": "xlm-roberta"},
        {"architectures": ["BertLMHeadModel"], "model_type": "bert"},
        {"architectures": 3, "model_type": ["bert"]},
        {"zoo": {"architecture": "NoSuchModel"}, "architectures": ["BertModel"]},
        {"zoo": "converted", "architectures": "BertModel"},
    ],
)
def test_a_config_that_nobody_runs(config: dict) -> None:
    with pytest.raises(ConfigError, match=r"config\.json"):
        registry.family_of(config)


def test_cards_stand_on_nothing_but_cards() -> None:
    for family in FAMILIES:
        tree = ast.parse((Path(zoo.__file__).parent / "models" / family / "__init__.py").read_text("utf-8"))
        modules = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
        modules |= {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
        assert modules == {"zoo.cards"}
