"""A hub on this machine."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hub.server import TINY, HubServer


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A hub with one repository. Waiting between tries takes no time."""
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    with HubServer(tmp_path / "server") as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        server.add("org/tiny", TINY)
        yield server
