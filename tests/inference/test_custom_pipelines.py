"""Pipelines of one's own whose steps take one item at a time, as one writes them for transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zoo
from tests import tiny_models
from zoo.errors import InputError, UsageError
from zoo.inference.pipelines import PIPELINES, register
from zoo.inference.pipelines.base import Pipeline

ENGINES = ("eager", "paddle")


class Plain(Pipeline):
    """Every step written out, as for transformers."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)

    def postprocess(self, outputs: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        return outputs

    def predict(self, inputs: Any, **kwargs: Any) -> Any:
        return self.model(**inputs)

    def preprocess(self, inputs: Any, **kwargs: Any) -> Any:
        return self.tokenizer(
            inputs, add_special_tokens=True, return_tensors="pt", padding=True, truncation="do_not_truncate"
        )


class Best(Pipeline):
    """One step only, with an option."""

    heads = ("classification",)
    defaults = {"max_length": None, "shout": False}  # noqa: RUF012

    def postprocess(self, outputs: Any, shout: bool, **options: Any) -> str:  # type: ignore[override]
        label = self.config.labels[int(outputs["logits"][0].argmax())]
        return label.upper() if shout else label


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A classifier, and a register of its own."""
    monkeypatch.setattr("zoo.inference.pipelines.PIPELINES", dict(PIPELINES))
    tiny_models.reviewer(tmp_path / "source").save(tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.parametrize("engine", ENGINES)
def test_three_steps_of_one_item(folder: Path, engine: str) -> None:
    register("plain", Plain)
    pipe = zoo.pipeline("plain", folder, engine=engine, precision="fp32")
    wanted = tiny_models.answers(zoo.load(folder), ["ba be bi"])
    np.testing.assert_allclose(pipe("ba be bi").logits.numpy(), wanted, atol=1e-5)
    several = pipe(["ba be bi", "da", "ba be bi"])
    assert [tuple(found.logits.shape) for found in several] == [(1, 2)] * 3
    np.testing.assert_allclose(several[2].logits.numpy(), wanted, atol=1e-5)
    lazy = pipe(text for text in ["ba be bi"] * 2)
    np.testing.assert_allclose(next(lazy).logits.numpy(), wanted, atol=1e-5)


def test_items_that_cannot_be_read_are_named(folder: Path) -> None:
    register("plain", Plain)
    pipe = zoo.pipeline("plain", folder, engine="eager")
    long = "ba " * 100
    for bad, said in ((None, ": A NoneType is not a text"), (long, " has 102 tokens; the model takes 64")):
        with pytest.raises(InputError, match=f"^Item 1{said}"):
            pipe(["ba", bad])
        first, refused, last = pipe(["ba", bad, "be"], on_error="return")
        assert first.logits is not None and last.logits is not None and refused.message.startswith("Item 1")


def test_a_step_that_is_not_written_is_the_usual_one(folder: Path) -> None:
    register("best", Best)
    pipe = zoo.pipeline("best", folder, engine="eager")
    usual = zoo.pipeline("classification", folder, engine="eager")
    texts = ["ba be", "da fa", "ga"]
    assert pipe(texts) == [answer["label"] for answer in usual(texts)]
    assert pipe("ba", shout=True) == pipe("ba").upper()
    with pytest.raises(InputError, match=r"^Item 1 is empty"):
        pipe(["ba", ""])


def test_the_tokenizer_knows_the_words_of_transformers(folder: Path) -> None:
    register("best", Best)
    tokenizer: Any = zoo.pipeline("best", folder, engine="eager").tokenizer
    own = zoo.load(folder).tokenizer
    for kind in ("np", "pd", "pt"):
        rows = tokenizer(["ba be", "ba"], return_tensors=kind, padding="longest")
        assert all(np.array_equal(np.asarray(rows[n]), array) for n, array in own(["ba be", "ba"]).items())
    assert len(tokenizer("ba " * 90, truncation="do_not_truncate")["input_ids"][0]) == 92
    assert [len(row) for row in tokenizer(["ba be", "ba"], padding="do_not_pad")["input_ids"]] == [4, 3]
    assert tokenizer.pad_token_id == 0 and tokenizer.decode([5]) == own.decode([5])
    for options in ({"add_special_tokens": False}, {"return_tensors": "tf"}, {"truncation": "some"}):
        with pytest.raises(UsageError, match=next(iter(options))):
            tokenizer("ba", **options)


def test_the_model_is_called_as_a_loaded_one(folder: Path) -> None:
    register("plain", Plain)
    pipe = zoo.pipeline("plain", folder, engine="eager")
    given = pipe.tokenizer(["ba be", "ba"])
    model: Any = pipe.model
    assert model.config.labels == ("negative", "positive")
    whole = model(**given, unknown=np.zeros(3)).logits.numpy()
    np.testing.assert_allclose(whole, tiny_models.answers(zoo.load(folder), ["ba be", "ba"]), atol=1e-5)
    with pytest.raises(InputError, match="no attention_mask"):
        model(input_ids=given["input_ids"])
