"""The guards of the test suite itself."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent


@pytest.mark.parametrize("address", [("192.0.2.1", 80), ("huggingface.co", 443), ("2001:db8::1", 80, 0, 0)])
@pytest.mark.parametrize("method", ["connect", "connect_ex"])
def test_other_machines_are_out_of_reach(method: str, address: tuple[object, ...]) -> None:
    kind = socket.AF_INET6 if len(address) == 4 else socket.AF_INET
    with socket.socket(kind) as one, pytest.raises(RuntimeError, match="mark it `network`"):
        getattr(one, method)(address)


def test_this_machine_can_be_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()[:2]):
        pass


def test_caches_are_not_the_users() -> None:
    for name in ("HF_HOME", "ZOO_HOME"):
        assert not Path(os.environ[name]).is_relative_to(Path.home() / ".cache")


PLANTED = """import pytest

@pytest.fixture
def data(shared):
    return shared / "data"

def test_fast(data):
    pass

@pytest.mark.slow
def test_slow(data):
    pass
"""


def test_only_slow_tests_get_the_folder_beside_the_checkout(tmp_path: Path) -> None:
    """Also where a fixture asks for it; what is slow runs, or skips where there is no such folder."""
    (tmp_path / "test_planted.py").write_text(PLANTED)
    words = ("-m", "pytest", "-p", "tests.conftest", "--rootdir", tmp_path, "-o", "markers=slow", tmp_path, "-rA")
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False, cwd=TESTS.parent)
    assert "test_fast asks for the folder beside the checkout; mark it `slow`" in done.stdout
    assert "1 error" in done.stdout and ("1 passed" in done.stdout or "1 skipped" in done.stdout)


def test_no_test_finds_that_folder_by_itself() -> None:
    """By its path nobody could see who needs it."""
    way = re.compile(r"""["'/]\.\./shared|/ ["']shared["']""")
    files = [p for p in TESTS.rglob("*.py") if p.name not in ("conftest.py", "test_conftest.py")]
    assert [str(p) for p in files if way.search(p.read_text("utf-8"))] == []
