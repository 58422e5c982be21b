"""The configuration of a run: one dataclass is the source of the flags, the recipe keys and the run record."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from zoo.errors import UsageError

Technique = Literal["full", "feature-extraction", "child-tuning-F", "child-tuning-D"]
Schedule = Literal["linear", "cosine", "constant", "polynomial", "noam"]
Sharding = Literal["none", "os"]
Precision = Literal["float32", "bfloat16", "float16"]


@dataclass(frozen=True)
class FinetuneConfig:
    """Everything that decides the result of a run. 0 and "" mean: as the task or the model has it.

    Attributes:
        task: data set or kind of task; `--task list` shows all
        model: card of the zoo, folder, or repository of the Hub; without it the task's flagship. Several, divided
            by spaces, are a run each, and one table
        recipe: name of a recipe of the zoo or a TOML file; without it the one for this task and model
        data: folder with the data set's official files, or your own; without it the Hub. A file alone is the
            training data, of which one row in 20, drawn by the seed, is held out
        train_file: file of the training data, of any name; the three stand for, or replace, those of data
        dev_file: file of the development set
        test_file: file of the test set
        out: folder of the run; without it runs/<task>-<model>
        columns: of your own files, what is in which column, such as text=review,label=stars, or by number where
            there is no header, text=1,label=2; also separator=tab (comma, ...), and of tags scheme=IOB1 (none)
        languages: to evaluate, or to train and evaluate, divided by commas; of text2text from and to: en,de
        train_rows: train on this many rows, drawn by the seed; 0 for all
        max_length: tokens of an input with its special tokens
        doc_stride: tokens that two windows of a long text share, as in transformers' run_qa.py; below 0 the step
            from one to the next: -128 is the 128 of BERT's run_squad.py
        target_length: tokens of a generated text, or of the longest answer that is extracted
        network: arguments of the network or its head: head=qa-beam (Funnel's paper), keep_decoder_layers=18-23
            (VECO's translators), layer=7 (whose states make the vectors of retrieval)
        technique: train everything, the head only (feature-extraction), or Child-Tuning (arXiv 2109.05687)
        lora: freeze the encoder, and train the head and low-rank updates of its linear layers (arXiv 2106.09685):
            their rank, such as 8, or more: rank=8,alpha=16,dropout=0.1,targets=query+value
        epochs: passes over the training data
        max_steps: stop after this many updates; 0 for all epochs
        batch_size: rows of an update of one device, before accumulation
        accumulate: batches that make one update
        lr: learning rate at the top of the schedule
        schedule: how the learning rate falls after the warm-up
        warmup: updates in which the learning rate rises; below 1 a share of all
        weight_decay: decoupled decay of AdamW
        decay_all: decay biases and norms too, as Funnel's recipe does
        layer_decay: factor on the learning rate from each layer to the one below it
        adam: AdamW's two betas and its epsilon
        clip: largest norm of the gradient; 0 for no clipping
        dropout: rate of every dropout layer; below 0: as the model's config says
        label_smoothing: share of the target that is spread over all classes
        loss: the head's own; with a second one beside it: smart (StructBERT's), r-drop or fgm; of an
            encoder-decoder another one by its name, such as mean-over-positions (PALM's, which counts padding);
            of pairs and triplets multiple-negatives or cosent, with options: scale=20, mini_batch=32 (texts in
            memory together), dims=384+128 (Matryoshka); of rerank bce or softmax
        teacher: of pairs, triplets and rerank: a larger model whose vectors or scores are learned
        reserve_p: share of the gradient that Child-Tuning keeps
        recompute: compute each layer again in the backward pass instead of keeping what it computed: a fraction of
            the memory, more time, the same numbers
        sharding: os: of several processes each keeps the optimiser's states of its share of the parameters
        precision: bfloat16 and float16 (with loss scaling) on a GPU only
        seed: of the first run; decides data order, dropout and new heads
        seeds: runs, with the seeds seed, seed + 1, ...
        eval_every: updates between two evaluations; 0 for one at the end of each epoch
        best: metric of the development set that picks the best checkpoint; "loss" for the lowest loss
        patience: stop after this many evaluations without a new best; 0 to go on
        save_every: updates between two checkpoints; 0 for one at each evaluation that eval_every asks for, and
            without it for a 20th of the run or an epoch, whichever is shorter
        keep_checkpoints: newest checkpoints that stay while the run is at work; --resume needs one
        trackers: aim, mlflow, tensorboard, visualdl: one or more, divided by commas; store=FOLDER among them, or
            $ZOO_TRACKER_STORE, keeps the runs of a project together, instead of each in its own folder
        generate: the search that writes text, such as num_beams=5,length_penalty=0.6,search=palm
    """

    task: str = ""
    model: str = ""
    recipe: str = ""
    data: str = ""
    train_file: str = ""
    dev_file: str = ""
    test_file: str = ""
    columns: str = ""
    out: str = ""
    languages: str = ""
    train_rows: int = 0
    max_length: int = 0
    doc_stride: int = 128
    target_length: int = 0
    network: str = ""
    technique: Technique = "full"
    lora: str = ""
    epochs: float = 3.0
    max_steps: int = 0
    batch_size: int = 32
    accumulate: int = 1
    lr: float = 2e-5
    schedule: Schedule = "linear"
    warmup: float = 0.1
    weight_decay: float = 0.01
    decay_all: bool = False
    layer_decay: float = 1.0
    adam: str = "0.9,0.999,1e-8"
    clip: float = 1.0
    dropout: float = -1.0
    label_smoothing: float = 0.0
    loss: str = ""
    teacher: str = ""
    reserve_p: float = 0.2
    recompute: bool = False
    sharding: Sharding = "none"
    precision: Precision = "float32"
    seed: int = 42
    seeds: int = 1
    eval_every: int = 0
    best: str = ""
    patience: int = 0
    save_every: int = 0
    keep_checkpoints: int = 1
    trackers: str = ""
    generate: str = "num_beams=5"

    def __post_init__(self) -> None:
        """Raises UsageError for a number outside its range; names the option."""
        for name, (low, high) in FIELD_RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:
                wanted = f"from {low:g} to {high:g}" if high != NO_LIMIT else f"{low:g} or more"
                raise UsageError(f"{name}={value:g} does not work: it must be {wanted}.")
        for name in ("columns", "network", "generate"):
            pairs(getattr(self, name), name)
        _ = self.betas_and_epsilon

    def to_dict(self) -> dict[str, Any]:
        """Names and values, as run.json has them."""
        return dataclasses.asdict(self)

    @property
    def split_files(self) -> dict[str, str]:
        """Split -> file, of those that are named."""
        named = {"train": self.train_file, "dev": self.dev_file, "test": self.test_file}
        return {split: file for split, file in named.items() if file}

    @property
    def tracker_names(self) -> tuple[str, ...]:
        """`trackers`, divided, without the store."""
        return tuple(name for name in split_names(self.trackers) if not name.startswith(STORE))

    @property
    def tracker_store(self) -> str:
        """The folder of the trackers' stores; "" for the run's own."""
        return next((n.removeprefix(STORE) for n in split_names(self.trackers) if n.startswith(STORE)), "")

    @property
    def betas_and_epsilon(self) -> tuple[float, float, float]:
        """`adam`, divided.

        Raises:
            UsageError: not three numbers from 0 to below 1.
        """
        found = [_value(part) for part in self.adam.split(",")]
        if len(found) != 3 or not all(isinstance(n, (int, float)) and 0 <= n < 1 for n in found):
            raise UsageError(f"adam={self.adam} does not work.", "Two betas and epsilon, such as 0.9,0.999,1e-8.")
        return found[0], found[1], found[2]

    @property
    def language_names(self) -> tuple[str, ...]:
        """`languages`, divided."""
        return split_names(self.languages)


STORE = "store="  # before the folder among the trackers
NO_LIMIT = float("inf")
SMALLEST_POSITIVE = 1e-12
EXAMPLES = {
    "columns": "text=review,label=stars",
    "network": "head=qa-beam",
    "lora": "rank=8,alpha=16",
    "loss": "multiple-negatives,mini_batch=32",
    "generate": "num_beams=5,length_penalty=0.6",
}
FIELD_RANGES: Mapping[str, tuple[float, float]] = {
    **dict.fromkeys(("train_rows", "max_length", "target_length", "max_steps"), (0, NO_LIMIT)),
    **dict.fromkeys(("eval_every", "patience", "save_every"), (0, NO_LIMIT)),
    **dict.fromkeys(("warmup", "weight_decay", "clip"), (0, NO_LIMIT)),
    **dict.fromkeys(("batch_size", "accumulate", "seeds", "keep_checkpoints"), (1, NO_LIMIT)),
    "lr": (0, 1),
    "label_smoothing": (0, 1 - SMALLEST_POSITIVE),
    "doc_stride": (-NO_LIMIT, NO_LIMIT),
    **dict.fromkeys(("layer_decay", "reserve_p"), (SMALLEST_POSITIVE, 1)),
    "dropout": (-1, 1 - SMALLEST_POSITIVE),
    "epochs": (0, NO_LIMIT),
    "seed": (0, 2**31 - 1),
}
FIELD_NAMES = tuple(field.name for field in dataclasses.fields(FinetuneConfig))


def split_names(text: str) -> tuple[str, ...]:
    """Names divided by commas, each once, in their order."""
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def pairs(text: str, option: str) -> dict[str, Any]:
    """The values of an option that has several: "a=1,b=x" -> {"a": 1, "b": "x"}.

    Numbers, true and false are what they say; "18-23" is the numbers from 18 to 23.

    Raises:
        UsageError: a part is not NAME=VALUE, or a name comes twice.
    """
    found: dict[str, Any] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        name, sign, value = (side.strip() for side in part.partition("="))
        if not name or not sign or not value:
            raise UsageError(f"{option}: '{part}' is not NAME=VALUE.", f"For example {EXAMPLES[option]}.")
        if name in found:
            raise UsageError(f"{option}: '{name}' comes twice.")
        found[name] = value if option == "columns" else _value(value)
    return found


def _value(text: str) -> Any:
    if span := re.fullmatch(r"(\d+)-(\d+)", text):
        return tuple(range(int(span[1]), int(span[2]) + 1))
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, (int, float)) else text


DEFAULTS = FinetuneConfig().to_dict()
