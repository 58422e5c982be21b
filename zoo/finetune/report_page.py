"""report.html of a run: the verdict first, then scores, classes, errors, training, cost, and how to go on."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo import terminal
from zoo.finetune import errors_shown, kept, svg
from zoo.finetune import run_folder as disk
from zoo.finetune.baseline import Baseline, baseline
from zoo.finetune.config import DEFAULTS
from zoo.finetune.recipes import Published
from zoo.finetune.report import MEANINGS, NO_PUBLISHED, Estimate
from zoo.finetune.templates import drawn, render
from zoo.tasks import Task
from zoo.tasks.scores import AVERAGE_ROW, GAP_ROW


def page(
    place: Path,
    record: Mapping[str, Any],
    task: Task,
    published: Sequence[Published] = (),
    lengths: Sequence[int] = (),
) -> str:
    """Gives the page.

    Args:
        place: folder of the run, whose metrics.jsonl and predictions.jsonl are shown; of several seeds the folder
            of them all.
        record: run.json's content.
        published: scores for this task, with those of each language.
        lengths: tokens of the training rows.
    """
    split = "test" if "test" in record["results"] else "dev"
    result = record["results"][split]
    rows = kept.read(place / kept.FILE, split)
    names = _names(task)
    base = baseline(task, rows or _rows_of_best(place, record, split), result["metric"])
    metrics = list(result["scores"][result["row"]])
    worst = errors_shown.worst(rows)
    single = bool(rows) and not isinstance(rows[0].gold, float) and task.head not in ("qa", "generation")
    classes = errors_shown.class_scores(rows, names) if single and task.head != "multiple-choice" else []
    return render(
        "report.html.jinja",
        title=f"{record['config']['task']} with {record['config']['model']}",
        run=record,
        split=split,
        result=result,
        **_verdict(record, split, result, base),
        metrics=metrics,
        scores=_score_rows(result, metrics),
        baseline=_baseline(base, metrics, result["metric"]),
        languages=_by_language(result, published),
        published=[_compared(one) for one in record.get("comparisons") or ()],
        **_seeds(record),
        classes=[(c.name, c.precision, c.recall, c.f1, c.support, c.predicted) for c in classes],
        spans=task.head == "tagging",
        marked=task.head == "qa",
        measured=task.head in ("qa", "generation", "tagging"),
        confusion=errors_shown.confusions(rows, names) if task.head == "classification" else [],
        kept=len(rows),
        wrong=sum(not row.right for row in rows),
        by_loss=bool(worst) and worst[0].loss is not None,
        worst=[errors_shown.shown(row) for row in worst],
        others=[errors_shown.shown(row) for row in errors_shown.drawn(rows, record.get("seed", 0), worst)],
        plots=_plots(place, record, task, result, published, lengths),
        cost=_cost(record),
        commands=_commands(place, record, task),
        **_options(record),
        files=[
            (split, file, digest)
            for split, held in record["data"].items()
            for file, digest in held["files"].items()
        ],
        versions=[*record["versions"].items(), ("commit", record.get("commit") or "not a checkout")],
    )


def _rows_of_best(place: Path, record: Mapping[str, Any], split: str) -> list[kept.Kept]:
    """Gives the answers of the best of several seeds."""
    best = (record.get("seeds") or {}).get("best", "")
    return kept.read(place / best.removesuffix("/best") / kept.FILE, split) if best else []


def _names(task: Any) -> tuple[str, ...]:
    """Gives the classes in the order of the task; of tags none, as their kinds are read from the rows."""
    return () if task.head == "tagging" else tuple(getattr(task, "letters", ()) or getattr(task, "labels", ()))


def _verdict(
    record: Mapping[str, Any], split: str, result: Mapping[str, Any], base: Baseline | None
) -> dict[str, Any]:
    """Gives the numbers on top, a sentence, and its tone: good, bad or neither."""
    best = next((c for c in record.get("comparisons") or () if _get(c, "verdict") in MEANINGS), None)
    value, metric = float(result["value"]), result["metric"]
    if "seeds" in record:
        value, metric, split = record["seeds"]["mean"], record["seeds"]["metric"], record["seeds"]["split"]
    numbers = [(f"{metric} on {split}, ours", f"{value:.2f}")]
    meaning, tone = NO_PUBLISHED, ""
    if best:
        half = Estimate((_get(best, "ours"),), result["rows"]).half
        numbers = [
            (f"{_get(best, 'metric')} on {_get(best, 'split')}, ours", f"{_get(best, 'ours'):.2f}"),
            (f"published ({_get(best, 'source')})", f"{_get(best, 'published'):.2f}"),
            ("difference", f"{_get(best, 'difference'):+.2f}"),
        ]
        meaning = MEANINGS[_get(best, "verdict")]
        tone = {"reached": "good", "below": "bad"}.get(_get(best, "verdict"), "")
        if "seeds" not in record and half:
            numbers.append(("95 % interval of ours", f"±{half:.2f}"))
    if "seeds" in record:
        low, high = record["seeds"]["interval"]
        numbers.append(("95 % interval of the mean", f"{low:.2f} to {high:.2f}"))
    if not best and record.get("comparisons"):
        why = _get(record["comparisons"][0], "verdict")
        meaning = f"None of the published scores below is to be compared with this run: {why}."
    line = ""
    if base:
        line = f"Always answering “{base.answer}” would score {base.value:.2f}; this run is "
        line += f"{value - base.value:+.2f} from it. {base.more}".rstrip()
    return {"numbers": numbers, "meaning": meaning, "tone": tone, "baseline_line": line}


def _get(comparison: Any, name: str) -> Any:
    return comparison[name] if isinstance(comparison, Mapping) else getattr(comparison, name)


def _compared(one: Any) -> tuple[Any, ...]:
    note = f"; {_get(one, 'note')}" if _get(one, "note") else ""
    names = ("metric", "split", "ours", "published", "difference", "verdict")
    return (*(_get(one, name) for name in names), f"{_get(one, 'source')}{note}")


def _score_rows(result: Mapping[str, Any], metrics: Sequence[str]) -> list[tuple[Any, ...]]:
    return [
        (name, *(_number(row.get(metric)) for metric in metrics))
        for name, row in result["scores"].items()
        if result["metric"] in row
    ]


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _baseline(base: Baseline | None, metrics: Sequence[str], metric: str) -> tuple[Any, ...] | None:
    if base is None:
        return None
    return (f"always “{base.answer}”", *(base.value if name == metric else None for name in metrics))


def _by_language(result: Mapping[str, Any], published: Sequence[Published]) -> list[tuple[Any, ...]]:
    theirs = next((p for p in published if p.metric == result["metric"] and p.languages), None)
    if theirs is None:
        return []
    found = []
    scores = {**theirs.languages, AVERAGE_ROW: theirs.score}
    for name, row in result["scores"].items():
        if name == GAP_ROW:
            continue
        ours, other = float(row[result["metric"]]), scores.get(name)
        found.append((name, ours, other, None if other is None else ours - other))
    return found


def _seeds(record: Mapping[str, Any]) -> dict[str, Any]:
    """Gives a row for each seed and their intervals: of one seed that of a share, of their mean Student's."""
    seeds = record.get("seeds")
    if not seeds:
        return {"seeds": [], "seed_columns": [], "seed_plot": ""}
    rows = record["results"][seeds["split"]]["rows"]
    bars = []
    for seed, value in seeds["values"].items():
        half = Estimate((value,), rows).half
        bars.append((f"seed {seed}", value - half, value, value + half))
    bars.append(("mean", seeds["interval"][0], seeds["mean"], seeds["interval"][1]))
    level = next(
        (("published", _get(c, "published")) for c in record["comparisons"] if _get(c, "verdict") in MEANINGS), None
    )
    more = seeds.get("more") or {}
    columns = list(next(iter(more.values()), {}))
    table = [
        (str(seed), value, *(more.get(str(seed), more.get(seed, {})).get(name) for name in columns))
        for seed, value in seeds["values"].items()
    ]
    chart = drawn(svg.intervals(bars, f"{seeds['metric']} on {seeds['split']}, 95 % intervals", level))
    return {
        "seeds": table,
        "seed_columns": [f"{seeds['metric']} on {seeds['split']}", *columns],
        "seed_plot": chart[0],
    }


