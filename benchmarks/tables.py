"""Writes the tables of the READMEs from the cards and from results/: `python -m benchmarks.tables [--check]`

A table stands between `<!-- table: NAME -->` and `<!-- end -->`; what is between them is replaced.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import common
from zoo import registry

PAGES = ("README.md", "README.zh.md", "benchmarks/README.md", "docs/ner.md")
REPORTS = common.ROOT / "conversion/reports"
BLOCK = re.compile(r"(<!-- table: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def markdown(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; numbers are written as they are."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(str(cell) for cell in line)} |\n" for line in lines)


def result(name: str) -> dict[str, Any]:
    """A file of results/."""
    return json.loads((common.RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def millions(count: int) -> str:
    return f"{count / 1e6:,.0f} M" if count else "?"


def models() -> str:
    """Every card: what it is called, its size, whether it can be loaded today."""
    rows = [
        (
            f"`{card.name}`",
            family.title,
            millions(card.parameters),
            card.languages,
            card.licence,
            "no, listed only" if family.not_yet else "yes",
        )
        for family in registry.families()
        for card in family.cards
    ]
    return markdown(("name", "family", "parameters", "languages", "licence", "loads today"), rows)


def stsb() -> str:
    """The reproduced score of all-MiniLM-L6-v2."""
    found = result("stsb")
    rows = [
        (
            f"STS-B {row['split']}, {row['pairs']} pairs",
            f"{row['ours']:.4f}",
            f"{row['torch']:.4f}",
            f"{row['published']:.4f}" if row["published"] else "",
            f"{row['least cosine to torch']:.7f}",
        )
        for row in found["rows"]
    ]
    header = ("Spearman, all-MiniLM-L6-v2", "ours", "torch", "published", "least cosine to torch's embeddings")
    versions = found["stamp"]["versions"]
    stamp = f"paddlepaddle {versions['paddlepaddle']}, torch {versions['torch']}, {found['stamp']['date']}"
    return markdown(header, rows) + f"\nPrinted by `{found['command']}` ({stamp}, {found['stamp']['cpu']}).\n"


def parity() -> str:
    """The reports of conversion/prove.py."""
    found = [json.loads(p.read_text(encoding="utf-8")) for p in sorted(REPORTS.glob("*.json"))]
    reports = [report for report in found if "round_trip" in report]
    rows = []
    for report in reports:
        found, back = report["parity"], report["round_trip"]
        worst = max(found["outputs"].values(), key=lambda o: o["max_abs"] / o["limit"])
        gradient = found["gradients"]["worst"].get("relative", 0.0)
        tokenizer = found.get("tokenizer")
        rows.append(
            (
                f"`{report['name']}`",
                report["weights"].partition(",")[0],
                back["tensors"],
                f"{worst['max_abs']:.1e} (values to {worst['largest']:.2g})",
                f"{gradient:.1e}" + (" \\*" if found.get("over_in_float32") else ""),
                f"{tokenizer['lines'] - tokenizer['different']} of {tokenizer['lines']}" if tokenizer else "-",
                f"{back['bit_identical']} of {back['tensors']} bit-identical",
            )
        )
    header = ("checkpoint", "weights", "tensors", "largest difference of an output", "of a gradient, relative")
    table = markdown((*header, "texts with the same ids", "back in torch's format"), rows)
    exact = max(r["parity"]["tolerance"]["exact"] for r in reports if r["parity"].get("over_in_float32"))
    note = f"\n\\* rounding: over the float32 tolerance, and equal to {exact:g} or better in float64.\n"
    return f"{table}{note}\nPrinted by `python -m conversion.prove NAME`, reports in conversion/reports.\n"


def tokenization() -> str:
    """Ids and speed of the tokenizers, over all 15 languages."""
    found = result("tokenization")
    rows = [
        (
            row["tokenizer"],
            f"{row['ids']:,}",
            f"{row['differing_ids']:,}",
            f"{row['differing_ids_of_tokenizers']:,}",
            f"{row['sentences_per_second']:,}",
            f"{row['sentences_per_second_of_tokenizers']:,}",
            f"{row['ratio']:.2f}",
        )
        for row in found["rows"]
        if row["language"] == "all"
    ]
    header = (
        "XNLI test, 15 languages", "ids", "ours that differ from the original", "those of `tokenizers` that differ",
        "ours, sentences/s", "`tokenizers`, sentences/s", "ratio",
    )  # fmt: skip
    first = found["rows"][0]
    stamp = f"tokenizers {first['tokenizers']}, sentencepiece {first['sentencepiece']}, {found['stamp']['date']}"
    return markdown(header, rows) + f"\nPrinted by `{found['command']}` ({stamp}, {found['stamp']['cpu']}).\n"


def funnel_speed() -> str:
    """Times of Funnel and XLM-R by engine."""
    found = result("funnel_speed")
    rows = [
        (
            row["network"],
            row["engine"],
            f"{row['batch']} x {row['length']}",
            row["ms"],
            f"{row['times torch']:.2f}" if row["times torch"] else "",
            f"{row['time of XLM-R']:.2f}" if row["time of XLM-R"] else "",
            f"{row['flops of XLM-R']:.2f}",
        )
        for row in found["rows"]
    ]
    header = (
        "network",
        "engine",
        "batch x length",
        "ms",
        "times torch's speed",
        "time / XLM-R's",
        "FLOPs / XLM-R's",
    )
    return markdown(header, rows) + printed_by(found, "torch")


def funnel_export() -> str:
    """How far exported Funnels are from the eager one."""
    found = result("funnel_export")
    rows = [
        (
            f"{row['size']} {row['architecture']}, {row['attention']}, {row['task'] or 'no head'}",
            row["engine"],
            row["shapes"],
            f"{row['ours']:.6g}",
            f"{row['eager']:.6g}",
            f"{row['difference']:.1e} ({row['worst shape']})",
        )
        for row in found["rows"]
    ]
    header = ("network", "engine", "shapes", "exported", "eager", "largest difference (batch x length)")
    note = (
        "\nThe tiny networks run every length from 5 to 40 and those around 128 and 512 in batches of 1, 2 and 7, "
        "the true sizes in batches of 2. There the goal of 1e-5 is missed, for values up to about 4.\n"
    )
    return markdown(header, rows) + note + printed_by(found)


def funnel_grid() -> str:
    """Every option against transformers: the worst of all lengths and paddings."""
    found = result("funnel_grid")
    kinds = ("hidden_max_abs", "gradient_max_relative", "key_bias_max_relative")
    rows = []
    for option in dict.fromkeys(row["option"] for row in found["rows"]):
        own = [row for row in found["rows"] if row["option"] == option]
        gradients = [
            [row["gradient_max_relative"] for row in own if row["segments"] == given] for given in (True, False)
        ]
        cells = [f"{max(g):.1e}, {sum(x > 1e-5 for x in g)} of {len(g)}" for g in gradients]
        states, biases = (f"{max(row[kind] for row in own):.1e}" for kind in (kinds[0], kinds[2]))
        exact = f"{max(row[f'{kind}_float64'] for row in own for kind in kinds):.1e}"
        rows.append((option, len(own), states, *cells, biases, exact))
    header = (
        "option", "batches", "hidden states", "gradients with segment ids, how many over 1e-5",
        "gradients without, how many over", "key biases", "everything, in float64",
    )  # fmt: skip
    note = (
        "\nLargest differences; gradients relative to the parameter's largest, or to a thousandth of the network's "
        "where that is more. Float64 says that every batch computes the same; what is over 1e-5 is rounding in "
        "float32. The true gradient of a key's bias is zero, and so is that of the segment parameters where all "
        "tokens count as one segment (all of `not separate_cls` that is over). Without segment ids their gradient "
        "is a small rest of large sums (length 512). 9e-3 is one batch where two neighbours differ by 2e-8, so "
        "that their maximum is the one in torch and the other here.\n"
    )
    return markdown(header, rows) + note + printed_by(found, "torch", "transformers")


def funnel_compare() -> str:
    """xlarge beside the figures that a Paddle port printed."""
    found = result("funnel_compare")
    rows = [
        (
            row["case"],
            {"forward": "last hidden state", "backward": "gradient of the word embeddings"}[way] + f", {kind}",
            f"{row[f'{way}_{kind}']:.1e}",
            f"{row[key]:.1e}" if (key := f"port_{way}_{kind}") in row else "",
            f"{row[f'{way}_{kind}_ours_from_float64']:.1e}",
            f"{row[f'{way}_{kind}_torch_from_float64']:.1e}",
        )
        for row in found["rows"]
        for way in ("forward", "backward")
        for kind in ("mean", "max")
    ]
    header = ("input", "difference to torch", "ours", "the port", "ours from float64", "torch from float64")
    return markdown(header, rows) + printed_by(found, "torch", "transformers")


def generation_speed() -> str:
    """Beam search beside transformers'."""
    found = result("generation_speed")
    reference = {
        (row["network"], row["precision"], row["batch"]): row
        for row in found["rows"]
        if row["side"] == "transformers"
    }
    rows = []
    for row in found["rows"]:
        theirs = reference[row["network"], row["precision"], row["batch"]]
        if row is not theirs:
            rows.append(
                (
                    row["network"],
                    f"{row['precision']}, batch {row['batch']}",
                    row["side"],
                    row["tokens per second"],
                    theirs["tokens per second"],
                    f"{row['times transformers']:.2f}",
                    f"{row['times transformers, cpu']:.2f}",
                    f"{row['threads']}, {row['load']}",
                )
            )
    header = (
        "network", "precision", "side", "tokens/s", "transformers, tokens/s", "times transformers",
        "the same by CPU time", "threads, load",
    )  # fmt: skip
    return markdown(header, rows) + printed_by(found, "torch", "transformers")


