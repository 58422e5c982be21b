"""Requests per second of `zoo serve` at 1, 8 and 64 clients, beside the same server answering one at a time.

    python -m benchmarks.speed.serve --seconds 3
    python -m benchmarks.speed.serve --save

Both servers are the public command on a port of this machine, with the same model and precision; one of them has
--max-batch-requests 1. Each client sends a text of 4 to 16 words to /v1/embeddings, reads the answer (base64) and
sends the next. The servers take turns, every other round in reverse order; a cell is the median of its rounds.

What a server could reach at most is measured too: `zoo.pipeline` in a loop, with as many texts a call as there are
clients ("no server"), and the first server's /health, which asks no model ("no model").
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from benchmarks import common
from benchmarks.speed.bulk import texts
from zoo.processes import end

COMMAND = "python -m benchmarks.speed.serve"
MODEL = "all-MiniLM-L6-v2"
SIDES: Mapping[str, tuple[str, ...]] = {"batches": (), "one at a time": ("--max-batch-requests", "1")}
CLIENTS = (1, 8, 64)
TEXTS = 20_000
START_SECONDS = 120
HEALTH = b"GET /health HTTP/1.1\r\nHost: zoo\r\n\r\n"
LOOP = """
import sys, time
import zoo
model, file, precision, count, seconds = sys.argv[1:]
embed = zoo.pipeline("embeddings", model, precision=precision)
with open(file, encoding="utf-8") as lines:
    rows = lines.read().splitlines()
parts = [rows[n : n + int(count)] for n in range(0, len(rows) - int(count), int(count))]
embed(parts[0])
start, calls = time.perf_counter(), 0
while (spent := time.perf_counter() - start) < float(seconds):
    embed(parts[calls % len(parts)])
    calls += 1
