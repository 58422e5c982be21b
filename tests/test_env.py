"""What the zoo says of the machine and of its own process."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from zoo import env


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not say")
def test_the_peak_of_memory_is_this_programs_own() -> None:
    """On Linux the peak of `getrusage` begins with what the parent had."""
    held = np.ones(400 << 17)  # 400 MB
    assert env.peak_memory() > held.nbytes
    code = "from zoo import env; before = env.peak_memory(); b'x' * (60 << 20); print(before, env.peak_memory())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert before < 200 << 20
    assert after - before > 50 << 20


def test_versions() -> None:
    assert env.versions()["python"] == sys.version.split()[0]
    assert (
        "pytest" not in env.versions() and env.versions("pytest", "not-a-package")["pytest"] == pytest.__version__
    )
    assert "not-a-package" not in env.versions("not-a-package")