def inference_speed() -> str:
    """A batch at base size by engine, beside torch and beside OpenVINO run by hand."""
    if (found := measured("inference_speed")) is None:
        return unmeasured("python -m benchmarks.inference_speed")
    rows = [
        (
            {"forward": "8 x 128 ids to logits", "texts": "8 texts to labels"}[row["what"]],
            row["side"],
            f"{row['ms']:.1f}",
            f"{row['times reference']:.2f} x {row['reference']}" if row["times reference"] else "",
            f"{row['goal']:.2f}" if row["times reference"] else "",
            f"{row['largest difference']:.1e}",
        )
        for row in found["rows"]
    ]
    header = ("BERT-base size", "side", "ms", "speed", "goal", "logits, largest difference to torch fp32")
    return markdown(header, rows) + printed_by(found, "torch", "transformers")


def workloads() -> str:
    """Raw strings to answers, beside transformers' pipeline and a careful torch loop."""
    if (found := measured("workloads")) is None:
        return unmeasured("python -m benchmarks.workloads")
    seconds = {(row["workload"], row["side"]): row["seconds"] for row in found["rows"]}
    rows = []
    for row in found["rows"]:
        if not row["side"].startswith("zoo") or row["side"] == "zoo eager fp32":
            continue
        beside = [
            f"{row[f'times {kind}']:.1f} ({seconds[row['workload'], side]:.1f} s)" if row[f"times {kind}"] else "-"
            for kind, side in (("pipeline", "transformers pipeline"), ("torch loop", "torch loop bf16"))
        ]
        rows.append(
            (
                row["title"],
                f"{row['rows']:,}",
                row["side"],
                f"{row['seconds']:.2f}",
                *beside,
                row["differ"],
                f"{row['value']:.2f} ({row['metric difference']:+.2f})",
            )
        )
    header = (
        "from raw strings to answers", "rows", "side", "seconds", "times transformers' pipeline",
        "times a torch loop in bf16", "answers that differ from eager fp32", "metric (difference to eager fp32)",
    )  # fmt: skip
    kinds = dict.fromkeys(f"{row['title']}: {row['metric']}" for row in found["rows"])
    note = f"\nMetrics in percent: {'; '.join(kinds)}. The pipeline's seconds are extrapolated from 200 rows.\n"
    return markdown(header, rows) + note + printed_by(found, "torch", "transformers")


