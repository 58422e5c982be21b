"""Every way in which a hub has been seen, or can be imagined, to misbehave; and what comes of each.

    outcome = run(CASES[0])          (`tests.hub.table`) in this process, over loopback, in a folder of its own
    python -m tests.hub.cases        all of them, one line each

An outcome is `recovered` (the right files came nevertheless), `sentence` (an error that says what to do), or what
must not be: `traceback`, `slow`, `outside-write`, `wrong-bytes`, `poisoned` (a healthy server afterwards does not
help), `leftover` (something unfinished stays although the files are complete).
"""

from __future__ import annotations

import json
import os
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any
from unittest import mock

from tests.hub.entries import commit
from tests.hub.server import HubServer
from zoo import env, hub, registry
from zoo.cards import Source
from zoo.errors import ZooError

RECOVERED, SENTENCE, TRACEBACK, SLOW, OUTSIDE = "recovered", "sentence", "traceback", "slow", "outside-write"
WRONG, POISONED, LEFTOVER = "wrong-bytes", "poisoned", "leftover"
CONFIG = json.dumps({"architectures": ["BertModel"], "model_type": "bert"}).encode()
FILES = {"config.json": CONFIG, "vocab.txt": b"[PAD]\n", "model.safetensors": bytes(range(256)) * 400}
PAGE = b"<!DOCTYPE html><html>Please log in</html>"
ESCAPE = "../../../../../.profile"  # from refs/ or snapshots/ of a repository to the folder that stands for a home
ABSOLUTE = str(Path(tempfile.gettempdir()) / f"zoo-hub-{os.getpid()}-absolute")  # what no case may make
# Small enough for many cases in a minute.
LIMITS = {
    "meter.SILENCE_SECONDS": 0.5,
    "meter.PATIENCE_SECONDS": 1.3,
    "http.PAUSE_SECONDS": 0.02,
    "http.MAX_LISTING_BYTES": 1 << 20,
    "http.MAX_UNKNOWN_BYTES": 4 << 20,
}
SLOWEST = 8.0  # seconds; a listing and a file that are silent take two times PATIENCE


@dataclass(frozen=True)
class Case:
    """One misbehaviour.

    Attributes:
        name: what the server does.
        expected: the right outcomes.
        pattern: of the paths that misbehave.
        fault: see `tests.hub.server.Fault`.
        kind: "hub", "modelscope" or "archive".
        plain: the listing has neither sizes nor digests.
        prepare: does something to the caches or the server before.
    """

    name: str
    expected: tuple[str, ...]
    pattern: str
    fault: dict[str, Any]
    kind: str = "hub"
    plain: bool = False
    prepare: Callable[[HubServer], None] = lambda server: None


@dataclass(frozen=True)
class Outcome:
    """What came of a case: `kind` is one of the words above, `said` the error's text."""

    kind: str
    seconds: float
    said: str = ""


def run(case: Case) -> Outcome:
    """Lets a model be fetched from a server that misbehaves, then from the same one when it is well."""
    with tempfile.TemporaryDirectory(prefix="zoo-hub-") as room, _world(Path(room), case) as (server, name):
        case.prepare(server)
        server.fault(case.pattern, **case.fault)
        before = _outside(Path(room))
        start = time.monotonic()
        kind, said = _try(name)
        seconds = time.monotonic() - start
        if kind in (RECOVERED, SENTENCE) and seconds > SLOWEST:
            kind = SLOW
        if _outside(Path(room)) != before:
            kind = OUTSIDE
        server.faults.clear()
        server.plain_listing = server.any_revision = False
        with mock.patch("zoo.hub.meter.SILENCE_SECONDS", 10), mock.patch("zoo.hub.meter.PATIENCE_SECONDS", 20):
            then, why = _try(name)  # a healthy server on a busy machine may take long
        if kind in (RECOVERED, SENTENCE) and then != RECOVERED:
            kind, said = POISONED, f"{said}; then {why}"
        if kind in (RECOVERED, SENTENCE) and (left := _unfinished(Path(room))):
            kind, said = LEFTOVER, left[0]
        return Outcome(kind, seconds, said)


def _try(name: str) -> tuple[str, str]:
    try:
        found = hub.resolve(name)
    except ZooError as error:
        fit = error.message and error.message.isprintable() and len(error.message) < 1000
        return (SENTENCE if fit else TRACEBACK), str(error)
    except Exception as error:
        return TRACEBACK, f"{type(error).__name__}: {error}"
    right = all((found.path / n).read_bytes() == content for n, content in FILES.items())
    return (RECOVERED if right else WRONG), ""


