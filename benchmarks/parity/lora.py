"""LoRA beside peft's: outputs, gradients and ten updates of AdamW from the same weights and the same adapter.

Tiny random networks of transformers and all-MiniLM-L6-v2 with its real weights. peft's adapter is opened by
`zoo.load`, and the one that a run of ours would write by peft. Without dropout, so both sides draw nothing.

    pip install --no-deps peft accelerate psutil
    python -m benchmarks.parity.lora [--only XLM-R] [--save]

--save writes benchmarks/results/lora.{csv,json}; --golden the numbers of peft that the tests compare with.
"""

from __future__ import annotations

import argparse
import copy
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import peft
import torch
import transformers
from paddle import nn

from benchmarks import common
from benchmarks.parity.losses import snapshot, torch_update
from zoo import adapters
from zoo.batching import padding_of
from zoo.checkpoint.keymap import KeyMap
from zoo.finetune import lora
from zoo.finetune.batches import TrainBatches
from zoo.finetune.events import Event, Updated
from zoo.finetune.loop import train
from zoo.finetune.loop_settings import LoopSettings
from zoo.finetune.optimisation import OptimiserSettings, decays, make_optimiser
from zoo.loading import load
from zoo.models.common.base import Model

COMMAND = "python -m benchmarks.parity.lora"
GOAL = 1e-5
GOLDEN = common.ROOT / "tests/golden/lora_peft.npz"
RANK, ALPHA, UPDATES, LR, BATCH, LENGTH = 4, 6.0, 10, 1e-3, 4, 16
Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Case:
    """A network of transformers with a head: class names, sizes, and what its layers are called."""

    stem: str
    kind: str
    head: str
    sizes: Mapping[str, Any]
    targets: tuple[str, ...] = ("query", "value")
    saved: tuple[str, ...] = ("classifier",)


NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
BERT = {"vocab_size": 50, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3}
BERT |= {"intermediate_size": 40, "max_position_embeddings": 34, **NO_DROPOUT}
FUNNEL = {"vocab_size": 50, "block_sizes": [1, 2], "d_model": 24, "n_head": 3, "d_head": 8, "d_inner": 40}
FUNNEL |= {"hidden_dropout": 0.0, "attention_dropout": 0.0, "activation_dropout": 0.0}
HEADS = ("q_head", "v_head")
CASES: Mapping[str, Case] = {
    "BERT": Case("Bert", "ForSequenceClassification", "classification", BERT, saved=("classifier", "pooler")),
    "BERT, qa": Case("Bert", "ForQuestionAnswering", "qa", BERT, saved=("qa_outputs",)),
    "XLM-R": Case("XLMRoberta", "ForSequenceClassification", "classification", {**BERT, "type_vocab_size": 1}),
    "XLM-R, tagging": Case("XLMRoberta", "ForTokenClassification", "tagging", {**BERT, "type_vocab_size": 1}),
    "Funnel": Case("Funnel", "ForSequenceClassification", "classification", FUNNEL, HEADS),
    "Funnel, qa": Case("Funnel", "ForQuestionAnswering", "qa", FUNNEL, HEADS, ("qa_outputs",)),
    "all-MiniLM-L6-v2": Case(
        "Bert", "ForSequenceClassification", "classification", {}, saved=("classifier", "pooler")
    ),
}


class Rows:
    """Rows of random ids, each with a label of the head's kind."""

    def __init__(self, head: str, count: int = BATCH * UPDATES) -> None:
        random = np.random.default_rng(1)
        self.head, self.lengths = head, random.integers(5, LENGTH, count)
        self.ids = random.integers(5, 50, (count, LENGTH))
        self.labels = {
            "classification": random.integers(0, 2, count),
            "tagging": random.integers(0, 2, (count, LENGTH)),
            "qa": random.integers(0, 5, (count, 2)),
        }[head]

    def batch(self, rows: np.ndarray, width: int = 0) -> Arrays:
        """Gives ids, mask and labels of some rows."""
        width = max(width, int(self.lengths[rows].max()))
        mask = (np.arange(width) < self.lengths[rows][:, None]).astype(np.int64)
        ids = self.ids[rows, :width] * mask + (1 - mask)
        labels = self.labels[rows]
        if self.head == "tagging":
            labels = np.where(mask > 0, labels[:, :width], -100)
        return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def network(name: str, folder: Path) -> torch.nn.Module:
    """Gives a network of transformers, and writes its folder."""
    case = CASES[name]
    torch.manual_seed(7)
    kind = getattr(transformers, case.stem + case.kind)
    if case.sizes:
        model = kind(getattr(transformers, f"{case.stem}Config")(**case.sizes))
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.1)
    else:
        model = kind.from_pretrained(str(snapshot()), num_labels=2, **NO_DROPOUT)
    model.save_pretrained(folder)
    return model


