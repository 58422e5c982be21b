"""Scores, labels and gaps, of networks and words that are made here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

import zoo
from tests import tiny_models
from zoo import tasks
from zoo.errors import UsageError
from zoo.finetune.config import FinetuneConfig
from zoo.finetune.setup import load_model
from zoo.inference.pipelines.fill_mask import largest
from zoo.tasks.readable import softmax

NLI = ["contradiction", "entailment", "neutral"]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an encoder without a head."""
    root = tmp_path_factory.mktemp("answers")
    tiny_models.reviewer(root / "source", None).save(root / "base")
    return root / "base"


def pipe_of(base: Path, name: str, labels: list[str] | None = None, **config: Any) -> Any:
    """A pipeline over the encoder with a new head."""
    paddle.seed(2)
    model = zoo.load(base, task="mlm" if name == "fill-mask" else "classification", labels=labels)
    for tensor in model.head.parameters():
        tensor.set_value(tensor + paddle.randn(tensor.shape) * 0.2)
    model.config.problem_type = config.pop("problem_type", None)
    model.config.source = {**model.config.source, **config}
    return zoo.pipeline(name, model, engine="eager", precision="fp32")


@pytest.mark.parametrize(
    ("labels", "config", "function"),
    [
        (["relevance"], {}, "sigmoid"),
        (["relevance"], {"problem_type": "regression"}, "none"),
        (["a", "b"], {"problem_type": "multi_label_classification"}, "sigmoid"),
        (["a", "b"], {"problem_type": "regression"}, "none"),
        (["a", "b"], {}, "softmax"),
        # cross-encoders of sentence-transformers, today's and older ones
        (["a"], {"sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity"}}, "none"),
        (["a"], {"sbert_ce_default_activation_function": "torch.nn.modules.linear.Identity"}, "none"),
        (["a"], {"sentence_transformers": {"activation_fn": "torch.nn.modules.activation.Sigmoid"}}, "sigmoid"),
        (["a"], {"sentence_transformers": {"activation_fn": "mine.Own"}}, "sigmoid"),
        (["a"], {"sentence_transformers": "?"}, "sigmoid"),
    ],
)
def test_what_makes_a_score_of_a_logit(
    labels: list[str], config: dict[str, Any], function: str, base: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pipe = pipe_of(base, "classification", labels, **config)

    def scores(**options: Any) -> list[float]:
        found = {answer["label"]: answer["score"] for answer in pipe("ba be bi", top_k=None, **options)}
        return [found[label] for label in labels]

    logits = np.array(scores(function_to_apply="none"))
    wanted = {"sigmoid": 1 / (1 + np.exp(-logits)), "softmax": softmax(logits), "none": logits}
    for name, values in wanted.items():
        for asked in (name, name.upper(), *([None] if name == function else [])):
            np.testing.assert_allclose(scores(function_to_apply=asked), values, rtol=1e-6)
    assert ("'mine.Own', which is not known" in caplog.text) == ("mine" in str(config))
    for bad in ("tanh", 1, True):
        with pytest.raises(UsageError, match=r"function_to_apply=.*\n.*softmax, sigmoid, none"):
            pipe("ba", function_to_apply=bad)


def test_a_model_of_numbers_says_so(base: Path, tmp_path: Path) -> None:
    """What finetuning makes for regression gives numbers, here and in transformers, also without its task.json."""
    model = load_model(FinetuneConfig(model=str(base), task="stsb", data="", out=""), tasks.find("stsb"), 1)
    model.save(tmp_path / "saved")
    content = json.loads((tmp_path / "saved/config.json").read_text("utf-8"))
    assert content["problem_type"] == "regression" and len(content["id2label"]) == 1
    pipe = zoo.pipeline("classification", tmp_path / "saved", engine="eager")
    assert pipe(("ba", "be"))["score"] == pytest.approx(pipe(("ba", "be"), function_to_apply="none")["score"])


def test_a_vocabulary_that_is_padded(base: Path) -> None:
    """A number that the network has and the tokenizer has not is an answer without a text."""
    pipe = pipe_of(base, "fill-mask")
    engine, beyond = pipe.engine, pipe.tokenizer.vocab_size + 2

    def wider(batch: Any) -> dict[str, np.ndarray]:
        logits = engine(batch)["logits"]
        more = np.full((*logits.shape[:2], 8), logits.min() - 1, logits.dtype)
        more[..., 2] = logits.max() + 1
        return {"logits": np.concatenate([logits, more], 2)}

    pipe.engine = wider
    best, second = pipe("ba [MASK] bi", top_k=2)
    assert (best["token"], best["token_str"], best["sequence"]) == (beyond, "", "ba bi")
    assert second["token_str"] in tiny_models.SYLLABLES and second["sequence"] == f"ba {second['token_str']} bi"
    rows = pipe("ba [MASK] bi [MASK]", top_k=1)
    assert [row[0]["sequence"] for row in rows] == ["ba bi [MASK]", "ba [MASK] bi"]
    everything = pipe("ba [MASK] bi", top_k=10**6)
    assert sorted(answer["token"] for answer in everything) == list(range(beyond + 6))


def test_equal_scores_have_an_order() -> None:
    scores = np.array([[1, 3, 3, 0, 3, 2], [5, 5, 5, 5, 5, 5]], np.float32)
    assert largest(scores, 4).tolist() == [[1, 2, 4, 5], [0, 1, 2, 3]]
    assert largest(scores, 6).tolist() == [[1, 2, 4, 5, 0, 3], [0, 1, 2, 3, 4, 5]]
    assert largest(scores[:0], 3).shape == (0, 3)


def test_a_single_label_is_judged_against_contradiction(base: Path) -> None:
    pipe = pipe_of(base, "zero-shot", NLI)
    logits = zoo.pipeline("classification", pipe.deployed, top_k=None, function_to_apply="none")
    found = {answer["label"]: answer["score"] for answer in logits(("ba be", "This example is bi."))}
    wanted = 1 / (1 + np.exp(found["contradiction"] - found["entailment"]))
    for several in (False, True):
        for labels in (["bi"], "bi", " bi, "):
            alone = pipe("ba be", candidate_labels=labels, multi_label=several)
            assert (alone["sequence"], alone["labels"]) == ("ba be", ["bi"])
            assert alone["scores"][0] == pytest.approx(wanted, rel=1e-5) and 0 < wanted < 1


@pytest.mark.parametrize(
    ("labels", "entailed", "against"),
    [
        (["NEUTRAL", "ENTAILMENT", "CONTRADICTION"], 1, 2),
        (["entailment", "non-entailment", "neutral"], 0, 1),
        (["neutral or contradiction", "entailment"], 1, 0),
    ],
)
def test_classes_are_found_by_name(labels: list[str], entailed: int, against: int, base: Path) -> None:
    pipe = pipe_of(base, "zero-shot", labels)
    assert (pipe.entailed, pipe.against) == (entailed, against)


def test_a_long_text_leaves_the_hypothesis_whole(base: Path) -> None:
    pipe = pipe_of(base, "zero-shot", NLI)
    options = {**pipe.options, "candidate_labels": ["da de di do du fa"], "hypothesis_template": "{}"}
    examples = [pipe.preprocess(text) for text in ("ba " * 40, "ba")]
    features = pipe.encode(examples, **{**options, "max_length": 12})
    rows = [pipe.tokenizer.decode(row, skip_special_tokens=False) for row in features.columns["input_ids"]]
    assert rows == [f"[CLS] {texts} [SEP] da de di do du fa [SEP]" for texts in ("ba ba ba", "ba")]
    with pytest.raises(UsageError, match="max_length=9 leaves no room for a text beside 'da de di do du fa'"):
        pipe.encode(examples, **{**options, "max_length": 9})
