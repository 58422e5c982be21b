"""The benchmarks' helpers, and that the pages show what the results say."""

from __future__ import annotations

import csv
import getpass
import json
import platform
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import common, tables
from benchmarks.accuracy import stsb
from tests.places import DATA
from tests.texts import sample


def test_pages_show_the_results() -> None:
    """`python -m benchmarks.tables` brings them up to date."""
    assert tables.main(["--check"]) == 0


def test_a_stale_page_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text("a\n<!-- table: one -->\nold\n<!-- end -->\nb\n", encoding="utf-8")
    monkeypatch.setattr(tables, "PAGES", ("README.md",))
    monkeypatch.setattr(tables, "TABLES", {"one": lambda: "new\n"})
    monkeypatch.setattr(common, "ROOT", tmp_path)
    assert tables.main(["--check"]) == 1
    assert "old" in page.read_text(encoding="utf-8")
    assert tables.main([]) == 0
    assert page.read_text(encoding="utf-8") == "a\n<!-- table: one -->\nnew\n<!-- end -->\nb\n"
    assert tables.main(["--check"]) == 0


def test_interleaving() -> None:
    order: list[str] = []
    timings = common.interleave({n: lambda n=n: order.append(n) for n in "abc"}, rounds=2, warmup=1)  # type: ignore[misc]
    assert "".join(order) == "abc" + "abc" + "cba"
    assert {n: len(t.seconds) for n, t in timings.items()} == {"a": 2, "b": 2, "c": 2}


def test_median_and_least() -> None:
    timing = common.Timing((3.0, 1.0, 2.0))
    assert (timing.median, timing.least) == (2.0, 1.0)


def test_process_is_measured() -> None:
    size, own = 80_000_000, bytearray(b"x" * 300_000_000)
    code = f"import time; a = bytearray(b'x' * {size}); time.sleep(0.3); print(len(a))"
    found = common.run_process([sys.executable, "-c", code])
    assert found.output.strip() == str(size)
    assert size < found.peak < len(own)  # not what its parent holds
    assert found.seconds > 0


def test_failed_process_says_what_it_printed() -> None:
    with pytest.raises(RuntimeError, match="no such thing"):
        common.run_process([sys.executable, "-c", "raise SystemExit('no such thing')"])


def test_results_carry_their_stamp(tmp_path: Path) -> None:
    path = common.write(
        "speed", "python -m benchmarks.speed", [{"model": "a", "ms": 1.5}, {"model": "b"}], tmp_path
    )
    document = json.loads(path.read_text(encoding="utf-8"))
    assert document["rows"] == [{"model": "a", "ms": 1.5}, {"model": "b"}]
    with path.with_suffix(".csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [r["ms"] for r in rows] == ["1.5", ""]
    assert all(r["cpu"] and r["date"] and "paddlepaddle=" in r["versions"] for r in rows)
    for private in (platform.node(), getpass.getuser()):
        assert private not in document["stamp"].values()


def test_ratio_line() -> None:
    assert common.compare("load", 2.0, 4.0, " s") == "load: ours 2 s, reference 4 s, ratio 0.5"


def test_batches_come_back_in_order() -> None:
    texts = ["x" * n for n in (5, 1, 300, 2, 2, 0)] * 30
    lengths = stsb.in_batches(texts, lambda batch: np.array([[len(t)] for t in batch]))
    assert lengths[:, 0].tolist() == [len(t) for t in texts]


def test_reader_of_stsb() -> None:
    first, second, gold = stsb.read(DATA / "glue/STS-B" / stsb.FILES["test"])
    assert (len(first), len(second), gold.min(), gold.max()) == (16, 16, 0.0, 5.0)
    assert (first[3], second[3], gold[3]) == (
        "A dog runs along the river.",
        "A brown dog is running beside some water.",
        3.6,
    )
    assert len(stsb.read(DATA / "glue/STS-B" / stsb.FILES["dev"])[0]) == 16


def test_reproduced_score() -> None:
    """What the committed results say stays within what the project promises."""
    row = next(r for r in tables.result("stsb")["rows"] if r["split"] == "test")
    assert abs(row["ours"] - 0.8203247) <= 1e-5
    assert abs(row["ours"] - row["torch"]) <= 1e-5
    assert row["least cosine to torch"] >= 0.99999
    assert row["published"] == 0.8203


@pytest.mark.torch
def test_golden_numbers_are_torchs(minilm_snapshot: Path) -> None:
    """examples/golden.json is what `python -m benchmarks.golden` would write."""
    from benchmarks import golden

    stored, fresh = json.loads(golden.PATH.read_text(encoding="utf-8")), golden.golden()
    assert stored["sentences"] == fresh["sentences"]
    np.testing.assert_allclose(stored["embeddings"], fresh["embeddings"], atol=2e-6)


@pytest.mark.torch
def test_embeddings_equal_torchs(minilm_snapshot: Path) -> None:
    """The fast half of `python -m benchmarks.accuracy.stsb`, on sentences and on longer and harder texts."""
    first, second, _ = stsb.read(DATA / "glue/STS-B" / stsb.FILES["test"])
    texts = [*first, *second, *(line[:400] for line in sample()[::60] if "Σ" not in line and line.strip())]
    mine, theirs = (stsb.in_batches(texts, run) for run in (stsb.ours(), stsb.original()))
    assert (mine * theirs).sum(axis=1).min() >= 0.99999
    np.testing.assert_allclose(mine, theirs, atol=1e-5)
