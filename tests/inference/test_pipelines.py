"""What all pipelines share: order, windows, errors that leave the rest alone, threads, pipelines of one's own."""

from __future__ import annotations

import io
import json
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pytest

import zoo
from tests.inference.conftest import KINDS, Answer
from zoo import batching
from zoo.batching import by_length, windows
from zoo.errors import InputError, UsageError
from zoo.inference.pipelines import ALIASES, PIPELINES, base, meter, register
from zoo.inference.pipelines.base import Pipeline

TEXTS = [f"{'a good' if n % 3 else 'the worst'} film {'and more ' * (n % 7)}number {n}" for n in range(40)]
GOOD: dict[str, Any] = {
    "classification": "a good film",
    "pairs": ("a good film", "the worst film"),
    "regression": {"text": "a good film", "text_pair": "the worst film"},
    "zero-shot": "a good film",
    "ner": "a good film from Paris",
    "qa": {"question": "which city?", "context": "a good film from Paris"},
    "fill-mask": "a good [MASK] from Paris",
    "embeddings": "a good film",
}
assert set(GOOD) == set(KINDS)


def with_text(kind: str, text: Any) -> Any:
    """An item whose text is this one."""
    if kind == "qa":
        return {"question": "which city?", "context": text}
    if kind == "fill-mask" and isinstance(text, str) and text.strip():
        return f"[MASK] {text}"
    return (text, "b") if kind == "pairs" else text


def same(one: Any, two: Any) -> bool:
    """Equal, numbers up to what the composition of a batch changes."""
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(same(one[k], two[k]) for k in one)
    if isinstance(one, list):
        return len(one) == len(two) and all(map(same, one, two))
    if isinstance(one, float | np.ndarray):
        return np.allclose(one, two, atol=1e-5)
    return bool(one == two)


def shape(answer: Any) -> Any:
    """The keys of an answer."""
    return sorted(answer) if isinstance(answer, dict) else type(answer)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("", "is empty"),
        (" \n\t ", "is empty"),
        (None, "is None"),
        (3, "is a int"),
        (["a", "b"], "is a list"),
        ("x\ud800y", "surrogate"),
        (b"bytes", "is a bytes"),
    ],
)
def test_bad_items_are_named_and_the_others_answered(kind: str, bad: Any, said: str, answering: Answer) -> None:
    pipe = answering(kind)
    items = [GOOD[kind], with_text(kind, bad), GOOD[kind]]
    with pytest.raises(InputError, match=rf"^Item 1 .*{said}"):
        pipe(items)
    first, refused, last = pipe(items, on_error="return")
    assert isinstance(refused, InputError) and refused.message.startswith("Item 1 ") and said in refused.message
    assert same(first, last) and same(first, pipe(GOOD[kind]))
    with pytest.raises(InputError, match=r"^Item 0 "):
        pipe(object())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", ["a good film " * 8400, "\x00\x01\x1b\x7f film \u200b", "\x00\x01"])
def test_long_texts_and_control_characters_have_an_answer(kind: str, text: str, answering: Answer) -> None:
    answers = answering(kind)([GOOD[kind], with_text(kind, text)])
    assert shape(answers[0]) == shape(answers[1])


def test_a_window_of_bad_items_only(answering: Answer) -> None:
    assert [type(a) for a in answering("ner")(["", None], on_error="return")] == [InputError] * 2
    assert answering("ner")([]) == []
    with pytest.raises(UsageError, match="on_error='ignore'"):
        answering("ner")("a", on_error="ignore")