@contextmanager
def _world(room: Path, case: Case) -> Iterator[tuple[HubServer, str]]:
    """A home with caches, a server with a model in each of its parts, and small limits; gives the model's name."""
    home = room / "home"
    (home / "folder").mkdir(parents=True)
    (home / ".profile").write_text("precious")
    switches = (
        *env.OFFLINE_VARIABLES,
        "HF_TOKEN",
        "HF_HUB_DOWNLOAD_TIMEOUT",
        "HF_HUB_CACHE",
        "HUGGINGFACE_HUB_CACHE",
    )
    clean = {k: v for k, v in os.environ.items() if k not in switches}
    with HubServer(room / "server") as server:
        caches = {"HOME": str(home), "HF_HOME": str(home / "cache/hf"), "ZOO_HOME": str(home / "cache/zoo")}
        switched = mock.patch.dict(os.environ, {**clean, **server.environment, **caches}, clear=True)
        with switched, _limits(), _card(server.url) as card:
            server.plain_listing = case.plain
            for kind in ("hub", "modelscope"):
                server.add("org/tiny", dict(FILES), kind)
            (server.root / "archives").mkdir()
            (server.root / "archives/tiny.tar.gz").write_bytes(_archive(FILES))
            names = {"hub": "org/tiny", "modelscope": "modelscope:org/tiny", "archive": card}
            yield server, names[case.kind]


@contextmanager
def _limits() -> Iterator[None]:
    patches = [mock.patch(f"zoo.hub.{name}", value) for name, value in LIMITS.items()]
    for patch in patches:
        patch.start()
    try:
        yield
    finally:
        for patch in patches:
            patch.stop()


@contextmanager
def _card(url: str) -> Iterator[str]:
    """A card whose only source is the archive."""
    source = Source("archive", f"{url}/archives/tiny.tar.gz")
    card = replace(registry.info("structbert-en-large"), sources=(source,))
    with mock.patch.object(registry, "lookup", lambda name: card if name == "archived" else None):
        yield "archived"


def _archive(files: dict[str, bytes]) -> bytes:
    made = BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, BytesIO(content))
    return made.getvalue()


def _outside(room: Path) -> dict[str, bytes]:
    """Everything in the room that is neither in a cache nor the server's."""
    kept = (room / "home/cache/hf/hub/models--org--tiny", room / "home/cache/zoo", room / "server")
    above = {parent for folder in kept for parent in folder.parents}
    found = [p for p in room.rglob("*") if p not in above and not any(p.is_relative_to(k) for k in kept)]
    found += [Path(ABSOLUTE)] if os.path.lexists(ABSOLUTE) else []
    return {str(p): p.read_bytes() if p.is_file() else b"" for p in found}


def _unfinished(room: Path) -> list[str]:
    marks = (".part", ".incomplete", ".etag", "lock", ".unpacking", ".tmp")
    return [str(p) for p in (room / "home/cache").rglob("*") if p.name.endswith(marks)]


# How a listing can be altered


def put(value: object, *path: str | int) -> dict[str, Any]:
    """A fault: one place of a listing is something else."""

    def change(listing: Any) -> Any:
        place = listing
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value
        return listing

    return {"change": change} if path else {"change": lambda listing: value}


def more(*names: object, files: tuple[str | int, ...] = ("siblings",), **details: object) -> dict[str, Any]:
    """A fault: a listing has more files, the first of them with details of its own."""

    def change(listing: Any) -> Any:
        place = listing
        for step in files:
            place = place[step]
        place += [({"rfilename": n, "Path": n} | (details if i == 0 else {})) for i, n in enumerate(names)]
        return listing

    return {"change": change}


def without(name: str) -> dict[str, Any]:
    """A fault: a listing lacks a field."""
    return {"change": lambda listing: {k: v for k, v in listing.items() if k != name}}


def body(content: bytes, **headers: str) -> dict[str, Any]:
    """A fault: another body, with status 200."""
    return {"body": content, "headers": {k.replace("_", "-"): v for k, v in headers.items()}}


def part(name: str, content: bytes) -> Callable[[HubServer], None]:
    """Something that an earlier download left; `name` is relative to the home of the zoo."""

    def prepare(server: HubServer) -> None:
        path = env.home() / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    return prepare


def any_revision(server: HubServer) -> None:
    """The server serves its files under every revision, as one must that makes commits up."""
    server.any_revision = True


def hub_part(content: bytes) -> Callable[[HubServer], None]:
    """The same in the cache of the Hub, for the weights."""

    def prepare(server: HubServer) -> None:
        from hashlib import sha256

        digest = sha256(FILES["model.safetensors"]).hexdigest()
        path = env.hub_cache() / f"models--org--tiny/blobs/.{digest}.zoo.incomplete"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    return prepare


def ref(text: str) -> Callable[[HubServer], None]:
    """A note in the cache of what `main` is."""

    def prepare(server: HubServer) -> None:
        path = env.hub_cache() / "models--org--tiny/refs/main"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    return prepare


def hub_commit(server: HubServer) -> str:
    """The commit of the model."""
    return commit(server.root / "hub/org/tiny")


def main() -> None:
    """Runs every case, or those whose names contain the arguments."""
    from tests.hub.table import CASES

    wanted = [c for c in CASES if all(word in f"{c.kind}: {c.name}" for word in sys.argv[1:])]
    wrong = 0
    for case in wanted:
        found = run(case)
        wrong += found.kind not in case.expected
        mark = " " if found.kind in case.expected else "!"
        print(f"{mark} {found.kind:<10} {found.seconds:4.1f} s  {case.kind}: {case.name}: {found.said[:160]!r}")
    print(f"{len(wanted)} cases, {wrong} not as expected")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
