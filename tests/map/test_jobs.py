"""A job: the pipeline's answers, whole whatever stops it, refused when anything has changed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zoo
from tests.map.small import EAGER, TEXTS, errors_of, job, lines, manifest_of, objects, rows_of
from tests.tiny_models import SYLLABLES
from zoo import env
from zoo.errors import CheckpointError, InputError, UsageError
from zoo.map.__main__ import main


def names(folder: Path) -> list[str]:
    """Everything below a folder, hidden or not."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_the_numbers_of_the_pipeline(embedder: Path, tmp_path: Path) -> None:
    done = job(
        embedder, [lines(tmp_path / "a.txt", TEXTS), lines(tmp_path / "b.txt.gz", TEXTS[:5])], tmp_path / "out"
    )
    assert (done.rows, done.bad, done.parts, done.skipped) == (28, 0, 8, 0)
    found = rows_of(tmp_path / "out")
    files = [str(tmp_path / "a.txt")] * 23 + [str(tmp_path / "b.txt.gz")] * 5
    assert [(r["file"], r["row"]) for r in found] == list(zip(files, [*range(1, 24), *range(1, 6)], strict=True))
    wanted = zoo.pipeline("embeddings", embedder, **EAGER).encode([*TEXTS, *TEXTS[:5]])
    np.testing.assert_allclose([r["vector"] for r in found], wanted, atol=1e-6)
    assert found[0]["vector"].dtype == np.float32
    manifest = manifest_of(tmp_path / "out")
    assert (manifest["rows"], manifest["bad"], len(manifest["parts"])) == (28, 0, 8)
    assert errors_of(tmp_path / "out") == []
    assert not [name for name in names(tmp_path) if "zoo-" in name]


def test_answers_ids_and_options(reviewer: Path, tmp_path: Path) -> None:
    rows = [
        {"ident": n % 3 or f"x{n}", "body": f"{a} {b}"}
        for n, (a, b) in enumerate(zip(SYLLABLES, SYLLABLES[5:], strict=False))
    ]
    file = objects(tmp_path / "a.jsonl", rows)
    done = job(reviewer, [file], tmp_path / "out", columns={"text": "body"}, ident="ident", options={"top_k": 2})
    assert done.rows == len(rows)
    found = rows_of(tmp_path / "out")
    assert [r["id"] for r in found] == [r["ident"] for r in rows]
    wanted = zoo.pipeline("classification", reviewer, **EAGER)([r["body"] for r in rows], top_k=2)
    for row, answers in zip(found, wanted, strict=True):
        assert [a["label"] for a in row["answer"]] == [a["label"] for a in answers]
        assert row["answer"][0]["score"] == pytest.approx(answers[0]["score"], abs=1e-5)


def test_bad_rows_are_named_and_cost_no_other(embedder: Path, tmp_path: Path, capsys: Any) -> None:
    rows = ['{"text": "good"}', "{", '{"text": 5}', '{"words": "x"}', '{"text": " "}', '{"text": "last"}', '"text"']
    file = lines(tmp_path / "a.jsonl", rows)
    words = [str(embedder), str(file), "--out", str(tmp_path / "out"), "--engine", "eager", "--part-rows", "3"]
    assert main([*words, "--json"]) == 1
    figures = json.loads(capsys.readouterr().out)
    assert (figures["rows"], figures["bad"], figures["parts"]) == (2, 5, 3)
    assert [r["row"] for r in rows_of(tmp_path / "out")] == [1, 6]
    found = dict(errors_of(tmp_path / "out"))
    assert list(found) == [2, 3, 4, 5, 7]
    assert "JSON" in found[2] and "text" in found[3] and found[4] == "has no 'text'" and found[5] == "is empty."
    assert manifest_of(tmp_path / "out")["parts"][2]["files"] == {}
    assert main(words) == 1
    said = capsys.readouterr()
    assert "3 of 3 parts are done already" in said.err and "5 rows: see errors.jsonl" in said.out