def measured(name: str) -> dict[str, Any] | None:
    """A file of results/, None before its benchmark has run."""
    return result(name) if (common.RESULTS / f"{name}.json").is_file() else None


def unmeasured(command: str) -> str:
    return f"Not measured yet: `{command}`.\n"


def printed_by(found: dict[str, Any], *packages: str) -> str:
    """The line below a table: command, versions, date, processor."""
    stamp = found["stamp"]
    named = ", ".join(f"{name} {stamp['versions'][name]}" for name in ("paddlepaddle", *packages))
    return (
        f"\nPrinted by `{found['command']}` ({named}, {stamp['date']}, {stamp['cpu']}, {stamp['cores']} cores).\n"
    )


def large() -> str:
    """Forward and backward of the large networks, the worst batch of each kind."""
    found = result("parity_full")
    worst: dict[tuple[str, float], dict[str, Any]] = {}
    for row in found["rows"]:
        known = worst.setdefault((row["model"], row["tolerance"]), {"batches": 0, "hidden": 0.0, "gradient": 0.0})
        known["batches"] += 1
        known["hidden"] = max(known["hidden"], row["hidden_max_abs"])
        known["gradient"] = max(known["gradient"], row["gradient_max_relative"])
    rows = [
        (
            model,
            "rows in fours" if tolerance == 1e-5 else "ragged \\*",
            known["batches"],
            f"{known['hidden']:.1e}",
            f"{known['gradient']:.1e}",
        )
        for (model, tolerance), known in sorted(worst.items())
    ]
    header = ("random weights, true size", "batches", "how many", "hidden states, largest difference")
    note = (
        "\n\\* B x T is less than 8 or no multiple of 4: paddle's matmul on CPU then rounds more. "
        "The goal of 1e-5 is missed there; the results list both libraries' distance from float64. "
        "Gradient differences below 1e-7 of the network's largest gradient count as none here, which is most of "
        "them; 1e-5 without that floor has not been shown. The proofs above have a floor ten times lower.\n"
    )
    table = markdown((*header, "gradients, largest relative difference"), rows)
    return f"{table}{note}\nPrinted by `{found['command']}` ({found['stamp']['date']}).\n"


