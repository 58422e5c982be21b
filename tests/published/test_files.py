"""Published files: every row is read, in little memory, and batches of their texts hold little padding."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from benchmarks.accuracy import stsb
from tests.inference.test_pipelines import waste
from tests.tasks.test_files import NO_MAJORITY, count, pairs_of_tatoeba, peak_of, task_of
from zoo.tokenization import Tokenizer


def test_published_files(data: Path) -> None:
    """Every file of the folder of published data, with the number of rows that its manifest says."""
    manifest = json.loads((data / "MANIFEST.json").read_text("utf-8"))
    rows = {row["path"].removeprefix("data/"): int(row["rows"]) for row in manifest}
    files = [path for path in rows if task_of(path) != ""]
    assert [path for path in files if task_of(path) is None] == [] and len(files) > 300
    for path in files:
        if not path.startswith("tatoeba"):
            assert count(path, data) == rows[path] - NO_MAJORITY.get(path, 0), path
    found = list(pairs_of_tatoeba(data / "tatoeba"))
    assert len(found) == 112
    assert all(rows[f"tatoeba/{a}"] == rows[f"tatoeba/{b}"] == pairs for a, b, pairs in found)
    examples, peak = peak_of("xnli", data / "xnli")
    assert examples == 37350 and peak < 2e6  # bytes; the file holds 12 MB of text


def test_reader_of_the_published_stsb(data: Path) -> None:
    first, second, gold = stsb.read(data / "glue/STS-B" / stsb.FILES["test"])
    assert (len(first), len(second), gold.min(), gold.max()) == (1379, 1379, 0.0, 5.0)
    assert (first[0], second[0], gold[0]) == ("A girl is styling her hair.", "A girl is brushing her hair.", 2.5)
    assert len(stsb.read(data / "glue/STS-B" / stsb.FILES["dev"])[0]) == 1500


def test_padding_waste_on_published_data(data: Path, tokenizers: dict[str, Tokenizer]) -> None:
    tokenizer = tokenizers["en"]
    for texts in (sst2(data), xnli(data)):
        lengths = [len(ids) for ids in tokenizer(*texts, padding=False, max_length=128)["input_ids"]]
        assert len(lengths) > 800 and waste(lengths) < 0.1


def sst2(data: Path) -> tuple[list[str], ...]:
    lines = (data / "glue/SST-2/train.tsv").read_text("utf-8").splitlines()[1:10001]
    return ([line.split("\t")[0] for line in lines],)


def xnli(data: Path) -> tuple[list[str], ...]:
    with gzip.open(data / "xnli/xnli.test.tsv.gz", "rt", encoding="utf-8") as stream:
        rows = [line.split("\t") for line in stream.read().splitlines()]
    at = [rows[0].index(name) for name in ("sentence1", "sentence2")]
    english = [row for row in rows[1:] if row[0] == "en"]
    return [row[at[0]] for row in english], [row[at[1]] for row in english]
