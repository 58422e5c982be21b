"""A perfect network scores 100 on every task: readers, alignment, decoding and metrics agree with each other.

What truncation takes away is reported, and then missed: exactly that much and no more.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from tests.tasks.oracle import outputs_of
from zoo import tasks
from zoo.tasks import Features, Scores, Task
from zoo.tokenization import Tokenizer

FEW = "clue/fewclue"
CASES = [  # task, folder or file below data, split, tokenizer, examples
    ("sst2", "glue", "dev", "en", 872),
    ("cola", "glue", "dev", "en", 1043),
    ("mrpc", "glue", "dev", "en", 408),
    ("stsb", "glue", "dev", "en", 1500),
    ("qqp", "glue/QQP/heldout.sample1k.tsv", "dev", "en", 1000),
    ("mnli", "glue/MNLI/heldout.sample1k.tsv", "dev", "en", 1000),
    ("qnli", "glue", "dev", "en", 5463),
    ("rte", "glue", "dev", "en", 277),
    ("wnli", "glue", "dev", "en", 71),
    ("afqmc", "clue", "dev", "zh", 4316),
    ("tnews", "clue/tnews/resplit.dev.json", "dev", "zh", 4928),
    ("iflytek", f"{FEW}/iflytek/dev_few_all.json", "dev", "zh", 1373),
    ("cluewsc", f"{FEW}/cluewsc/dev_few_all.json", "dev", "zh", 159),
    ("csl", f"{FEW}/csl/dev_few_all.json", "dev", "zh", 160),
    ("cmnli", "clue/cmnli/dev.derived.json", "dev", "zh", 12235),
    ("ocnli", "clue", "dev", "zh", 2950),  # 50 rows without a majority
    ("chnsenticorp", "chnsenticorp", "dev", "zh", 1200),
    ("peoples-daily", "peoples_daily_ner", "dev", "zh", 2318),
    ("cluener", "cluener2020", "dev", "zh", 1343),
    ("msra", "msra_ner", "test", "zh", 3442),
    ("squad", "squad/dev-v1.1.sample3.json", "dev", "en", 700),
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


SIZES = [pytest.param(800, id="sample"), pytest.param(None, id="whole", marks=pytest.mark.slow)]


@pytest.mark.parametrize("limit", SIZES)
@pytest.mark.parametrize(("name", "source", "split", "language", "count"), CASES, ids=[c[0] for c in CASES])
def test_perfect(
    data: Path,
    tokenizers: dict[str, Tokenizer],
    name: str,
    source: str,
    split: str,
    language: str,
    count: int,
    limit: int | None,
) -> None:
    task, examples, features, scores = perfect(name, data / source, split, tokenizers[language], limit)
    assert len(examples) == min(count, limit or count)
    assert not features.lost
    assert scores.value == pytest.approx(100)
    assert scores.rows["all"] == pytest.approx(dict.fromkeys(task.metrics, 100.0))


LANGUAGES = [
    ("xnli", ()),
    ("xnli-translate-train", ("fr", "en")),
    ("pawsx", ("de", "ko")),
    ("panx", ("sw", "hi", "ur")),
]


@pytest.mark.parametrize(("name", "languages"), LANGUAGES, ids=[c[0] for c in LANGUAGES])
def test_perfect_in_every_language(
    data: Path, tokenizers: dict[str, Tokenizer], name: str, languages: tuple[str, ...]
) -> None:
    folder = data / name.partition("-")[0]
    _, examples, _, scores = perfect(name, folder, "dev", tokenizers["xx"], languages=languages)
    seen = list(dict.fromkeys(e.language for e in examples))
    assert list(scores.rows) == [*seen, "average", *(["transfer gap"] if name == "xnli" else [])]
    assert set(seen) == set(languages or tasks.find(name).languages)
    assert all(set(scores.rows[language].values()) == {100.0} for language in seen)
    assert scores.value == pytest.approx(100)


QA = [
    ("squad2", "squad/train-v2.0.head10.json", "train", "en"),
    ("xquad", "xquad/xquad.th.json", "dev", "xx"),
    ("xquad", "xquad/xquad.zh.json", "dev", "xx"),
    ("cmrc2018", "clue/cmrc2018/cmrc2018_dev.json", "dev", "zh"),
]


@pytest.mark.parametrize(("name", "source", "split", "language"), QA, ids=[c[1] for c in QA])
def test_answers_that_no_tokens_hold_are_counted_and_missed(
    data: Path, tokenizers: dict[str, Tokenizer], name: str, source: str, split: str, language: str
) -> None:
    _, examples, features, scores = perfect(name, data / source, split, tokenizers[language], 1000)
    row = scores.rows["all"] if "all" in scores.rows else scores.rows["average"]
    missed = len(examples) * (1 - row["exact"] / 100)
    assert 0 < missed <= features.lost.total() + 1e-6  # where there are several golds another one may fit
    if split == "train":
        assert missed == pytest.approx(features.lost.total())
    assert missed < 0.025 * len(examples)


def test_a_cut_sentence_loses_exactly_its_last_entities(data: Path, tokenizers: dict[str, Tokenizer]) -> None:
    from dataclasses import replace

    task = replace(tasks.find("peoples-daily"), stride=None)
    examples = list(islice(task.read(data / "peoples_daily_ner", "dev"), 800))
    features = task.features(examples, tokenizers["zh"], max_length=64)
    scores = task.score(task.predictions(outputs_of(task, features), features, examples), examples)
    gold = sum(tag[:2] == "B-" for e in examples for tag in e.tags or ())
    assert len(features) == len(examples)
    assert features.lost["entities"] > 100
    assert scores.rows["all"]["recall"] == pytest.approx(100 * (1 - features.lost["entities"] / gold))


def test_every_character_of_the_test_set_is_scored(data: Path, tokenizers: dict[str, Tokenizer]) -> None:
    task = tasks.find("peoples-daily")
    examples = list(task.read(data / "peoples_daily_ner", "test"))
    features = task.features(examples, tokenizers["zh"], max_length=128)
    counted = (features.columns["labels"].values >= 0).sum()  # type: ignore[union-attr]
    assert (len(examples), sum(len(e.words) for e in examples)) == (4636, 219197)
    assert counted == 219197  # a word counts in one row only, also where rows share it
    assert len(features) > len(examples)


def test_retrieval(data: Path, tokenizers: dict[str, Tokenizer]) -> None:
    _, examples, features, scores = perfect(
        "tatoeba", data / "tatoeba", "test", tokenizers["xx"], languages=("sw", "th", "jv")
    )
    assert len(features) == 2 * len(examples) == 2 * (390 + 548 + 205)
    assert scores.rows["average"] == {"en->x": 100.0, "x->en": 100.0}


GENERATED = [
    ("dureader-qg", "dureader_qg", "dev", "zh", 95),
    ("dureader-robust-qg", "dureader_robust", "dev", "zh", 95),
    ("multi30k-en-de", "multi30k", "test", "xx", 99),
    ("multi30k-en-fr", "multi30k", "test2017", "xx", 99),
    ("flores-en-zh", "flores200", "test", "xx", 85),  # full-width signs become ASCII
]


@pytest.mark.parametrize(("name", "source", "split", "language", "least"), GENERATED, ids=[c[0] for c in GENERATED])
def test_generated_text_is_what_the_tokenizer_gives_back(
    data: Path, tokenizers: dict[str, Tokenizer], name: str, source: str, split: str, language: str, least: float
) -> None:
    tokenizer = tokenizers[language]
    task, examples, features, scores = perfect(name, data / source, split, tokenizer, 500)
    answers = task.predictions(outputs_of(task, features), features, examples)
    cut = features.lost["targets that were cut"]
    back = [tokenizer.decode(tokenizer(e.target)["input_ids"][0].tolist()).replace(" ", "") for e in examples]
    differing = sum(a.replace(" ", "") != b for a, b in zip(answers, back, strict=True))
    assert differing <= cut < 0.02 * len(examples)
    assert scores.value > least
    assert task.score([e.target for e in examples], examples).value == pytest.approx(100)
