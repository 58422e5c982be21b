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


def write_bucc(folder: Path, languages: tuple[str, ...]) -> None:
    """Writes both parts of BUCC in its official form; the third sentence stands there twice, by another id too."""
    folder.mkdir(parents=True, exist_ok=True)
    words = {"foreign": ("eins", "zwei", "drei", "drei"), "en": ("one", "two", "three", "other")}
    for language in languages:
        for part in (f"{language}-en.{name}" for name in ("sample", "training")):
            for code, side in ((language, words["foreign"]), ("en", words["en"])):
                rows = (f"{code}-{n}\t{word}\n" for n, word in enumerate(side, 1))
                (folder / f"{part}.{code}").write_text("".join(rows), "utf-8")
            gold = (f"{language}-{n}\ten-{n}\n" for n in (1, 2, 3))
            (folder / f"{part}.gold").write_text("".join(gold), "utf-8")