def with_adapter(name: str, base: torch.nn.Module, folder: Path) -> Any:
    """Gives the network with an adapter of peft whose updates are not zero, and writes that adapter."""
    case = CASES[name]
    config = peft.LoraConfig(
        r=RANK, lora_alpha=ALPHA, target_modules=list(case.targets), modules_to_save=list(case.saved),
        task_type=adapters.TASK_TYPES[case.head],
    )  # fmt: skip
    made = peft.get_peft_model(copy.deepcopy(base), config)
    with torch.no_grad():
        for key, parameter in made.named_parameters():
            if "lora_B" in key:
                parameter.normal_(0.0, 0.1)
    made.save_pretrained(folder)
    return made.eval()


def ours(base: Path, head: str, adapter: Path) -> Model:
    """Gives our network with the same updates, as a run would train it."""
    model = load(base, task=head)
    pairs = adapters.read(adapter, _keymap(model), head).pairs
    lora.attach(model, lora.LoraSettings(RANK, ALPHA))
    with lora.merged(model) as layers:
        if layers.keys() != pairs.keys():
            raise SystemExit(f"Other layers than peft's: {sorted(layers.keys() ^ pairs.keys())}")
    for key, layer in layers.items():
        layer.lora_A.set_value(np.ascontiguousarray(pairs[key][0].T))
        layer.lora_B.set_value(np.ascontiguousarray(pairs[key][1].T))
    for sublayer in model.sublayers():
        if isinstance(sublayer, nn.Dropout):
            sublayer.p = 0.0
    return model.eval()


def _keymap(model: Model) -> Any:
    assert model.origin is not None
    return import_module(f"{model.origin.module}.keymap").KEYMAP


def outputs_of_ours(model: Model, batch: Arrays) -> np.ndarray:
    """Logits; of a question the starts and the ends."""
    with paddle.no_grad():
        found = model(**{k: paddle.to_tensor(v) for k, v in batch.items() if k != "labels"})
    if found.logits is not None:
        return found.logits.numpy()
    return np.stack([found.start_logits.numpy(), found.end_logits.numpy()])


def outputs_of_torch(model: Any, batch: Arrays) -> np.ndarray:
    """The same of torch."""
    with torch.no_grad():
        found = model(**{k: torch.from_numpy(v) for k, v in batch.items() if k != "labels"})
    if hasattr(found, "logits"):
        return found.logits.numpy()
    return torch.stack([found.start_logits, found.end_logits]).numpy()


def torch_inputs(batch: Arrays, head: str) -> dict[str, torch.Tensor]:
    """A batch as transformers takes it."""
    tensors = {k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in batch.items()}
    if head == "qa":
        labels = tensors.pop("labels")
        tensors |= {"start_positions": labels[:, 0], "end_positions": labels[:, 1]}
    return tensors


def gradients(mine: Model, theirs: Any, batch: Arrays, head: str) -> tuple[Arrays, Arrays]:
    """The gradients of A and B by our names, in peft's layout [rank, I] and [O, rank]: ours and peft's."""
    mine.train()
    mine(**{k: paddle.to_tensor(v) for k, v in batch.items()}).loss.backward()
    found = {}
    with lora.merged(mine) as layers:
        for key, layer in layers.items():
            found |= {f"{key}/A": layer.lora_A.grad.numpy().T, f"{key}/B": layer.lora_B.grad.numpy().T}
    mine.clear_gradients()
    mine.eval()
    return found, gradients_of_torch(theirs, batch, head, _keymap(mine).prefer(head))


def gradients_of_torch(theirs: Any, batch: Arrays, head: str, keymap: KeyMap) -> Arrays:
    """The gradients of A and B of a network of peft by our names."""
    theirs.train()
    theirs(**torch_inputs(batch, head)).loss.backward()
    found = {}
    for key, parameter in theirs.named_parameters():
        if ".lora_" in key:
            module, _, side = key.removeprefix(adapters.PREFIX).partition(".lora_")
            hit = keymap.match(f"{module}.weight")
            assert hit is not None and parameter.grad is not None
            found[f"{hit[0].targets[0].format(**hit[2])}/{side[0]}"] = parameter.grad.numpy().copy()
    theirs.zero_grad()
    theirs.eval()
    return found


