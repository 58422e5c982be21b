"""The tables of docs/results/limits.md: what was measured beside what the machine can do at most."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.markdown import markdown, measured, printed_by, unmeasured

COMMAND = "python -m benchmarks.speed.limits --save"
BYTES = {"fp32": 4, "bf16": 2}
HEADER = ("what", "measured", "at the machine's rate", "reached")


def machine() -> str:
    """The rates themselves."""
    if (found := measured("limits")) is None:
        return unmeasured(COMMAND)
    rows = [(row["what"], row["by"], row["precision"], f"{row['rate']:.1f} {row['unit']}") for row in found["rows"]]
    return markdown(("what", "by", "precision", "rate"), rows) + printed_by(found, "openvino", "torch")


def rates(found: dict[str, Any]) -> dict[str, float]:
    """The best GFLOP per second by precision, and GB per second as "memory"."""
    best: dict[str, float] = {}
    for row in found["rows"]:
        key = row["precision"] if row["unit"] == "GFLOP/s" else "memory"
        best[key] = max(best.get(key, 0), row["rate"])
    return best


def passes() -> str:
    """Forward passes: products of all tokens at the machine's rate."""
    found, limits = measured("funnel_speed"), measured("limits")
    if found is None or limits is None:
        return unmeasured(COMMAND)
    best = rates(limits)
    rows = []
    for row in found["rows"]:
        precision = row["engine"][-4:]
        if row["engine"].startswith("zoo openvino") and precision in best:
            least = row["gflop"] / best[precision] * 1000
            what = f"{row['network']}, {row['batch']} x {row['length']}, {precision}"
            rows.append((what, f"{row['ms']:.0f} ms", f"{least:.0f} ms", f"{least / row['ms']:.0%}"))
    return markdown(HEADER, rows) + printed_by(found, "openvino")


def profile() -> str:
    """Forward passes by kind of operation."""
    if (found := measured("profile")) is None:
        return unmeasured("python -m benchmarks.speed.profile --save")
    names = ("network", "batch", "length", "precision")
    cases: dict[tuple[Any, ...], list[str]] = {}
    for row in found["rows"]:
        said = f"{row['kind']} ({row['computes']}) {row['share']:.1%}"
        cases.setdefault(tuple(row[name] for name in names), []).append(said)
    rows = [(f"{a}, {b} x {t}, {precision}", "; ".join(said)) for (a, b, t, precision), said in cases.items()]
    return markdown(("what", "share of the time"), rows) + printed_by(found, "openvino")


def texts() -> str:
    """Whole workloads, beside torch's products of their tokens alone."""
    if (found := measured("workloads")) is None:
        return unmeasured("python -m benchmarks.speed.workloads")
    products = {row["workload"]: row["seconds"] for row in found["rows"] if row["side"].startswith("products")}
    rows = [
        (
            f"{row['title']}, {row['side'].removeprefix('zoo ')}",
            f"{row['seconds']:.2f} s",
            f"{products[row['workload']]:.2f} s",
            f"{products[row['workload']] / row['seconds']:.0%}",
        )
        for row in found["rows"]
        if row["side"] in ("zoo openvino bf16", "zoo openvino int8") and row["workload"] in products
    ]
    header = (HEADER[0], HEADER[1], "products alone, torch bf16", HEADER[3])
    return markdown(header, rows) + printed_by(found, "openvino", "torch")


def steps() -> str:
    """Beam search: a step reads the decoder's weights and multiplies them with each beam."""
    found, limits = measured("generation_speed"), measured("limits")
    if found is None or limits is None:
        return unmeasured(COMMAND)
    return markdown(HEADER, _steps(found["rows"], rates(limits))) + printed_by(found, "openvino")


def _steps(rows: list[dict[str, Any]], best: dict[str, float]) -> Iterator[tuple[str, ...]]:
    for row in rows:
        if not row["side"].startswith("zoo") or row["precision"] not in best:
            continue
        weights, precision = row["decoder weights"], row["precision"]
        took = 1000 * row["batch"] / row["tokens per second"]
        reading = weights * BYTES[precision] / best["memory"] / 1e6
        products = 2 * weights * row["batch"] * row["beams"] / best[precision] / 1e6
        least = max(reading, products)
        kind = "products" if products > reading else "reading weights"
        what = f"{row['network']}, {precision}, {row['batch']} texts, {row['side']}"
        yield what, f"{took:.0f} ms a step", f"{least:.0f} ms ({kind})", f"{least / took:.0%}"


def training_precisions() -> str:
    """What a training product computes in, and how fast."""
    if (found := measured("train_bf16")) is None:
        return unmeasured("python -m benchmarks.speed.train_bf16 --save")
    rows = [
        (
            row["kind"],
            row["library"] + (", oneDNN on" if row["library"] == "paddle" and row["oneDNN"] else ""),
            row["computes"] or "nothing",
            f"{row['GFLOP/s']:.0f} GFLOP/s" if row["GFLOP/s"] else row["error"],
        )
        for row in found["rows"]
    ]
    return markdown(("asked for", "library", "computes in", "rate"), rows) + printed_by(found, "torch")


def training() -> str:
    """Kernels of an update, by their share of its time."""
    if (found := measured("train_profile")) is None:
        return unmeasured("python -m benchmarks.speed.train_profile --save")
    rows = [(row["kernel"], f"{row['share']:.1%}") for row in found["rows"]]
    return markdown(("kernel", "share of an update"), rows) + printed_by(found)