@pytest.mark.parametrize("kind", ["classification", "ner", "embeddings"])
def test_order_over_windows(kind: str, answering: Answer, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = answering(kind)
    alone = [pipe(text) for text in TEXTS]
    monkeypatch.setattr(batching, "WINDOW_ITEMS", 7)
    assert same(pipe(TEXTS), alone)
    seen: list[str] = []
    lazy = pipe(seen.append(t) or t for t in TEXTS)  # type: ignore[func-returns-value]
    assert isinstance(lazy, Iterator) and not seen
    assert same(next(lazy), alone[0]) and len(seen) == 7
    assert same(list(lazy), alone[1:])


def test_a_bad_item_of_a_long_list_is_found_before_anything_is_computed(
    answering: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = answering("classification")
    monkeypatch.setattr(batching, "WINDOW_ITEMS", 4)
    monkeypatch.setattr(pipe, "predict", lambda batch, **options: pytest.fail("it computed"))
    with pytest.raises(InputError, match=r"^Item 9 is None"):
        pipe([*TEXTS[:9], None])


def test_windows_are_small_where_items_are_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "WINDOW_CHARACTERS", 100)
    items = ["a" * 60, ("b" * 30, "c" * 30), {"text": "d" * 101}, "e", None]
    assert list(windows(items)) == [items[:2], items[2:3], items[3:]]


@pytest.mark.parametrize("kind", ["classification", "qa", "ner", "embeddings"])
def test_one_pipeline_in_eight_threads(kind: str, answering: Answer) -> None:
    pipe = answering(kind)
    items = [with_text(kind, text) for text in TEXTS]
    alone = pipe(items)
    with ThreadPoolExecutor(8) as pool:
        parts = list(pool.map(lambda n: pipe(items[n::8]), range(8)))
    assert all(same(part, alone[n::8]) for n, part in enumerate(parts))


def test_long_work_runs_side_by_side(answering: Answer, monkeypatch: pytest.MonkeyPatch) -> None:
    """On an engine that is faster so; in order, and an error of a batch comes out."""
    pipe = copy(answering("classification"))
    alone, engine, together = pipe(TEXTS), pipe.engine, Barrier(2, timeout=60)

    class Streams:
        @contextmanager
        def side_by_side(self) -> Iterator[int]:
            yield 2

        def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
            together.wait()  # for another call
            return engine(batch)

    monkeypatch.setattr(base, "by_length", lambda lengths, tokens: ([n] for n in reversed(range(len(lengths)))))
    pipe.engine = Streams()  # type: ignore[assignment]
    assert same(pipe(TEXTS), alone)
    pipe.predict = lambda batch, **options: 1 // 0  # type: ignore[method-assign]
    with pytest.raises(ZeroDivisionError):
        pipe(TEXTS)


def test_two_pipelines_in_two_threads(folders: Callable[[str], Path]) -> None:
    pipes = [zoo.pipeline(k, folders(k), engine="paddle", precision="fp32") for k in ("classification", "ner")]
    alone = [pipe(TEXTS) for pipe in pipes]
    with ThreadPoolExecutor(2) as pool:
        for _ in range(3):
            assert all(map(same, pool.map(lambda pipe: pipe(TEXTS), pipes), alone))


class Longest(Pipeline):
    """The longest token of a text, and what a network makes of it."""

    defaults = {"max_length": None, "shout": False}  # noqa: RUF012

    def preprocess(self, item: Any, **options: Any) -> Any:
        return super().preprocess(f"{item}" if isinstance(item, int) else item)

    def predict(self, batch: dict[str, np.ndarray], **options: Any) -> Any:
        return {"ids": batch["input_ids"], **self.engine(batch)}

    def postprocess(self, outputs: Any, features: Any, examples: Any, **options: Any) -> list[Any]:
        tokens = map(self.tokenizer.convert_ids_to_tokens, outputs["ids"])
        texts = [max(row, key=len) for row in tokens]
        return [text.upper() if options["shout"] else text for text in texts]


def test_a_pipeline_of_ones_own(
    folders: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("zoo.inference.pipelines.PIPELINES", dict(PIPELINES))
    register("longest", Longest)
    register("longest", Longest)
    pipe = zoo.pipeline("longest", folders("embeddings"), engine="eager")
    assert capsys.readouterr().err.startswith("embeddings: Paddle eager")
    assert pipe(["a photograph of it", "a"]) == ["photograph", "[CLS]"]
    assert pipe(1234567, shout=True) == "[CLS]" and pipe("a photograph", shout=True) == "PHOTOGRAPH"
    with pytest.raises(UsageError, match="no option 'whisper'"):
        pipe("a", whisper=True)
    for taken in ("ner", "token-classification"):
        with pytest.raises(UsageError, match="already"):
            register(taken, Longest)


def test_names(folders: Callable[[str], Path]) -> None:
    assert set(ALIASES.values()) <= set(PIPELINES) and not set(ALIASES) & set(PIPELINES)
    pipe = zoo.pipeline("sentiment-analysis", folders("classification"), engine="eager")
    assert pipe("a good film")["label"] in ("negative", "positive")
    with pytest.raises(UsageError, match="no pipeline 'poetry'"):
        zoo.pipeline("poetry", folders("ner"))


@pytest.mark.parametrize(("task", "kind"), [("ner", "qa"), ("qa", "embeddings"), ("fill-mask", "ner")])
def test_a_head_that_nobody_trained_does_not_answer(
    task: str, kind: str, folders: Callable[[str], Path], answering: Answer
) -> None:
    for model in (folders(kind), zoo.load(folders(kind)), answering(kind).deployed):
        with pytest.raises(UsageError, match=f"'{task}' needs the head"):
            zoo.pipeline(task, model)


def test_batches_of_similar_length() -> None:
    lengths = np.random.default_rng(0).integers(1, 90, 500).tolist()
    batches = list(by_length(lengths, 400))
    assert sorted(n for batch in batches for n in batch) == list(range(500))
    assert all(len(batch) * lengths[batch[0]] <= 400 for batch in batches)
    assert all(lengths[batch[0]] == max(lengths[n] for n in batch) for batch in batches)


def waste(lengths: list[int]) -> float:
    """Share of padding in what a pipeline computes."""
    padded = 0
    for window in windows(lengths):
        padded += sum(len(rows) * window[rows[0]] for rows in by_length(window, base.BATCH_TOKENS))
    return 1 - sum(lengths) / padded


@pytest.mark.parametrize("longest", [30, 120])
def test_padding_waste_is_small(longest: int) -> None:
    """Lengths as texts have them: many short ones, few long ones."""
    lengths = np.clip(np.random.default_rng(3).lognormal(2.8, 0.6, 3000).astype(int) + 2, 3, longest)
    assert waste(lengths.tolist()) < 0.1
    assert waste(lengths.tolist()) < 1 - lengths.mean() / longest  # that of one batch after the other


def test_files(answering: Answer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "WINDOW_ITEMS", 8)
    pipe, source, target = answering("pairs"), tmp_path / "in.txt", tmp_path / "out.jsonl"
    source.write_text("".join(f"{text}\n" for text in TEXTS), "utf-8")
    assert pipe.map_file(source, target) == len(TEXTS)
    assert same([json.loads(line) for line in target.read_text("utf-8").splitlines()], pipe(TEXTS))
    source = tmp_path / "in.jsonl"
    source.write_text('"a film"\n["a film", "b"]\n{"text": "a film"}\n3\n', "utf-8")
    before = target.read_bytes()
    with pytest.raises(InputError, match="Item 3 is a int"):
        pipe.map_file(source, target, overwrite=True)
    with pytest.raises(UsageError, match="already"):
        pipe.map_file(source, target, on_error="return")
    assert target.read_bytes() == before and len(list(tmp_path.iterdir())) == 3
    assert pipe.map_file(source, target, on_error="return", overwrite=True) == 4
    answers = [json.loads(line) for line in target.read_text("utf-8").splitlines()]
    assert same(answers[:3], pipe(["a film", ("a film", "b"), "a film"])) and "Item 3" in answers[3]["error"]
    source.write_text('"a film"\n{\n', "utf-8")
    with pytest.raises(InputError, match="line 2: not JSON"):
        pipe.map_file(source, target, overwrite=True)
    with pytest.raises(UsageError, match="no file of items"):
        pipe.map_file(tmp_path / "in.csv", target, overwrite=True)
    with pytest.raises(InputError, match="There is no file"):
        pipe.map_file(tmp_path / "absent.txt", target, overwrite=True)


def test_vectors_in_a_file(answering: Answer, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("a film\nanother\n", "utf-8")
    pipe = answering("embeddings")
    pipe.map_file(tmp_path / "in.txt", tmp_path / "out.jsonl")
    found = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text("utf-8").splitlines()]
    np.testing.assert_allclose(found, pipe(["a film", "another"]), atol=1e-6)


def test_a_bar_on_a_terminal_only(answering: Answer, monkeypatch: pytest.MonkeyPatch) -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(meter, "SECONDS_BEFORE_BAR", 0)
    monkeypatch.setattr(batching, "WINDOW_ITEMS", 8)
    for stream, shown in ((Screen(), True), (io.StringIO(), False)):
        monkeypatch.setattr("sys.stderr", stream)
        for _ in answering("ner")(iter(TEXTS)):
            print("", end="")
        assert ("Ner" in stream.getvalue()) == shown


def test_what_is_deployed_has_its_engine(answering: Answer) -> None:
    with pytest.raises(UsageError, match="deployed already"):
        zoo.pipeline("ner", answering("ner").deployed, engine="paddle")


class Tracked(str):
    """A text that can be watched."""

    __slots__ = ("__weakref__",)


def test_few_items_are_held(answering: Answer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "WINDOW_ITEMS", 8)
    alive: weakref.WeakSet[Tracked] = weakref.WeakSet()

    def source() -> Iterator[Tracked]:
        for n in range(100):
            text = Tracked(f"film {n}")
            alive.add(text)
            yield text

    most = max(len(alive) for _ in answering("embeddings")(source()))
    assert 8 <= most <= 17
