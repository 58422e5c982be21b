"""Loads `--to paddlenlp` folders with PaddleNLP itself and compares its outputs with ours.

`python -m conversion.paddlenlp_check CONVERTED... [--report FILE]`, in an environment with PaddleNLP 3.0.0b4 (it
imports only beside certain versions of its neighbours: aistudio-sdk 0.2.6, huggingface_hub 0.36.2, datasets 4.0.0,
pyarrow 19.0.1, pandas 2.3.3, numpy 1.26.4, tokenizers 0.21.4). CONVERTED are folders that zoo.convert wrote.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import paddlenlp.transformers

from zoo.convert.back import export
from zoo.loading import load

OUTPUTS = ("last_hidden_state", "pooler_output", "logits", "start_logits", "end_logits")
LIMIT = 1e-5


def inputs_of(config: Any, choices: int) -> dict[str, np.ndarray]:
    """Two rows of random ids, the second padded on the right."""
    rng = np.random.default_rng(0)
    shape = (2, choices, 12) if choices else (2, 12)
    ids = rng.integers(5, config.vocab_size, shape)
    mask = np.ones_like(ids)
    ids[1, ..., 8:], mask[1, ..., 8:] = config.pad_token_id, 0
    return {"input_ids": ids, "attention_mask": mask}


def outputs_of(found: Any, task: str | None) -> dict[str, np.ndarray]:
    """PaddleNLP's outputs by name; some classes give bare tensors."""
    if isinstance(found, paddle.Tensor):
        found = {"logits": found}
    if isinstance(found, tuple):
        names = ("start_logits", "end_logits") if task == "qa" else ("last_hidden_state", "pooler_output")
        found = dict(zip(names, found, strict=False))
    return {n: found[n].numpy() for n in OUTPUTS if n in found and found[n] is not None}


def check(folder: Path) -> dict[str, Any]:
    """Exports one folder, loads it with PaddleNLP, compares."""
    with tempfile.TemporaryDirectory() as scratch:
        target = export(str(folder.resolve()), Path(scratch) / "out", "paddlenlp").target
        config = json.loads((target / "config.json").read_text(encoding="utf-8"))
        name = config["architectures"][0]
        theirs = getattr(paddlenlp.transformers, name).from_pretrained(str(target))
        weights = paddle.load(str(target / "model_state.pdparams"))
    theirs.eval()
    theirs.num_choices = 2  # PaddleNLP's BERT wants to know; no published config.json says it
    task = json.loads((folder / "config.json").read_text(encoding="utf-8"))["zoo"]["task"]
    ours = load(folder, task="encoder" if task in (None, "embedding") else task)
    arrays = inputs_of(ours.config, 2 if ours.task == "multiple-choice" else 0)
    inputs = {k: paddle.to_tensor(v) for k, v in arrays.items()}
    with paddle.no_grad():
        mine = ours(**inputs)
        other = outputs_of(theirs(**inputs, return_dict=True), ours.task)
    real = arrays["attention_mask"].astype(bool)
    gaps = {}
    for output, value in other.items():
        expected = getattr(mine, output)
        if expected is None:  # a pooler that the file does not have and PaddleNLP makes anew
            continue
        a, b = value, expected.numpy()
        apart = np.abs(a - b)[real] if a.shape[:2] == real.shape else np.abs(a - b)
        gaps[output] = float(apart.max() / max(1.0, np.abs(b).max()))
    state = theirs.state_dict()
    row = {
        "architecture": name,
        "differences": gaps,
        "not_loaded": sorted(set(weights) - set(state)),
        "made_anew": sorted(set(state) - set(weights)),
    }
    equal = bool(gaps) and max(gaps.values()) <= LIMIT and not row["not_loaded"]
    return {**row, "verdict": "equal" if equal else "differs"}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m conversion.paddlenlp_check", description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, metavar="CONVERTED")
    parser.add_argument("--report", type=Path)
    arguments = parser.parse_args(argv)
    rows = {folder.name: check(folder) for folder in arguments.folders}
    versions = {n: version(n) for n in ("paddlenlp", "paddlepaddle", "numpy")}
    text = json.dumps({"limit": LIMIT, "versions": versions, "models": rows}, indent=1)
    if arguments.report:
        arguments.report.write_text(text + "\n", encoding="utf-8")
    print(text)
    return int(any(row["verdict"] == "differs" for row in rows.values()))


if __name__ == "__main__":
    sys.exit(main())
