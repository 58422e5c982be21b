"""BUCC as a task: what is mined from vectors, whose threshold counts, and which pairs are left out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.texts import write_bucc
from zoo import tasks
from zoo.errors import InputError
from zoo.tasks import similarity
from zoo.tasks.features import Features
from zoo.tasks.mining import BuccMining

MEANING = {"eins": "one", "zwei": "two", "drei": "three"}


@pytest.fixture
def bucc() -> BuccMining:
    found = tasks.find("bucc")
    assert isinstance(found, BuccMining)
    return found


def vectors(texts: Sequence[str]) -> list[np.ndarray]:
    """Gives one direction to a sentence and its translation."""
    places = ("one", "two", "three", "other")
    return list(np.eye(len(places), dtype=np.float32)[[places.index(MEANING.get(t, t)) for t in texts]])


def test_scores_are_those_of_the_task_without_training(bucc: BuccMining, tmp_path: Path) -> None:
    write_bucc(tmp_path / "bucc2018", ("de", "fr"))
    examples = list(bucc.read(tmp_path, "test", ["de", "fr"]))
    assert [(e.id, e.gold) for e in examples[:2]] == [("de-1", ("en-1",)), ("de-2", ("en-2",))]
    assert [e.id for e in examples if e.copy] == ["de-4", "de-4", "fr-4", "fr-4"]
    outputs = {"embeddings": vectors([e.text for e in examples])}
    answers = bucc.predictions(outputs, Features({}, np.arange(len(examples)), {}, 0), examples)
    rows = bucc.score(answers, examples).rows
    # "drei" stands there twice: its pair is left out, and stays in what should have been found.
    assert rows["de"]["precision"] == 100.0 and rows["average"]["recall"] == pytest.approx(200 / 3)
    ((_, data),) = similarity.find("bucc-mining").read(tmp_path / "bucc2018", languages=["de-en"])
    there = {name: np.stack(vectors(side.texts)) for name, side in data.sides.items()}
    assert data.scores(there, similarity.Measure("cosine", lambda a, b: a @ b.T))["f1"] == rows["de"]["f1"]
    lines = list(bucc.lines(answers, examples, "test"))
    assert lines[1].startswith("de\tsample\tde-1\ten-1\t") and len(lines) == 1 + 2 * 2 * 2


def test_a_missing_part_is_named(bucc: BuccMining, tmp_path: Path) -> None:
    write_bucc(tmp_path, ("de",))
    (tmp_path / "de-en.training.gold").unlink()
    with pytest.raises(InputError, match=r"has no 'de-en.training.gold', which bucc needs"):
        list(bucc.read(tmp_path, "test", ["de"]))
