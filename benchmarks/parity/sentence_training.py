"""Vectors of texts trained beside sentence-transformers: loss curves, scores over seeds, and memory.

1. Curves: all-MiniLM-L6-v2 without dropout, the same batches, AdamW with a warm-up and clipping; each loss of ours
   beside sentence-transformers' own class, update by update, and the teacher's and the reranker's losses too.
2. Scores: three seeds of `zoo.finetune` and of SentenceTransformerTrainer, each with its own order and dropout.
3. Memory: the peak of one update over 1,024 pairs in mini-batches of 64 texts, beside 64 pairs at once.
4. Mining: the triplets of `zoo mine` beside those of sentence-transformers' mine_hard_negatives.

The texts are made here: questions about things of people, each with one answer, and near misses as negatives.

    make interop; pip install datasets accelerate
    python -m benchmarks.parity.sentence_training [--only curves] [--save]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from paddle import nn
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.base.sampler import BatchSamplers
from sentence_transformers.sentence_transformer import losses as st
from sentence_transformers.util import mine_hard_negatives

from benchmarks import common
from benchmarks.parity.losses import snapshot
from zoo import env
from zoo.finetune import finetune
from zoo.finetune.batches import TrainBatches
from zoo.finetune.events import Updated
from zoo.finetune.groups import Groups, by_sample
from zoo.finetune.loop import train
from zoo.finetune.loop_settings import LoopSettings
from zoo.finetune.optimisation import OptimiserSettings, decays, lr_factor, make_optimiser
from zoo.finetune.text_losses import objective, text_loss
from zoo.loading import load
from zoo.mine.mining import MiningRules
from zoo.mine.work import Sources, write_negatives
from zoo.tasks.features import Features, Ragged
from zoo.tasks.text_pairs import PairExample, TextPairs

COMMAND = "python -m benchmarks.parity.sentence_training"
GOAL = 1e-3
BATCH, UPDATES, LR, WARMUP, SEEDS = 16, 40, 5e-5, 4, (1, 2, 3)
EPOCHS, SCORE_LR = 2, 5e-5
PEOPLE = (
    "Anna", "Bela", "Carl", "Dora", "Emil", "Fred", "Gina", "Hugo", "Ines", "Jan", "Kim", "Lara", "Max",
    "Nora", "Otto", "Paul", "Rosa", "Sam", "Tina", "Udo", "Vera", "Will", "Xenia", "Yan", "Zoe", "Abel",
    "Bert", "Cora", "Dirk", "Elsa", "Finn", "Greta",
)  # fmt: skip
THINGS = ("kite", "boat", "car", "house", "garden", "bicycle", "coat", "lamp", "chair", "table", "guitar", "clock")
FACTS = {  # what is asked -> the question, the answer, values
    "colour": ("Which colour has the {thing} of {person}?", "{person} painted it {value}, that {thing}.",
               ["red", "green", "blue", "white", "black", "yellow"]),
    "place": ("Where is the {thing} of {person} kept?", "The {thing} stands in {value}; {person} put it there.",
              ["Rome", "Oslo", "Lima", "Cairo", "Delhi", "Quito"]),
    "price": ("How much did {person} pay for the {thing}?", "For {value} francs {person} took the {thing} home.",
              ["ten", "twenty", "ninety", "seven", "sixty", "forty"]),
}  # fmt: skip
COLUMNS = ("anchor", "positive", "negative_1", "negative_2")


def examples(count: int, seed: int) -> list[PairExample]:
    """Questions with their answers, the answers to another question about the thing, and to the same of another."""
    random = np.random.default_rng(seed)
    found: dict[str, PairExample] = {}
    while len(found) < count:
        person, other = random.choice(PEOPLE, 2, replace=False)
        thing, (kind, wrong) = random.choice(THINGS), random.choice(list(FACTS), 2, replace=False)
        question, answer, values = FACTS[kind]
        first, second = random.choice(values, 2, replace=False)
        asked = question.format(thing=thing, person=person)
        negatives = (
            FACTS[wrong][1].format(thing=thing, person=person, value=random.choice(FACTS[wrong][2])),
            answer.format(thing=thing, person=other, value=second),
        )
        positive = answer.format(thing=thing, person=person, value=first)
        found.setdefault(asked, PairExample(asked, asked, positive, negatives, float(random.random())))
    return list(found.values())


# Loss -> ours, what is learned, sentence-transformers' loss, whether there are negatives.
Theirs = Callable[[Any], Any]
LOSSES: Mapping[str, tuple[str, str, Theirs, bool]] = {
    "in-batch negatives": ("multiple-negatives", "pairs", lambda m: st.MultipleNegativesRankingLoss(m), False),
    "with hard negatives": ("multiple-negatives", "pairs", lambda m: st.MultipleNegativesRankingLoss(m), True),
    "in mini-batches of 8": (
        "multiple-negatives,mini_batch=8", "pairs",
        lambda m: st.CachedMultipleNegativesRankingLoss(m, mini_batch_size=8), True,
    ),
    "Matryoshka 384, 128, 32": (
        "multiple-negatives,dims=384+128+32", "pairs",
        lambda m: st.MatryoshkaLoss(m, st.MultipleNegativesRankingLoss(m), [384, 128, 32]), True,
    ),
    "CoSENT": ("cosent", "scored pairs", lambda m: st.CoSENTLoss(m), False),
    "a teacher's vectors": ("mse", "pairs of a teacher's vectors", lambda m: st.MSELoss(m), False),
    "a teacher's margins": ("margin-mse", "triplets of a teacher's scores", lambda m: st.MarginMSELoss(m), True),
}  # fmt: skip


def student() -> Any:
    """all-MiniLM-L6-v2 without dropout."""
    model = load(snapshot(), task="embedding")
    for layer in model.sublayers():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    return model


def labels_of(name: str, rows: Sequence[PairExample], texts: int) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Labels as ours and theirs have them. texts: of a row."""
    random = np.random.default_rng(3)
    if name == "CoSENT":
        scores = np.array([e.score for e in rows], np.float32)
        return scores, scores
    if name == "a teacher's vectors":  # theirs takes one for all texts of a row
        vectors = random.normal(size=(len(rows), 384)).astype(np.float32) / 20
        return np.repeat(vectors, texts, axis=0), vectors
    if name == "a teacher's margins":
        scores = random.random((len(rows), texts)).astype(np.float32)
        return scores.reshape(-1), scores[:, 1:2] - scores[:, 2:]
    return None, None


