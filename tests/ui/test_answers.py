"""What each pipeline asks for and shows, with small networks."""

from __future__ import annotations

import pytest

from tests.inference.conftest import Answer as Answering
from tests.inference.conftest import answering, folders  # noqa: F401
from zoo.errors import InputError, ZooError
from zoo.inference.pipelines import PIPELINES
from zoo.ui.answers import FORMS, MAX_LINES, MAX_TEXT, Answer, checked, pipeline_of

TEXT = "a good film"
GIVEN = {
    "classification": {"text": TEXT},
    "ner": {"text": "Paris is in France\r\nand Berlin is not"},
    "qa": {"question": "Where?", "context": "Paris is in France."},
    "fill-mask": {"masked": "a [MASK] film of [MASK]"},
    "embeddings": {"text": TEXT, "others": "a bad film\n\nParis"},
    "zero-shot": {"text": TEXT, "labels": "sport, politics"},
}


def ask(pipe: object, name: str, given: dict[str, str]) -> Answer:
    return FORMS[name].ask(pipe, checked(FORMS[name], given))


def test_every_pipeline_has_a_form() -> None:
    assert set(FORMS) == {name for name, home in PIPELINES.items() if isinstance(home, str)}
    assert pipeline_of(["tagging"]) == "ner" and pipeline_of(["multiple-choice"]) == ""


@pytest.mark.parametrize("name", GIVEN)
def test_an_answer(name: str, answering: Answering) -> None:  # noqa: F811
    found = ask(answering(name, **FORMS[name].options), name, GIVEN[name])
    assert all(len(row) == len(found.columns) for row in found.rows)
    assert found.rows or name == "ner"
    if found.marked:
        given = checked(FORMS[name], GIVEN[name])
        assert "".join(text for text, _ in found.marked) in given.values()
    if "score" in found.columns:
        place = found.columns.index("score")
        assert all(0 <= row[place] <= 1 for row in found.rows)


def test_classes_and_numbers(answering: Answering) -> None:  # noqa: F811
    pipe = answering("classification", top_k=None)
    assert ask(pipe, "classification", GIVEN["classification"]).columns == ("label", "score")
    pairs = answering("pairs", top_k=None)
    assert len(ask(pairs, "classification", {"text": TEXT, "pair": "a film"}).rows) == 2
    number = ask(answering("regression", top_k=None), "classification", {"text": TEXT, "pair": "a film"})
    assert len(number.rows) == 1 and isinstance(number.rows[0][-1], float)


def test_what_does_not_fit(answering: Answering) -> None:  # noqa: F811
    with pytest.raises(ZooError, match=r"has no \[MASK\]"):
        ask(answering("fill-mask"), "fill-mask", {"masked": "nothing"})
    with pytest.raises(InputError, match="is empty"):
        checked(FORMS["qa"], {"question": " ", "context": "x"})
    with pytest.raises(InputError, match="characters"):
        checked(FORMS["ner"], {"text": "x" * (MAX_TEXT + 1)})
    with pytest.raises(InputError, match=f"takes {MAX_LINES}"):
        ask(answering("embeddings"), "embeddings", {"text": TEXT, "others": "x\n" * (MAX_LINES + 1)})
