"""From a name, a folder or a network to something that answers: what every pipeline works on."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import CheckpointError, UsageError
from zoo.files import Fields, clean, is_name, quote, read_object, sha256
from zoo.inference import cache, trust
from zoo.inference.engines import (
    ENGINES,
    NO_PADDLE,
    PRECISIONS,
    Choice,
    build,
    check_names,
    choose,
    missing,
    open_graph,
)
from zoo.inference.graph import Graph
from zoo.inference.kinds import to_get
from zoo.inference.known import Known
from zoo.inference.starts import Start
from zoo.model_files import Description
from zoo.model_folder import ModelFolder
from zoo.models.common.config import ModelConfig
from zoo.models.common.sentence_transformers.description import SentenceModel
from zoo.tasks import saved
from zoo.tasks.saved import TASK_FILE, model_folder
from zoo.tokenization import Tokenizer

if TYPE_CHECKING:
    from zoo.models.common.base import Model

FORMAT = 1  # of the two files
EXPORT_FILE = "export.json"


@dataclass
class Deployed:
    """A network that is ready to answer.

    Attributes:
        name: what it was asked for by, for messages.
        task: the head; None for the bare encoder.
        settings: task.json of a finetuned folder (task, max_length, generate, ...); {} without.
        engine: an Engine; for the head "generation" what has `generate` as a `Seq2Seq` does.
        choice: what runs it, and why.
        summary: the line to log: "name: OpenVINO 2026.4.1, bf16, 2 threads (compiled in 3.1 s)".
        sentence: prompts and similarity, of the head "embedding".
    """

    name: str
    task: str | None
    config: ModelConfig
    tokenizer: Tokenizer
    settings: dict[str, Any]
    engine: Any
    choice: Choice
    summary: str
    sentence: SentenceModel | None = None


def deploy(
    model: str | os.PathLike[str] | Model, task: str | None = None, engine: str = "auto", precision: str = "auto"
) -> Deployed:
    """Makes a network ready to answer, compiled by the fastest engine there is.

    Args:
        model: a name or folder that `zoo.load` takes, the folder of a finetuning run, a folder that
            `zoo export` wrote, or a network in memory, whose weights are taken as they are now.
        task: the head; None for the one the files were saved with.
        engine, precision: see `zoo.inference.engines.choose`.

    Raises:
        UsageError: another head than the network has, or what `choose` says.
        CheckpointError: a file of an export is damaged.
        ZooError: what `zoo.load` says.
    """
    check_names(engine, precision)
    name, settings = _name(model), {}
    if isinstance(model, str | os.PathLike):
        folder = model_folder(model)
        settings = read_settings(folder)
        if (folder / EXPORT_FILE).is_file():
            return _exported(name, folder, settings, task, engine, precision)
        return _started(name, folder if folder.is_dir() else model, settings, task, engine, precision)
    if task is not None:
        _check_task(f"'{name}'", model.task, task)
    made = build(model, choose(model, engine, precision))
    return _deployed(name, model, settings, made.engine, made.choice, made.how)


def _started(
    name: str,
    place: str | os.PathLike[str],
    settings: dict[str, Any],
    task: str | None,
    engine: str,
    precision: str,
) -> Deployed:
    """A name or a folder of `zoo.load`, which is not loaded where an earlier start has compiled it."""
    begin = time.perf_counter()
    start = Start(place, task, engine, precision)
    if earlier := start.earlier():
        graph, choice, about = earlier
        made, chosen = _trusted(graph, choice, about, graph.folder)
        return _deployed(
            name, about, settings, made, chosen, f"from the cache in {time.perf_counter() - begin:.1f} s"
        )
    from zoo.loading import load

    model = load(place, task=task)
    choice = choose(model, engine, precision)
    built = build(model, choice)
    start.keep(model, choice, built.graph)
    return _deployed(name, model, settings, built.engine, built.choice, built.how)


def _trusted(graph: Graph, choice: Choice, model: Any, kept: Path) -> tuple[Any, Choice]:
    """The engine of a graph whose network is not at hand; see `zoo.inference.trust.opened`.

    The tokenizer is read meanwhile: compiling a graph is native code, which lets Python run.
    """

    def opens(precision: str) -> Any:
        return open_graph(graph, replace(choice, precision=precision), model)

    with ThreadPoolExecutor(1) as pool:
        tokenizer = pool.submit(lambda: model.tokenizer)
        opened = trust.opened(opens, choice, model, kept, lambda: opens("fp32"))
    tokenizer.result()
    return opened


def _deployed(name: str, model: Any, settings: dict[str, Any], engine: Any, choice: Choice, how: str) -> Deployed:
    """What is ready. `model`: the network, or what describes it."""
    sentence = getattr(model, "sentence", None)
    summary = f"{name}: {choice} ({how}){_prompts(sentence)}"
    return Deployed(name, model.task, model.config, model.tokenizer, settings, engine, choice, summary, sentence)


def _exported(
    name: str, folder: Path, settings: dict[str, Any], task: str | None, engine: str, precision: str
) -> Deployed:
    """A folder of `zoo export`: nothing is traced, no weights but the graph's are read."""
    start = time.perf_counter()
    file = folder / EXPORT_FILE
    about = Fields(_read_json(file), quote(str(file), 200), UsageError)
    inputs, outputs = (about.items(name, None, str, 100) for name in ("inputs", "outputs"))
    own = {"engine": about.text("engine", "", 100), "precision": about.choice("precision", "", PRECISIONS)}
    digests, head = about.object("sha256", {}), about.text("task", None, 100)
    if inputs is None or outputs is None or not own["precision"]:
        raise UsageError(f"{about.source} is not complete.", "Export the model again.")
    graph = Graph(folder, tuple(inputs), tuple(outputs))
    for key, asked in (("engine", engine), ("precision", precision)):
        if asked not in ("auto", own[key]):
            raise UsageError(
                f"'{folder}' was exported with {key} {clean(own[key])}, not {asked}.",
                f"Leave {key} out, or export again.",
            )
    if task is not None:
        _check_task(f"'{folder}'", head, task)
    if not digests:
        raise UsageError(f"{about.source} names no files.", "Export the model again.")
    if own["engine"] not in ENGINES:
        engine = quote(own["engine"])
        raise UsageError(f"'{folder}' was exported for an engine {engine} that this zoo does not have.")
    if ENGINES[own["engine"]].packages[0] in missing(own["engine"]):
        raise UsageError(f"'{folder}' needs {own['engine']}.", to_get(own["engine"]))
    _check_files(folder, digests)
    model = _described(folder, paddles=own["engine"] not in NO_PADDLE or graph.generates)
    choice = Choice(own["engine"], own["precision"], "as exported")
    made, chosen = _trusted(graph, choice, model, cache.folder_of_export(digests))
    how = f"exported, opened in {time.perf_counter() - start:.1f} s"
    return replace(_deployed(name, model, settings, made, chosen, how), task=head)


