"""The command under paddle's launcher: two processes, one run folder, one voice; and fewer that go on with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from zoo.errors import UsageError
from zoo.finetune import checks, finetune
from zoo.finetune.seed_run import Run

ROOT = Path(__file__).resolve().parents[2]


def test_two_processes_make_one_run(english: Path, sst2: Path, tmp_path: Path) -> None:
    out, logs = tmp_path / "run", tmp_path / "log"
    command = [sys.executable, "-m", "paddle.distributed.launch", "--nproc_per_node", "2", "--backend", "gloo"]
    command += ["--log_dir", str(logs), str(ROOT / "zoo/finetune/__main__.py"), "--task", "sst2"]
    command += ["--model", str(english), "--data", str(sst2), "--out", str(out), "--max-steps", "3"]
    environ = {k: v for k, v in os.environ.items() if not k.startswith("PADDLE_")}
    done = subprocess.run(
        [*command, "--batch-size", "2"],
        env={**environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=180,
    )
    said = [(logs / f"workerlog.{rank}").read_text("utf-8") for rank in (0, 1)]
    assert done.returncode == 0, done.stdout[-1000:] + said[0][-2000:] + said[1][-2000:]
    record = json.loads((out / "run.json").read_text("utf-8"))
    assert record["status"] == "finished" and record["processes"] == 2
    assert record["loop"]["batch_size"] == 4
    assert record["results"]["dev"]["rows"] == 16
    assert "accuracy on dev: ours" in said[0] and "accuracy on dev: ours" not in said[1]
    lines = (out / "metrics.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["update"] for line in lines if '"kind": "update"' in line] == [1, 2, 3]


def test_one_process_goes_on_with_the_run_of_two(
    english: Path, sst2: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches, dropout and losses stay those of two."""
    options = {"task": "sst2", "model": str(english), "data": str(sst2), "batch_size": 2, "sharding": "os"}
    options |= {"max_steps": 4, "eval_every": 1, "dropout": 0.1}
    evaluate, seen = Run._evaluate, []

    def stopped(self: Run, *given: Any) -> Any:
        seen.append(0)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return evaluate(self, *given)

    with monkeypatch.context() as patched:
        patched.setattr(checks, "goes_on", lambda *given: 2)  # as if two had started it
        finetune(**options, out=str(tmp_path / "whole"))
        patched.setattr(Run, "_evaluate", stopped)
        with pytest.raises(KeyboardInterrupt):
            finetune(**options, out=str(tmp_path / "cut"))
    finetune(**options, out=str(tmp_path / "cut"), resume=True)
    losses = []
    for name in ("whole", "cut"):
        record = json.loads((tmp_path / name / "run.json").read_text("utf-8"))
        assert record["loop"]["batch_size"] == 4 and record["processes"] == 2
        assert any("started by 2 and gone on with by 1 processes" in note for note in record["notes"])
        lines = [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text("utf-8").splitlines()]
        losses.append([line["loss"] for line in lines if line["kind"] == "update"])
    assert losses[0] == losses[1] and len(losses[0]) == 4


@pytest.mark.parametrize(
    ("options", "said"),
    [({"technique": "child-tuning-F"}, "child-tuning-F"), ({"sharding": "os_g"}, "not one of none, os")],
)
def test_what_does_not_go_with_sharding(options: dict[str, str], said: str, sst2: Path, english: Path) -> None:
    with pytest.raises(UsageError, match=said):
        finetune(**{"task": "sst2", "model": str(english), "data": str(sst2), "sharding": "os", **options})
