"""PaddleNLP's folders both ways: what it writes is read here, and what `--to paddlenlp` writes is read there.

`python -m conversion.paddlenlp_check [CONVERTED...] [--report FILE]`, in an environment with PaddleNLP 3.0.0b4 (it
imports only beside certain versions of its neighbours: aistudio-sdk 0.2.6, huggingface_hub 0.36.2, datasets 4.0.0,
pyarrow 19.0.1, pandas 2.3.3, numpy 1.26.4, tokenizers 0.21.4). CONVERTED are folders that zoo.convert wrote.

Without a folder, tiny networks with random weights of every class that PaddleNLP has of the zoo's: it saves them as
.pdparams and as safetensors, both are loaded as they are and converted, the converted folder goes back to PaddleNLP
and is loaded there, and every output is compared with the first one's. Their square Linears (intermediate_size is
hidden_size) show a matrix that lies the wrong way.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import paddlenlp.transformers
from paddlenlp.transformers.funnel import modeling as funnel

from zoo.convert.to_paddle import convert
from zoo.convert.to_upstream import export
from zoo.loading import load
from zoo.models.common.base import Model
from zoo.paddlenlp import dialects

OUTPUTS = ("last_hidden_state", "pooler_output", "logits", "start_logits", "end_logits")
LIMIT = 1e-5
BERT = {
    "vocab_size": 60,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "max_position_embeddings": 40,
    "type_vocab_size": 2,
}
SIZES = {
    "Bert": BERT,
    "Roberta": {**BERT, "pad_token_id": 1},
    "XLMRoberta": BERT,
    "Funnel": {
        "vocab_size": 60,
        "block_sizes": [2, 1, 1],
        "block_repeats": [1, 1, 2],
        "num_decoder_layers": 1,
        "d_model": 16,
        "n_head": 2,
        "d_head": 8,
        "d_inner": 16,
    },
}
FAMILIES = ("structbert", "xlmr", "funnel")


def inputs_of(config: Any, choices: int) -> dict[str, paddle.Tensor]:
    """Two rows of random ids, the second padded on the right."""
    rng = np.random.default_rng(0)
    shape = (2, choices, 12) if choices else (2, 12)
    ids = rng.integers(5, config.vocab_size, shape)
    mask = np.ones_like(ids)
    ids[1, ..., 8:], mask[1, ..., 8:] = config.pad_token_id or 0, 0
    return {"input_ids": paddle.to_tensor(ids), "attention_mask": paddle.to_tensor(mask)}


def outputs_of(network: Any, inputs: dict[str, paddle.Tensor], task: str | None) -> dict[str, np.ndarray]:
    """PaddleNLP's outputs by name; some classes give bare tensors."""
    network.eval()
    network.num_choices = 2  # PaddleNLP's BERT wants to know; no published config.json says it
    with paddle.no_grad():
        found = network(**inputs, return_dict=True)
    if isinstance(found, paddle.Tensor):
        found = {"logits": found}
    if isinstance(found, tuple):
        names = ("start_logits", "end_logits") if task == "qa" else ("last_hidden_state", "pooler_output")
        found = dict(zip(names, found, strict=False))
    found = dict(found)
    if "prediction_logits" in found:
        found["logits"] = found["prediction_logits"]
    return {n: found[n].numpy() for n in OUTPUTS if n in found and found[n] is not None}


def ours(model: Model, inputs: dict[str, paddle.Tensor]) -> dict[str, np.ndarray]:
    """The zoo's outputs by name; a pooler that the file does not have is left out."""
    with paddle.no_grad():
        found = model(**inputs)
    values = {name: getattr(found, name, None) for name in OUTPUTS}
    return {name: value.numpy() for name, value in values.items() if isinstance(value, paddle.Tensor)}


def gaps(
    one: dict[str, np.ndarray], two: dict[str, np.ndarray], inputs: dict[str, paddle.Tensor]
) -> dict[str, float]:
    """The largest relative difference of every output that both have, at real tokens."""
    real, found = inputs["attention_mask"].numpy().astype(bool), {}
    for name in sorted(one.keys() & two.keys()):
        a, b = one[name], two[name]
        apart = np.abs(a - b)[real] if a.shape[:2] == real.shape else np.abs(a - b)
        found[name] = float(apart.max() / max(1.0, np.abs(b).max()))
    return found


def class_of(name: str) -> Any:
    """A class of PaddleNLP; it does not export all of Funnel's."""
    return getattr(paddlenlp.transformers, name, None) or getattr(funnel, name)