def updates(mine: Model, theirs: Any, rows: Rows) -> tuple[list[float], list[float]]:
    """The losses of ten updates by our loop and by a torch loop over the same batches."""
    parameters = {k: p for k, p in theirs.named_parameters() if p.requires_grad}
    names = {key: decays(key.replace("LayerNorm", "norm")) for key in parameters}
    groups = [
        {"params": [p for k, p in parameters.items() if names[k] is wanted], "weight_decay": 0.01 * wanted}
        for wanted in (True, False)
    ]
    optimiser = torch.optim.AdamW(groups, lr=LR)
    settings = LoopSettings(UPDATES, BATCH, lr=LR, seed=1)
    losses: tuple[list[float], list[float]] = ([], [])
    batches, padding = TrainBatches(rows.lengths, BATCH, settings.seed), padding_of(mine)

    def compare(event: Event) -> None:
        if isinstance(event, Updated):
            losses[0].append(event.loss)
            numbers = batches[event.update - 1]  # Funnel's numbers depend on the padding
            batch = rows.batch(numbers, padding.width(int(rows.lengths[numbers].max())))
            losses[1].append(torch_update(theirs, optimiser, batch, rows.head, event.lr))

    train(mine, rows, make_optimiser(mine, OptimiserSettings(lr=LR)), settings, on_event=compare)
    return losses


def apart(one: Any, other: Any, least: float = 0.0) -> float:
    """The largest difference, relative to the largest number or to `least` where that is more."""
    one, other = np.asarray(one, np.float64), np.asarray(other, np.float64)
    return float(np.abs(one - other).max() / max(least, np.abs(other).max()))


def furthest(found: Arrays, expected: Arrays) -> float:
    """The largest difference of a gradient, relative to its largest number or a thousandth of the network's."""
    least = max(float(np.abs(array).max()) for array in expected.values()) / 1000
    return max(apart(found[key], expected[key], least) for key in expected)


def measure(name: str, golden: bool) -> dict[str, object]:
    """Compares one network; with `golden` its numbers of peft go to the tests."""
    case = CASES[name]
    with tempfile.TemporaryDirectory() as made:
        base, theirs_folder, ours_folder = (Path(made) / part for part in ("base", "peft", "ours"))
        plain = network(name, base)
        theirs = with_adapter(name, plain, theirs_folder)
        mine, rows = ours(base, case.head, theirs_folder), Rows(case.head)
        batch = rows.batch(np.arange(BATCH))
        expected = outputs_of_torch(theirs, batch)
        opened = load(base, task=case.head, adapter=theirs_folder)
        differences = {
            "peft's adapter opened": apart(outputs_of_ours(opened, batch), expected),
            "outputs": apart(outputs_of_ours(mine, batch), expected),
        }
        found, peers = gradients(mine, theirs, batch, case.head)
        exact = gradients_of_torch(
            copy.deepcopy(theirs).double(), batch, case.head, _keymap(mine).prefer(case.head)
        )
        differences["gradients"] = furthest(found, peers)
        rounding = {"ours from float64": furthest(found, exact), "peft from float64": furthest(peers, exact)}
        if golden:
            arrays = {f"param/{k}": p.detach().numpy().copy() for k, p in plain.state_dict().items()}
            _golden(arrays, theirs_folder, batch, expected, peers)
        mine_losses, their_losses = updates(mine, theirs, rows)
        differences["losses"] = apart(mine_losses, their_losses)
        with lora.merged(mine) as layers:
            lora.write_adapter(ours_folder, mine, layers)
        back = peft.PeftModel.from_pretrained(copy.deepcopy(plain), str(ours_folder)).eval()
        differences["ours opened by peft"] = apart(outputs_of_torch(back, batch), outputs_of_ours(mine, batch))
    common.compare(f"{name}: loss of the last update", mine_losses[-1], their_losses[-1])
    print(f"{name}: " + ", ".join(f"{what} {value:.1e}" for what, value in {**differences, **rounding}.items()))
    return {
        "network": name,
        "head": case.head,
        "layers": len(layers),
        "first loss": round(their_losses[0], 5),
        "last loss": round(their_losses[-1], 5),
        **{what: f"{value:.1e}" for what, value in differences.items()},
        **{f"gradients, {what}": f"{value:.1e}" for what, value in rounding.items()},
        "reached": max(differences.values()) <= GOAL,
    }


def _golden(arrays: Arrays, adapter: Path, batch: Arrays, outputs: np.ndarray, peers: Arrays) -> None:
    """Writes the network, peft's two files and what peft computed."""
    arrays |= {f"in/{key}": array for key, array in batch.items()}
    arrays |= {"out/logits": outputs, **{f"grad/{key}": array for key, array in peers.items()}}
    for file in (adapters.CONFIG, adapters.WEIGHTS):
        arrays[f"file/{file}"] = np.frombuffer((adapter / file).read_bytes(), np.uint8)
    np.savez_compressed(GOLDEN, **arrays)


def main() -> int:
    """Compares all networks, or one."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", choices=list(CASES))
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/lora.{csv,json}")
    parser.add_argument("--golden", action="store_true", help="write tests/golden/lora_peft.npz")
    args = parser.parse_args()
    names = [args.only] if args.only else list(CASES)
    rows = [measure(name, args.golden and name == "BERT") for name in names]
    if args.save:
        print(common.write("lora", f"{COMMAND} --save", rows))
    return 0 if all(row["reached"] for row in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
