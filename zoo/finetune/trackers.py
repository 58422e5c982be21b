"""Where the numbers of a run go besides metrics.jsonl: MLflow, Aim, TensorBoard, VisualDL. None is needed."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Protocol

from zoo import signals
from zoo.errors import UsageError, ZooError, did_you_mean
from zoo.files import clean, read_object, write_json
from zoo.finetune.tracker_stores import aim_store, mlflow_store

log = logging.getLogger("zoo")
EXPERIMENT_NAME = "zoo"


class Tracker(Protocol):
    """What a run tells a tracker; `run` is the store's own name for the run, "" where it needs none."""

    run: str

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

    def __init__(self, folder: Path, name: str, config: Mapping[str, Any], run: str = "") -> None:
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # MLflow 3 asks for it; a server needs a database
        tracking = self.library()
        uri = mlflow_store(folder)
        self.client = tracking.MlflowClient(tracking_uri=uri)
        if run:
            self.client.update_run(run, status="RUNNING")
            self.run = run
            return
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

    def __init__(self, folder: Path, name: str, config: Mapping[str, Any], run: str = "") -> None:
        aim = self.library()
        place = aim_store(folder)
        if "://" not in place:
            Path(place).mkdir(parents=True, exist_ok=True)
        self.aim_run = aim.Run(
            run or None,
            repo=place,
            experiment=EXPERIMENT_NAME,
            log_system_params=False,
            system_tracking_interval=None,
            capture_terminal_logs=False,
        )
        self.run = self.aim_run.hash
        self.aim_run.name = name
        self.aim_run["config"] = dict(config)

    def log(self, step: int, values: Mapping[str, float], subset: str, language: str = "") -> None:
        """As `Tracker.log`."""
        context = {"subset": subset, **({"language": language} if language else {})}
        for name, value in values.items():
            self.aim_run.track(value, name=name, step=step, context=context)

    def close(self, failed: bool = False) -> None:
        """Ends the run."""
        if failed:
            self.aim_run.add_tag("failed")
        self.aim_run.close()


class TensorBoard:
    """Event files in a folder for each run, by tensorboardX."""

    @staticmethod
    def library() -> ModuleType:
        """Imports it; raises UsageError where it is not installed."""
        return _library("tensorboardX", "tensorboardX")

    def __init__(self, folder: Path, name: str, config: Mapping[str, Any], run: str = "") -> None:
        self.run, board = "", self.library()
        self.writer = board.SummaryWriter(str(folder / "tensorboard" / name), flush_secs=5)  # a kill loses the rest
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

    def __init__(self, folder: Path, name: str, config: Mapping[str, Any], run: str = "") -> None:
        self.run, visual = "", self.library()
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
    """Several trackers as one. One that fails while the run is at work is dropped with a warning.

    Args:
        names: keys of `TRACKERS`.
        folder: their store, where those without a server keep their files; of one run or of several.
        name: of the run, by which a store tells it from others.
        config: what the run record has.
        kept: a file that remembers what the stores call the run.
        goes_on: the run was begun before, so it goes on in the stores too.

    Raises:
        UsageError: a name nobody knows, a library that is not installed, or a tracker that does not start.
    """

    def __init__(
        self,
        names: Sequence[str],
        folder: Path,
        name: str,
        config: Mapping[str, Any],
        kept: Path | None = None,
        goes_on: bool = False,
    ) -> None:
        check(names)
        before = read_object(kept, error=UsageError) if goes_on and kept and kept.is_file() else {}
        self.all: dict[str, Tracker] = {}
        for each in names:
            try:
                self.all[each] = _started(each, folder, name, config, str(before.get(each, "")))
            except ZooError:
                raise
            except Exception as error:  # a library's own, such as of a server that does not answer
                raise UsageError(f"--trackers: {each} cannot be used: {clean(str(error))}.") from error
        if kept and names:
            write_json(kept, {each: tracker.run for each, tracker in self.all.items()}, replace=True)

    def log(self, step: int, values: Mapping[str, float], subset: str, language: str = "") -> None:
        """As `Tracker.log`."""
        for each, tracker in list(self.all.items()):
            try:
                tracker.log(step, values, subset, language)
            except Exception as error:  # a full disk, a server that is gone
                del self.all[each]
                log.warning("--trackers: the run goes on without %s: %s", each, clean(str(error)))

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
        for each, tracker in self.all.items():
            try:
                tracker.close(failed=failed)
            except Exception as error:
                log.warning("--trackers: %s could not be closed: %s", each, clean(str(error)))


def _started(name: str, folder: Path, label: str, config: Mapping[str, Any], run: str) -> Tracker:
    """Gives a tracker that goes on with a run of its store, or begins one where there is none by that name."""
    made: Tracker
    if run:
        try:
            made = TRACKERS[name](folder, label, config, run)
            return made
        except Exception as error:
            log.warning("--trackers: %s begins a new run: %s", name, clean(str(error)))
    made = TRACKERS[name](folder, label, config)
    return made


def check(names: Sequence[str]) -> None:
    """Raises UsageError for a name that is no tracker."""
    for name in names:
        if name not in TRACKERS:
            raise UsageError(
                f"--trackers: '{name}' is not one of {', '.join(TRACKERS)}.", did_you_mean(name, tuple(TRACKERS))
            )