class Killed(BaseException):
    pass


def test_stopped_anywhere_it_goes_on(embedder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped before its first rename, its second, ...: no row is lost and none is there twice."""
    file, out = lines(tmp_path / "a.txt", [*TEXTS[:8], "  ", *TEXTS[8:12]]), tmp_path / "out"
    replace, count = os.replace, 0

    def stops(*given: Any) -> None:
        nonlocal count
        count += 1
        if count == runs:
            raise Killed
        replace(*given)

    monkeypatch.setattr(os, "replace", stops)
    runs = 0
    while True:
        runs, count = runs + 1, 0
        try:
            done = job(embedder, [file], out, part_rows=3)
            break
        except Killed:
            assert runs < 30
    assert runs > 4 and done.rows == 12
    assert [r["row"] for r in rows_of(out)] == [*range(1, 9), *range(10, 14)]
    wanted = zoo.pipeline("embeddings", embedder, **EAGER).encode(TEXTS[:12])
    np.testing.assert_allclose([r["vector"] for r in rows_of(out)], wanted, atol=1e-6)


def test_killed_and_started_again(embedder: Path, tmp_path: Path) -> None:
    file, out = lines(tmp_path / "a.txt", TEXTS * 8), tmp_path / "out"
    words = [str(embedder), str(file), "--out", str(out), "--engine", "eager", "--part-rows", "8"]
    process = subprocess.Popen([sys.executable, "-m", "zoo.map", *words], stderr=subprocess.PIPE)
    try:
        while len(list(out.glob("done/*.json"))) < 3:
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    before = {path: path.stat().st_mtime_ns for path in out.glob("done/*.json")}
    assert len(before) < 23 and not (out / "manifest.json").exists()
    assert main(words) == 0
    assert [r["row"] for r in rows_of(out)] == list(range(1, len(TEXTS) * 8 + 1))
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert not [name for name in names(tmp_path) if "zoo-" in name]


def test_a_part_that_is_missing_is_made_again(embedder: Path, tmp_path: Path) -> None:
    file, out = lines(tmp_path / "a.txt", TEXTS), tmp_path / "out"
    job(embedder, [file], out)
    (out / "part-000002.npy").unlink()
    assert job(embedder, [file], out).new_rows == 4
    assert len(rows_of(out)) == 23
    (out / "part-000002.npy").write_bytes(b"mine")
    with pytest.raises(UsageError, match=r"part-000002.npy' was changed since it was written"):
        job(embedder, [file], out)


def test_what_has_changed_is_refused(embedder: Path, tmp_path: Path) -> None:
    file, other, out = lines(tmp_path / "a.txt", TEXTS), lines(tmp_path / "b.txt", TEXTS), tmp_path / "out"
    job(embedder, [file], out)
    before = names(out)
    for given, message in (
        ({"part_rows": 5}, "part-rows was 4 and is 5"),
        ({"options": {"max_length": 9}}, r"options was \{\} and is \{'max_length': 9\}"),
        ({"engine": "auto"}, "engine was 'eager' and is 'auto'"),
    ):
        with pytest.raises(UsageError, match=message):
            job(embedder, [file], out, **given)
    with pytest.raises(UsageError, match=r"b.txt' is new"):
        job(embedder, [file, other], out)
    os.utime(file)
    assert job(embedder, [file], out).new_rows == 0
    lines(file, [*TEXTS[:-1], TEXTS[-1][::-1]])
    with pytest.raises(UsageError, match=r"a.txt' has changed since the job"):
        job(embedder, [file], out)
    assert names(out) == before


def test_another_model_is_refused(embedder: Path, tmp_path: Path) -> None:
    model = Path(shutil.copytree(embedder, tmp_path / "model"))
    file, out = lines(tmp_path / "a.txt", TEXTS), tmp_path / "out"
    job(model, [file], out)
    config = json.loads((model / "config.json").read_text("utf-8"))
    (model / "config.json").write_text(json.dumps({**config, "layer_norm_eps": 1e-3}), "utf-8")
    with pytest.raises(UsageError, match=r"the files of the model .* have changed"):
        job(model, [file], out)


def test_nothing_of_a_stranger_is_touched(embedder: Path, tmp_path: Path) -> None:
    file, out = lines(tmp_path / "a.txt", TEXTS), tmp_path / "out"
    out.mkdir()
    (out / "part-000000.jsonl.gz").write_text("mine")
    with pytest.raises(UsageError, match="has other files"):
        job(embedder, [file], out)
    assert names(out) == ["part-000000.jsonl.gz"]


@pytest.mark.parametrize(
    "content", [b"{}", b"[]", b'{"format": 1, "sources": 5}', b'{"format": 1, "sources": [{}]}']
)
def test_a_damaged_description_is_a_sentence(embedder: Path, tmp_path: Path, content: bytes) -> None:
    file, out = lines(tmp_path / "a.txt", TEXTS), tmp_path / "out"
    job(embedder, [file], out)
    (out / "job.json").write_bytes(content)
    with pytest.raises((InputError, CheckpointError), match=r"job\.json"):
        job(embedder, [file], out)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"task": "nothing"}, "There is no pipeline 'nothing'"),
        ({"task": "qa"}, "is the question"),
        ({"task": "ner"}, "needs the head tagging"),
        ({"options": {"topk": 3}}, "no option 'topk'"),
        ({"format": "xml"}, "no format 'xml'"),
        ({"ident": "number"}, "no column 'number' for --id"),
        ({"part_rows": 0}, "part_rows=0"),
        ({"part_rows": 1 << 40}, "part_rows=1099511627776"),
        ({"tokens": -1}, "tokens=-1"),
        ({"engine": "fast"}, "'fast'"),
        ({"options": {"prompt": object()}}, "cannot be kept as JSON"),
    ],
)
def test_arguments(embedder: Path, tmp_path: Path, given: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        job(embedder, [lines(tmp_path / "a.txt", TEXTS)], tmp_path / "out", **given)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("words", [["--columns", "text"], ["--option", "=3"]])
def test_pairs_of_the_command_line(words: list[str], capsys: Any) -> None:
    assert main(["model", "a.txt", "--out", "out", *words]) == 2
    assert "is no NAME=VALUE" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--columns", "text=a,text=b"], ["--option", "top_k=1", "--option", "top_k=2"]])
def test_what_is_said_twice(words: list[str], capsys: Any) -> None:
    assert main(["model", "a.txt", "--out", "out", *words]) == 2
    assert "is said twice" in capsys.readouterr().err


def test_a_job_goes_on_with_options_as_json_has_them(embedder: Path, tmp_path: Path) -> None:
    file, out = lines(tmp_path / "a.txt", TEXTS[:2]), tmp_path / "out"
    options = {"outputs": ("dense",), "truncate_dim": np.int64(4)}
    assert job(embedder, [file], out, options=options).new_rows == 2
    assert job(embedder, [file], out, options=options).new_rows == 0


def test_ids_of_a_table_without_a_header(embedder: Path, tmp_path: Path) -> None:
    file = lines(tmp_path / "a.csv", ["x1,a film", "x2,a book"])
    job(embedder, [file], tmp_path / "out", columns={"text": "2"}, ident="1")
    assert [row["id"] for row in rows_of(tmp_path / "out")] == ["x1", "x2"]


def test_reasons_of_a_whole_part_are_read_again(embedder: Path, tmp_path: Path) -> None:
    """More of them than a configuration may have bytes."""
    from zoo.map.results import Answers, Done, read_done, write_part

    done = Done(0, bad=dict.fromkeys(range(90_000), "because " * 30), wrong=90_000)
    (tmp_path / "done").mkdir()
    write_part(tmp_path, "jsonl", done, Answers("a.txt"))
    assert (found := read_done(tmp_path, 0)) and found.wrong == 90_000


def test_ids_that_json_has_not(tmp_path: Path) -> None:
    import datetime
    import decimal

    from zoo.map.results import Answers, Done, write_part

    ids = [datetime.date(2026, 1, 2), decimal.Decimal("1.50")]
    write_part(tmp_path, "jsonl", Done(0), Answers("a.parquet", [1, 2], ids, [{"label": "a"}] * 2))
    assert [row["id"] for row in rows_of(tmp_path)] == ["2026-01-02", "1.50"]


def test_memory_does_not_grow_with_the_input(embedder: Path, tmp_path: Path) -> None:
    """What a part leaves behind is gone when the next one comes."""
    import tracemalloc

    def peak(rows: int) -> int:
        file = lines(tmp_path / f"{rows}.txt", [f"{n} " + "word " * 9 for n in range(rows)])
        tracemalloc.start()
        job(embedder, [file], tmp_path / f"out-{rows}", part_rows=20, options={"max_length": 8})
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(20)
    assert peak(160) < peak(40) * 1.3


def test_parquet_out(embedder: Path, reviewer: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    from pyarrow import parquet

    file = objects(tmp_path / "a.jsonl", [{"n": n, "text": text} for n, text in enumerate(TEXTS)])
    job(embedder, [file], tmp_path / "vectors", format="parquet", ident="n")
    table = parquet.read_table(sorted((tmp_path / "vectors").glob("*.parquet")))
    assert table.column_names == ["file", "row", "id", "answer"]
    assert table["id"].to_pylist() == list(range(len(TEXTS)))
    wanted = zoo.pipeline("embeddings", embedder, **EAGER).encode(TEXTS)
    np.testing.assert_allclose(np.stack(table["answer"].to_pylist()), wanted, atol=1e-6)
    file = objects(tmp_path / "b.jsonl", [{"n": n, "text": "a"} for n in (1 << 70, "x", [1])])
    job(embedder, [file], tmp_path / "odd", format="parquet", ident="n")
    odd = parquet.read_table(tmp_path / "odd" / "part-000000.parquet")
    assert odd["id"].to_pylist() == ["1180591620717411303424", "x", "[1]"]
    job(reviewer, [file], tmp_path / "classes", format="parquet")
    table = parquet.read_table(sorted((tmp_path / "classes").glob("*.parquet")))
    assert set(table["answer"].to_pylist()[0]) == {"label", "score"}


def test_threads_of_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    from zoo.map.work import _threads

    monkeypatch.delenv(env.THREADS_VARIABLE, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert env.threads() == 7
    with _threads(3):
        assert env.threads() == 3
        with _threads(0):
            assert env.threads() == 3
    assert env.THREADS_VARIABLE not in os.environ


def test_openvino_pins_no_threads_where_cores_are_shared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two processes of one thread each would compute on the same core."""
    openvino = pytest.importorskip("openvino")
    from openvino import opset13 as ops

    from zoo.inference.engines.openvino import OpenVINO, save_model
    from zoo.inference.graph import Graph

    given: list[dict[str, Any]] = []
    compile_model = openvino.Core.compile_model

    def noted(core: Any, model: Any, device: str, options: dict[str, Any]) -> Any:
        given.append(options)
        return compile_model(core, model, device, options)

    monkeypatch.setattr(openvino.Core, "compile_model", noted)
    monkeypatch.setattr(env, "cores", lambda: 2)
    word = ops.parameter([1], np.float32)
    save_model(openvino.Model([ops.relu(word)], [word]), tmp_path)
    for threads in ("1", "2"):
        monkeypatch.setenv(env.THREADS_VARIABLE, threads)
        OpenVINO(Graph(tmp_path, (), ()))
    assert [options.get("ENABLE_CPU_PINNING") for options in given] == [False, None]