def _check_files(folder: Path, digests: Mapping[str, Any]) -> None:
    """Raises CheckpointError for a file that is not the one that was exported; digests none twice."""
    known = Known({"export": digests}, folder)
    if known.read() is not None:
        return
    for name, digest in digests.items():
        if not is_name(name) or not (folder / name).is_file() or sha256(folder / name) != digest:
            raise CheckpointError(
                f"{quote(name)} in '{folder}' is not the file that was exported.", "Export the model again."
            )
    known.write({"whole": True})


def _described(folder: Path, paddles: bool) -> Any:
    """What answers need of an export beside its engine; with layers for what imports paddle."""
    if not paddles:
        return Description.of(ModelFolder.read(folder))
    from zoo.outline import outline

    return outline(folder)


def _prompts(sentence: SentenceModel | None) -> str:
    """Names the prompts that the model's vectors are worse without, where none is put before texts by itself."""
    return f"; prompt={' or '.join(sentence.unused)}" if sentence and sentence.unused else ""


def _check_task(what: str, own: str | None, asked: str) -> None:
    if own != (None if asked == "encoder" else asked):
        raise UsageError(
            f"{what} has {f'the head {clean(own)}' if own else 'no head'}; the head '{asked}' was asked for."
        )


def read_settings(folder: Path) -> dict[str, Any]:
    """task.json of a finetuned model, {} without.

    Raises:
        UsageError: it is damaged.
    """
    return saved.read_settings(folder / TASK_FILE) if (folder / TASK_FILE).is_file() else {}


def _read_json(file: Path) -> dict[str, Any]:
    found = read_object(file, error=UsageError)
    if found.get("format") != FORMAT:
        raise UsageError(
            f"{quote(str(file), 200)} is not of format {FORMAT}.", "Was it written by another version?"
        )
    return found


def _name(model: str | os.PathLike[str] | Model) -> str:
    if not isinstance(model, str | os.PathLike):
        if model.card is not None:
            return model.card.name
        return model.origin.folder.name if model.origin else type(model).__name__
    path = Path(model)
    return (path.name or str(path)) if path.is_dir() else os.fspath(model)
