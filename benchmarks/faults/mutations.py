"""Changed and hostile files in front of every reader: read, or refused in a sentence; never slow, never large.

python -m benchmarks.faults.mutations              20,000 changed files, and every hostile one
python -m benchmarks.faults.mutations 500000       as many changed files, over all readers by their shares
python -m benchmarks.faults.mutations 5000 tokenizer       of one reader
"""

from __future__ import annotations

import json
import logging
import random
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from benchmarks.faults.files_of_strangers import READERS, write
from benchmarks.faults.hostile_files import SCALARS, Hostile, hostile_files
from zoo import env

LONGEST, WAIT, MOST = 10.0, 60.0, 500 << 20  # seconds of work, seconds in all, bytes of memory, of one file
SENTENCE = 2_000  # characters of a message
OUTCOMES = ("ok", "refused", "traceback", "slow", "big", "raw")
STEPS = (0, 1, 2**31 - 1, 2**31, 2**63 - 1, 2**64 - 1)
MEMORY = Path("/dev/shm")


@dataclass
class Outcomes:
    """What became of files: a count for each of OUTCOMES, and of those that are wrong which and why.

    "ok": read. "refused": a ZooError whose message fits a terminal. "raw": one whose message does not. "traceback":
    anything else that was raised, or code of the file's own that ran. "slow", "big": more than LONGEST or MOST.
    """

    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def add(self, outcome: str, what: str, why: str) -> None:
        """Counts a file."""
        self.counts[outcome] += 1
        if outcome not in ("ok", "refused"):
            self.wrong.append(f"{what}: {outcome}: {why}")


class TooSlow(BaseException):
    """Raised by the alarm; no reader catches it."""


@contextmanager
def alarm() -> Iterator[None]:
    """Ends what works or waits for too long, where Python gets to run at all."""

    def ring(number: int, frame: FrameType | None) -> None:
        raise TooSlow

    timers = ((signal.SIGPROF, signal.ITIMER_PROF, LONGEST), (signal.SIGALRM, signal.ITIMER_REAL, WAIT))
    before = [signal.signal(number, ring) for number, _, _ in timers]
    for _, timer, seconds in timers:
        signal.setitimer(timer, seconds)
    try:
        yield
    finally:
        for (number, timer, _), handler in zip(timers, before, strict=True):
            signal.setitimer(timer, 0)
            signal.signal(number, handler)


