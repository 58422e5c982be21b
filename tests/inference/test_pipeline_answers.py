"""What each pipeline answers: as `zoo.predict` does, in the form that the documentation says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

import zoo
from tests.convert.conftest import Make, snapshot
from tests.inference.conftest import Answer
from tests.inference.test_pipelines import GOOD, TEXTS, same
from tests.places import DATA
from zoo import tasks
from zoo.errors import InputError, UsageError
from zoo.finetune.setup import split_of
from zoo.finetune.trained_model import TrainedModel
from zoo.tasks.classification import TextExample
from zoo.tasks.qa import QAExample
from zoo.tasks.readable import softmax

__all__ = ["snapshot"]  # a fixture
Folders = Callable[[str], Path]


def predicted(folder: Path, examples: Sequence[Any], out: Path) -> tuple[Any, list[Any]]:
    """The task, and the answers of `zoo predict`."""
    saved = TrainedModel(str(folder))
    split = split_of("test", list(examples), saved.task, saved.model, saved.options)
    return saved.task, saved.predict(split, out)


# --- classification ---


def test_classes_are_those_of_predict(folders: Folders, answering: Answer, tmp_path: Path) -> None:
    rows = [row for split in ("train", "dev") for row in tasks.find("sst2").read(DATA / "glue", split)]
    examples = [replace(row, label=None) for row in rows]  # type: ignore[type-var]
    _, theirs = predicted(folders("classification"), examples, tmp_path / "out")
    answers = answering("classification")([row.text for row in rows])  # type: ignore[attr-defined]
    assert [answer["label"] for answer in answers] == theirs and len(set(theirs)) == 2
    assert all(0.5 <= answer["score"] <= 1 for answer in answers)


def test_pairs_and_numbers_are_those_of_predict(folders: Folders, answering: Answer, tmp_path: Path) -> None:
    items = list(zip(TEXTS, TEXTS[::-1], strict=True))
    examples = [TextExample(str(n), *item) for n, item in enumerate(items)]
    _, theirs = predicted(folders("pairs"), examples, tmp_path / "pairs")
    assert [answer["label"] for answer in answering("pairs")(items)] == theirs
    _, numbers = predicted(folders("regression"), examples, tmp_path / "numbers")
    scores = [answer["score"] for answer in answering("regression")(items)]
    np.testing.assert_allclose(scores, numbers, atol=1e-5)


def test_texts_and_pairs_in_one_list(answering: Answer) -> None:
    pipe = answering("pairs")
    items: list[Any] = ["a good film", ("a good film", "b"), {"text": "x"}, {"text": "x", "text_pair": "y"}]
    assert same(pipe(items), [pipe(item) for item in items])
    assert not same(pipe(items[0]), pipe(items[1]))
    for bad, said in (
        (("a",), "tuple of 1"),
        ({"sentence": "a"}, "no 'text'"),
        ({"text": "a", "more": 1}, "'more'"),
        ({"text": "a", "text_pair": 3}, "text_pair is a int"),
    ):
        with pytest.raises(InputError, match=f"^Item 0 .*{said}"):
            pipe(bad)


def test_top_k(answering: Answer) -> None:
    pipe = answering("zero-shot").deployed
    ranked = zoo.pipeline("classification", pipe)("a good film", top_k=None)
    assert {answer["label"] for answer in ranked} == {"contradiction", "entailment", "neutral"}
    assert sum(answer["score"] for answer in ranked) == pytest.approx(1)
    assert zoo.pipeline("classification", pipe, top_k=2)("a good film") == ranked[:2]
    for bad in (0, "all", True, 1.5):
        with pytest.raises(UsageError, match="top_k"):
            zoo.pipeline("classification", pipe)("a good film", top_k=bad)


# --- questions ---


def questions() -> list[QAExample]:
    rows = [row for split in ("train", "dev") for row in tasks.find("squad2").read(DATA / "squad", split)]
    return [replace(row, answers=None) for row in rows]  # type: ignore[type-var,misc]


def test_answers_are_those_of_predict(folders: Folders, answering: Answer, tmp_path: Path) -> None:
    rows = questions()
    task, theirs = predicted(folders("qa"), rows, tmp_path / "out")
    items = [{"question": row.question, "context": row.context} for row in rows]
    answers = answering("qa")(items)
    assert [answer["answer"] for answer in answers] == [task.final(answer) for answer in theirs]
    assert any(answer["answer"] for answer in answers)
    always = answering("qa", threshold=1e12)(items)
    assert [answer["answer"] for answer in always] == [answer.text for answer in theirs]
    for row, answer in zip(rows, always, strict=True):
        assert row.context[answer["start"] : answer["end"]] == answer["answer"] != ""
    never = answering("qa")(items[0], threshold=-1e12)
    assert (never["answer"], never["start"], never["end"]) == ("", 0, 0) and 0 < never["score"] < 1


def test_several_answers(answering: Answer) -> None:
    item = ("which city?", "a film about the city of Paris " * 20)
    ranked = answering("qa")(item, top_k=4, threshold=1e12, stride=4, max_answer=3)
    assert len(ranked) == 4 and len({answer["answer"] for answer in ranked}) == 4
    scores = [answer["score"] for answer in ranked]
    assert scores == sorted(scores, reverse=True) and sum(scores) < 1
    assert all(len(answer["answer"].split()) <= 3 for answer in ranked)
    for options in ({"stride": -1}, {"max_answer": "x"}, {"threshold": "x"}, {"top_k": 0}, {"max_length": 3}):
        with pytest.raises(UsageError, match=next(iter(options))):
            answering("qa")(item, **options)
    for bad in ({"question": "q"}, {"question": "", "context": "c"}, "text", {"question": "q", "context": None}):
        with pytest.raises(InputError, match=r"^Item 0 "):
            answering("qa")(bad)


def test_a_beam_of_funnel_answers_and_does_not_see_its_neighbours(snapshot: Make) -> None:
    paddle.seed(3)
    model = zoo.load(snapshot("funnel-small"), task="qa-beam")
    pipe = zoo.pipeline("qa", model, engine="eager", precision="fp32", threshold=1e12, max_length=32, stride=4)
    items = [("what?", "one two three " * n) for n in (1, 3, 30)]
    answers = pipe(items)
    assert same(answers, [pipe(item) for item in items])
    assert all(
        context[a["start"] : a["end"]] == a["answer"] for a, (_, context) in zip(answers, items, strict=True)
    )


# --- gaps ---


def test_gaps(answering: Answer, folders: Folders) -> None:
    pipe, model = answering("fill-mask"), zoo.load(folders("fill-mask"))
    text = "a good [MASK] from paris"
    batch = model.tokenizer(text)
    logits = model(**batch).logits[0, 3].numpy()
    best = np.argsort(-logits)[:5]
    found = pipe(text)
    assert [answer["token"] for answer in found] == best.tolist()
    np.testing.assert_allclose([answer["score"] for answer in found], softmax(logits)[best], rtol=1e-4)
    assert found[0]["token_str"] == model.tokenizer.decode([int(best[0])])
    assert found[0]["sequence"] == model.tokenizer.decode(
        [*batch["input_ids"][0][1:3], int(best[0]), *batch["input_ids"][0][4:-1]]
    )


def test_several_gaps_and_none(answering: Answer) -> None:
    pipe = answering("fill-mask", top_k=2)
    first, second = pipe("a [MASK] film from [MASK]")
    assert len(first) == len(second) == 2 and first[0]["sequence"].endswith("from [MASK]")
    with pytest.raises(InputError, match=r"^Item 1 has no \[MASK\]"):
        pipe([GOOD["fill-mask"], "a film"])
    late = "film " * 600 + "[MASK]"
    with pytest.raises(InputError, match=r"^Item 1 has its \[MASK\] behind token"):
        pipe([GOOD["fill-mask"], late])
    answers = pipe([GOOD["fill-mask"], late], on_error="return")
    assert len(answers[0]) == 2 and isinstance(answers[1], InputError)


# --- labels that nobody trained ---


def test_zero_shot(answering: Answer) -> None:
    pipe = answering("zero-shot")
    judge = zoo.pipeline("classification", pipe.deployed, top_k=None)
    labels = ["sport", "politics", "art"]
    judged = judge([("a good film", f"It is about {label}.") for label in labels])
    chances = [{a["label"]: a["score"] for a in answer} for answer in judged]
    alone = {
        label: row["entailment"] / (row["entailment"] + row["contradiction"])
        for label, row in zip(labels, chances, strict=True)
    }
    options = {"candidate_labels": labels, "hypothesis_template": "It is about {}."}
    found = pipe("a good film", multi_label=True, **options)
    assert found["sequence"] == "a good film" and found["labels"] == sorted(alone, key=alone.__getitem__)[::-1]
    np.testing.assert_allclose(found["scores"], sorted(alone.values())[::-1], rtol=1e-4)
    together = pipe(["a good film", "an umbrella"], **options)
    assert all(sum(answer["scores"]) == pytest.approx(1) for answer in together)
    assert pipe("a", candidate_labels="x, y")["labels"] in (["x", "y"], ["y", "x"])


@pytest.mark.parametrize(
    "options",
    [
        {"candidate_labels": None},
        {"candidate_labels": []},
        {"candidate_labels": ["a", 3]},
        {"candidate_labels": ["a", "a"]},
        {"hypothesis_template": "no gap"},
    ],
)
def test_zero_shot_options(options: dict[str, Any], answering: Answer) -> None:
    with pytest.raises(UsageError, match=next(iter(options))):
        answering("zero-shot")("a good film", **options)


def test_zero_shot_needs_entailment(answering: Answer) -> None:
    with pytest.raises(UsageError, match=r"labels entailment and contradiction; this one has negative, positive"):
        zoo.pipeline("zero-shot", answering("classification").deployed)


# --- another family ---


def test_xlmr(snapshot: Make) -> None:
    folder, item = snapshot("FacebookAI/xlm-roberta-base"), "Angela Merkel flew to Paris, 我在北京。"
    paddle.seed(5)
    tagger = zoo.load(folder, task="tagging", labels=["O", "B-X", "I-X"])
    entities = zoo.pipeline("ner", tagger, engine="eager")([item, item * 30])
    assert all(found for found in entities)
    for text, found in zip((item, item * 30), entities, strict=True):
        assert all(text[e["start"] : e["end"]] == e["word"] != "" for e in found)
    pipe = zoo.pipeline("qa", zoo.load(folder, task="qa"), engine="eager", max_length=32, stride=4)
    answer = pipe(("who?", item * 30))
    assert (item * 30)[answer["start"] : answer["end"]] == answer["answer"] != ""
    fill: Any = zoo.pipeline("fill-mask", folder, engine="eager")
    assert fill.mask == "<mask>"
    found = fill("Angela <mask> flew.", top_k=3)
    assert len({hit["token"] for hit in found}) == 3 and all("<mask>" not in hit["sequence"] for hit in found)
