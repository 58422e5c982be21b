"""What `zoo trim` takes away and what stays equal, at true size.

all-MiniLM-L6-v2 (WordPiece, its real weights) and XLM-R base (SentencePiece, random weights with the head of a
masked language model), each trimmed to a corpus by the command. Every held-out text whose pieces are all kept gets
equal ids and bit-identical states, or the command ends with an error.

    python -m benchmarks.parity.trim [--only xlm-roberta-base] [--save]

The corpora are those of the shared folder beside the checkout: Tatoeba's English sentences; FLORES-200, Tatoeba
and XNLI's test set in English, German and Chinese, compared on XNLI's and PAWS-X's development sets and XQuAD's
questions. XLM-R keeps the characters of these languages too. It is loaded and finetuned before and after, in turn:
seconds to load, memory, seconds of an update (8 rows of at most 64 tokens). --save writes
benchmarks/results/trim.{csv,json}.
"""

from __future__ import annotations

import argparse
import gzip
import json
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import paddle

from benchmarks.common import SHARED, run_process, write
from zoo.models import xlmr
from zoo.models.common.base import Origin
from zoo.models.xlmr.config import Config
from zoo.models.xlmr.model import build

COMMAND = "python -m benchmarks.parity.trim"
DATA = SHARED / "data"
BASE = {
    "architectures": ["XLMRobertaForMaskedLM"],
    "model_type": "xlm-roberta",
    **xlmr.BASE,
    "type_vocab_size": 1,
    "layer_norm_eps": 1e-5,
    "pad_token_id": 1,
    "bos_token_id": 0,
    "eos_token_id": 2,
}
SUBJECTS, LANGUAGES = ("all-MiniLM-L6-v2", "xlm-roberta-base"), ("en", "de", "zh")
TRAINING = ("--batch-size", "8", "--max-length", "64", "--max-steps", "8", "--eval-every", "1000")
LOAD = """
import sys, time, zoo
start = time.perf_counter()
zoo.load(sys.argv[1])
print(time.perf_counter() - start)
"""
# Of XLM-R base with its masked language model's head: parameters in all, and of one piece (a row and a bias).
ALL_PARAMETERS, PIECE_PARAMETERS = 278_295_186, 769


def minilm(folder: Path) -> str:
    """Gives the name of a model with real weights."""
    return "all-MiniLM-L6-v2"


def xlmr(folder: Path) -> str:
    """Writes XLM-R base with random weights and its own vocabulary."""
    source = folder / "vocabulary"
    source.mkdir()
    shutil.copy(
        SHARED / "assets/xlm-roberta-base/sentencepiece.bpe.rebuilt.model", source / "sentencepiece.bpe.model"
    )
    paddle.seed(1)
    model = build(Config.from_dict(BASE), "mlm")
    model.origin = Origin("xlmr", "XLMRobertaForMaskedLM", "zoo.models.xlmr", source, None)
    model.save(folder / "whole")
    return str(folder / "whole")


def corpora(folder: Path) -> dict[str, tuple[str, list[Path], Path | None]]:
    """Gives the texts of each subject, what they are called, and the texts to compare on where they are others."""
    tatoeba, flores = DATA / "tatoeba", DATA / "flores200"
    english = sorted(tatoeba.glob("tatoeba.*-eng.eng"))
    three = sorted(p for code in ("eng_Latn", "deu_Latn", "zho_Hans") for p in flores.glob(f"dev*/{code}.dev*"))
    three += [tatoeba / f"tatoeba.{pair}" for pair in ("deu-eng.deu", "deu-eng.eng", "cmn-eng.cmn")]
    three.append(written(folder / "xnli-test.txt", xnli("test")))
    pawsx = (row[n] for code in LANGUAGES for row in table(DATA / f"pawsx/dev-{code}.tsv") for n in (1, 2))
    held_out = written(folder / "held-out.txt", [*xnli("dev"), *pawsx, *questions()])
    return {
        "all-MiniLM-L6-v2": ("Tatoeba's English", english, None),
        "xlm-roberta-base": ("FLORES-200, Tatoeba, XNLI in English, German, Chinese", three, held_out),
    }


def table(file: Path) -> list[list[str]]:
    """Gives the rows of a file of tab-separated values, packed or not, without its header."""
    with (gzip.open if file.suffix == ".gz" else open)(file, "rt", encoding="utf-8") as stream:
        return [line.rstrip("\n").split("\t") for line in stream][1:]


def xnli(split: str) -> list[str]:
    """Gives XNLI's sentences of the three languages."""
    rows = table(DATA / f"xnli/xnli.{split}.tsv.gz")
    return [row[n] for row in rows if row[0] in LANGUAGES for n in (6, 7)]


