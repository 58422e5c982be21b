"""A perfect network scores 100 on every task: readers, alignment, decoding and metrics agree with each other.

What truncation takes away is reported, and then missed: exactly that much and no more.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from tests.places import DATA
from tests.tasks.oracle import outputs_of
from zoo import tasks
from zoo.tasks import Features, Scores, Task
from zoo.tokenization import Tokenizer

CASES = [  # task, folder of tests/data, split, tokenizer, examples
    ("sst2", "glue", "dev", "en", 40),
    ("cola", "glue", "dev", "en", 12),
    ("mrpc", "glue", "dev", "en", 8),
    ("stsb", "glue", "dev", "en", 16),
    ("qqp", "glue", "dev", "en", 11),
    ("mnli", "glue", "dev", "en", 10),  # one row without a majority
    ("qnli", "glue", "dev", "en", 8),
    ("rte", "glue", "dev", "en", 10),
    ("wnli", "glue", "dev", "en", 6),
    ("afqmc", "clue", "dev", "zh", 8),
    ("tnews", "clue", "dev", "zh", 15),
    ("iflytek", "clue", "dev", "zh", 8),
    ("cluewsc", "clue", "dev", "zh", 6),
    ("csl", "clue", "dev", "zh", 5),
    ("cmnli", "clue", "dev", "zh", 7),
    ("ocnli", "clue", "dev", "zh", 7),  # one row without a majority
    ("chnsenticorp", "chnsenticorp", "dev", "zh", 10),
    ("peoples-daily", "peoples_daily_ner", "dev", "zh", 10),
    ("cluener", "cluener2020", "dev", "zh", 8),
    ("msra", "msra_ner", "test", "zh", 18),
    ("squad", "squad", "dev", "en", 8),
    ("race", "RACE", "dev", "en", 3),
    ("snli", "", "dev", "en", 3),  # one row without a majority
]


def perfect(
    name: str, source: Path, split: str, tokenizer: Tokenizer, limit: int | None = None, **read: Any
) -> tuple[Task, list[Any], Features, Scores]:
    """Everything of a task, with a network that knows the answers."""
    task = tasks.find(name)
    examples = list(islice(task.read(source, split, **read), limit))
    features = task.features(examples, tokenizer)
    predictions = task.predictions(outputs_of(task, features), features, examples)
    return task, examples, features, task.score(predictions, examples)


def check_perfect(data: Path, tokenizer: Tokenizer, name: str, source: str, split: str, count: int) -> None:
    task, examples, features, scores = perfect(name, data / source, split, tokenizer)
    assert len(examples) == count
    assert not features.lost
    assert scores.value == pytest.approx(100)
    assert scores.rows["all"] == pytest.approx(dict.fromkeys(task.metrics, 100.0))


@pytest.mark.parametrize(("name", "source", "split", "language", "count"), CASES, ids=[c[0] for c in CASES])
def test_perfect(
    tokenizers: dict[str, Tokenizer], name: str, source: str, split: str, language: str, count: int
) -> None:
    check_perfect(DATA, tokenizers[language], name, source, split, count)


LANGUAGES = [
    ("xnli", ()),
    ("xnli-translate-train", ("fr", "en")),
    ("pawsx", ("de", "ko")),
    ("panx", ("sw", "hi", "ur")),
]
READ_WITH_OTHERS = [  # and how many languages; the training data of some lies in a folder beside
    ("mlqa", "", 7),
    ("mlqa", "MLQA_V1", 7),
    ("tydiqa-goldp", "tydiqa", 9),
]


@pytest.mark.parametrize(("name", "folder", "count"), READ_WITH_OTHERS, ids=[c[1] for c in READ_WITH_OTHERS])
def test_perfect_answers_in_every_language(
    tokenizers: dict[str, Tokenizer], name: str, folder: str, count: int
) -> None:
    task, _, features, scores = perfect(name, DATA / folder, "test", tokenizers["xx"])
    assert list(scores.rows) == [*task.languages, "average", "transfer gap"] and len(task.languages) == count
    missed = sum(features.lost.values())  # of a vocabulary that is trained nobody can say
    assert (scores.value == pytest.approx(100)) == (missed == 0) and missed <= 3
    assert [e.language for e in task.read(DATA / folder, "dev", task.train_languages)] == ["en", "en"]
    assert {e.language for e in task.read(DATA / folder, "train")} == {"en"}


def check_languages(data: Path, tokenizer: Tokenizer, name: str, languages: tuple[str, ...]) -> None:
    folder = data / name.partition("-")[0]
    _, examples, _, scores = perfect(name, folder, "dev", tokenizer, languages=languages)
    seen = list(dict.fromkeys(e.language for e in examples))
    assert list(scores.rows) == [*seen, "average", *(["transfer gap"] if name == "xnli" else [])]
    assert set(seen) == set(languages or tasks.find(name).languages)
    assert all(set(scores.rows[language].values()) == {100.0} for language in seen)
    assert scores.value == pytest.approx(100)


@pytest.mark.parametrize(("name", "languages"), LANGUAGES, ids=[c[0] for c in LANGUAGES])
def test_perfect_in_every_language(tokenizers: dict[str, Tokenizer], name: str, languages: tuple[str, ...]) -> None:
    check_languages(DATA, tokenizers["xx"], name, languages)


QA = [  # and how many answers no tokens hold whole; of a vocabulary that is trained nobody can say
    ("squad2", "squad", "train", "en", 3),
    ("xquad", "xquad/xquad.th.json", "dev", "xx", None),
    ("xquad", "xquad/xquad.zh.json", "dev", "xx", None),
    ("cmrc2018", "clue/cmrc2018", "dev", "zh", 0),
]


@pytest.mark.parametrize(("name", "source", "split", "language", "lost"), QA, ids=[c[1] for c in QA])
def test_answers_that_no_tokens_hold_are_counted_and_missed(
    tokenizers: dict[str, Tokenizer], name: str, source: str, split: str, language: str, lost: int | None
) -> None:
    _, examples, features, scores = perfect(name, DATA / source, split, tokenizers[language])
    row = scores.rows["all"] if "all" in scores.rows else scores.rows["average"]
    assert len(examples) * (1 - row["exact"] / 100) == pytest.approx(features.lost.total())
    assert features.lost.total() < len(examples) / 2 if lost is None else features.lost.total() == lost


def test_a_cut_sentence_loses_exactly_its_last_entities(tokenizers: dict[str, Tokenizer]) -> None:
    task = replace(tasks.find("peoples-daily"), stride=None)
    examples = list(task.read(DATA / "peoples_daily_ner", "train"))
    features = task.features(examples, tokenizers["zh"], max_length=12)
    scores = task.score(task.predictions(outputs_of(task, features), features, examples), examples)
    gold = sum(tag[:2] == "B-" for e in examples for tag in e.tags or ())
    assert len(features) == len(examples)
    assert features.lost["entities"] > 10
    assert scores.rows["all"]["recall"] == pytest.approx(100 * (1 - features.lost["entities"] / gold))


def check_every_character(data: Path, tokenizer: Tokenizer, max_length: int) -> tuple[int, int, int]:
    """Sentences, characters, and labels that count: a word counts in one row only, also where rows share it."""
    task = replace(tasks.find("peoples-daily"), stride=max_length // 4)
    examples = list(task.read(data / "peoples_daily_ner", "test"))
    features = task.features(examples, tokenizer, max_length=max_length)
    assert len(features) > len(examples)
    counted = int((features.columns["labels"].values >= 0).sum())  # type: ignore[union-attr]
    return len(examples), sum(len(e.words) for e in examples), counted


def test_every_character_of_the_test_set_is_scored(tokenizers: dict[str, Tokenizer]) -> None:
    sentences, characters, counted = check_every_character(DATA, tokenizers["zh"], 16)
    assert sentences == 10
    assert counted == characters - 1  # of a zero-width space no tokenizer makes anything


def test_retrieval(tokenizers: dict[str, Tokenizer]) -> None:
    _, examples, features, scores = perfect(
        "tatoeba", DATA / "tatoeba", "test", tokenizers["xx"], languages=("sw", "th", "jv")
    )
    assert len(features) == 2 * len(examples) == 2 * (12 + 12 + 7)
    assert scores.rows["average"] == {"en->x": 100.0, "x->en": 100.0}


GENERATED = [
    ("dureader-qg", "dureader_qg", "dev", "zh", 95),
    ("dureader-robust-qg", "dureader_robust", "dev", "zh", 95),
    ("multi30k-en-de", "multi30k", "test", "xx", 99),
    ("multi30k-en-fr", "multi30k", "test2017", "xx", 99),
    ("flores-en-zh", "flores200", "test", "xx", 85),  # full-width signs become ASCII
]
NAMES = [c[0] for c in GENERATED]
SUMMARIES = [("cnndm", "cnn_dailymail", "dev", "en", 95), ("gigaword", "org_data", "dev", "en", 95)]


def check_generated(data: Path, tokenizer: Tokenizer, name: str, source: str, split: str, least: float) -> None:
    task, examples, features, scores = perfect(name, data / source, split, tokenizer, 500)
    answers = task.predictions(outputs_of(task, features), features, examples)
    cut = features.lost["targets that were cut"]
    back = [tokenizer.decode(tokenizer(e.target)["input_ids"][0].tolist()).replace(" ", "") for e in examples]
    differing = sum(a.replace(" ", "") != b for a, b in zip(answers, back, strict=True))
    assert differing <= cut < 0.02 * len(examples)
    assert scores.value > least
    assert task.score([e.target for e in examples], examples).value == pytest.approx(100)


@pytest.mark.parametrize(("name", "source", "split", "language", "least"), GENERATED, ids=NAMES)
def test_generated_text_is_what_the_tokenizer_gives_back(
    tokenizers: dict[str, Tokenizer], name: str, source: str, split: str, language: str, least: float
) -> None:
    check_generated(DATA, tokenizers[language], name, source, split, least)


@pytest.mark.parametrize(("name", "source", "split", "language", "least"), SUMMARIES, ids=["cnndm", "gigaword"])
def test_summaries_are_what_the_tokenizer_gives_back(
    tokenizers: dict[str, Tokenizer], name: str, source: str, split: str, language: str, least: float
) -> None:
    check_generated(DATA, tokenizers[language], name, source, split, least)