print(calls * int(count) / spent)
"""
REQUEST = "POST /v1/embeddings HTTP/1.1\r\nHost: zoo\r\nContent-Type: application/json\r\n"
ADDRESS = re.compile(r"http://(127\.0\.0\.1):(\d+) ")


@dataclass(frozen=True)
class Server:
    """A server that runs: its port, and what runs its network."""

    port: int
    line: str

    def batches(self) -> tuple[int, int]:
        """Gives how many batches it has answered, and the requests in them."""
        with urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as reply:
            found = dict(line.rsplit(" ", 1) for line in reply.read().decode().splitlines() if line[0] != "#")
        return int(found["zoo_batch_requests_count"]), int(float(found["zoo_batch_requests_sum"]))


@dataclass(frozen=True)
class Load:
    """What clients saw: seconds of each request in order of length, and answers that were not status 200."""

    seconds: float
    times: Sequence[float]
    bad: int

    def quantile(self, share: float) -> float:
        """Gives a quantile of the seconds of a request."""
        return self.times[min(len(self.times) - 1, int(share * len(self.times)))]


@contextmanager
def running(model: str, words: Sequence[str]) -> Iterator[Server]:
    """Starts `zoo serve` and gives it once it listens; stops it at the end."""
    command = [sys.executable, "-m", "zoo.serve", model, "--port", "0", *words]
    with tempfile.TemporaryFile("w+") as said:
        env = {**os.environ, "PYTHONPATH": str(common.ROOT)}
        child = subprocess.Popen(command, cwd=common.ROOT, env=env, stderr=said, stdout=subprocess.DEVNULL)
        try:
            yield _started(child, said.fileno())
        finally:
            end([child])


def _started(child: subprocess.Popen[bytes], said: int) -> Server:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        text = os.pread(said, 100_000, 0).decode("utf-8", "replace")
        if found := ADDRESS.search(text):
            return Server(int(found[2]), text[found.start() :].splitlines()[0])
        if child.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError(f"the server did not start:\n{text[-2000:]}")


# --- the clients ---


def requests_of(rows: Sequence[str], model: str) -> list[bytes]:
    """Gives a request for each text, as bytes."""
    found = []
    for row in rows:
        body = json.dumps({"input": row, "model": model, "encoding_format": "base64"}).encode()
        head = f"{REQUEST}Content-Length: {len(body)}\r\n\r\n"
        found.append(head.encode() + body)
    return found


async def _client(port: int, requests: Iterator[bytes], until: float, times: list[float]) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    bad = 0
    try:
        while (start := time.perf_counter()) < until:
            writer.write(next(requests))
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(re.search(rb"content-length: (\d+)", head, re.IGNORECASE)[1])  # type: ignore[index]
            await reader.readexactly(length)
            times.append(time.perf_counter() - start)
            bad += not head.startswith(b"HTTP/1.1 200 ")
    finally:
        writer.close()
    return bad


async def _clients(port: int, requests: Sequence[bytes], clients: int, seconds: float) -> Load:
    draw = random.Random(clients)
    endless = iter(lambda: draw.choice(requests), None)
    times: list[float] = []
    start = time.perf_counter()
    bad = await asyncio.gather(*(_client(port, endless, start + seconds, times) for _ in range(clients)))
    return Load(time.perf_counter() - start, sorted(times), sum(bad))


def load(server: Server, requests: Sequence[bytes], clients: int, seconds: float) -> Load:
    """Loads a server: each client sends, waits for the answer, sends again."""
    return asyncio.run(_clients(server.port, requests, clients, seconds))


# --- the table ---


def measure(servers: Mapping[str, Server], requests: Sequence[bytes], given: argparse.Namespace) -> list[dict]:
    """Gives a row for each number of clients and side."""
    for server in servers.values():
        load(server, requests, 8, 1.0)
    rows = []
    for clients in given.clients:
        found: dict[str, list[Load]] = {side: [] for side in servers}
        before = {side: server.batches() for side, server in servers.items()}
        for n in range(given.rounds):
            for side in list(servers)[:: 1 if n % 2 == 0 else -1]:
                found[side].append(load(servers[side], requests, clients, given.seconds))
        for side, loads in found.items():
            count, answered = (b - a for a, b in zip(before[side], servers[side].batches(), strict=True))
            rows.append(
                {
                    "model": given.model,
                    "precision": given.precision,
                    "side": side,
                    "clients": clients,
                    "requests/s": round(statistics.median(len(one.times) / one.seconds for one in loads), 1),
                    "p50 ms": round(1000 * statistics.median(one.quantile(0.5) for one in loads), 2),
                    "p99 ms": round(1000 * statistics.median(one.quantile(0.99) for one in loads), 2),
                    "requests per batch": round(answered / max(count, 1), 1),
                    "failed": sum(one.bad for one in loads),
                    "requests": sum(len(one.times) for one in loads),
                }
            )
            print(" ".join(f"{name}={value}" for name, value in rows[-1].items()), flush=True)
    return rows


def limits(server: Server, file: Path, given: argparse.Namespace) -> Iterator[dict]:
    """Gives the rows of what needs no server, and of what needs no model."""
    for clients in given.clients:
        words = [given.model, str(file), given.precision, str(clients), str(given.seconds)]
        done = [common.run_process([sys.executable, "-c", LOOP, *words]).output for _ in range(given.rounds)]
        speed = statistics.median(float(text.split()[-1]) for text in done)
        yield {"side": "no server", "clients": clients, "requests/s": round(speed, 1)}
        loads = [load(server, [HEALTH], clients, given.seconds) for _ in range(given.rounds)]
        speed = statistics.median(len(one.times) / one.seconds for one in loads)
        yield {"side": "no model", "clients": clients, "requests/s": round(speed, 1)}


def main(argv: Sequence[str] | None = None) -> None:
    """Starts both servers, loads them in turn, prints the ratio at each number of clients."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--clients", type=int, nargs="+", default=list(CLIENTS))
    parser.add_argument("--seconds", type=float, default=5.0, help="of a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/serve.csv and .json")
    given = parser.parse_args(argv)
    name = Path(given.model).name
    words = ("--name", name, "--precision", given.precision)
    with (
        tempfile.TemporaryDirectory() as work,
        running(given.model, words) as one,
        running(given.model, (*words, *SIDES["one at a time"])) as other,
    ):
        file = Path(work, "texts.txt")
        texts(file, TEXTS)
        servers = dict(zip(SIDES, (one, other), strict=True))
        print(one.line, flush=True)
        rows = measure(servers, requests_of(file.read_text("utf-8").splitlines(), name), given)
        for row in limits(one, file, given):
            rows.append({"model": given.model, "precision": given.precision, **row})
            print(" ".join(f"{name}={value}" for name, value in row.items()), flush=True)
    speed = {(row["side"], row["clients"]): row["requests/s"] for row in rows}
    for clients in given.clients:
        ours, alone = (speed[side, clients] for side in SIDES)
        common.compare(f"{clients} clients, beside one request at a time", ours, alone, " requests/s")
    if given.save:
        common.write("serve", f"{COMMAND} --model {given.model} --save", rows)


if __name__ == "__main__":
    main()
