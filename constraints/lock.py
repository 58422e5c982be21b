"""Writes the pins of one Python version: `make lock`, or `make lock PYTHON=python3.12` for another one.

Everything the core and the extras need is resolved together by pip, so that one file serves every target. The
paddlenlp extra has its own file, because its companions are older. CUDA packages are left out: torch's own
metadata pins them, and the CPU build has none.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
SETS = {
    "python{version}.txt": "verify,data,finetune,trackers,export,int8,parquet,ray,index,serve,ui,docs,bench,test",
    "paddlenlp-python{version}.txt": "paddlenlp,test",
}
OWN = ("paddle-model-zoo", "pip")
CUDA = ("nvidia-", "cuda-", "triton")


def resolve(extras: str) -> list[str]:
    """Asks pip, without installing anything, what `.[extras]` needs on the running Python."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
        subprocess.run([*command, "--report", str(report), f"{HERE.parent}[{extras}]"], check=True)
        packages = [entry["metadata"] for entry in json.loads(report.read_text())["install"]]
    pins = {p["name"].lower().replace("_", "-"): p["version"].partition("+")[0] for p in packages}
    return [f"{n}=={v}" for n, v in sorted(pins.items()) if n not in OWN and not n.startswith(CUDA)]


def main() -> None:
    """Writes a file per set of extras that this Python can run."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    for template, extras in SETS.items():
        if template.startswith("paddlenlp") and sys.version_info >= (3, 13):
            continue
        path = HERE / template.format(version=version)
        pins = resolve(extras)
        path.write_text("\n".join([f"# Written by `make lock PYTHON=python{version}`.", *pins, ""]))
        print(f"{path.name}: {len(pins)} packages")


if __name__ == "__main__":
    main()
