"""The tables of finetuning, made from results/."""

from __future__ import annotations

from benchmarks.markdown import markdown, measured, printed_by, unmeasured


def loss_parity() -> str:
    """200 updates of ours and of torch."""
    if (found := measured("loss_parity")) is None:
        return unmeasured("python -m benchmarks.parity.losses --save")
    rows = [
        (
            row["data"],
            row["head"],
            row["updates"],
            f"{row['first loss']:.3f} to {row['last loss']:.3f}",
            row["loss difference"],
            row["weight difference"],
        )
        for row in found["rows"]
    ]
    header = ("data", "head", "updates", "loss", "largest relative difference of a loss", "of a weight, at the end")
    return markdown(header, rows) + printed_by(found, "torch", "transformers")


def lora() -> str:
    """LoRA of ours and of peft."""
    if (found := measured("lora")) is None:
        return unmeasured("python -m benchmarks.parity.lora --save")
    shown = ("outputs", "gradients", "losses", "peft's adapter opened", "ours opened by peft")
    exact = ("gradients, ours from float64", "gradients, peft from float64")
    rows = [(row["network"], row["head"], row["layers"], *(row[name] for name in (*shown, *exact)))
            for row in found["rows"]]  # fmt: skip
    version = found["rows"][0]["peft"]
    return markdown(("network", "head", "layers", *shown, *exact), rows) + printed_by(found, "torch").replace(
        "(paddle", f"(peft {version}, paddle"
    )


def sentence_training() -> str:
    """Losses, scores and memory of ours and of sentence-transformers."""
    if (found := measured("sentence_training")) is None:
        return unmeasured("python -m benchmarks.parity.sentence_training --save")
    parts = {
        part: [row for row in found["rows"] if row["part"] == part]
        for part in ("curves", "scores", "memory", "mining")
    }
    curves = markdown(
        ("loss", "first", "last", "largest difference of 40 updates"),
        [
            (r["loss"], f"{r['first']:.4f}", f"{r['last']:.4f}", f"{r['largest difference']:.1e}")
            for r in parts["curves"]
        ],
    )
    scores = markdown(
        ("seed", "NDCG@10 before", "ours", "sentence-transformers"),
        [
            (r["seed"], *(f"{r[name]:.2f}" for name in ("before", "ours", "sentence-transformers")))
            for r in parts["scores"]
        ],
    )
    memory = markdown(
        ("pairs of an update", "texts in memory together", "peak of the process"),
        [(f"{r['pairs']:,}", r["mini-batch"], f"{r['MB']:,} MB") for r in parts["memory"]],
    )
    names = ("rules", "triplets", "ours alone", "theirs alone")
    mining = markdown(("rules of mining", *names[1:]), [tuple(r[n] for n in names) for r in parts["mining"]])
    made = dict(zip(parts, (curves, scores, memory, mining), strict=True))
    lacks = [part for part, rows in parts.items() if not rows]
    note = "".join(
        "\n" + unmeasured(f"python -m benchmarks.parity.sentence_training --only {part} --save") for part in lacks
    )
    return "\n".join(made[part] for part, rows in parts.items() if rows) + printed_by(found, "torch") + note


def score_parity() -> str:
    """Scores of a published network finetuned by ours and by transformers' Trainer."""
    if (found := measured("score_parity")) is None:
        return unmeasured("python -m benchmarks.accuracy.trainer_scores")
    rows = [
        (
            row["data"],
            f"{row['examples']:,}",
            row["metric"],
            f"{row['ours']:.2f} ± {row['ours_deviation']:.2f}",
            f"{row['torch']:.2f} ± {row['torch_deviation']:.2f}",
            f"{row['difference']:+.2f}",
            "yes" if row["within_one_deviation"] else "NO",
        )
        for row in found["rows"]
    ]
    header = ("data", "examples scored", "metric", "ours", "Trainer", "difference", "within one deviation")
    return markdown(header, rows) + printed_by(found, "torch", "transformers")


def learn_ner() -> str:
    """F1 of a small network that learns from nothing."""
    if (found := measured("learn_ner")) is None:
        return unmeasured("python -m benchmarks.accuracy.learn_ner")
    rows = [
        (
            row["data"],
            f"{row['examples']:,}",
            f"{row['characters']:,}",
            f"{row['ours']:.1f}",
            f"{row['torch']:.1f}",
            f"{row['to_reach']:.0f}",
        )
        for row in found["rows"]
    ]
    header = ("data", "sentences scored", "characters scored", "F1, ours", "F1, Trainer", "F1 to reach")
    return markdown(header, rows) + printed_by(found, "torch", "transformers")


def train_speed() -> str:
    """Milliseconds of training per token, beside transformers' Trainer and the best torch loop."""
    if (found := measured("train_speed")) is None:
        return unmeasured("python -m benchmarks.speed.train --save")
    seconds = {(row["model"], row["data"], row["candidate"]): row for row in found["rows"]}
    rows = []
    for model, data in dict.fromkeys(key[:2] for key in seconds):
        rows.append((model, data, f"{seconds[model, data, 'zoo']['ms per token']:.2f}"))
        for candidate in ("trainer", "torch", "paddle"):
            row = seconds[model, data, candidate]
            rows[-1] += (f"{row['ours is faster by']:.2f} ({row['ms per token']:.2f} ms)",)
    header = (
        "size",
        "data",
        "ours, ms per token",
        "times the Trainer",
        "times the torch loop",
        "times plain paddle",
    )
    return markdown(header, rows) + printed_by(found, "torch", "transformers")


def training_memory() -> str:
    """Memory and time of an update with and without recompute, and with and without sharding."""
    if (found := measured("training_memory")) is None:
        return unmeasured("python -m benchmarks.speed.training_memory --save")
    rows = [
        (
            row["model"],
            row["processes"],
            f"{row['rows']} x {row['length']}",
            "yes" if row["recompute"] else "",
            row["sharding"] if row["sharding"] != "none" else "",
            f"{row['largest peak in MB']:,}",
            f"{row['seconds of an update']:.2f}",
        )
        for row in found["rows"]
    ]
    header = (
        "size", "processes", "batch of one", "recompute", "sharding", "peak memory of a process, MB",
        "seconds of an update",
    )  # fmt: skip
    return markdown(header, rows) + printed_by(found)
