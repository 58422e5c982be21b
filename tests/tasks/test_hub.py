"""Data sets of the Hub: with a stand-in for the `datasets` library, and with the library itself where it is."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from zoo import tasks
from zoo.errors import HubError, UsageError
from zoo.tasks import Task
from zoo.tasks.hub import Hub


class ClassLabel:
    """A feature whose values are class numbers."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def int2str(self, value: int) -> str:
        return self.names[value]


class Sequence:
    """A feature of lists."""

    def __init__(self, feature: object) -> None:
        self.feature = feature


class Data(list):  # type: ignore[type-arg]
    """Rows that know their features."""

    def __init__(self, rows: list[dict[str, Any]], **features: object) -> None:
        super().__init__(rows)
        self.features = features


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[tuple[Any, ...], Data]]:
    """What load_dataset gives: (id, config, split, revision) -> rows."""
    held: dict[tuple[Any, ...], Data] = {}

    def load_dataset(repo: str, config: str | None, *, split: str, streaming: bool, revision: str | None) -> Data:
        assert streaming
        if (repo, config, split, revision) not in held:
            raise ValueError(f"Unknown split {split!r}.")
        return held[repo, config, split, revision]

    module = ModuleType("datasets")
    module.load_dataset = load_dataset  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "datasets", module)
    return held


def only(task: Task, split: str, **read: Any) -> Any:
    [example] = task.read("hub", split, **read)
    return example


def test_class_numbers_become_names(hub: dict[tuple[Any, ...], Data]) -> None:
    row = {"sentence1": "a", "sentence2": "b", "label": 1, "idx": 7}
    label = ClassLabel("not_equivalent", "equivalent")
    hub["nyu-mll/glue", "mrpc", "validation", None] = Data([row], label=label)
    example = only(tasks.find("mrpc"), "dev")
    assert (example.text, example.pair, example.label, example.id) == ("a", "b", "equivalent", "7")


def test_minus_one_is_no_label(hub: dict[tuple[Any, ...], Data]) -> None:
    row = {"premise": "a", "hypothesis": "b", "label": -1, "idx": 7}
    label = ClassLabel("entailment", "neutral", "contradiction")
    hub["nyu-mll/glue", "mnli", "test_mismatched", None] = Data([row], label=label)
    assert only(tasks.find("mnli"), "test-mismatched").label is None


def test_a_language_is_a_config(hub: dict[tuple[Any, ...], Data]) -> None:
    for language in ("de", "en"):
        rows = [{"premise": language, "hypothesis": "b", "label": 2}]
        label = ClassLabel("entailment", "neutral", "contradiction")
        hub["facebook/xnli", language, "validation", None] = Data(rows, label=label)
    found = list(tasks.find("xnli").read("hub", "dev", languages=("en", "de")))
    assert [(e.language, e.text, e.label) for e in found] == [  # type: ignore[attr-defined]
        ("en", "en", "contradiction"),
        ("de", "de", "contradiction"),
    ]


def test_tags_in_lists(hub: dict[tuple[Any, ...], Data]) -> None:
    names = ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC")
    hub["peoples-daily-ner/peoples_daily_ner", None, "train", "refs/convert/parquet"] = Data(
        [{"id": "3", "tokens": ["a", "b"], "ner_tags": [5, 6]}, {"id": "4", "tokens": [], "ner_tags": []}],
        ner_tags=Sequence(ClassLabel(*names)),
    )
    example = only(tasks.find("peoples-daily"), "train")  # the empty sentence at the end does not count
    assert (example.id, example.tags) == ("3", ("B-LOC", "I-LOC"))


def test_answers_as_the_hub_has_them(hub: dict[tuple[Any, ...], Data]) -> None:
    base = {"question": "?", "context": "in the late 1990s"}
    answers = {"text": ["late", "1990s"], "answer_start": [7, 12]}
    none: dict[str, list[Any]] = {"text": [], "answer_start": []}
    rows = [{"id": "1", **base, "answers": answers}, {"id": "2", **base, "answers": none}]
    hub["rajpurkar/squad_v2", None, "validation", None] = Data(rows)
    first, second = tasks.find("squad2").read("hub", "dev")
    assert (first.answers, second.answers) == ((("late", 7), ("1990s", 12)), ())  # type: ignore[attr-defined]


def test_xquad_is_learned_from_squad(hub: dict[tuple[Any, ...], Data]) -> None:
    row = {"id": "1", "question": "?", "context": "a b", "answers": {"text": ["a"], "answer_start": [0]}}
    for split in ("train", "validation"):
        hub["rajpurkar/squad", None, split, None] = Data([row])
    for language in ("en", "de"):
        hub["google/xquad", f"xquad.{language}", "validation", None] = Data([row])
    task = tasks.find("xquad")
    assert [e.language for e in task.read("hub", "train")] == [""]
    assert [e.language for e in task.read("hub", "dev", ("en",))] == [""]
    assert [e.language for e in task.read("hub", "test", ("en", "de"))] == ["en", "de"]


def test_every_data_set_has_an_owner() -> None:
    """The Hub moved the ones without; old names work by a redirect only."""
    found = [task.hub for task in map(tasks.find, tasks.names()) if task.hub]
    assert len(found) > 25
    for hub in found:
        assert all(name.count("/") == 1 for name in (hub.id, hub.learned) if name)
        assert set(hub.splits) <= {"train", "dev", "test", "dev-mismatched", "test-mismatched"}
    for task in map(tasks.find, tasks.names()):
        if task.hub and task.languages:
            assert task.hub.by_language("test") or getattr(task, "named_in_ids", None)


def test_what_cannot_be_had_is_said(hub: dict[tuple[Any, ...], Data]) -> None:
    with pytest.raises(HubError, match=r"split 'train' of nyu-mll/glue cannot be read"):
        list(tasks.find("sst2").read("hub", "train"))
    with pytest.raises(UsageError, match="tatoeba is not on the Hub"):
        list(tasks.find("tatoeba").read("hub", "test"))


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(UsageError, match=r"needs the `datasets` library"):
        list(tasks.find("sst2").read("hub", "train"))


def test_the_library_itself(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="no package datasets (extra `data`)")
    parquet = pytest.importorskip("pyarrow.parquet", reason="no package pyarrow (extra `data`)")
    arrow = pytest.importorskip("pyarrow")
    label = datasets.ClassLabel(names=["negative", "positive"])
    number, text = datasets.Value("int32"), datasets.Value("string")
    features = datasets.Features({"idx": number, "sentence": text, "label": label})
    values = {"idx": [0, 1], "sentence": ["good", "bad"], "label": [1, 0]}
    table = arrow.table(values, schema=features.arrow_schema)
    parquet.write_table(table, tmp_path / "train-00000-of-00001.parquet")
    task = replace(tasks.find("sst2"), hub=Hub(str(tmp_path), columns={"idx": "index"}))
    examples: list[Any] = list(task.read("hub", "train"))
    assert [(e.id, e.text, e.label) for e in examples] == [("0", "good", "positive"), ("1", "bad", "negative")]
