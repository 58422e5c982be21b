"""STS-B with all-MiniLM-L6-v2: ours, the torch original and the published score.

`python -m benchmarks.accuracy.stsb`

Protocol of the published number: cosine of mean-pooled, normalised embeddings, texts cut at 256 tokens, Spearman
against the human scores. Needs torch and transformers (`make bench` has them) and the files of STS-B.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchmarks import common
from zoo.tasks import similarity
from zoo.tasks.similarity.sets import Pairs

NAME = "sentence-transformers/all-MiniLM-L6-v2"
MAX_LENGTH = 256
BATCH = 64
FILES = {"dev": "dev.tsv", "test": "sts-test.labelled.csv"}
COMMAND = "python -m benchmarks.accuracy.stsb"
Embed = Callable[[Sequence[str]], np.ndarray]


def read(path: Path) -> tuple[list[str], list[str], np.ndarray]:
    """First sentences, second sentences, scores (0 to 5) of a split, as `zoo evaluate` reads it."""
    task = "stsbenchmark" if path.suffix == ".csv" else "stsb-sts"
    ((_, data),) = similarity.find(task).read(path, path.name.removeprefix("sts-").partition(".")[0])
    assert isinstance(data, Pairs)
    return list(data.first), list(data.second), np.array(data.gold)


def in_batches(texts: Sequence[str], run: Embed) -> np.ndarray:
    """Embeds texts sorted by length, so that batches hold little padding, and returns them in the given order."""
    order = sorted(range(len(texts)), key=lambda n: len(texts[n]))
    parts = [run([texts[n] for n in order[at : at + BATCH]]) for at in range(0, len(order), BATCH)]
    vectors = np.concatenate(parts)
    return vectors[np.argsort(order)]


def ours() -> Embed:
    """The converted model, as a user loads it."""
    import paddle

    import zoo

    model = zoo.load(NAME, task="embedding")

    def run(texts: Sequence[str]) -> np.ndarray:
        batch = model.tokenizer(list(texts), max_length=MAX_LENGTH)
        with paddle.no_grad():
            return model(**batch).embeddings.numpy()

    return run


def original() -> Embed:
    """The untouched files in torch, by transformers."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    from zoo import hub

    folder = str(hub.resolve(NAME).path)
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()

    @torch.no_grad()
    def run(texts: Sequence[str]) -> np.ndarray:
        batch = tokenizer(list(texts), padding=True, truncation=True, max_length=MAX_LENGTH, return_tensors="pt")
        hidden = model(**batch).last_hidden_state  # [B, T, D]
        mask = batch["attention_mask"].unsqueeze(-1).to(hidden.dtype)  # [B, T, 1]
        pooled = (hidden * mask).sum(1) / mask.sum(1)
        return torch.nn.functional.normalize(pooled, dim=-1).numpy()

    return run


def plot(path: Path, gold: np.ndarray, cosine: np.ndarray, spearman: float) -> None:
    """Human score against our cosine, one dot per pair of the test set."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(5, 4), dpi=120)
    axes.plot(gold, cosine, ".", alpha=0.3, markersize=4)
    axes.set_xlabel("human score (0 to 5)")
    axes.set_ylabel("cosine of the embeddings")
    axes.set_title(f"all-MiniLM-L6-v2 on STS-B test: Spearman {spearman:.4f}", fontsize=10)
    figure.tight_layout()
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, metadata={"Software": None})


def main() -> None:
    """Measures both splits, prints three numbers for each, writes results/stsb.* and docs/stsb.png."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, default=common.SHARED / "data/glue/STS-B", help="folder of STS-B")
    folder = parser.parse_args().data
    if missing := [name for name in FILES.values() if not (folder / name).is_file()]:
        parser.error(f"{folder} has no {missing[0]}; name the folder of STS-B with --data")

    from scipy.stats import spearmanr

    from zoo import registry

    published = {s.split: s.value for s in registry.info(NAME).scores if s.task == "stsb"}
    sides = {"ours": ours(), "torch": original()}
    rows = []
    for split, name in FILES.items():
        first, second, gold = read(folder / name)
        vectors = {side: in_batches(first + second, run) for side, run in sides.items()}
        cosines = {side: (v[: len(gold)] * v[len(gold) :]).sum(axis=1) for side, v in vectors.items()}
        score = {side: float(spearmanr(gold, cosine).statistic) for side, cosine in cosines.items()}
        agreement = float((vectors["ours"] * vectors["torch"]).sum(axis=1).min())
        rows.append(
            {
                "model": NAME,
                "split": split,
                "pairs": len(gold),
                "ours": round(score["ours"], 5),
                "torch": round(score["torch"], 5),
                "published": round(published[split] / 100, 4) if split in published else None,
                "least cosine to torch": round(agreement, 7),
            }
        )
        common.compare(f"STS-B {split}, Spearman, reference torch", score["ours"], score["torch"])
        if split in published:
            common.compare(f"STS-B {split}, Spearman, reference published", score["ours"], published[split] / 100)
        print(f"STS-B {split}: least cosine between our embedding of a sentence and torch's: {agreement:.7f}")
        if split == "test":
            plot(common.ROOT / "docs/stsb.png", gold, cosines["ours"], score["ours"])
    print(f"wrote {common.write('stsb', COMMAND, rows).relative_to(common.ROOT)}")


if __name__ == "__main__":
    main()