def questions() -> list[str]:
    """Gives XQuAD's questions in the three languages."""
    read = [json.loads((DATA / f"xquad/xquad.{code}.json").read_text("utf-8"))["data"] for code in LANGUAGES]
    paragraphs = [paragraph for articles in read for article in articles for paragraph in article["paragraphs"]]
    return [row["question"].strip() for paragraph in paragraphs for row in paragraph["qas"]]


def written(file: Path, texts: Iterable[str]) -> Path:
    """Writes each text once, one a line."""
    file.write_text("".join(f"{text}\n" for text in dict.fromkeys(texts)), "utf-8")
    return file


def measure(name: str) -> dict[str, object]:
    """Trims one subject in a process of its own."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        corpus, files, held_out = corpora(folder)[name]
        given = {"all-MiniLM-L6-v2": minilm, "xlm-roberta-base": xlmr}[name](folder)
        command = [sys.executable, "-m", "zoo", "trim", given, "--out", str(folder / "small"), "--corpus"]
        apart = ["--held-out", str(held_out), "--languages", ",".join(LANGUAGES)] if held_out else []
        done = run_process([*command, *map(str, files), *apart])
        certificate = json.loads((folder / "small/certificate.json").read_text("utf-8"))
        figures = {**row(certificate["trimming"]), "peak_mb": round(done.peak / 1e6)}
        figures |= costs(folder, given, str(folder / "small")) if held_out else {}
        return {"model": name, "corpus": corpus, **figures}


def costs(folder: Path, before: str, after: str, rounds: int = 3) -> dict[str, object]:
    """Loads and finetunes two models in turn; gives the medians of each."""
    rows = [row for row in table(DATA / "xnli/xnli.dev.tsv.gz") if row[0] in LANGUAGES][:400]
    lines = [json.dumps({"text": row[6], "label": row[1]}) for row in rows]
    (folder / "train.jsonl").write_text("".join(f"{line}\n" for line in lines), "utf-8")
    found: dict[str, list[float]] = {}
    for n in range(rounds):
        for when, model in (("before", before), ("after", after)):
            loaded = run_process([sys.executable, "-c", LOAD, model])
            run = folder / f"run-{when}-{n}"
            command = [sys.executable, "-m", "zoo", "finetune", "--task", "classification", "--model", model]
            options = ["--data", str(folder / "train.jsonl"), "--out", str(run), *TRAINING]
            trained = run_process([*command, *options])
            told = [json.loads(line) for line in (run / "metrics.jsonl").read_text("utf-8").splitlines()]
            update = statistics.median(line["seconds"] for line in told if line["kind"] == "update")
            for what, value in (
                ("load_seconds", float(loaded.output.split()[-1])),
                ("load_mb", loaded.peak / 1e6),
                ("update_seconds", update),
                ("finetune_mb", trained.peak / 1e6),
            ):
                found.setdefault(f"{what}_{when}", []).append(value)
            shutil.rmtree(run)
    return {name: float(f"{statistics.median(values):.4g}") for name, values in found.items()}


def row(done: Mapping[str, Any]) -> dict[str, object]:
    """Gives a certificate's figures as a row."""
    held, sizes = done["held_out"], ("pieces", "parameters", "weights")
    figures = {f"{name}_{when}": done[name][when] for name in sizes for when in ("before", "after")}
    return {
        "files": len(done["corpus"]),
        **figures,
        "held_out_texts": held["texts"],
        "kept_texts": held["kept"],
        "kept_share": round(held["kept"] / held["texts"], 4),
        "tokens_compared": held["tokens"],
        "pieces_growth": round(held["pieces_after"] / held["pieces_before"] - 1, 4),
        "texts_with_unknown_before": held["unknown_before"],
        "texts_with_unknown_after": held["unknown_after"],
    }


def main() -> int:
    """Runs all subjects, or one."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", choices=SUBJECTS)
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/trim.{csv,json}")
    args = parser.parse_args()
    rows = []
    for name in SUBJECTS:
        if args.only in (None, name):
            rows.append(measure(name))
            print(json.dumps(rows[-1], indent=2), flush=True)
    for found in rows:
        if found["model"] == "xlm-roberta-base":
            gone = int(str(found["pieces_before"])) - int(str(found["pieces_after"]))
            assert found["parameters_before"] == ALL_PARAMETERS, found["parameters_before"]
            assert found["parameters_after"] == ALL_PARAMETERS - PIECE_PARAMETERS * gone
    if args.save:
        write("trim", f"{COMMAND} --save", rows, key="model" if args.only else "")
    return 0


if __name__ == "__main__":
    sys.exit(main())
