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


def test_all_that_needs_published_files_is_slow() -> None:
    words = ("-m", "pytest", "--collect-only", "-m", "not slow", TESTS / "published")
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False, cwd=TESTS.parent)
    assert re.search(r"no tests collected \(\d\d+ deselected\)", done.stdout), done.stdout + done.stderr


def test_one_place_alone_knows_where_published_files_are() -> None:
    way = re.compile(r"""["'/]shared["'/]""")
    files = [p.relative_to(TESTS) for p in TESTS.rglob("*.py") if way.search(p.read_text("utf-8"))]
    assert files == [Path("published/conftest.py")]
