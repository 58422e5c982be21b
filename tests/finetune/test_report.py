"""The end of a run: verdicts, intervals and the page."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from zoo.finetune import kept
from zoo.finetune.config import DEFAULTS
from zoo.finetune.kept import Kept
from zoo.finetune.recipes import Published, Settled, settle
from zoo.finetune.report import Estimate, compare, summary
from zoo.finetune.report_page import page
from zoo.finetune.result import merge
from zoo.tasks import find

PAPER = Published("accuracy", 95.1, "dev", "the paper")


@pytest.mark.parametrize(
    ("values", "split", "same", "verdict"),
    [
        ((95.2,), "dev", True, "reached"),
        ((95.0,), "dev", True, "within our 95 % interval"),  # 5,463 rows: half an interval is 0.58
        ((94.0,), "dev", True, "below"),
        ((94.0, 96.0), "dev", True, "within our 95 % interval"),
        ((95.2,), "test", True, "published on dev"),
        ((95.2,), "dev", False, "another model"),
    ],
)
def test_verdict(values: tuple[float, ...], split: str, same: bool, verdict: str) -> None:
    assert compare(PAPER, split, Estimate(values, 5463), same).verdict == verdict


def test_a_number_that_cannot_be_compared() -> None:
    doubtful = Published("f1", 76.6, "test", "x", "another tokenizer's ids", comparable=False)
    compared = compare(doubtful, "test", Estimate((95.0,), 100), True)
    assert compared.verdict == "not to be compared"
    assert "another tokenizer's ids" in compared.line()


def test_interval() -> None:
    """Student's t over the seeds: 91, 92, 93 give 92 +- 4.303 x 1 / sqrt 3."""
    ours = Estimate((91.0, 92.0, 93.0), 100)
    assert (ours.mean, ours.deviation) == (92.0, 1.0)
    assert ours.half == pytest.approx(2.484, abs=1e-3)
    assert Estimate((95.0,), 1000).half == pytest.approx(1.351, abs=1e-3)  # a share of 1000 rows
    assert Estimate((95.0,), 0).half == 0.0


def test_the_line_at_the_end() -> None:
    ours = Estimate((95.2,), 5463)
    line = summary("accuracy", "dev", ours, [compare(PAPER, "dev", ours, True)])
    assert line == "accuracy on dev: ours 95.20, published 95.10 (the paper), difference +0.10: reached"
    assert "no published score" in summary("accuracy", "dev", ours, [])


def result(value: float) -> dict:
    rows = {"all": {"accuracy": value}}
    return {"rows": 5463, "row": "all", "metric": "accuracy", "value": value, "scores": rows, "loss": 0.1}


def record(settled: Settled, value: float) -> dict:
    return {
        "config": settled.config.to_dict(), "sources": dict(settled.sources), "results": {"dev": result(value)},
        "data": {"dev": {"files": {"dev.tsv": "0" * 64}}}, "versions": {"zoo": "1"}, "notes": ["<b>a note</b>"],
        "best_update": 1, "summary": "s", "comparisons": [],
    }  # fmt: skip


def test_seeds_of_a_recipe(tmp_path: Path) -> None:
    """Two seeds of the flagship of QNLI beside both published scores."""
    settled = settle({"task": "qnli"})
    records = [record(settled, 95.0), record(settled, 95.6)]
    found = merge(tmp_path, settled, find("qnli"), (42, 43), records, True)
    assert found.scores["dev"]["all"]["accuracy"] == pytest.approx(95.3)
    assert [c.published for c in found.comparisons] == [95.1, 95.149]
    assert "difference +0.20: reached" in found.summary and "over 2 seeds 95.30 +- 0.42" in found.summary
    written = json.loads((tmp_path / "run.json").read_text("utf-8"))
    assert written["seeds"]["values"] == {"42": 95.0, "43": 95.6} and written["seeds"]["best"] == "seed-43/best"
    text = (tmp_path / "report.html").read_text("utf-8")
    assert ">seed<" in text and text.count("<circle") == 3 and "sample deviation 0.42" in text
    assert "the reproduction for Paddle" in text and "<b>a note</b>" not in text  # escaped


def test_page_has_every_option_with_its_source(tmp_path: Path) -> None:
    settled = settle({"task": "squad2", "lr": 1e-5})
    text = page(tmp_path, record(settled, 90.0), find("squad2"))
    changed, _, unchanged = text.partition("options as they are by default")
    for name, value in settled.config.to_dict().items():
        assert f">{name}</td>" in (unchanged if value == DEFAULTS[name] else changed)
    assert ">flag</td>" in changed and ">recipe funnel-xlarge-squad2</td>" in changed


EVIL = "<script>alert(1)</script>"


def test_page_is_one_file_and_escapes_what_users_wrote(tmp_path: Path) -> None:
    """Texts, answers, labels, notes and names of files; nothing is fetched, nothing runs."""
    settled = settle({"task": "sst2", "model": EVIL, "data": EVIL})
    wrong = {"texts": {"text": f"{EVIL} film \ud800"}, "scores": {EVIL: 0.9}}
    rows = [
        Kept("dev", EVIL, "", EVIL, "positive", False, 2.0, {"accuracy": 0.0}, **wrong),
        Kept("dev", "2", "", "positive", "positive", True, 0.1, {"accuracy": 100.0}),
    ]
    kept.write(tmp_path / kept.FILE, rows, [2])
    line = json.dumps({"kind": "update", "update": 1, "loss": 0.5})
    (tmp_path / "metrics.jsonl").write_text(line + "\n", "utf-8")
    written = {**record(settled, 50.0), "notes": [EVIL], "data": {"dev": {"files": {EVIL: "0" * 64}}}}
    text = page(tmp_path, written, replace(find("sst2"), labels=(EVIL, "positive")), lengths=[4, 5])
    assert "<script" not in text and text.count("&lt;script&gt;") >= 8
    assert not re.search(r"""(?:src|href|url|@import)\s*[=(]""", text)
    assert "Wrong answers: 1 of 2 rows" in text and "loss 2.000" in text and text.count("<svg") == 2
    assert "prefers-color-scheme: dark" in text


def test_page_says_the_verdict_first(tmp_path: Path) -> None:
    settled = settle({"task": "qnli"})
    below = compare(PAPER, "dev", Estimate((90.0,), 5463), True)
    text = page(tmp_path, {**record(settled, 90.0), "comparisons": [asdict(below)]}, find("qnli"))
    assert text.index("Below the published score, by more than chance explains.") < text.index("<h2>")
    assert all(f"<b>{value}</b>" in text for value in ("90.00", "95.10", "-5.10"))


def test_page_has_the_published_score_of_each_language(tmp_path: Path) -> None:
    settled = settle({"task": "xnli", "model": "xlm-roberta-base"})
    rows = {"en": {"accuracy": 85.0}, "sw": {"accuracy": 65.0}, "average": {"accuracy": 75.0}}
    written = record(settled, 75.0)
    written["results"]["dev"] |= {"scores": rows, "row": "average"}
    published = Published("accuracy", 76.0, "test", "paper", languages={"en": 84.0})
    text = page(tmp_path, written, find("xnli"), [published])
    table = re.sub(r"<[^>]+>", " ", text[text.index("By language") :]).split()
    assert "en 85.00 84.00 1.00 sw 65.00 average 75.00 76.00 -1.00" in " ".join(table)
