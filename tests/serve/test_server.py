"""The command as a process: the real client of OpenAI, and a stop under load."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zoo
from zoo.__main__ import main
from zoo.serve import __main__ as command
from zoo.serve.server import bind, ignore_new

ROOT = Path(__file__).resolve().parents[2]
TEXTS = ["a good film", "the worst film from Paris"]


class Running:
    """A server of the tiny model of sentences."""

    def __init__(self, folder: Path, log: Path, *words: str, path: str = "") -> None:
        self.log = log
        started = [sys.executable, "-m", "zoo.serve", str(folder), "--engine", "eager", "--port", "0", *words]
        env = {**os.environ, "PYTHONPATH": f"{path}{os.pathsep}{ROOT}", "ZOO_API_KEY": "secret"}
        with log.open("w") as said:
            self.process = subprocess.Popen(started, cwd=ROOT, env=env, stderr=said, stdout=said)

    @property
    def said(self) -> str:
        return self.log.read_text("utf-8")

    def address(self) -> str:
        until = time.monotonic() + 60
        while time.monotonic() < until and self.process.poll() is None:
            if found := re.search(r"^(http://127\.0\.0\.1:\d+) has ", self.said, re.M):
                return found[1]
            time.sleep(0.05)
        pytest.fail(self.said)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


FAST = ("uvloop", "httptools")  # what uvicorn takes where it is there, as on Linux with the extra `serve`


@pytest.fixture(params=[True, False], ids=["uvloop and httptools", "asyncio and h11"])
def running(request: pytest.FixtureRequest, folders: dict[str, Path], tmp_path: Path) -> Iterator[Running]:
    for package in ("uvicorn", "openai", *(FAST if request.param else ())):
        pytest.importorskip(package, reason=f"the test of the server's process needs {package}")
    for package in () if request.param else FAST:
        (tmp_path / f"{package}.py").write_text("raise ImportError\n")
    found = Running(folders["embedder"], tmp_path / "log", path="" if request.param else str(tmp_path))
    yield found
    found.end()


def test_the_client_of_openai_and_a_stop_under_load(running: Running, folders: dict[str, Path]) -> None:
    """One process, because starting one takes seconds."""
    address = running.address()
    assert re.search(
        r" has embedder \(eager, fp32\): /v1/embeddings, /embed, /similarity, /pipeline$", running.said, re.M
    )
    pipe: Any = zoo.pipeline("embeddings", folders["embedder"], engine="eager", precision="fp32")
    expected = pipe.encode(TEXTS, normalize_embeddings=True)
    by_openai(address, expected)
    found = Load(address, clients=12)
    found.wait(60)
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(30) == 143, running.said
    found.join()
    assert found.lost == [] and found.answered >= 60
    assert running.said.splitlines()[-1] == "stopped"


def by_openai(address: str, expected: np.ndarray) -> None:
    import openai

    client = openai.OpenAI(base_url=f"{address}/v1", api_key="secret", max_retries=0)
    for form in ({}, {"encoding_format": "float"}):  # it asks for base64 by itself
        reply = client.embeddings.create(model="embedder", input=TEXTS, **form)  # type: ignore[call-overload]
        assert np.allclose([row.embedding for row in reply.data], expected, atol=1e-6)
        assert reply.usage.prompt_tokens == reply.usage.total_tokens > 5
    assert len(client.embeddings.create(model="embedder", input="a", dimensions=7).data[0].embedding) == 7
    assert [model.id for model in client.models.list()] == ["embedder"]
    with pytest.raises(openai.NotFoundError, match="this server has 'embedder'") as missing:
        client.embeddings.create(model="other", input="a")
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError, match="'input' is empty"):
        client.embeddings.create(model="embedder", input="")
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="wrong").embeddings.create(model="embedder", input="a")


class Load:
    """Clients that ask one request after the other on open connections, until nobody listens."""

    def __init__(self, address: str, clients: int) -> None:
        self.address, self.answered = address, 0
        self.lost: list[str] = []
        self.threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(clients)]
        for thread in self.threads:
            thread.start()

    def _ask(self) -> None:
        import httpx

        headers = {"Authorization": "Bearer secret"}
        with httpx.Client(base_url=self.address, headers=headers, timeout=30) as client:
            while True:
                try:
                    status = client.post("/embed", json={"inputs": TEXTS}).status_code
                except httpx.ConnectError:  # nothing was sent
                    return
                except httpx.HTTPError as error:
                    self.lost.append(repr(error))
                    return
                self.answered += 1
                if status != 200:
                    self.lost.append(str(status))

    def wait(self, count: int) -> None:
        """Returns when so many requests have an answer."""
        until = time.monotonic() + 60
        while self.answered < count and time.monotonic() < until:
            time.sleep(0.01)

    def join(self) -> None:
        for thread in self.threads:
            thread.join(30)


@pytest.mark.skipif(sys.platform != "linux", reason="filters of sockets are Linux's")
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_what_the_system_has_accepted_is_kept_and_nothing_new_comes(host: str) -> None:
    with bind(host, 0) as listening:
        listening.listen()
        with socket.create_connection(listening.getsockname()[:2]) as early:
            ignore_new(listening)
            with pytest.raises(TimeoutError):
                socket.create_connection(listening.getsockname()[:2], timeout=0.2)
            early.sendall(b"a request")
            taken, _ = listening.accept()
            with taken:
                assert taken.recv(100) == b"a request"


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    return main(["serve", *words]), capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--max-batch-tokens", "0"), "--max-batch-tokens 0 does not work.\nA number from 1 on."),
        (("--wait-ms", "nan"), "--wait-ms nan does not work."),
        (("--port", "99999"), "--port 99999 does not work"),
        (("--host", "nowhere.invalid"), "nowhere.invalid:8000 cannot be listened at"),
        (("--port", "0", "--task", "no-such"), "There is no pipeline 'no-such'"),
        (("--port", "0", "--task", "ner"), "needs the head tagging"),
    ],
)
def test_what_cannot_be_served(
    words: tuple[str, ...],
    message: str,
    folders: dict[str, Path],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("uvicorn", reason="`zoo serve` needs uvicorn")
    code, err = said(capsys, str(folders["embedder"]), *words)
    assert code == 2 and message in err


def test_a_missing_library_is_said(
    folders: dict[str, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "PACKAGES", ("fastapi", "no_such_package"))
    code, err = said(capsys, str(folders["embedder"]))
    assert code == 2 and "needs no_such_package.\npip install" in err