def speed() -> str:
    """What a user waits for, beside a reference of the same run."""
    convert, load, start = result("convert_speed"), result("load_speed"), result("startup")
    routes = {row["route"]: row for row in convert["rows"]}
    loads = {row["library"]: row for row in load["rows"] if row["files"] == "warm"}
    starts = {row["case"]: row["median_s"] for row in start["rows"]}
    ours, usual = routes["ours"], routes["usual"]

    def line(what: str, mine: float, other: str, reference: float, command: str) -> tuple[str, ...]:
        return (what, f"{mine:.3g} s", f"{other}: {reference:.3g} s", f"{mine / reference:.2f}", f"`{command}`")

    command = convert["command"]
    size = "Convert a legacy .bin of 2.24 GB"
    rows = [
        line(size, ours["seconds_median"], "cp and cat", routes["copy"]["seconds_median"], command),
        line(size, ours["seconds_median"], "cp, fsync, cat", routes["durable"]["seconds_median"], command),
        line(size, ours["seconds_median"], "torch.load, paddle.save", usual["seconds_median"], command),
        (
            "the same, anonymous memory",
            f"{ours['anonymous_mb']} MB",
            f"torch.load, paddle.save: {usual['anonymous_mb']} MB",
            f"{ours['anonymous_mb'] / usual['anonymous_mb']:.4f}",
            f"`{command}`",
        ),
        line(
            "`zoo.load` of XLM-R large",
            loads["zoo"]["load_median"],
            "from_pretrained",
            loads["transformers"]["load_median"],
            load["command"],
        ),
        *(
            line(f"`{case}`", seconds, "python -c pass", starts["python -c pass"], start["command"])
            for case, seconds in starts.items()
            if case != "python -c pass"
        ),
    ]
    return markdown(("what", "ours", "reference", "ratio", "command"), rows)


def ner_chain() -> str:
    """What each export of a tagger scores, costs and how fast it answers."""
    found = result("ner_chain")
    rows = [
        (
            f"{row['engine']} {row['precision']}",
            row["recipe"],
            f"{row['f1']:.2f}",
            f"{row['points']:+.2f}",
            f"{row['accuracy']:.2f}",
            f"{row['megabytes']:.1f}",
            f"{row['ms']:.1f}",
            f"{row['p95']:.1f}",
            f"{row['sentences']:.0f}",
        )
        for row in found["rows"]
    ]
    header = ("export", "recipe", "F1", "to eager fp32", "accuracy", "MB", "ms alone", "p95", "sentences/s")
    stamp = found["stamp"]
    where = f"{stamp['date']}, {stamp['cpu']}, {stamp['cores']} cores"
    return markdown(header, rows) + f"\nPrinted by `{found['command']}` ({where}).\n"


TABLES: dict[str, Callable[[], str]] = {
    "funnel_compare": funnel_compare,
    "funnel_export": funnel_export,
    "funnel_grid": funnel_grid,
    "funnel_speed": funnel_speed,
    "generation_speed": generation_speed,
    "inference_speed": inference_speed,
    "large": large,
    "ner_chain": ner_chain,
    "speed": speed,
    "models": models,
    "parity": parity,
    "stsb": stsb,
    "tokenization": tokenization,
    "workloads": workloads,
}


def fill(page: str) -> str:
    """A page with every table written anew.

    Raises:
        KeyError: it names a table that is not here.
    """
    return BLOCK.sub(lambda found: f"{found[1]}{TABLES[found[2]]()}{found[3]}", page)


def main(argv: Sequence[str] | None = None) -> int:
    """Writes the pages; with --check only says which ones are out of date, and returns 1 if any is."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tables", description="Writes the READMEs' tables.")
    parser.add_argument("--check", action="store_true", help="write nothing, fail if a page is out of date")
    check = parser.parse_args(argv).check
    stale = []
    for name in PAGES:
        path: Path = common.ROOT / name
        old = path.read_text(encoding="utf-8")
        if (new := fill(old)) != old:
            stale.append(name)
            if not check:
                path.write_text(new, encoding="utf-8")
    print(f"{'out of date' if check else 'written'}: {', '.join(stale) or 'nothing'}")
    return int(check and bool(stale))


if __name__ == "__main__":
    raise SystemExit(main())