def curves(name: str) -> dict[str, Any]:
    """The row of a loss: both runs over the same batches."""
    loss, learned, make, negatives = LOSSES[name]
    rows = examples(400, 1)
    rows = rows if negatives else [PairExample(e.id, e.anchor, e.positive, (), e.score) for e in rows]
    mine, others = labels_of(name, rows, len(rows[0].texts))
    model = student()
    features = TextPairs(name="pairs", metrics=("ndcg@10",)).features(rows, model.tokenizer)
    groups = Groups(features, by_sample(features), mine)
    settings = LoopSettings(updates=UPDATES, batch_size=BATCH, lr=LR, warmup=WARMUP, seed=SEEDS[0])
    ours: list[float] = []
    train(
        model, groups, make_optimiser(model, OptimiserSettings(lr=LR)), settings,
        objective=objective(text_loss(loss, learned), "embeddings", 384),
        on_event=lambda event: ours.append(event.loss) if isinstance(event, Updated) else None,
    )  # fmt: skip
    order = TrainBatches(groups.lengths, BATCH, settings.seed)
    original = SentenceTransformer(str(snapshot()), device="cpu")
    columns = list(zip(*(e.texts for e in rows), strict=True))
    compute, theirs = make(original), []
    step = torch_steps(original)
    for n in range(UPDATES):
        inputs = [original.preprocess([column[k] for k in order[n]]) for column in columns]
        given = None if others is None else torch.from_numpy(others[order[n]])
        theirs.append(step(compute(inputs, given), n))
    return {
        "loss": name, "first": theirs[0], "last": theirs[-1],
        "largest difference": max(abs(a - b) for a, b in zip(ours, theirs, strict=True)),
    }  # fmt: skip


def torch_steps(model: torch.nn.Module) -> Callable[[torch.Tensor, int], float]:
    """Makes an update of torch's AdamW of a loss as our loop does; the model has no dropout then."""
    model.eval()
    named = list(model.named_parameters())
    groups = [
        {"params": [p for name, p in named if decays(name.lower()) == kept], "weight_decay": 0.01 * kept}
        for kept in (True, False)
    ]
    optimiser = torch.optim.AdamW(groups, lr=LR, eps=1e-8)

    def step(loss: torch.Tensor, update: int) -> float:
        for group in optimiser.param_groups:
            group["lr"] = LR * lr_factor("linear", update, WARMUP, UPDATES)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        return float(loss.detach())

    return step


