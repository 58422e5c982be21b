"""Random networks (a BERT of two layers, a small Funnel) that answer SST-2, and rows on which they are right.

What float32 answers is the gold, so its accuracy is 100, and whatever a graph answers otherwise is a loss.
"""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import numpy as np
import paddle

from zoo import tasks
from zoo.models.common.base import Model, Origin

WORDS = [f"{a}{b}" for a in "bdfghklmnprst" for b in ("a", "e", "i", "o", "u")]
VOCABULARY = 5 + len(WORDS)
BERT = {"vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
BERT |= {"intermediate_size": 64, "max_position_embeddings": 64}
FUNNEL = {"vocab_size": VOCABULARY, "d_model": 32, "n_head": 2, "d_head": 16, "d_inner": 64}
FUNNEL |= {"block_sizes": [1, 2, 1], "max_position_embeddings": 64}
# family: prefix of architectures, special tokens, sizes
FAMILIES = {
    "structbert": ("Bert", ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"), {**BERT, "model_type": "bert"}),
    "funnel": ("Funnel", ("<pad>", "<unk>", "<cls>", "<sep>", "<mask>"), {**FUNNEL, "model_type": "funnel"}),
}
ARCHITECTURES = {None: "Model", "classification": "ForSequenceClassification"}
LENGTHS = (4, 30)


def small_model(
    source: Path, task: str | None = "classification", seed: int = 1, family: str = "structbert"
) -> Model:
    """The network, with its tokenizer in `source`; no weight is near zero, so every layer counts."""
    prefix, special, sizes = FAMILIES[family]
    source.mkdir(parents=True, exist_ok=True)
    (source / "vocab.txt").write_text("\n".join([*special, *WORDS]), "utf-8")
    labels = tasks.find("sst2").labels  # type: ignore[attr-defined]
    module = f"zoo.models.{family}"
    changes = {"architectures": [f"{prefix}Model"], "id2label": {str(n): label for n, label in enumerate(labels)}}
    config = import_module(f"{module}.config").Config.from_dict({**sizes, **changes})
    paddle.seed(seed)
    model = import_module(f"{module}.model").build(config, task, pooler=task is None)
    for parameter in model.parameters():
        parameter.set_value(parameter + paddle.randn(parameter.shape) * 0.2)
    model.origin = Origin(family, prefix + ARCHITECTURES.get(task, "Model"), module, source, None)
    model.eval()
    return model


def saved(folder: Path, data: Path, rows: int = 120, family: str = "structbert") -> Path:
    """A finetuned folder in `folder`, and SST-2's train.tsv and dev.tsv with what it answers in `data`."""
    model = small_model(folder.parent / "source", family=family)
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(WORDS, random.integers(*LENGTHS))) for _ in range(4 * rows)]
    # Of the head: half of the texts shall be positive.
    bias = next(parameter for parameter in reversed(model.parameters()) if parameter.shape == [2])
    bias.set_value(bias - paddle.to_tensor([0.0, float(np.median(np.diff(answers(model, texts))))]))
    gap = np.diff(answers(model, texts))[:, 0]
    clear = np.sort(np.argsort(-np.abs(gap))[: 2 * rows])  # not those that rounding decides
    lines = [f"{texts[n]}\t{int(gap[n] > 0)}" for n in clear]
    data.mkdir()
    for split, part in (("train", lines[:rows]), ("dev", lines[rows:])):
        (data / f"{split}.tsv").write_text("\n".join(["sentence\tlabel", *part]) + "\n", "utf-8")
    model.save(folder)
    task = {"format": 1, "task": tasks.find("sst2").to_dict(), "max_length": 40}
    (folder / "task.json").write_text(json.dumps(task), "utf-8")
    return folder


def answers(model: Model, texts: list[str]) -> np.ndarray:
    """Logits [B, 2] of the eager network."""
    batch = model.tokenizer(texts, max_length=40)
    with paddle.no_grad():
        return model(**batch).logits.numpy()
