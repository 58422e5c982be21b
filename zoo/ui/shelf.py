"""What lies in the folder of runs, and the models that may be asked. Only what was found there is ever opened."""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from zoo.errors import UsageError, ZooError
from zoo.files import Fields, clean, quote, read_bytes, read_object, user_path
from zoo.files.run_model import RUN_FILE
from zoo.ui import catalogue
from zoo.ui.answers import FORMS, Answer, checked, pipeline_of

MAX_DEPTH = 4  # levels of folders that are looked through
MAX_FOLDERS = 5_000  # that are looked into
MAX_RUNS = 500  # that are shown
MAX_COMPARED = 12
KEPT_MODELS = 2  # that stay in memory
EXPORT_FILE = "export.json"
REPORT_FILE = "report.html"
MAX_REPORT = 64 << 20  # bytes
GIVEN, RUN, CARD = "given", "run", "card"  # kinds of models: --model, a run or export, a published one


@dataclass(frozen=True)
class Found:
    """A run or an export below the folder of runs.

    Attributes:
        path: below that folder, with "/".
        status: of run.json, or "exported", "unreadable".
        problem: why it is unreadable.
        head: of its task; "" where it is not known.
        changed: seconds since 1970.
    """

    path: str
    folder: Path
    status: str
    changed: float
    task: str = ""
    model: str = ""
    score: str = ""
    head: str = ""
    problem: str = ""

    @property
    def written(self) -> str:
        """Gives when, in this machine's time."""
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(self.changed))

    @property
    def answers(self) -> bool:
        """Tells whether it can be asked."""
        return self.status in ("finished", "exported")

    @property
    def comparable(self) -> bool:
        """Tells whether it can be compared."""
        return self.status == "finished"

    @property
    def report(self) -> bool:
        """Tells whether it has a page of its own: a file in the folder, no link out of it."""
        return is_inside(self.folder / REPORT_FILE, self.folder)

    @property
    def pipeline(self) -> str:
        """Gives the pipeline that fits its head."""
        return pipeline_of([self.head]) or next(iter(FORMS))


def is_inside(file: Path, folder: Path) -> bool:
    """Tells whether a regular file lies in a folder, links followed."""
    return file.is_file() and file.resolve().is_relative_to(folder.resolve())


class Shelf:
    """The folder of runs and the models of a server.

    Args:
        folder: of runs; it need not be there.
        model: a name or folder that may be asked besides; "" for none.
    """

    def __init__(self, folder: Path, model: str = "") -> None:
        self.folder, self.model = folder, model
        self._loaded: OrderedDict[tuple[str, str], Any] = OrderedDict()
        self._lock = threading.Lock()  # one answer at a time: a network takes every core

    def runs(self) -> tuple[list[Found], bool]:
        """Gives what lies in the folder, the newest first, and whether there is more than is given.

        Links are not followed.
        """
        found: list[Found] = []
        waiting = [("", 0)]
        seen = 0
        while waiting and seen < MAX_FOLDERS:
            path, depth = waiting.pop(0)
            seen += 1
            folder = self.folder / path
            names = _names(folder)
            kind = next((name for name in (RUN_FILE, EXPORT_FILE) if name in names), None)
            if kind:
                found.append(_read(path or ".", folder, kind))
            elif depth < MAX_DEPTH:
                below = sorted(name for name, is_folder in names.items() if is_folder and name[:1] != ".")
                waiting += [(f"{path}/{name}".lstrip("/"), depth + 1) for name in below]
        found.sort(key=lambda one: -one.changed)
        return found[:MAX_RUNS], bool(waiting) or len(found) > MAX_RUNS

    def run(self, path: str) -> Found:
        """Gives the run of a path.

        Raises:
            UsageError: the folder of runs has no such one.
        """
        one = next((one for one in self.runs()[0] if one.path == path), None)
        if one is None:
            raise UsageError(f"There is no run {quote(path)}.", "The page of runs shows those there are.")
        return one

    def report(self, path: str) -> bytes:
        """Gives report.html of a run.

        Raises:
            UsageError: there is no such run, or it has no report.
        """
        one = self.run(path)
        if not one.report:
            raise UsageError(f"The run {quote(path)} has no {REPORT_FILE}.")
        return read_bytes(one.folder / REPORT_FILE, MAX_REPORT, UsageError)

    def comparison(self, paths: list[str]) -> str:
        """Gives the page of `zoo compare` for some runs.

        Raises:
            UsageError: there are none such, too few, or too many.
        """
        if len(paths) > MAX_COMPARED:
            raise UsageError(f"{len(paths)} runs are too many for one page.", f"At most {MAX_COMPARED}.")
        if len(set(paths)) < 2:
            raise UsageError("One run has nothing to be compared with.", "Tick two or more finished runs.")
        known = {one.path: one.folder for one in self.runs()[0]}
        folders = [known.get(path) or self.run(path).folder for path in dict.fromkeys(paths)]
        from zoo.compare.runs import compare, page

        return page(compare(folders))

    def choices(self, pipeline: str) -> list[tuple[str, list[tuple[str, str]]]]:
        """Gives the models that a pipeline may be tried with: kind, and value and name of each."""
        groups = {
            GIVEN: [(GIVEN, self.model)] if self.model else [],
            "runs": [(f"{RUN}:{one.path}", one.path) for one in self.runs()[0] if one.answers],
            "cards": [(f"{CARD}:{name}", name) for name in _cards(pipeline)],
        }
        return [(kind, held) for kind, held in groups.items() if held]

    def answer(self, pipeline: str, given: Mapping[str, str]) -> tuple[Answer, str, float]:
        """Gives the answer of a model to a form, what computed it, and the seconds that it took.

        Args:
            pipeline: a key of FORMS.
            given: "model", a value of `choices`, and the fields of the form.

        Raises:
            ZooError: what the pipeline says.
        """
        form = FORMS[pipeline]
        fields = checked(form, given)
        model = self._model(pipeline, given.get("model", ""))
        with self._lock:
            pipe = self._pipe(pipeline, model)
            start = time.perf_counter()
            found = form.ask(pipe, fields)
            return found, pipe.deployed.summary, time.perf_counter() - start

    def _model(self, pipeline: str, value: str) -> str:
        """Gives what `zoo.pipeline` takes for a value of `choices`."""
        kind, _, name = value.partition(":")
        if value == GIVEN and self.model:
            return self.model
        if kind == RUN:
            return str(self.run(name).folder)
        if kind == CARD and name in _cards(pipeline):
            if user_path(name).exists():
                raise UsageError(
                    f"A folder {quote(name)} lies where `zoo ui` was started; it would be taken for the model.",
                    f"Start in another folder, or with --model {clean(name)}.",
                )
            return name
        raise UsageError(
            f"{quote(value)} is none of the models of this page.",
            "Others are named at the start: zoo ui --model MODEL, or --runs FOLDER.",
        )

    def _pipe(self, pipeline: str, model: str) -> Any:
        """Gives a pipeline; the last ones stay in memory."""
        key = pipeline, model
        if key not in self._loaded:
            while len(self._loaded) >= KEPT_MODELS:
                self._loaded.popitem(last=False)
            from zoo.inference.pipelines import pipeline as made_of

            self._loaded[key] = made_of(pipeline, model, **FORMS[pipeline].options)
        self._loaded.move_to_end(key)
        return self._loaded[key]


