"""`zoo search`: the nearest rows of what `zoo map` wrote, with their texts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zoo
from tests.map import small
from tests.map.small import EAGER, TEXTS, job, lines, objects
from zoo.search.__main__ import main


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small.embedder(tmp_path_factory.mktemp("search"))


@pytest.fixture(scope="module")
def mapped(embedder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """23 texts of a file and 7 of another, in parts of four rows."""
    folder = tmp_path_factory.mktemp("mapped")
    rows = [{"text": f"umbrella {n}", "key": f"k{n}"} for n in range(7)]
    first = objects(folder / "a.jsonl", [{"text": text, "key": n} for n, text in enumerate(TEXTS)])
    job(embedder, [first, objects(folder / "b.jsonl", rows)], folder / "out", ident="key")
    return folder / "out"


def test_the_rows_that_the_pipeline_finds(embedder: Path, mapped: Path, capsys: Any) -> None:
    texts = [*TEXTS, *(f"umbrella {n}" for n in range(7))]
    queries = ["umbrella 3", TEXTS[9]]
    assert main([str(mapped), *queries, "--top-k", "4", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    pipe = zoo.pipeline("embeddings", embedder, **EAGER)
    for answer, query, hits in zip(found, queries, pipe.search(queries, texts, 4), strict=True):  # type: ignore[attr-defined]
        assert answer["query"] == query and answer["found"][0]["text"] == query
        assert [hit["text"] for hit in answer["found"]] == [texts[hit["corpus_id"]] for hit in hits]
        np.testing.assert_allclose([h["score"] for h in answer["found"]], [h["score"] for h in hits], atol=1e-5)
    assert found[0]["found"][0] == {
        "score": pytest.approx(1, abs=1e-5), "file": str(mapped.parent / "b.jsonl"), "row": 4, "id": "k3",
        "text": "umbrella 3",
    }  # fmt: skip
    assert main([str(mapped), "umbrella 3"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].split()[:2] == ["score", "row"] and out[1].endswith("umbrella 3") and "b.jsonl:4" in out[1]


def test_a_text_that_has_changed_is_not_shown(embedder: Path, tmp_path: Path, capsys: Any) -> None:
    file = lines(tmp_path / "a.txt", TEXTS)
    job(embedder, [file], tmp_path / "out")
    file.write_text("something else\n")
    assert main([str(tmp_path / "out"), TEXTS[3], "--json"]) == 0
    said = capsys.readouterr()
    assert "has changed" in said.err and "text" not in json.loads(said.out)[0]["found"][0]


def test_what_cannot_be_searched(mapped: Path, embedder: Path, tmp_path: Path, capsys: Any) -> None:
    def refused(folder: Path, *more: str) -> str:
        assert main([str(folder), "a", *more]) in (1, 2)
        return str(capsys.readouterr().err)

    assert "it has no job.json" in refused(tmp_path)
    assert "zoo map MODEL FILE --out" in refused(tmp_path / "nothing")
    assert "--top-k=0" in refused(mapped, "--top-k", "0")
    copy = tmp_path / "copy"
    shutil.copytree(mapped, copy)
    packed = copy / "part-000001.jsonl.gz"
    packed.write_bytes(b"\x1f\x8b" + bytes(packed.stat().st_size - 2))
    assert "damaged" in refused(copy, "--top-k", "30")
    record = json.loads((whole := (copy / "done" / "000000.json")).read_text())
    whole.write_text(
        json.dumps({**record, "files": {"part-000000.jsonl.gz": record["files"]["part-000000.jsonl.gz"]}})
    )
    assert "several kinds of embeddings" in refused(copy)
    whole.write_text(json.dumps(record))
    (copy / "part-000002.npy").unlink()
    assert "1 of 8 parts are not done" in refused(copy, "--top-k", "30")
    moved = tmp_path / "model"
    shutil.copytree(embedder, moved)
    job(moved, [lines(tmp_path / "a.txt", TEXTS)], tmp_path / "out")
    (moved / "config.json").write_text((moved / "config.json").read_text() + "\n")
    assert "have changed since the vectors" in refused(tmp_path / "out")
