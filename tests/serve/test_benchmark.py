"""The benchmark of the server: what its clients send and count, and its table."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from benchmarks import common, search_tables
from benchmarks.speed import serve

METRICS = b"# HELP x\nzoo_batch_requests_sum 12.000000\nzoo_batch_requests_count 4\n"


class Fake(BaseHTTPRequestHandler):
    """Answers every third request with 429."""

    protocol_version = "HTTP/1.1"
    bodies: ClassVar[list[Any]] = []

    def do_POST(self) -> None:
        self.bodies.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        self._answer(429 if len(self.bodies) % 3 == 0 else 200, b"{}")

    def do_GET(self) -> None:
        self._answer(200, METRICS)

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *said: object) -> None:
        pass


def test_clients_send_texts_and_count_what_fails() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Fake) as fake:
        threading.Thread(target=fake.serve_forever, daemon=True).start()
        server = serve.Server(fake.server_address[1], "")
        found = serve.load(server, serve.requests_of(["a film", "ein Café"], "minilm"), clients=2, seconds=0.2)
        assert server.batches() == (4, 12)
        fake.shutdown()
    assert len(found.times) == len(Fake.bodies) and found.bad == len(Fake.bodies) // 3
    assert list(found.times) == sorted(found.times) and 0 < found.quantile(0.5) <= found.quantile(0.99) < 1
    assert {body["input"] for body in Fake.bodies} <= {"a film", "ein Café"}
    assert {body["model"] for body in Fake.bodies} == {"minilm"}


def test_the_table(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(common, "RESULTS", tmp_path)
    assert search_tables.serve() == "Not measured yet: `python -m benchmarks.speed.serve --save`.\n"
    usual = {"clients": 8, "p50 ms": 4.2, "p99 ms": 9.96, "requests per batch": 3.14, "failed": 0}
    rows = [
        {"side": "batches", "requests/s": 1250.0, **usual},
        {"side": "one at a time", "requests/s": 500.0, **usual},
    ]
    common.write("serve", serve.COMMAND, rows, tmp_path)
    table = search_tables.serve()
    assert "| 8 | batches | 1,250 | 2.50 | 4.2 | 10.0 | 3.1 | 0 |" in table
    assert "| 8 | one at a time | 500 | 1.00 |" in table and f"Printed by `{serve.COMMAND}`" in table
