"""Several real processes give what one gives with the same batch, whoever started the run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.finetune import several_processes
from tests.finetune.small import SomeRows
from tests.tiny_models import learner
from zoo.batching import padding_of
from zoo.errors import InputError
from zoo.finetune import parallel
from zoo.finetune.loop_settings import LoopSettings
from zoo.finetune.losses import objective_of
from zoo.finetune.optimisation import OptimiserSettings, make_optimiser
from zoo.finetune.update import Update


def started(count: int, folder: Path) -> None:
    """Runs several_processes.py in so many processes."""
    command = [
        sys.executable,
        "-m",
        "paddle.distributed.launch",
        "--nproc_per_node",
        str(count),
        "--backend",
        "gloo",
    ]
    command += ["--log_dir", str(folder / "log"), several_processes.__file__, str(folder)]
    environ = {k: v for k, v in os.environ.items() if not k.startswith("PADDLE_")}
    environ["PYTHONPATH"] = str(Path(__file__).parents[2])
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60 * count)
    logs = "\n".join(p.read_text()[-2000:] for p in (folder / "log").glob("workerlog.*"))
    assert done.returncode == 0, done.stdout[-1000:] + logs


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which two processes have done it all."""
    folder = tmp_path_factory.mktemp("two")
    several_processes.stopped_alone(folder)
    started(2, folder)
    return folder


def test_two_processes_are_one(two: Path) -> None:
    first, second = (np.load(two / f"rank{rank}.npz") for rank in (0, 1))
    alone = several_processes.outcome(two / "alone")
    assert set(first) == set(alone)
    for name in first:
        if name in ("losses", "scores"):  # told on the first process only
            assert len(second[name]) == 0
        else:
            assert first[name].tobytes() == second[name].tobytes(), name
        if not name.endswith("key.bias"):  # its gradient is rounding alone
            np.testing.assert_allclose(first[name], alone[name], atol=5e-5, err_msg=name)
    np.testing.assert_allclose(first["losses"], alone["losses"], atol=1e-5)
    assert first["scores"].tobytes() == alone["scores"].tobytes()
    assert len(first["losses"]) == 17 and len(first["scores"]) >= 4


def loaded(folder: Path, name: str) -> list[several_processes.Numbers]:
    """What each process had, in their order."""
    files = sorted(folder.glob(f"{name}[0-9].npz"))
    return [dict(np.load(file)) for file in files]


def check(folder: Path, count: int) -> None:
    """Every run of `several_processes.sharded` gives the numbers of one process."""
    alone = several_processes.trained(None)
    plain, sharded = loaded(folder, "plain"), loaded(folder, "sharded")
    assert len(plain) == len(sharded) == count
    assert len(plain[0]["losses"]) == several_processes.SETTINGS["updates"]
    np.testing.assert_allclose(plain[0]["losses"], alone["losses"], rtol=0, atol=1e-5)
    np.testing.assert_allclose(sharded[0]["losses"], plain[0]["losses"], rtol=0, atol=1e-6)
    for each in sharded[1:]:
        assert all(each[n].tobytes() == sharded[0][n].tobytes() for n in each if n not in ("losses", "kept"))
    kept = [int(each["kept"]) for each in sharded]
    assert sum(kept) == alone["kept"] == plain[0]["kept"] and max(kept) < 1.2 * alone["kept"] / count
    # Started by these and gone on with by one, and the other way round.
    shutil.copytree(folder / "stopped", folder / "gone-on-with")
    later = several_processes.SETTINGS["updates"] - 4  # behind the checkpoint
    for resumed in (
        several_processes.trained(folder / "gone-on-with", resume=True, sharded=True),
        loaded(folder, "resumed")[0],
    ):
        assert resumed["losses"][0][0] == 5
        np.testing.assert_allclose(resumed["losses"], alone["losses"][-later:], rtol=0, atol=1e-5)


def test_shares_of_the_optimiser_change_nothing(two: Path) -> None:
    check(two, 2)
    plain, sharded = loaded(two, "plain")[0], loaded(two, "sharded")[0]
    assert all(plain[name].tobytes() == sharded[name].tobytes() for name in plain if name != "kept")


def test_one_process_takes_the_dropout_of_two(two: Path) -> None:
    alone = several_processes.trained(None, dropout=0.1, shares=2)
    np.testing.assert_allclose(loaded(two, "dropout")[0]["losses"], alone["losses"], rtol=0, atol=1e-5)
    other = several_processes.trained(None, dropout=0.1)
    assert np.abs(other["losses"] - alone["losses"]).max() > 1e-4


@pytest.mark.slow
def test_four_processes_are_one(tmp_path: Path, two: Path) -> None:
    """They also go on with what two have started."""
    shutil.copytree(two / "stopped", tmp_path / "stopped-alone")
    started(4, tmp_path)
    check(tmp_path, 4)


class Told:
    """Stands for paddle.distributed with two processes, of which the other has nothing; counts the calls."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def is_initialized(self) -> bool:
        return True

    def get_world_size(self) -> int:
        return 2

    def get_rank(self) -> int:
        return 0

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *given, **more: self.calls.append(name)


@pytest.mark.parametrize("sharded", [False, True])
def test_gradients_travel_once_an_update(sharded: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = []
    for accumulate in (1, 4):
        told = Told()
        monkeypatch.setattr(parallel, "dist", told)
        model = learner()
        update = Update(
            model,
            SomeRows(),
            make_optimiser(model, OptimiserSettings()),
            LoopSettings(1, 8, accumulate, sharded=sharded),
            padding_of(model),
            objective_of(model),
        )
        model.train()
        update(0, 0.0)
        counts.append(Counter(told.calls))
    trained = len(update.trained)
    assert counts[0] == counts[1]
    # The counts of labels and the loss are added up too, and in shares the norms of the gradients.
    whole = {"reduce": trained, "broadcast": trained, "all_reduce": 3} if sharded else {"all_reduce": trained + 2}
    assert counts[0] == whole


def test_gather_counts_rows() -> None:
    assert parallel.gather([2, 0, 1], ["c", "a", "b"], 3) == ["a", "b", "c"]
    with pytest.raises(InputError, match="row 1 is missing"):
        parallel.gather([0, 2], ["a", "c"], 3)
    with pytest.raises(InputError, match="Row 0 was evaluated twice"):
        parallel.gather([0, 0, 1], ["a", "a", "b"], 2)


def test_one_process_needs_no_launcher() -> None:
    assert parallel.start() == (0, 1) and parallel.total(2.5) == 2.5
