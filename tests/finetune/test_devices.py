"""The command under paddle's launcher: two processes, one run folder, one voice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

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
