"""Hard negatives: the rules on similarities that are given, and the command on small files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.finetune.text_pairs import pair_rows, written
from tests.tiny_models import network
from zoo.errors import UsageError
from zoo.mine.__main__ import main
from zoo.mine.mining import MiningRules, mine

SCORES = np.array([[0.9, 0.85, 0.8, 0.5, 0.4, 0.1, -0.2]])  # document 1 is the positive


def taken(own: tuple[int, ...] = (1,), never: int = -1, **rules: Any) -> list[int]:
    return mine(iter([SCORES]), [own], MiningRules(**rules), [never]).negatives[0].tolist()


@pytest.mark.parametrize(
    ("rules", "wanted"),
    [
        ({}, [0, 2, 3]),
        ({"number": 2}, [0, 2]),
        ({"range_min": 1, "number": 2}, [2, 3]),
        ({"max_score": 0.8}, [2, 3, 4]),
        ({"min_score": 0.45}, [0, 2, 3]),
        ({"min_score": 0.45, "max_score": 0.85, "number": 3}, [2, 3]),
        ({"absolute_margin": 0.1}, [3, 4, 5]),
        ({"relative_margin": 0.05}, [2, 3, 4]),  # 95 % of 0.85 is 0.8075
        ({"relative_margin": 0.1}, [3, 4, 5]),
        ({"range_max": 2, "number": 1, "relative_margin": 0.05}, [2]),
        ({"own": (1, 3), "absolute_margin": 0.0}, [4, 5, 6]),  # the least alike positive counts
        ({"never": 0}, [2, 3, 4]),
    ],
)
def test_rules(rules: dict[str, Any], wanted: list[int]) -> None:
    assert taken(**rules) == wanted


def test_margins_of_negative_similarities() -> None:
    """Below a positive of -0.5 by 10 % of its magnitude is -0.55."""
    scores = np.array([[-0.5, -0.52, -0.56]])
    found = mine(iter([scores]), [(0,)], MiningRules(relative_margin=0.1), [-1])
    assert found.negatives[0].tolist() == [2] and found.passed_over["relative_margin"] == 1


def test_random_ones_are_drawn_by_the_seed() -> None:
    drawn = [tuple(taken(sampling="random", number=2, range_max=6, seed=seed)) for seed in range(20)]
    assert len(set(drawn)) > 3 and all(first < second for first, second in drawn)
    assert taken(sampling="random", number=2, range_max=6, seed=3) == list(drawn[3])


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"number": 0}, "number=0"),
        ({"range_max": 2}, "leaves 2 candidates"),
        ({"sampling": "best"}, "sampling=best"),
        ({"max_score": float("nan")}, "max_score=nan"),
    ],
)
def test_rules_that_make_no_sense(rules: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        MiningRules(**rules)


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return network(tmp_path_factory.mktemp("letters") / "model", "letters")


def test_command(letters: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [*pair_rows(8), {"anchor": pair_rows(1)[0]["anchor"], "positive": "another answer"}]
    data, out = written(tmp_path / "pairs.jsonl", rows), tmp_path / "triplets.jsonl"
    (tmp_path / "more.txt").write_text("\n".join(["of a corpus", rows[0]["anchor"], ""]), "utf-8")
    words = [str(letters), "--data", str(data), "--out", str(out), "--corpus", str(tmp_path / "more.txt")]
    assert main([*words, "--number", "9", "--json"]) == 0
    counts = json.loads(capsys.readouterr().out)
    assert counts["pairs"] == 9 and counts["anchors"] == 8 and counts["documents"] == 11
    found = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert counts["triplets"] == len(found) and set(found[0]) == {"anchor", "positive", "negative"}
    right: dict[str, set[str]] = {}
    for row in rows:
        right.setdefault(row["anchor"], {row["anchor"]}).add(row["positive"])
    assert all(row["negative"] not in right[row["anchor"]] for row in found)
    assert any(row["negative"] == "of a corpus" for row in found)
    assert main(words) == 2 and "There is a file" in capsys.readouterr().err
    assert main([*words, "--overwrite"]) == 0
    assert main([*words, "--overwrite", "--max-score", "-2"]) == 1
    assert "nothing to write" in capsys.readouterr().err and out.is_file()