def check(folder: Path) -> dict[str, Any]:
    """Exports a converted folder, loads it with PaddleNLP, compares."""
    with tempfile.TemporaryDirectory() as scratch:
        target = export(str(folder.resolve()), Path(scratch) / "out", "paddlenlp").target
        config = json.loads((target / "config.json").read_text(encoding="utf-8"))
        name = config["architectures"][0]
        theirs = class_of(name).from_pretrained(str(target))
        weights = paddle.load(str(target / "model_state.pdparams"))
    task = json.loads((folder / "config.json").read_text(encoding="utf-8"))["zoo"]["task"]
    model = load(folder, task="encoder" if task in (None, "embedding") else task)
    inputs = inputs_of(model.config, 2 if model.task == "multiple-choice" else 0)
    found = gaps(outputs_of(theirs, inputs, model.task), ours(model, inputs), inputs)
    state = theirs.state_dict()
    row = {
        "architecture": name,
        "differences": found,
        "not_loaded": sorted(set(weights) - set(state)),
        "made_anew": sorted(set(state) - set(weights)),
    }
    return {**row, "verdict": _verdict([found], row["not_loaded"])}


def _verdict(differences: list[dict[str, float]], lost: list[str]) -> str:
    equal = not lost and all(found and max(found.values()) <= LIMIT for found in differences)
    return "equal" if equal else "differs"


def classes() -> Iterator[tuple[str, str, str | None]]:
    """Stem, class name and head of every network that both libraries have."""
    for family in FAMILIES:
        for dialect in dialects(f"zoo.models.{family}"):
            yield dialect.stem, f"{dialect.stem}Model", None
            for end in dialect.bare.values():
                yield dialect.stem, f"{dialect.stem}{end}", None
            for task, end in dialect.heads.items():
                yield dialect.stem, f"{dialect.stem}{end}", task
            if dialect.pretraining:
                yield dialect.stem, f"{dialect.stem}{dialect.pretraining}", "mlm"


def round_trip(stem: str, name: str, task: str | None, safe: bool) -> dict[str, Any]:
    """PaddleNLP -> here, as it is and converted -> PaddleNLP, one tiny network."""
    paddle.seed(1)
    kind = class_of(name)
    labels = {"num_labels": 3} if task in ("classification", "tagging") else {}
    config = kind.config_class(**SIZES[stem], **labels)
    first = kind(config)
    for parameter in first.parameters():  # no bias is zero, no norm is one
        parameter.set_value(parameter + 0.1 * paddle.randn(parameter.shape))
    with tempfile.TemporaryDirectory() as scratch:
        theirs, made = Path(scratch) / "theirs", Path(scratch) / "paddle"
        first.save_pretrained(str(theirs), safe_serialization=safe)
        inputs = inputs_of(config, 2 if task == "multiple-choice" else 0)
        before = outputs_of(first, inputs, task)
        wanted = task or "encoder"
        as_it_is = gaps(ours(load(theirs, task=wanted), inputs), before, inputs)
        convert(str(theirs), made)
        converted = gaps(ours(load(made, task=wanted), inputs), before, inputs)
        target = export(str(made), Path(scratch) / "back", "paddlenlp").target
        again = kind.from_pretrained(str(target))
        back = gaps(outputs_of(again, inputs, task), before, inputs)
        lost = sorted(n for n, t in first.state_dict().items() if not bool((t == again.state_dict()[n]).all()))
        read = gaps(ours(load(target, task=wanted), inputs), before, inputs)
    row = {"as it is": as_it_is, "converted": converted, "back": back, "read again": read}
    return {**row, "not_the_same": lost, "verdict": _verdict(list(row.values()), lost)}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m conversion.paddlenlp_check", description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path, metavar="CONVERTED")
    parser.add_argument("--report", type=Path)
    arguments = parser.parse_args(argv)
    rows = {folder.name: check(folder) for folder in arguments.folders}
    if not arguments.folders:
        for stem, name, task in classes():
            for safe in (False, True):
                rows[f"{name}, {'safetensors' if safe else 'pdparams'}"] = round_trip(stem, name, task, safe)
    versions = {n: version(n) for n in ("paddlenlp", "paddlepaddle", "numpy")}
    date = datetime.now(timezone.utc).date().isoformat()
    text = json.dumps({"limit": LIMIT, "date": date, "versions": versions, "models": rows}, indent=1)
    if arguments.report:
        arguments.report.write_text(text + "\n", encoding="utf-8")
    print(text)
    return int(any(row["verdict"] == "differs" for row in rows.values()))


if __name__ == "__main__":
    sys.exit(main())
