"""A model as a folder that deploys without its weights: compared with the eager model, judged, then published.

Legend of shapes: B batch, T tokens, N choices; see zoo/models/common.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from zoo import env, files, tasks
from zoo.errors import GuardError, UsageError
from zoo.export import quantise
from zoo.export.report import Report
from zoo.export.score_check import SCORE_BUDGETS, Gate, ScoreCheck, ScoreCost, read_gate
from zoo.files import user_path
from zoo.inference import output_check
from zoo.inference.deployed import EXPORT_FILE, FORMAT, read_settings
from zoo.inference.engines import Choice, module_of, open_graph, refusal, versions
from zoo.inference.engines.base import arrays
from zoo.inference.engines.eager import Eager
from zoo.inference.graph import Graph
from zoo.loading import load
from zoo.model_files import TASKS, saved_head
from zoo.models.common.base import Model
from zoo.models.common.seq2seq import Seq2Seq
from zoo.tasks.saved import TASK_FILE, model_folder
from zoo.version import __version__

AUTO = "auto"  # precision: the fastest within its budget; without a gate float32
ENGINE_OF_FORMAT = {"paddle": "paddle", "onnx": "onnxruntime", "openvino": "openvino"}  # of a format
INT8_FORMAT = "openvino"
HEADS_WITHOUT_WEIGHTS = ("embedding", "generation")  # heads that need no weights of their own
log = logging.getLogger("zoo")


def export(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    to: str = "paddle",
    precision: str = AUTO,
    guarding: ScoreCheck | None = None,
) -> Report:
    """Writes a folder that `zoo.pipeline` opens; it appears finished or not at all.

    The network has the head that its files have: a masked language model gives logits, unless `guarding.task` is
    "encoder".

    Args:
        source: a name or folder that `zoo.load` takes, or the folder of a finetuning run.
        out: the folder; an older export there is replaced.
        to: "paddle", "onnx" or "openvino".
        precision: "fp32", "bf16" (what the engine computes in; the file stays float32), "int8", which needs a
            gate, or "auto": of these the fastest that is within its budget, without a gate "fp32".
        guarding: the gate, and the head where the files do not say it.

    Raises:
        UsageError: a combination that does not exist, a package that is not installed, or a folder that may not be
            written.
        DiskError: the disk is full. Nothing was written.
        GuardError: an output differs from the eager model's by more than its tolerance, or the metric falls by
            more than the budget. Its `report` has what was measured. Nothing was written.

    Example:
        >>> from zoo.export.run import export
        >>> report = export("all-MiniLM-L6-v2", "minilm-deployed")
        >>> report.engine, report.outputs
        ('paddle', ('embeddings',))
        >>> (report.folder / "export.json").is_file()
        True
    """
    guarding = guarding or ScoreCheck()
    files.probe(out, last=EXPORT_FILE)
    out = user_path(out)
    _check(to, precision, guarding, out)
    model, settings = _load(source, guarding.task)
    if precision == "int8" and isinstance(model, Seq2Seq):
        raise UsageError("int8 is not made of encoder-decoders.", "--precision bf16")
    engine = ENGINE_OF_FORMAT[to]
    if reason := refusal(model, engine, precision if precision == "bf16" else "fp32"):
        raise reason
    report = Report(engine, precision, model.task)
    gate = None
    if guarding.data:
        task = guarding.task if guarding.task not in (*TASKS, "encoder") else ""
        gate = read_gate(model, settings, guarding.data, task, guarding.split, guarding.languages)
        report.trades = gate.trades
    candidates = _candidates(model, engine, gate is not None) if precision == AUTO else (precision,)
    try:
        with files.publish(out, last=EXPORT_FILE) as work:
            graph = _write_first(model, work, candidates, report, gate, guarding)
            report.inputs, report.outputs = graph.inputs, graph.outputs
            _describe(model, graph, report, settings)
    except GuardError as error:
        error.report = report.to_dict()
        raise
    report.folder = out
    return report


def _check(to: str, precision: str, guarding: ScoreCheck, out: Path) -> None:
    for flag, given, known in (("--to", to, ENGINE_OF_FORMAT), ("--precision", precision, (AUTO, *SCORE_BUDGETS))):
        if given not in known:
            raise UsageError(f"{flag} {given} is unknown.", f"One of {', '.join(known)}.")
    if precision == "int8" and to != INT8_FORMAT:
        raise UsageError(f"int8 runs in OpenVINO, not in {to}.", f"--to {INT8_FORMAT}")
    if precision == "int8" and not guarding.data:
        raise UsageError(
            "int8 can lose everything without a sign, so it needs data to be judged on.", "--guard DATA"
        )
    if not guarding.data and (guarding.calibrate or guarding.budget is not None):
        raise UsageError("--budget and --calibrate belong to --guard.", "--guard DATA")
    if guarding.calibrate and precision not in ("int8", AUTO):
        raise UsageError("--calibrate is for int8.", "Leave it out.")
    if out.is_dir() and any(out.iterdir()) and not (out / EXPORT_FILE).is_file():
        raise UsageError(f"--out: '{out}' is not empty and holds no export.", "Give another folder.")


def _load(source: str | os.PathLike[str], task: str) -> tuple[Model, dict[str, Any]]:
    """The network with its head, and its task.json."""
    folder = model_folder(source)
    if (folder / EXPORT_FILE).is_file():
        raise UsageError(f"'{folder}' is an export already.", "Give the model that it was made of.")
    place, settings = folder if folder.is_dir() else source, read_settings(folder)
    head = None if settings else saved_head(place)  # `zoo.load` alone would leave the head of an mlm away
    if task and not settings:
        head = task if task in (*TASKS, "encoder") else tasks.find(task).head
        if head not in (saved := saved_head(place, among=(head,)), "encoder", *HEADS_WITHOUT_WEIGHTS):
            raise UsageError(
                f"'{source}' has {f'the head {saved}' if saved else 'no head'}; a new '{head}' would know nothing.",
                f"Train it first: zoo finetune --task {task} --model {source}",
            )
    return load(place, task=head), settings


def _candidates(model: Model, engine: str, gated: bool) -> tuple[str, ...]:
    """The precisions that "auto" tries, the fastest first."""
    able = {
        "int8": gated and engine == ENGINE_OF_FORMAT[INT8_FORMAT] and not isinstance(model, Seq2Seq),
        "bf16": gated and env.computes_bf16() and refusal(model, engine, "bf16") is None,
        "fp32": True,
    }
    return tuple(precision for precision, is_able in able.items() if is_able)


def _write_first(
    model: Model, work: Path, candidates: Sequence[str], report: Report, gate: Gate | None, guarding: ScoreCheck
) -> Graph:
    """Writes the first candidate that passes; says why the ones before it are left out.

    Raises:
        GuardError, UsageError: what is wrong with the last one.
    """

    def written(precision: str) -> Graph:
        report.precision = precision
        if gate is not None:
            gate.budget = SCORE_BUDGETS[precision] if guarding.budget is None else guarding.budget
        choice = Choice(report.engine, precision, "to be exported")
        return _write(model, work, choice, report, gate, guarding.calibrate)

    *faster, last = candidates
    for precision in faster:
        try:
            return written(precision)
        except (GuardError, UsageError) as error:
            cure = "" if isinstance(error, GuardError) else f" {error.hint}"
            log.warning("%s is left out: %s%s", precision, error.message, cure)
    return written(last)


def _write(model: Model, work: Path, choice: Choice, report: Report, gate: Gate | None, calibrate: str) -> Graph:
    """Writes the graph's files, compared and judged.

    Raises:
        GuardError: it differs too much.
    """
    if choice.precision == "int8":
        assert gate is not None
        return _write_int8(model, work, report, gate, calibrate)
    graph = _module(model, choice).write(model, work)
    run = open_graph(graph, choice, model)
    report.differences = output_check.compare(model, run)
    output_check.check(report.differences, choice.precision)
    if gate is not None:
        _before(gate, model)
        after = gate.judge(run, choice.precision, choice.engine, _bytes(graph.folder))
        report.guard = _outcome(gate, after)
        if not gate.enough(after.value):
            raise _refused(gate)
    return graph


def _write_int8(model: Model, work: Path, report: Report, gate: Gate, calibrate: str) -> Graph:
    """The float32 graph must be right; what it does as it is usually run is in the table; then the ladder."""
    rows = gate.calibration(calibrate)
    with TemporaryDirectory(dir=work.parent) as scratch:
        folder = Path(scratch, "fp32")
        folder.mkdir()
        exact = Choice(INT8_FORMAT, "fp32", "")
        graph = _module(model, exact).write(model, folder)
        run = open_graph(graph, exact, model)
        output_check.check(output_check.compare(model, run), "fp32")
        _before(gate, model)
        rounds = env.computes_bf16() and not refusal(model, INT8_FORMAT, "bf16")
        usual = replace(exact, precision="bf16" if rounds else "fp32")
        gate.judge(open_graph(graph, usual, model), usual.precision, usual.engine, _bytes(folder))

        def judge(rung: quantise.LadderStep, place: Path) -> float:
            made = open_graph(replace(graph, folder=place), Choice(INT8_FORMAT, "int8", ""), model)
            trade = gate.judge(made, "int8", INT8_FORMAT, _bytes(place), rung.name)
            report.differences = output_check.compare(model, made)
            return trade.value

        given = [arrays(row, graph.inputs) for row in rows]
        found = quantise.climb(folder / "model.xml", Path(scratch), given, judge, gate.enough)
        report.guard = _outcome(
            gate, gate.trades[-1], {"rows": len(rows), "from": Path(calibrate).name or "train split"}
        )
        if found is None:
            raise _refused(gate)
        for file in found.iterdir():
            shutil.move(file, work / file.name)
    return replace(graph, folder=work)


def _before(gate: Gate, model: Model) -> None:
    """Eager float32: what the others are measured against."""
    if gate.trades:
        return
    size = sum(4 * int(tensor.size) for tensor in model.parameters())
    gate.judge(model if isinstance(model, Seq2Seq) else Eager(model), "fp32", "eager", size)


def _module(model: Model, choice: Choice) -> Any:
    return module_of(choice.engine, isinstance(model, Seq2Seq))


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir() if file.is_file())


def _outcome(gate: Gate, after: ScoreCost, calibration: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {
        "task": gate.task.name,
        "split": gate.split,
        "rows": len(gate.examples),
        "metric": after.metric,
        "before": gate.before,
        "after": after.value,
        "budget": gate.budget,
        "passed": gate.enough(after.value),
        "recipe": after.recipe,
        "calibration": calibration,
    }


def _refused(gate: Gate) -> GuardError:
    best = max(gate.trades[1:], key=lambda trade: (trade.precision == gate.trades[-1].precision, trade.value))
    return GuardError(
        f"{best.precision} costs {-best.difference:.2f} points of {best.metric} on {gate.task.name} "
        f"({gate.before:.2f} -> {best.value:.2f}); the budget is {gate.budget:g}.",
        "Nothing was written. Take a higher precision, or allow more: --budget POINTS.",
    )


def _describe(model: Model, graph: Graph, report: Report, settings: Mapping[str, Any]) -> None:
    """What stands beside the graph: config.json, the tokenizer, task.json, and last export.json."""
    folder = graph.folder
    written = sorted(file for file in folder.iterdir() if file.is_file())
    about = {
        "format": FORMAT,
        "engine": report.engine,
        "precision": report.precision,
        "task": model.task,
        "inputs": graph.inputs,
        "outputs": graph.outputs,
        "sha256": {file.name: files.sha256(file) for file in written},
        "differences": {name: asdict(found) for name, found in report.differences.items()},
        "guard": report.guard and {**report.guard, "trades": [asdict(trade) for trade in report.trades]},
        "versions": {"zoo": __version__, **env.versions(), **versions(report.engine)},
    }
    model.describe(folder)
    for name, content in ((TASK_FILE, settings), (EXPORT_FILE, about)):
        if content:
            text = json.dumps(content, indent=2, ensure_ascii=False)
            (folder / name).write_text(text + "\n", "utf-8")