def scores() -> list[dict[str, Any]]:
    """NDCG@10 on held-out questions after the same number of epochs, for each seed, by both."""
    everything = examples(900, 7)
    rows, held = everything[:600], everything[600:]
    before = ndcg(load(snapshot(), task="embedding").encode, held)  # type: ignore[attr-defined]
    found = []
    for seed in SEEDS:
        with tempfile.TemporaryDirectory() as work:
            found.append({"seed": seed, "before": before, "ours": ours_trained(rows, held, seed, Path(work)),
                          "sentence-transformers": theirs_trained(rows, held, seed, Path(work))})  # fmt: skip
    return found


def ours_trained(rows: Sequence[PairExample], held: Sequence[PairExample], seed: int, work: Path) -> float:
    """NDCG@10 of a run of the zoo."""
    dicts = [[dict(zip(COLUMNS, e.texts, strict=True)) for e in part] for part in (rows, held)]
    result = finetune(
        task="triplets", model=str(snapshot()), train=dicts[0], dev=dicts[1], out=str(work / "run"), seed=seed,
        epochs=EPOCHS, lr=SCORE_LR, batch_size=BATCH, weight_decay=0.0, warmup=0.1, eval_every=1_000_000,
    )  # fmt: skip
    return ndcg(load(result.folder / "best").encode, held)  # type: ignore[attr-defined]


def theirs_trained(rows: Sequence[PairExample], held: Sequence[PairExample], seed: int, work: Path) -> float:
    """NDCG@10 of a run of sentence-transformers' trainer."""
    from datasets import Dataset

    model = SentenceTransformer(str(snapshot()), device="cpu")
    columns = zip(COLUMNS, zip(*(e.texts for e in rows), strict=True), strict=True)
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(work / "theirs"), num_train_epochs=EPOCHS, per_device_train_batch_size=BATCH, seed=seed,
        learning_rate=SCORE_LR, warmup_ratio=0.1, batch_sampler=BatchSamplers.NO_DUPLICATES, save_strategy="no",
        report_to="none", disable_tqdm=True, use_cpu=True, logging_strategy="no",
    )  # fmt: skip
    data = Dataset.from_dict({name: list(values) for name, values in columns})
    trainer = SentenceTransformerTrainer(
        model=model, args=arguments, train_dataset=data, loss=st.MultipleNegativesRankingLoss(model)
    )
    trainer.train()
    return ndcg(model.eval().encode, held)


def ndcg(encode: Callable[..., np.ndarray], held: Sequence[PairExample]) -> float:
    """NDCG@10 of the positives among all documents."""
    task = TextPairs(name="pairs", metrics=("ndcg@10",))
    counts = [len(e.texts) for e in held]
    place = np.concatenate([np.arange(count) for count in counts])
    features = Features({}, np.repeat(np.arange(len(held)), counts), {"place": place})
    vectors = encode([text for e in held for text in e.texts])
    found = task.predictions({"embeddings": list(vectors)}, features, held)
    return task.measure(found, held)["all"]["ndcg@10"]


def update_of(pairs: int, mini_batch: int) -> None:
    """Makes updates over so many pairs of 32 tokens, and prints the peak memory of the process, in MB."""
    model = load(snapshot(), task="embedding")
    random = np.random.default_rng(0)
    texts = [random.integers(1000, 2000, 32) for _ in range(2 * pairs)]
    features = Features({"input_ids": Ragged.of(texts)}, np.repeat(np.arange(pairs), 2))
    groups = Groups(features, by_sample(features))
    loss = text_loss(f"mini_batch={mini_batch}" if mini_batch else "", "pairs")
    settings = LoopSettings(updates=2, batch_size=pairs, lr=LR)
    train(model, groups, make_optimiser(model, OptimiserSettings(lr=LR)), settings,
          objective=objective(loss, "embeddings", 384))  # fmt: skip
    print(round(env.peak_memory() / 2**20))


