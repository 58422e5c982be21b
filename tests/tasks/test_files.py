"""Every file of data is read to its end, with the number of rows that its manifest says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

from tests.conftest import SHARED
from zoo import tasks

# pattern of the path below data -> task and split; a split that starts with "test" may lack gold answers.
READ = {
    r"squad/(dev|train)-v1.*": "squad {0}",
    r"squad/(dev|train)-v2.*": "squad2 {0}",
    r"xquad/.*": "xquad dev",
    r"peoples_daily_ner/example\.(\w+).*": "peoples-daily {0}",
    r"cluener2020/(\w+)\.json": "cluener {0}",
    r"msra_ner/.*": "msra test",
    r"panx/(?:wikiann-en-)?(dev|train|test).*": "panx {0}",
    r"xnli/xnli\.(dev|test)\.tsv\.gz": "xnli {0}",
    r"xnli/xtreme/(dev|test)-.*": "xnli-xtreme {0}",
    r"glue/diagnostic/.*": "ax test",
    r"glue/STS-B/sts-test.labelled.csv": "",  # not a file of GLUE
    r"glue/SST-2/(\w+).*": "sst2 {0}",
    r"glue/STS-B/(\w+).*": "stsb {0}",
    r"glue/(CoLA|MNLI|MRPC|QNLI|QQP|RTE|WNLI)/heldout.*": "{0} dev",
    r"glue/(CoLA|MNLI|MRPC|QNLI|QQP|RTE|WNLI)/(\w+).*": "{0} {1}",
    r"pawsx/.*": "pawsx dev",
    r"clue/cmrc2018/.*": "cmrc2018 dev",
    r"clue/tnews/.*": "tnews dev",
    r"clue/fewclue/bustm/.*": "afqmc dev",  # the same layout
    r"clue/fewclue/(\w+)/.*": "{0} dev",
    r"clue/cmnli/.*": "cmnli dev",
    r"clue/(afqmc|ocnli)/(\w+).*": "{0} {1}",
    r"chnsenticorp/(\w+).*": "chnsenticorp {0}",
    r"dureader_robust/.*": "dureader-robust-qg dev",
    r"dureader_qg/(\w+).*": "dureader-qg {0}",
    r"multi30k/(\w+)\.(?:en|de|fr)\.gz": "multi30k-en-{lang} {0}",
    r"flores200/(\w+)/.*": "flores {0}",
    r"tatoeba/.*": "tatoeba test",
    r"assets/.*|.*README(\.md)?": "",
}
NO_MAJORITY = {"clue/ocnli/dev.json": 50, "clue/ocnli/train.10k.json": 15, "clue/ocnli/train.3k.json": 6}
SIDES = ("multi30k", "flores", "tatoeba")


def task_of(path: str) -> str | None:
    """Task and split of a file; None when the table does not know it."""
    for pattern, value in READ.items():
        if match := re.fullmatch(pattern, path):
            return value.format(*match.groups(), lang=path.split(".")[1]) if value else ""
    return None


MANIFEST = SHARED / "data" / "MANIFEST.json"
ROWS = json.loads(MANIFEST.read_text("utf-8")) if MANIFEST.is_file() else []
FILES = [row for row in ROWS if task_of(row["path"].removeprefix("data/")) != ""]
ALIGNED = [row for row in FILES if row["path"].split("/")[1].startswith(SIDES)]
PLAIN = [row for row in FILES if row not in ALIGNED]


def id_of(row: dict[str, str]) -> str:
    return row["path"].removeprefix("data/")


def test_the_table_knows_every_file(shared: Path) -> None:
    assert [row["path"] for row in FILES if task_of(id_of(row)) is None] == []
    assert len(PLAIN) > 120


@pytest.mark.parametrize("row", PLAIN, ids=id_of)
def test_whole_file(row: dict[str, str], shared: Path) -> None:
    path = id_of(row)
    name, split = str(task_of(path)).split()
    examples = sum(1 for _ in tasks.find(name).read(shared / "data" / path, split))
    assert examples == int(row["rows"]) - NO_MAJORITY.get(path, 0)


@pytest.mark.parametrize("row", [r for r in ALIGNED if "tatoeba" not in r["path"]], ids=id_of)
def test_whole_side_of_parallel_text(row: dict[str, str], shared: Path) -> None:
    file = shared / "data" / id_of(row)
    assert sum(1 for _ in tasks.find("multi30k-en-de").read([file, file], "dev")) == int(row["rows"])


def test_all_pairs_of_tatoeba(shared: Path) -> None:
    folder = shared / "data" / "tatoeba"
    held = {id_of(r): int(r["rows"]) for r in ALIGNED if "tatoeba" in r["path"]}
    task = tasks.find("tatoeba")
    count = 0
    for file in sorted(folder.glob("tatoeba.*.eng")):
        other = file.with_suffix("." + file.name.split(".")[1].split("-")[0])
        pairs = sum(1 for _ in task.read([other, file], "test"))
        assert pairs == held[f"tatoeba/{file.name}"] == held[f"tatoeba/{other.name}"]
        count += 1
    assert count == 112


def test_reading_streams(shared: Path) -> None:
    tracemalloc.start()
    try:
        pairs = sum(1 for _ in tasks.find("xnli").read(shared / "data" / "xnli", "dev"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert pairs == 37350
    assert peak < 2e6  # bytes; the file holds 12 MB of text


def test_naming_a_task_loads_no_library() -> None:
    heavy = ["paddle", "sklearn", "scipy", "seqeval", "sacrebleu", "tokenizers", "sentencepiece", "datasets"]
    code = f"import sys; from zoo import tasks; tasks.find('sst2'); print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"
