"""Lines of the data in tests/data, and the same with hard characters in them."""

from __future__ import annotations

import gzip
import random
from functools import cache
from pathlib import Path

from tests.places import DATA

HARD = (
    *"\u0301\u0308\u0323\u0345 \t\0\x01\x1c\x7f\x85\xa0\xad\u200b\u200d\u2009\u2028\u3000\ufeff\ufffd",
    *"ÉİßΣςÅ'-._@<>㐀𠀀𫠠豈한ᄒ가ひﾊﾟ㎏㍿ﷺﬁ①½…２‐“”😀🏽กำาاﻻिක\ue000",
    *("##a", "[MASK]", "  ", "''", "``", "9,5", "ΑΣ", "क्षि", "👨‍👩‍👧"),
)


def files(folder: Path) -> list[Path]:
    """Every text file below a folder, in a fixed order."""
    return [p for p in sorted(folder.rglob("*")) if p.is_file() and p.suffix not in (".md", ".zip")]


def lines(file: Path) -> list[str]:
    """Lines of a file, packed or not; only a line feed ends one."""
    raw = file.read_bytes()
    return (gzip.decompress(raw) if file.suffix == ".gz" else raw).decode().split("\n")


@cache
def own() -> tuple[str, ...]:
    """Every line of tests/data once: tables, JSON, plain text of twenty languages."""
    return tuple(dict.fromkeys(line for file in files(DATA) for line in lines(file)))


@cache
def sample() -> tuple[str, ...]:
    """The lines cut to 2,000 characters, and two copies of each with hard characters at random places."""
    chance = random.Random(5)
    found = [line[:2000] for line in own()]
    for line in found * 2:
        characters = list(line[:200])
        for _ in range(1 + len(characters) // 8):
            characters.insert(chance.randint(0, len(characters)), chance.choice(HARD))
        found.append("".join(characters))
    return tuple(found)