def memory() -> list[dict[str, Any]]:
    """Peak memory of a process each."""
    found = []
    for pairs, mini_batch in ((8, 0), (64, 0), (1024, 128), (1024, 64), (1024, 32)):
        command = [sys.executable, "-m", "benchmarks.parity.sentence_training", "--update", f"{pairs},{mini_batch}"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=common.ROOT)
        found.append({"pairs": pairs, "mini-batch": mini_batch or "whole", "MB": int(done.stdout.split()[-1])})
    return found


def mining() -> list[dict[str, Any]]:
    """Triplets that `zoo mine` and mine_hard_negatives write of the same pairs, by several rules."""
    from datasets import Dataset

    rows = examples(300, 5)
    pairs = [{"anchor": e.anchor, "positive": e.positive} for e in rows]
    found = []
    with tempfile.TemporaryDirectory() as work:
        data = Path(work) / "pairs.jsonl"
        data.write_text("".join(json.dumps(pair) + "\n" for pair in pairs), "utf-8")
        for rules in RULES:
            out = Path(work) / "triplets.jsonl"
            write_negatives(str(snapshot()), Sources(data, {}), out, MiningRules(**rules), replace=True)
            ours = {tuple(json.loads(line).values()) for line in out.read_text("utf-8").splitlines()}
            names = {{"number": "num_negatives"}.get(name, name): value for name, value in rules.items()}
            made = mine_hard_negatives(
                Dataset.from_list(pairs), SentenceTransformer(str(snapshot()), device="cpu"), verbose=False, **names
            )
            theirs = {(row["anchor"], row["positive"], row["negative"]) for row in made}
            said = ", ".join(f"{name} {value}" for name, value in rules.items())
            found.append({"rules": said, "triplets": len(theirs), "ours alone": len(ours - theirs),
                          "theirs alone": len(theirs - ours)})  # fmt: skip
    return found


RULES: Sequence[dict[str, Any]] = (
    {"number": 3, "range_max": 20},
    {"number": 5, "range_min": 5, "range_max": 40, "relative_margin": 0.05},
    {"number": 2, "range_max": 50, "absolute_margin": 0.1, "min_score": 0.3, "max_score": 0.7},
)
PARTS: Mapping[str, Callable[[], list[dict[str, Any]]]] = {
    "curves": lambda: [curves(name) for name in LOSSES],
    "scores": scores,
    "memory": memory,
    "mining": mining,
}


def verdict(found: Mapping[str, list[dict[str, Any]]]) -> list[str]:
    """What does not hold."""
    wrong = [f"{row['loss']}: {row['largest difference']}" for row in found.get("curves", ())
             if not row["largest difference"] <= GOAL]  # fmt: skip
    if rows := found.get("scores"):
        ours, theirs = (np.array([row[name] for row in rows]) for name in ("ours", "sentence-transformers"))
        if abs(ours.mean() - theirs.mean()) > max(ours.std(ddof=1), theirs.std(ddof=1)):
            wrong.append(f"scores: {ours.mean():.2f} and {theirs.mean():.2f}")
    if rows := found.get("memory"):
        plain = next(row["MB"] for row in rows if row["pairs"] == 64)
        cached = next(row["MB"] for row in rows if row["mini-batch"] == 64)
        if cached > plain:
            wrong.append(f"memory: {cached} MB and {plain} MB")
    wrong += [
        f"mining, {row['rules']}" for row in found.get("mining", ()) if row["ours alone"] + row["theirs alone"]
    ]
    return wrong


def main() -> int:
    """Runs the parts; 1 where something does not hold."""
    made = argparse.ArgumentParser(COMMAND)
    made.add_argument("--only", choices=PARTS)
    made.add_argument("--save", action="store_true")
    made.add_argument("--update", default="", help=argparse.SUPPRESS)
    given = made.parse_args()
    if given.update:
        update_of(*map(int, given.update.split(",")))
        return 0
    found = {name: run() for name, run in PARTS.items() if given.only in (None, name)}
    for name, rows in found.items():
        print(name)
        for row in rows:
            print("  " + ", ".join(f"{k} {v:.6g}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()))
    if wrong := verdict(found):
        print("does not hold: " + "; ".join(wrong))
    if given.save:
        rows = [{"part": name, **row} for name, part in found.items() for row in part]
        common.write("sentence_training", f"{COMMAND} --save", rows, key="part" if given.only else "")
    return int(bool(wrong))


if __name__ == "__main__":
    raise SystemExit(main())
