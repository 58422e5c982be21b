"""Two real processes give what one gives with the doubled batch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.finetune import two_processes
from zoo.errors import InputError
from zoo.finetune import parallel


def test_two_processes_are_one(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "paddle.distributed.launch", "--nproc_per_node", "2", "--backend", "gloo"]
    command += ["--log_dir", str(tmp_path / "log"), two_processes.__file__, str(tmp_path)]
    environ = {k: v for k, v in os.environ.items() if not k.startswith("PADDLE_")}
    environ["PYTHONPATH"] = str(Path(__file__).parents[2])
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120)
    logs = "\n".join(p.read_text()[-2000:] for p in (tmp_path / "log").glob("workerlog.*"))
    assert done.returncode == 0, done.stdout[-1000:] + logs
    first, second = (np.load(tmp_path / f"rank{rank}.npz") for rank in (0, 1))
    alone = two_processes.outcome(tmp_path / "alone")
    assert set(first) == set(alone)
    for name in first:
        if name in ("losses", "scores"):  # told on the first process only
            assert len(second[name]) == 0
        else:
            assert first[name].tobytes() == second[name].tobytes(), name
        if not name.endswith("key.bias"):  # its gradient is rounding alone
            np.testing.assert_allclose(first[name], alone[name], atol=5e-5, err_msg=name)
    assert len(first["losses"]) == 17 and len(first["scores"]) >= 4


def test_gather_counts_rows() -> None:
    assert parallel.gather([2, 0, 1], ["c", "a", "b"], 3) == ["a", "b", "c"]
    with pytest.raises(InputError, match="row 1 is missing"):
        parallel.gather([0, 2], ["a", "c"], 3)
    with pytest.raises(InputError, match="Row 0 was evaluated twice"):
        parallel.gather([0, 0, 1], ["a", "a", "b"], 2)


def test_one_process_needs_no_launcher() -> None:
    assert parallel.start() == (0, 1) and parallel.total(2.5) == 2.5