def _plots(
    place: Path,
    record: Mapping[str, Any],
    task: Task,
    result: Mapping[str, Any],
    published: Sequence[Published],
    lengths: Sequence[int],
) -> list[Any]:
    theirs = next((p for p in published if p.metric == result["metric"] and p.comparable), None)
    level = (f"published on {theirs.split}: {theirs.score:g}", theirs.score) if theirs else None
    metric = f"{result['metric']} on dev"
    losses: dict[str, Sequence[tuple[float, float]]] = {}
    scores: dict[str, Sequence[tuple[float, float]]] = {}
    for seed, file in metrics_files(place, record).items():
        loss, score = curves(file, result["metric"])
        losses |= {seed or "training loss": loss} if loss else {}
        scores |= {seed or metric: score} if score else {}
    charts = [
        svg.lines(losses, "update", "training loss"),
        svg.lines(scores, "update", metric, level, dots=True) if scores else "",
    ]
    if len(lengths):
        limit = record["config"]["max_length"] or task.max_length
        charts.append(svg.histogram(lengths, "tokens of a training row", "rows", (f"max_length {limit}", limit)))
    return drawn(*charts)


def metrics_files(place: Path, record: Mapping[str, Any]) -> dict[str, Path]:
    """Gives metrics.jsonl of a run, by "" or, of several seeds, by their folders' names."""
    if "seeds" not in record:
        return {"": place / "metrics.jsonl"}
    return {f"seed-{seed}": place / f"seed-{seed}" / "metrics.jsonl" for seed in record["seeds"]["values"]}