@contextmanager
def workplace() -> Iterator[Path]:
    """A folder in memory where there is one; disks are what the readers are not tried for."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        yield Path(folder)


@contextmanager
def little_memory(room: int = 4 << 30) -> Iterator[None]:
    """Lets the process take some more memory than it has; what asks for more gets a MemoryError."""
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").is_file() else 0
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    if pages:
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def attempt(read: Callable[[Path], object], folder: Path) -> tuple[str, str]:
    """One of OUTCOMES, and why, of a folder in front of a reader."""
    from zoo.errors import ZooError

    before, started = env.peak_memory(), time.process_time()
    outcome, why = "ok", ""
    try:
        with little_memory(), alarm():
            read(folder)
    except ZooError as error:
        text = str(error)
        fits = len(text) <= SENTENCE and text.replace("\n", "").isprintable()
        outcome, why = ("refused", "") if fits else ("raw", ascii(text[:300]))
    except TooSlow:
        outcome = "slow"
    except MemoryError:
        outcome = "big"
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a panic of a library in Rust is no Exception
        outcome, why = "traceback", f"{type(error).__name__}: {str(error)[:200]!a}"
    if time.process_time() - started > LONGEST:
        outcome = "slow"
    elif env.peak_memory() - before > MOST:
        outcome, why = "big", f"{(env.peak_memory() - before) >> 20} MB"
    return outcome, why


def mutations(reader: str, count: int, seed: int = 1, keep: Path | None = None) -> Outcomes:
    """Tries changed files.

    Args:
        reader: of READERS.
        count: files.
        seed: the same files again.
        keep: a folder for those with a wrong outcome.
    """
    kind, rng, found = READERS[reader], random.Random(f"{reader} {seed}"), Outcomes()
    seeds = kind.seeds()
    with workplace() as place:
        for number, files in enumerate(seeds):
            write(files, place / f"seed-{number}" / "model")
        for number in range(count):
            which = rng.randrange(len(seeds))
            folder = place / f"seed-{which}" / "model"
            name = rng.choice([name for name in seeds[which] if kind.changed(name)])
            data = changed(seeds[which][name], rng)
            (folder / name).write_bytes(data)
            outcome, why = attempt(kind.read, folder)
            found.add(outcome, f"{reader} {number} {name}", why)
            if keep is not None and outcome not in ("ok", "refused"):
                shutil.copytree(folder, keep / f"{reader}-{seed}-{number}", dirs_exist_ok=True)
            (folder / name).write_bytes(seeds[which][name])
    return found


def hostile(reader: str, share: float = 1.0, first: int = 0) -> Iterator[tuple[str, str, str]]:
    """Tries the hostile files of a reader and gives outcome, name and reason of each.

    Args:
        share: 0.2 for each fifth of them.
        first: how many of those are passed over.
    """
    for one in [one for one in hostile_files() if one.reader == reader][:: max(1, round(1 / share))][first:]:
        outcome, why = try_hostile(one)
        yield outcome, one.name, why


def try_hostile(one: Hostile) -> tuple[str, str]:
    """One of OUTCOMES, and why, of a hostile folder."""
    with workplace() as place:
        folder = place / "model"
        folder.mkdir()
        trace = place / "trace"
        one.make(folder, trace)
        outcome, why = attempt(READERS[one.reader].read, folder)
        if trace.exists():
            return "traceback", "code of the file ran"
        for pipe in folder.iterdir():  # a folder with a pipe could be waited for while it is removed
            if not pipe.is_dir():
                with suppress(OSError):
                    pipe.unlink()
        return outcome, why


# --- changes ---


def changed(data: bytes, rng: random.Random) -> bytes:
    """A file with one to four changes: of values where it is JSON, of bytes, or both."""
    if data[:1] in b"{[" and data and rng.random() < 0.6:
        with suppress(ValueError):
            data = _json(data, rng)
        if rng.random() < 0.8:
            return data
    return changed_bytes(data, rng)


def _json(data: bytes, rng: random.Random) -> bytes:
    """Another value, a missing, doubled or renamed field, somewhere in a document."""
    document = json.loads(data)
    holes: dict[str, str] = {}
    for _ in range(rng.randint(1, 3)):
        place = document
        while True:
            inner = place.values() if isinstance(place, dict) else place
            deeper = [part for part in inner if isinstance(part, dict | list) and part]
            if not deeper or rng.random() < 0.4:
                break
            place = rng.choice(deeper)
        if not place:
            break
        key = rng.choice(list(place)) if isinstance(place, dict) else rng.randrange(len(place))
        kind = rng.random()
        if kind < 0.15:
            del place[key]
        elif kind < 0.25 and isinstance(place, dict):
            place[rng.choice([key.upper(), f"{key} ", "", "a" * 300, "\u202e\x1b[31m"])] = place.pop(key)
        elif kind < 0.35:
            place[key] = [place[key]] if rng.random() < 0.5 else {"a": place[key]}
        else:
            hole = f"hole {len(holes)}"
            holes[f'"{hole}"'], place[key] = rng.choice(SCALARS), hole
    text = json.dumps(document, ensure_ascii=rng.random() < 0.5)
    for hole, raw in holes.items():
        text = text.replace(hole, raw)
    return text.encode("utf-8", "surrogatepass")


def changed_bytes(data: bytes, rng: random.Random) -> bytes:
    """Other bits, bytes and numbers; parts missing, doubled, moved; an end that is missing."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        if not out:
            break
        at = rng.randrange(len(out)) if rng.random() < 0.5 else min(int(rng.expovariate(0.002)), len(out) - 1)
        if rng.random() < 0.3:  # directories of zip files are at the end
            at = max(0, len(out) - 1 - int(rng.expovariate(0.002)))
        kind = rng.randrange(8)
        if kind == 0:
            out[at] = rng.randrange(256)
        elif kind == 1:
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 2:
            size = rng.choice((1, 2, 4, 8))
            out[at : at + size] = (rng.choice(STEPS) % (1 << 8 * size)).to_bytes(size, "little")
        elif kind == 3:
            del out[at : at + rng.randint(1, 40)]
        elif kind == 4:
            start = rng.randrange(len(out))
            out[at:at] = out[start : start + rng.randint(1, 60)]
        elif kind == 5:
            start, size = rng.randrange(len(out)), rng.randint(1, 30)
            out[at : at + size] = out[start : start + size]
        elif kind == 6:
            digits = list(re.finditer(rb"\d+", bytes(out[at : at + 200])))
            if digits:
                start, end = rng.choice(digits).span()
                out[at + start : at + end] = rng.choice((b"0", b"-1", b"9" * 12, b"9" * 30, b"1e9"))
        else:
            del out[at:]
    return bytes(out)


def main(words: list[str]) -> int:
    """Tries changed and hostile files, and prints a line for each reader."""
    logging.disable(logging.WARNING)  # what the readers pass over
    count = int(words[0]) if words else 20_000
    names = words[1:] or list(READERS)
    whole = sum(READERS[name].share for name in names)
    bad = 0
    for name in names:
        harmful = Outcomes()
        for tried in hostile(name):
            harmful.add(*tried)
        changes = mutations(name, round(count * READERS[name].share / whole))
        for what, found in (("hostile", harmful), ("changed", changes)):
            print(f"{name:<12} {what} {dict(found.counts)}", flush=True)
            for line in found.wrong[:20]:
                print("   ", line)
            bad += len(found.wrong)
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
