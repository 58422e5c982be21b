"""PALM 2.0 at a published size beside ModelScope's own classes: `python -m conversion.palm_modelscope`.

Needs `pip install "modelscope[framework]==1.40.2" rouge`, preferably in an environment of its own. ModelScope's
network gets random weights and is saved as its code saves it; the zoo loads that folder. Prints the largest
differences as JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import torch
from modelscope.models.nlp.palm_v2.text_generation import AbsSummarizer, NMTLossCompute, PalmConfig
from transformers import BertConfig

from conversion.random_snapshot import randomise
from zoo.loading import load

LIMIT = 1e-5  # of the largest value, where that is above one


def original(folder: Path, layers: int, vocab_size: int) -> AbsSummarizer:
    """ModelScope's network with random weights, and its folder."""
    encoder = BertConfig(vocab_size=vocab_size, num_hidden_layers=layers, attn_implementation="eager")
    encoder.save_pretrained(folder / "zh_bert")
    config = PalmConfig(encoder="zh_bert", encoder_pth=str(folder / "zh_bert"), dec_layers=layers)
    model = AbsSummarizer(config).eval()
    model.tie_weights = lambda: None
    randomise(model, 0)
    torch.save({"model": model.state_dict()}, folder / "pytorch_model.bin")
    (folder / "config.json").write_text(
        json.dumps({**config.to_diff_dict(), "encoder_pth": "zh_bert"}, default=str)
    )
    return model


def batch(vocab_size: int, rows: int, source: int, target: int) -> tuple[np.ndarray, np.ndarray]:
    """Random ids; the first row has no padding, the others have more and more."""
    rng = np.random.default_rng(0)
    ids = [rng.integers(106, vocab_size, (rows, width)) for width in (source, target)]
    for one in ids:
        for n in range(1, rows):
            one[n, one.shape[1] - n * one.shape[1] // (rows + 1) :] = 0
    return ids[0], ids[1]


@torch.no_grad()
def theirs(model: AbsSummarizer, source: torch.Tensor, target: torch.Tensor) -> dict[str, np.ndarray]:
    """ModelScope's outputs and its loss."""
    hidden, _, encoded = model(source, target, (source != 0).long())
    loss = NMTLossCompute(model.generator, {"PAD": 0}, model.vocab_size, model.config.label_smoothing)(
        target, hidden
    )
    found = {"encoder": encoded, "decoder": hidden, "log_probabilities": model.generator(hidden), "loss": loss}
    return {name: tensor.numpy() for name, tensor in found.items()}


@paddle.no_grad()
def ours(folder: Path, source: np.ndarray, target: np.ndarray) -> dict[str, np.ndarray]:
    """The same of the zoo's network."""
    model = load(str(folder), task="generation")
    ids, steps, labels = (paddle.to_tensor(a) for a in (source, target[:, :-1], target[:, 1:]))
    out = model(ids, (ids != 0).astype("int64"), decoder_input_ids=steps, labels=labels)
    words = out.logits - paddle.logsumexp(out.logits, axis=-1, keepdim=True)
    found = {"encoder": out.encoder_last_hidden_state, "decoder": out.last_hidden_state}
    found |= {"log_probabilities": words, "loss": out.loss}
    return {name: tensor.numpy() for name, tensor in found.items()}


def compare(one: np.ndarray, other: np.ndarray) -> dict[str, float]:
    """Largest difference and largest value."""
    return {"max_abs": float(np.abs(one - other).max()), "largest": float(np.abs(other).max())}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m conversion.palm_modelscope", description=__doc__)
    parser.add_argument("--layers", type=int, default=12, help="of the encoder and of the decoder (12)")
    parser.add_argument("--vocab-size", type=int, default=21128)
    arguments = parser.parse_args(argv)
    source, target = batch(arguments.vocab_size, rows=4, source=128, target=64)
    with tempfile.TemporaryDirectory(prefix="zoo-palm2-") as name:
        folder = Path(name)
        model = original(folder, arguments.layers, arguments.vocab_size)
        wanted = theirs(model, torch.from_numpy(source), torch.from_numpy(target))
        del model
        found = ours(folder, source, target)
    figures: dict[str, Any] = {name: compare(found[name], wanted[name]) for name in wanted}
    print(json.dumps({"layers": arguments.layers, "vocab_size": arguments.vocab_size, **figures}, indent=1))
    return int(any(f["max_abs"] > LIMIT * max(1.0, f["largest"]) for f in figures.values()))


if __name__ == "__main__":
    sys.exit(main())