def curves(file: Path, metric: str) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """Gives (update, loss) and (update, score on dev) of a metrics.jsonl."""
    lines = disk.read_metrics(file)
    losses = [(float(line["update"]), float(line["loss"])) for line in lines if line["kind"] == "update"]
    scores = [
        (float(line["update"]), float(line["scores"][metric]))
        for line in lines
        if line["kind"] == "evaluation" and metric in line["scores"]
    ]
    return losses, scores


def _cost(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Gives what the run took, in lines; what is not known is left out."""
    model, found = record.get("model") or {}, []
    if "seconds" in record:
        found.append(("time", _time(record["seconds"])))
    if record.get("memory"):
        found.append(("memory of the process, at most", terminal.size(record["memory"])))
    if model.get("parameters"):
        found.append(("parameters", f"{model['parameters']:,}, of which {model['trained']:,} were trained"))
    if record.get("model_bytes"):
        found.append(("best/ on disk", terminal.size(record["model_bytes"])))
    if "best_update" in record:
        found.append(("best update", f"{record['best_update']:,} of {record.get('loop', {}).get('updates', 0):,}"))
    rows = ", ".join(f"{split} {held.get('examples', 0):,}" for split, held in record["data"].items())
    return [*found, ("examples", rows), ("processes", str(record.get("processes", 1)))]


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "min"), (rest, "s")]
    return " ".join(f"{count} {unit}" for count, unit in parts if count) or f"{seconds:.1f} s"


def _commands(place: Path, record: Mapping[str, Any], task: Task) -> list[str]:
    """Gives the four commands to go on with."""
    run = place / record["seeds"]["best"].removesuffix("/best") if "seeds" in record else place
    data = record["config"]["data"]
    given = f" --data {shlex.quote(data)}" if data else ""
    name = shlex.quote(str(run))
    kind = task.head if task.head in ("classification", "tagging", "qa", "generation") else ""
    python = (
        f"import zoo; pipeline = zoo.pipeline({str(run / 'best')!r})"
        if kind
        else f"import zoo; model = zoo.load({str(run / 'best')!r})"
    )
    return [
        f"zoo evaluate {name}{given}",
        f"zoo predict {name} --data FILE --out answers{task.suffix}",
        f"zoo export {name} --out {shlex.quote(str(run) + '-openvino')} --to openvino",
        f"python -c {shlex.quote(python)}",
    ]


def _options(record: Mapping[str, Any]) -> dict[str, Any]:
    config, sources = record["config"], record["sources"]
    changed = [
        (name, str(value), str(DEFAULTS.get(name, "")), sources.get(name, ""))
        for name, value in config.items()
        if value != DEFAULTS.get(name)
    ]
    same = [
        (name, str(value), sources.get(name, "")) for name, value in config.items() if value == DEFAULTS.get(name)
    ]
    return {"changed": changed, "unchanged": same}
