"""Every file of tests/data is read to its end, with the number of rows that its table says."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.places import DATA
from zoo import tasks

# Pattern of the path in tests/data, or in a folder of published files, -> task and split; a split that starts with
# "test" may lack gold answers.
READ = {
    r"squad/(dev|train)-v1.*": "squad {0}",
    r"squad/(dev|train)-v2.*": "squad2 {0}",
    r"xquad/.*": "xquad dev",
    r"cnn_dailymail/(?:(train|test)|validation).csv": "cnndm dev",
    r"org_data/(train|dev|test)\.(?:src|tgt)\.txt": "gigaword {0}",
    r"RACE/(train|dev|test)/.*": "race {0}",
    r"snli_1.0/snli_1.0_(train|dev|test).jsonl": "snli {0}",
    r"MLQA_V1/(dev|test)/.*": "mlqa {0}",
    r"ud-treebanks-v2.5/.*-ud-(train|dev|test).conllu": "udpos {0}",
    r"tydiqa/(?:.*/)?tydiqa-goldp-(?:v1.1-)?(train|dev)[^/]*": "tydiqa-goldp {0}",
    r"peoples_daily_ner/example\.(\w+).*": "peoples-daily {0}",
    r"cluener2020/(\w+)\.json": "cluener {0}",
    r"msra_ner/msra_(train|test).*": "msra {0}",
    r"panx/(?:wikiann-en-)?(dev|train|test).*": "panx {0}",
    r"xnli/xnli\.(dev|test)\.tsv(?:\.gz)?": "xnli {0}",
    r"xnli/xtreme/(train|dev|test)-.*": "xnli-xtreme {0}",
    r"xnli/XNLI-MT-1.0/.*": "xnli train",
    r"glue/diagnostic/diagnostic-full.tsv": "ax test-labelled",
    r"glue/diagnostic/.*": "ax test",
    r"glue/STS-B/sts-test.labelled.csv": "",  # not a file of GLUE
    r"glue/SST-2/(\w+).*": "sst2 {0}",
    r"glue/STS-B/(\w+).*": "stsb {0}",
    r"glue/(CoLA|MNLI|MRPC|QNLI|QQP|RTE|WNLI)/heldout.*": "{0} dev",
    r"glue/(CoLA|MNLI|MRPC|QNLI|QQP|RTE|WNLI)/(\w+).*": "{0} {1}",
    r"pawsx/(train|dev)-.*": "pawsx {0}",
    r"clue/cmrc2018/.*": "cmrc2018 dev",
    r"clue/fewclue/bustm/.*": "afqmc dev",  # the same layout
    r"clue/fewclue/(\w+)/.*": "{0} dev",
    r"clue/cmnli/dev.derived.*": "cmnli dev",
    r"clue/tnews/resplit.*": "tnews dev",
    r"clue/(afqmc|cluewsc|cmnli|csl|iflytek|ocnli|tnews)/(\w+).*": "{0} {1}",
    r"chnsenticorp/(\w+).*": "chnsenticorp {0}",
    r"dureader_robust/.*": "dureader-robust-qg dev",
    r"dureader_qg/(\w+).*": "dureader-qg {0}",
    r"multi30k/(\w+)\.(?:en|de|fr)\.gz": "multi30k-en-{lang} {0}",
    r"flores200/(\w+)/.*": "flores {0}",
    r"tatoeba/.*": "tatoeba test",
    r"assets/.*|.*README(\.md)?": "",
}
NO_MAJORITY = {"clue/ocnli/dev.json": 50, "clue/ocnli/train.10k.json": 15, "clue/ocnli/train.3k.json": 6}
SIDES = ("multi30k", "flores", "org_data", "tatoeba")


def task_of(path: str) -> str | None:
    """Task and split of a file; None when the table does not know it."""
    for pattern, value in READ.items():
        if match := re.fullmatch(pattern, path):
            return value.format(*match.groups(), lang=path.split(".")[1]) if value else ""
    return None


ROWS: dict[str, int] = json.loads((DATA / "rows.json").read_text("utf-8"))
ALIGNED = [path for path in ROWS if path.startswith(SIDES)]
PLAIN = [path for path in ROWS if path not in ALIGNED]


def count(path: str, folder: Path) -> int:
    """Examples of a file, or of one side of parallel text."""
    file = folder / path
    if path.startswith(SIDES):
        return sum(1 for _ in tasks.find("multi30k-en-de").read([file, file], "dev"))
    name, split = str(task_of(path)).split()
    return sum(1 for _ in tasks.find(name).read(file, split))


def pairs_of_tatoeba(folder: Path) -> Iterator[tuple[str, str, int]]:
    """The names of both sides and the number of pairs, of every language."""
    for file in sorted(folder.glob("tatoeba.*.eng")):
        other = file.with_suffix("." + file.name.split(".")[1].split("-")[0])
        yield other.name, file.name, sum(1 for _ in tasks.find("tatoeba").read([other, file], "test"))


def test_every_file_has_a_row() -> None:
    held = {p.relative_to(DATA).as_posix() for p in DATA.rglob("*") if p.is_file()}
    assert held == {*ROWS, "README.md", "rows.json"}
    assert [path for path in ROWS if task_of(path) is None] == []


@pytest.mark.parametrize("path", [path for path in PLAIN if task_of(path)])
def test_whole_file(path: str) -> None:
    assert count(path, DATA) == ROWS[path]


def test_whole_sides_of_parallel_text() -> None:
    assert {path: count(path, DATA) for path in ALIGNED} == {path: ROWS[path] for path in ALIGNED}


def test_all_pairs_of_tatoeba() -> None:
    found = list(pairs_of_tatoeba(DATA / "tatoeba"))
    assert len(found) == 4
    assert all(ROWS[f"tatoeba/{a}"] == ROWS[f"tatoeba/{b}"] == pairs for a, b, pairs in found)


def test_reading_streams(tmp_path: Path) -> None:
    """A packed file of 12 MB of text is read in less memory than a sixth of that."""
    line = "\t".join(("0", "1", "2", "Is the sea salt? " * 20, "Is there salt in the sea? " * 20, "1")) + "\n"
    with gzip.open(tmp_path / "dev.tsv.gz", "wt", encoding="utf-8") as stream:
        stream.write("id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n")
        stream.writelines(line for _ in range(14_000))
    assert peak_of("qqp", tmp_path) == (14_000, pytest.approx(0, abs=2e6))


def peak_of(name: str, folder: Path) -> tuple[int, int]:
    """Number of a development set's examples, and the bytes that reading them took at most."""
    tracemalloc.start()
    try:
        found = sum(1 for _ in tasks.find(name).read(folder, "dev"))
        return found, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_naming_a_task_loads_no_library() -> None:
    heavy = ["paddle", "sklearn", "scipy", "seqeval", "sacrebleu", "tokenizers", "sentencepiece", "datasets"]
    code = f"import sys; from zoo import tasks; tasks.find('sst2'); print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"
