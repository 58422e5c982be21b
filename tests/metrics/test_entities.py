"""Tagging: the two readings differ as the literature says, and spans equal those of a reader written out here."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo import metrics

GOLD = ["B-PER", "I-PER", "O", "B-LOC"]


@pytest.mark.parametrize(
    ("predicted", "lenient", "strict"),
    [
        (GOLD, 100.0, 100.0),
        (["I-PER", "I-PER", "O", "B-LOC"], 100.0, 200 / 3),  # an I that continues nothing
        (["B-PER", "I-LOC", "O", "O"], 0.0, 0.0),
        (["O", "O", "O", "O"], 0.0, 0.0),
    ],
)
def test_two_readings_of_one_output(predicted: list[str], lenient: float, strict: float) -> None:
    assert metrics.tags_score([GOLD], [predicted])["f1"] == pytest.approx(lenient)
    assert metrics.tags_score([GOLD], [predicted], "IOB2")["f1"] == pytest.approx(strict)


def test_a_change_of_kind_inside() -> None:
    gold = [["B-PER", "O", "B-LOC"]]
    predicted = [["B-PER", "I-LOC", "B-LOC"]]
    assert metrics.tags_score(gold, predicted)["f1"] == pytest.approx(80)  # PER, LOC that starts itself, LOC
    assert metrics.tags_score(gold, predicted, "IOB2")["f1"] == pytest.approx(100)


TAGS = st.sampled_from(["O", "B-X", "I-X", "B-Y", "I-Y"])


def lenient_spans(tags: list[str]) -> list[tuple[int, int, str]]:
    """conlleval's reading: an entity starts at B, and at an I after another kind or after O."""
    found: list[tuple[int, int, str]] = []
    before = "O"
    for n, tag in enumerate(tags):
        if tag != "O" and (tag[0] == "B" or before == "O" or before[2:] != tag[2:]):
            found.append((n, n, tag[2:]))
        elif tag != "O":
            found[-1] = (found[-1][0], n, tag[2:])
        before = tag
    return found


@settings(deadline=None)
@given(st.lists(TAGS, max_size=12), st.data())
def test_spans_and_their_f1(tags: list[str], draw: st.DataObject) -> None:
    assert metrics.spans(tags) == lenient_spans(tags)
    other = draw.draw(st.lists(TAGS, min_size=len(tags), max_size=len(tags)))
    both = metrics.entities_score(lenient_spans(tags), lenient_spans(other))
    assert metrics.tags_score([tags], [other]) == pytest.approx(both)


def test_bmes_is_read_as_iobes() -> None:
    tags = ["B-X", "M-X", "E-X", "S-Y", "O"]
    assert metrics.spans(tags) == [(0, 2, "X"), (3, 3, "Y")]
    assert metrics.tags_score([tags], [tags], "BMES")["f1"] == 100


ANY = st.sampled_from(["O", *(f"{letter}-{kind}" for letter in "BIES" for kind in "XY"), "B", "I", "E", "S"])


@settings(deadline=None)
@given(st.lists(ANY, max_size=12))
def test_spans_are_those_of_seqeval(tags: list[str]) -> None:
    from seqeval.metrics.sequence_labeling import get_entities

    theirs = [(first, last, kind) for kind, first, last in get_entities(tags)]
    assert metrics.spans(tags) == theirs
