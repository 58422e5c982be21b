"""The published evaluators' subsets, as counted on the data they were published for."""

from __future__ import annotations

from pathlib import Path

import pytest

from zoo import tasks
from zoo.metrics import quirks


def test_until_the_first_tag() -> None:
    """The tag itself does not count, and a sentence without it is left out."""
    gold = [["B-PER", "O", "B-ORG", "I-ORG", "O"], ["O", "B-PER"], ["I-ORG", "O"]]
    predicted = [["O", "O", "B-ORG", "O", "I-ORG"], ["I-ORG", "O"], ["O", "O"]]
    assert quirks.until_first("I-ORG", gold, predicted) == (
        [["B-PER", "O", "B-ORG"], []],
        [["O", "O", "B-ORG"], []],
    )


@pytest.mark.slow
def test_peoples_daily_until_the_first_i_org(shared: Path) -> None:
    examples = tasks.find("peoples-daily").read(shared / "data" / "peoples_daily_ner", "test")
    gold = [e.tags for e in examples]  # type: ignore[attr-defined]
    kept, same = quirks.until_first("I-ORG", gold, gold)
    assert (len(kept), sum(map(len, kept))) == (1282, 15132)
    assert kept == same


def test_whole_batches() -> None:
    gold = ["long enough"] * 20
    gold[3] = "no"
    assert quirks.whole_batches_of_long_targets(gold) == [0, 1, 2, *range(4, 16)]
