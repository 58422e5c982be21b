"""Where the numbers of a run go besides metrics.jsonl: MLflow, Aim, TensorBoard, VisualDL. None is needed."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Protocol

from zoo import signals
from zoo.errors import UsageError, ZooError, did_you_mean
from zoo.files import clean

EXPERIMENT_NAME = "zoo"


class Tracker(Protocol):
    """What a run tells a tracker."""

    def log(self, step: int, values: Mapping[str, float], subset: str, language: str = "") -> None:
        """Numbers of an update: of the subset train, dev or test, perhaps of one language."""
        ...

    def close(self, failed: bool = False) -> None:
        """Nothing follows."""
        ...


def _library(name: str, package: str) -> ModuleType:
    try:
        return import_module(name)
    except ImportError as error:
        raise UsageError(f"--trackers: {package} cannot be used: {error}.", f"pip install {package}") from None


def tag(name: str, subset: str, language: str) -> str:
    """A name for trackers that know no context: dev/zh/accuracy."""
    return "/".join(part for part in (subset, language, name) if part)


class MLflow:
    """One run of the experiment `zoo`, at $MLFLOW_TRACKING_URI or in files below the store's folder."""

    @staticmethod
    def library() -> ModuleType:
        """Imports it; raises UsageError where it is not installed."""
        return _library("mlflow.tracking", "mlflow")

    def __init__(self, folder: Path, name: str, config: Mapping[str, Any]) -> None:
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # MLflow 3 asks for it; a server needs a database
        tracking = self.library()
        uri = _mlflow_store(folder)
        self.client = tracking.MlflowClient(tracking_uri=uri)
        found = self.client.get_experiment_by_name(EXPERIMENT_NAME)
        experiment = found.experiment_id if found else self.client.create_experiment(EXPERIMENT_NAME)
        self.run = self.client.create_run(experiment, run_name=name).info.run_id
        for key, value in config.items():
            self.client.log_param(self.run, key, value)

    def log(self, step: int, values: Mapping[str, float], subset: str, language: str = "") -> None:
        """As `Tracker.log`."""
        for name, value in values.items():
            self.client.log_metric(self.run, tag(name, subset, language), value, step=step)

    def close(self, failed: bool = False) -> None:
        """Ends the run."""
        self.client.set_terminated(self.run, "FAILED" if failed else "FINISHED")


class Aim:
    """One run in the repository of $AIM_REPO or below the store's folder; subset and language are its context."""

    @staticmethod
    def library() -> ModuleType:
        """Imports it; raises UsageError where it is not installed."""
        return _library("aim", "aim")

    def __init__(self, folder: Path, name: str, config: Mapping[str, Any]) -> None:
        aim = self.library()
        place = _aim_store(folder)
        if "://" not in place:
            Path(place).mkdir(parents=True, exist_ok=True)
        self.run = aim.Run(
            repo=place,
            experiment=EXPERIMENT_NAME,
            log_system_params=False,
            system_tracking_interval=None,
            capture_terminal_logs=False,
        )
        self.run.name = name
        self.run["config"] = dict(config)

    def log(self, step: int, values: Mapping[str, float], subset: str, language: str = "") -> None:
        """As `Tracker.log`."""
        context = {"subset": subset, **({"language": language} if language else {})}
        for name, value in values.items():
            self.run.track(value, name=name, step=step, context=context)

    def close(self, failed: bool = False) -> None:
        """Ends the run."""
        if failed:
            self.run.add_tag("failed")
        self.run.close()


class TensorBoard:
    """Event files in a folder for each run, by tensorboardX."""

    @staticmethod
    def library() -> ModuleType:
        """Imports it; raises UsageError where it is not installed."""
        return _library("tensorboardX", "tensorboardX")

    def __init__(self, folder: Path, name: str, config: Mapping[str, Any]) -> None:
        board = self.library()
        self.writer = board.SummaryWriter(str(folder / "tensorboard" / name))
        self.writer.add_text("config", "\n".join(f"    {key} = {value}" for key, value in config.items()))

    def log(self, step: int, values: Mapping[str, float], subset: str, language: str = "") -> None:
        """As `Tracker.log`."""
        for name, value in values.items():
            self.writer.add_scalar(tag(name, subset, language), value, step)

    def close(self, failed: bool = False) -> None:
        """Writes what is left."""
        self.writer.close()


