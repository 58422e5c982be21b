"""Each tracker's own library reads back what a run told it, from a local store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import pytest

from zoo.errors import UsageError
from zoo.finetune import tracker_stores
from zoo.finetune.config import FinetuneConfig
from zoo.finetune.tracker_stores import label_of, store_of, views, with_store
from zoo.finetune.trackers import TRACKERS, Trackers

CONFIG = {"task": "xnli", "lr": 1e-5, "seed": 42}
REASON = "pip install '.[trackers]'"


def tell(names: list[str], folder: Path, fail: bool = False) -> None:
    """A run of three updates and an evaluation in two languages."""
    with Trackers(names, folder, "xnli-42", CONFIG) as trackers:
        for step in (1, 2, 3):
            trackers.log(step, {"loss": 1.0 / step, "lr": 1e-5}, "train")
        for language, score in (("en", 86.4), ("zh", 77.0)):
            trackers.log(3, {"accuracy": score}, "dev", language)
        if fail:
            raise ValueError("stop")


def test_unknown_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'mlflo' is not one of aim, mlflow(.|\n)*Did you mean 'mlflow'"):
        Trackers(["mlflo"], tmp_path, "x", CONFIG)


def test_library_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tensorboardX", None)
    with pytest.raises(UsageError, match=r"tensorboardX cannot be used(.|\n)*pip install tensorboardX"):
        Trackers(["tensorboard"], tmp_path, "x", CONFIG)


def mlflow_runs(folder: Path) -> tuple[Any, list[Any]]:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=(folder / "mlflow").resolve().as_uri())
    experiment = client.get_experiment_by_name("zoo")
    assert experiment
    return client, list(client.search_runs([experiment.experiment_id]))


def test_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlflow", reason=REASON)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    tell(["mlflow"], tmp_path)
    client, (run,) = mlflow_runs(tmp_path)
    assert run.data.params == {"task": "xnli", "lr": "1e-05", "seed": "42"}
    assert run.data.metrics["dev/zh/accuracy"] == 77.0
    assert run.info.status == "FINISHED"
    history = client.get_metric_history(run.info.run_id, "train/loss")
    assert [(m.step, m.value) for m in history] == [(1, 1.0), (2, 0.5), (3, 1 / 3)]


def test_mlflow_says_that_a_run_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlflow", reason=REASON)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(ValueError, match="stop"):
        tell(["mlflow"], tmp_path, fail=True)
    _, (run,) = mlflow_runs(tmp_path)
    assert run.info.status == "FAILED"


def test_aim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    aim = pytest.importorskip("aim", reason=REASON)
    from aim.sdk.index_manager import RepoIndexManager

    monkeypatch.delenv("AIM_REPO", raising=False)
    tell(["aim"], tmp_path)
    store = aim.Repo(str(tmp_path / "aim"))
    (name,) = store.list_all_runs()
    RepoIndexManager.get_index_manager(store).index(name)  # as `aim up` does when it finds a run
    (run,) = aim.Repo(str(tmp_path / "aim")).iter_runs()
    assert run["config"]["task"] == "xnli"
    found = {}
    for metric in run.metrics():
        context = metric.context.to_dict()
        key = (metric.name, context["subset"], context.get("language"))
        steps, (values, *_) = metric.data.items_list()
        found[key] = dict(zip(steps, values, strict=True))
    assert found["loss", "train", None] == {1: 1.0, 2: 0.5, 3: 1 / 3}
    assert found["accuracy", "dev", "zh"] == {3: 77.0}


def test_tensorboard(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX", reason=REASON)
    from tensorboardX.proto.event_pb2 import Event

    tell(["tensorboard"], tmp_path)
    (file,) = (tmp_path / "tensorboard" / "xnli-42").iterdir()
    data, found, at = file.read_bytes(), [], 0
    while at < len(data):  # a record: length, its checksum, the event, its checksum
        size = int.from_bytes(data[at : at + 8], "little")
        event = Event.FromString(data[at + 12 : at + 12 + size])
        found += [(value.tag, event.step, round(value.simple_value, 4)) for value in event.summary.value]
        at += 16 + size
    assert ("train/loss", 2, 0.5) in found
    assert ("dev/zh/accuracy", 3, 77.0) in found


def test_visualdl(tmp_path: Path) -> None:
    pytest.importorskip("visualdl", reason=REASON)
    from visualdl import LogReader

    tell(["visualdl"], tmp_path)
    (file,) = (tmp_path / "visualdl" / "xnli-42").glob("*.log")
    values = LogReader(file_path=str(file)).get_data("scalar", "dev/zh/accuracy")
    assert [(v.id, v.value) for v in values] == [(3, 77.0)]


def test_all_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("aim", "mlflow", "tensorboardX", "visualdl"):
        pytest.importorskip(module, reason=REASON)
    for name in ("AIM_REPO", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    tell(["aim", "mlflow", "tensorboard", "visualdl"], tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {"aim", "mlflow", "tensorboard", "visualdl"}


def test_how_to_look_at_the_stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each store's own command, quoted; a server is its address."""
    for name in ("AIM_REPO", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(tracker_stores, "find_spec", lambda name: name != "tensorboard" or None)
    folder = tmp_path / "a project"
    mlflow, aim, board = views(["mlflow", "aim", "tensorboard"], folder)
    assert mlflow.endswith(f"mlflow ui --backend-store-uri {(folder / 'mlflow').as_uri()}")
    assert aim == f"Aim: aim up --repo '{folder / 'aim'}'"
    where = f"TensorBoard: tensorboard --logdir '{folder / 'tensorboard'}'"
    assert board == f"{where} (first: pip install tensorboard)", "tensorboardX writes and shows nothing"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking:5000")
    assert views(["mlflow"], folder) == ["MLflow: http://tracking:5000"]


class Flaky:
    """A tracker that fails in its second update."""

    made: ClassVar[list[str]] = []

    def __init__(self, folder: Path, name: str, config: Any, run: str = "") -> None:
        if run == "gone":
            raise OSError("no such run")
        self.made.append(run)
        self.run, self.seen = run or "new", 0

    @staticmethod
    def library() -> None:
        """Nothing is needed."""

    def log(self, step: int, *_: Any) -> None:
        self.seen += 1
        if self.seen > 1:
            raise ConnectionError("the server is gone")

    def close(self, failed: bool = False) -> None:
        raise OSError("nothing to close")


def test_a_tracker_that_fails_does_not_stop_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(TRACKERS, "aim", Flaky)
    tell(["aim"], tmp_path)
    assert [record.getMessage() for record in caplog.records] == [
        "--trackers: the run goes on without aim: the server is gone"
    ]
    caplog.clear()
    with Trackers(["aim"], tmp_path, "x", CONFIG):
        pass
    assert "aim could not be closed: nothing to close" in caplog.text


def test_a_run_goes_on_in_its_stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the name that each store gave it; in a new run where the store knows it no more."""
    monkeypatch.setitem(TRACKERS, "aim", Flaky)
    Flaky.made.clear()
    kept = tmp_path / "trackers.json"
    for goes_on in (False, True, False):
        Trackers(["aim"], tmp_path, "x", CONFIG, kept, goes_on)
        assert json.loads(kept.read_text("utf-8")) == {"aim": "new"}
    kept.write_text('{"aim": "gone"}', "utf-8")
    Trackers(["aim"], tmp_path, "x", CONFIG, kept, True)
    assert Flaky.made == ["", "new", "", ""]


def test_where_the_store_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a run names, else what the environment says once for a project, else the run's own folder."""
    monkeypatch.delenv("ZOO_TRACKER_STORE", raising=False)
    bare, named = FinetuneConfig(trackers="aim"), FinetuneConfig(trackers="aim,store=/x")
    assert store_of(bare, tmp_path) == tmp_path and store_of(named, tmp_path) == Path("/x")
    assert with_store("aim, mlflow", tmp_path) == f"aim,mlflow,store={tmp_path}"
    monkeypatch.setenv("ZOO_TRACKER_STORE", "/project")
    assert store_of(bare, tmp_path) == Path("/project") and store_of(named, tmp_path) == Path("/x")
    assert with_store("aim", tmp_path) == "aim,store=/project"
    assert with_store("aim,store=/x", tmp_path) == "aim,store=/x"


def test_names_in_a_store(tmp_path: Path) -> None:
    assert label_of(tmp_path / "xnli") == "xnli"
    assert label_of(tmp_path / "xnli" / "seed-43") == "xnli-seed-43"
    assert label_of(tmp_path / "glue-a" / "rte", "rte") == "glue-a-rte"
    assert label_of(tmp_path / "glue-a" / "rte" / "seed-43", "rte") == "glue-a-rte-seed-43"