def _cards(pipeline: str) -> list[str]:
    head = FORMS[pipeline].head
    return [row.card.name for row in catalogue.models() if head in row.card.heads]


def _names(folder: Path) -> dict[str, bool]:
    """Gives what lies in a folder, and whether it is a folder.

    Nothing of links, of names that no page can show, and where it may not be read.
    """
    try:
        with os.scandir(folder) as entries:
            return {
                e.name: e.is_dir(follow_symlinks=False)
                for e in entries
                if not e.is_symlink() and e.name.isprintable()
            }
    except OSError:
        return {}


def _read(path: str, folder: Path, kind: str) -> Found:
    """Gives a run or an export; one that cannot be read says why."""
    try:
        changed = (folder / kind).stat().st_mtime
        if kind == EXPORT_FILE:
            return _export(path, folder, changed)
        return _run(path, folder, changed)
    except ZooError as error:
        return Found(path, folder, "unreadable", changed, problem=error.message)
    except (KeyError, OSError) as error:
        return Found(path, folder, "unreadable", 0.0, problem=f"{type(error).__name__}: {error}")


def _export(path: str, folder: Path, changed: float) -> Found:
    about = Fields(read_object(folder / EXPORT_FILE, error=UsageError), EXPORT_FILE, UsageError)
    named = ", ".join(filter(None, (about.text("engine", "", 100), about.text("precision", "", 100))))
    return Found(path, folder, "exported", changed, model=named, head=about.text("task", "", 100))


def _run(path: str, folder: Path, changed: float) -> Found:
    from zoo import tasks
    from zoo.finetune.result import headline
    from zoo.finetune.run_folder import read_run

    record = read_run(folder / RUN_FILE)
    about = Fields(record, RUN_FILE, UsageError)
    config = about.below("config")
    task, model = (str(config.content.get(name, ""))[:200] for name in ("task", "model"))
    found = Found(path, folder, about.text("status", "", 20), changed, task, model)
    if found.status != "finished":
        return found
    metric, split = headline(record)
    value = about.below("seeds").number("mean", record["results"][split]["value"])
    try:
        head = tasks.from_dict(record.get("task") or {}).head
    except ZooError:
        head = ""  # a data set of another version: the scores still stand
    return replace(found, score=f"{metric} {value:.2f} ({split})", head=head)
