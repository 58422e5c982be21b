"""A perfect network scores 100 on every task: readers, alignment, decoding and metrics agree with each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tasks.oracle import outputs_of
from zoo import tasks
from zoo.tokenization import Tokenizer

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
    ("peoples-daily", "peoples_daily_ner", "dev", "zh", 2318),
    ("cluener", "cluener2020", "dev", "zh", 1343),
    ("msra", "msra_ner", "test", "zh", 3442),
]


@pytest.mark.parametrize(("name", "source", "split", "language", "count"), CASES, ids=[c[0] for c in CASES])
def test_perfect(
    data: Path, tokenizers: dict[str, Tokenizer], name: str, source: str, split: str, language: str, count: int
) -> None:
    task = tasks.find(name)
    examples = list(task.read(data / source, split))
    assert len(examples) == count
    features = task.features(examples, tokenizers[language])
    predictions = task.predictions(outputs_of(task, features), features, examples)
    scores = task.score(predictions, examples)
    assert not features.lost
    assert scores.value == pytest.approx(100)
    assert scores.rows["all"] == pytest.approx(dict.fromkeys(task.metrics, 100.0))
