"""What `zoo trim` takes away and what stays equal, at true size.

all-MiniLM-L6-v2 (WordPiece, its real weights) and XLM-R base (SentencePiece, random weights with the head of a
masked language model), each trimmed to a corpus by the command. Every held-out text whose pieces are all kept gets
equal ids and bit-identical states, or the command ends with an error.

    python -m benchmarks.parity.trim [--only xlm-roberta-base] [--save]

The corpora are those of the shared folder beside the checkout: Tatoeba's English sentences; FLORES-200 and Tatoeba
in English, German and Chinese. --save writes benchmarks/results/trim.{csv,json}.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import paddle

from benchmarks.common import SHARED, run_process, write
from zoo.models.common.base import Origin
from zoo.models.xlmr.config import Config
from zoo.models.xlmr.model import build

COMMAND = "python -m benchmarks.parity.trim"
DATA = SHARED / "data"
BASE = {
    "architectures": ["XLMRobertaForMaskedLM"],
    "model_type": "xlm-roberta",
    "vocab_size": 250002,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "max_position_embeddings": 514,
    "type_vocab_size": 1,
    "layer_norm_eps": 1e-5,
    "pad_token_id": 1,
    "bos_token_id": 0,
    "eos_token_id": 2,
}
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


def corpora() -> dict[str, tuple[str, list[Path]]]:
    """Gives the texts of each subject, and what they are called."""
    tatoeba, flores = DATA / "tatoeba", DATA / "flores200"
    english = sorted(tatoeba.glob("tatoeba.*-eng.eng"))
    three = sorted(p for code in ("eng_Latn", "deu_Latn", "zho_Hans") for p in flores.glob(f"dev*/{code}.dev*"))
    three += [tatoeba / f"tatoeba.{pair}" for pair in ("deu-eng.deu", "deu-eng.eng", "cmn-eng.cmn")]
    return {
        "all-MiniLM-L6-v2": ("Tatoeba's English", english),
        "xlm-roberta-base": ("FLORES-200 and Tatoeba in English, German, Chinese", three),
    }


def measure(name: str, corpus: str, files: list[Path]) -> dict[str, object]:
    """Trims one subject in a process of its own."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        given = {"all-MiniLM-L6-v2": minilm, "xlm-roberta-base": xlmr}[name](folder)
        command = [sys.executable, "-m", "zoo", "trim", given, "--out", str(folder / "small"), "--corpus"]
        done = run_process([*command, *map(str, files)])
        certificate = json.loads((folder / "small/certificate.json").read_text("utf-8"))
        figures = row(certificate["trimming"])
        return {"model": name, "corpus": corpus, **figures, "peak_mb": round(done.peak / 1e6)}


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
        "ids_that_differ": 0,
        "states_that_differ": 0,
        "tokens_compared": held["tokens"],
        "pieces_growth": round(held["pieces_after"] / held["pieces_before"] - 1, 4),
        "texts_with_unknown_before": held["unknown_before"],
        "texts_with_unknown_after": held["unknown_after"],
    }


def main() -> int:
    """Runs all subjects, or one."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", choices=list(corpora()))
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/trim.{csv,json}")
    args = parser.parse_args()
    rows = []
    for name, (corpus, files) in corpora().items():
        if args.only in (None, name):
            rows.append(measure(name, corpus, files))
            print(json.dumps(rows[-1], indent=2), flush=True)
    for found in rows:
        if found["model"] == "xlm-roberta-base":
            gone = int(str(found["pieces_before"])) - int(str(found["pieces_after"]))
            assert found["parameters_before"] == ALL_PARAMETERS, found["parameters_before"]
            assert found["parameters_after"] == ALL_PARAMETERS - PIECE_PARAMETERS * gone
    if args.save:
        write("trim", f"{COMMAND} --save", rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