class VisualDL:
    """A log in a folder for each run."""

    @staticmethod
    def library() -> ModuleType:
        """Imports it; raises UsageError where it is not installed."""
        return _library("visualdl", "visualdl")

    def __init__(self, folder: Path, name: str, config: Mapping[str, Any]) -> None:
        visual = self.library()
        self.writer = visual.LogWriter(logdir=str(folder / "visualdl" / name), display_name=name)
        self.writer.add_text("config", "\n".join(f"{key} = {value}" for key, value in config.items()), 0)

    def log(self, step: int, values: Mapping[str, float], subset: str, language: str = "") -> None:
        """As `Tracker.log`."""
        for name, value in values.items():
            self.writer.add_scalar(tag(name, subset, language), value, step)

    def close(self, failed: bool = False) -> None:
        """Writes what is left."""
        self.writer.close()


TRACKERS: Mapping[str, Any] = {"aim": Aim, "mlflow": MLflow, "tensorboard": TensorBoard, "visualdl": VisualDL}


class Trackers:
    """Several trackers as one; closes all of them even when one fails.

    Args:
        names: keys of `TRACKERS`.
        folder: their store, where those without a server keep their files; of one run or of several.
        name: of the run, by which a store tells it from others.
        config: what the run record has.

    Raises:
        UsageError: a name nobody knows, a library that is not installed, or a tracker that does not start.
    """

    def __init__(self, names: Sequence[str], folder: Path, name: str, config: Mapping[str, Any]) -> None:
        check(names)
        self.all: list[Tracker] = []
        for each in names:
            try:
                self.all.append(TRACKERS[each](folder, name, config))
            except ZooError:
                raise
            except Exception as error:  # a library's own, such as of a server that does not answer
                raise UsageError(f"--trackers: {each} cannot be used: {clean(str(error))}.") from error

    def log(self, step: int, values: Mapping[str, float], subset: str, language: str = "") -> None:
        """As `Tracker.log`."""
        for tracker in self.all:
            tracker.log(step, values, subset, language)

    def __enter__(self) -> Trackers:
        self.stack = ExitStack()
        self.stack.enter_context(signals.cleanup(lambda: self._close(failed=True)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self.stack:
            self._close(failed=error is not None)

    def _close(self, failed: bool) -> None:
        with ExitStack() as stack:
            for tracker in self.all:
                stack.callback(tracker.close, failed=failed)


def _mlflow_store(folder: Path) -> str:
    return os.environ.get("MLFLOW_TRACKING_URI") or (folder / "mlflow").resolve().as_uri()


def _aim_store(folder: Path) -> str:
    return os.environ.get("AIM_REPO") or str(folder / "aim")


def label_of(place: Path) -> str:
    """Gives the name of a run in a store: that of its folder, and of one seed of several its parent's before it."""
    folder = place.resolve()
    return f"{folder.parent.name}-{folder.name}" if folder.name.startswith("seed-") else folder.name


def views(names: Sequence[str], folder: Path) -> list[str]:
    """Gives a line for each tracker: its name, and the command or address that shows its store."""
    said = []
    for name in names:
        if name == "mlflow":
            uri = _mlflow_store(folder)
            shown = uri if uri.startswith("http") else f"mlflow ui --backend-store-uri {shlex.quote(uri)}"
            allow = "MLFLOW_ALLOW_FILE_STORE=true " if uri.startswith("file:") else ""  # as MLflow 3 wants it
            said.append(f"MLflow: {allow}{shown}")
        elif name == "aim":
            said.append(f"Aim: aim up --repo {shlex.quote(_aim_store(folder))}")
        else:
            title = {"tensorboard": "TensorBoard", "visualdl": "VisualDL"}[name]
            said.append(f"{title}: {name} --logdir {shlex.quote(str(folder / name))}")
    return said


def check(names: Sequence[str]) -> None:
    """Raises UsageError for a name that is no tracker."""
    for name in names:
        if name not in TRACKERS:
            raise UsageError(
                f"--trackers: '{name}' is not one of {', '.join(TRACKERS)}.", did_you_mean(name, tuple(TRACKERS))
            )
