"""Hostile weight files: hostile pickles in every carrier, archives and headers that do not add up."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.faults.files_of_strangers import READERS
from benchmarks.faults.hostile_pickles import CARRIERS, FUNCTIONS, broken, called, growing


@dataclass(frozen=True)
class Case:
    """A file with its name in the folder; see `Hostile`."""

    name: str
    file: str
    content: Callable[[Path], bytes]
    heavy: bool = False

    def make(self, folder: Path, trace: Path) -> None:
        """Writes it."""
        (folder / self.file).write_bytes(self.content(trace))


def cases() -> Iterator[Case]:
    """Every hostile weight file."""
    for carrier, (file, pack) in CARRIERS.items():
        for function in FUNCTIONS:
            for how in ("R", "o", "i", "4", "new") if carrier == "zip" else ("R", "4"):
                make = lambda trace, f=function, h=how, p=pack: p(called(f, trace)[h])  # noqa: E731
                yield Case(f"{carrier}: {function[:40]!a} called by {how}", file, make)
        for what, pickled in {**growing(), **broken()}.items():
            yield Case(f"{carrier}: {what}", file, lambda trace, p=pack, x=pickled: p(x))  # type: ignore[misc]
    for what, made in {**_safetensors(), **_indexes()}.items():
        file = "model.safetensors.index.json" if what.startswith("index") else "model.safetensors"
        yield Case(f"weights: {what}", file, lambda trace, m=made: m(), "400,000" in what)  # type: ignore[misc]
    yield from _zips()


def header(raw: bytes, data: bytes = b"") -> bytes:
    """A safetensors file."""
    return struct.pack("<Q", len(raw)) + raw + data


def _safetensors() -> dict[str, Callable[[], bytes]]:
    good = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    one = '"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}'

    def of(entry: object, key: str = "a", data: bytes = bytes(4)) -> Callable[[], bytes]:
        return lambda: header(json.dumps({key: entry}).encode(), data)

    def many(twice: bool) -> bytes:
        names = [*range(400_000), *([7] if twice else [])]
        return header(f"{{{','.join(empty % n for n in names)}}}".encode())

    empty = '"n%d":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}'
    return {
        "no tensors": lambda: header(b"{}"),
        "metadata alone": lambda: header(b'{"__metadata__":{"a":"b"}}'),
        "metadata of null": lambda: header(f'{{"__metadata__":null,{one}}}'.encode(), b"\0"),
        "metadata of numbers": lambda: header(b'{"__metadata__":{"a":1}}'),
        "a name twice": lambda: header(f"{{{one},{one}}}".encode(), b"\0"),
        "400,000 names": lambda: many(False),
        "400,000 names, one twice": lambda: many(True),
        "a header of 90 MB of lists": lambda: header(b'{"a":[' + b"[]," * 30_000_000 + b"[]]}"),
        "a header of 90 MB of numbers": lambda: header(b'{"a":[' + b"1000," * 18_000_000 + b"1]}"),
        "a header of 90 MB of text": lambda: header(b'{"' + b"a" * 90_000_000 + b'":1}'),
        "a header of 2**62 bytes": lambda: struct.pack("<Q", 1 << 62) + b"{}",
        "a header of 101 MB": lambda: struct.pack("<Q", 101_000_000) + b"{}",
        "nested 100,000 times": lambda: header(b'{"a":' + b"[" * 100_000),
        "NaN": lambda: header(b'{"a":NaN}'),
        "a number of 5,000 digits": lambda: header(b'{"a":{"dtype":"U8","shape":[' + b"9" * 5_000 + b"]}}"),
        "a shape of 2**63": of({**good, "shape": [2**63, 2**63]}),
        "a shape of -1": of({**good, "shape": [-1]}),
        "a shape of 100,000 sizes": of({**good, "shape": [1] * 100_000}),
        "a shape of a nested list": of({**good, "shape": [[[1]]]}),
        "a shape of floats": of({**good, "shape": [1.0]}),
        "offsets of floats": of({**good, "data_offsets": [0.0, 4.0]}),
        "offsets of 10**29": of({**good, "data_offsets": [0, 10**29]}),
        "offsets of text": of({**good, "data_offsets": "04"}),
        "an unknown type": of({**good, "dtype": "\x1b[31mF99\u202e"}),
        "a type of a list": of({**good, "dtype": [["F32"]]}),
        "an entry of null": of(None),
        "a name of escape codes": of(good, "\x1b[2J\u202e"),
        "a name of half a character": of(good, "\ud800"),
        "a name of 100,000 characters": of(good, "n" * 100_000),
        "an empty name": of(good, ""),
        "bytes behind its end": of(good, data=bytes(5)),
        "cut off": of(good, data=bytes(3)),
    }  # fmt: skip


def _indexes() -> dict[str, Callable[[], bytes]]:
    def of(shard: object, key: str = "a") -> Callable[[], bytes]:
        return lambda: json.dumps({"weight_map": {key: shard}}).encode()

    names = (
        "x" * 4_096, "x" * 256, "a\0b", "../x", "/etc/passwd", "..", "", "a/b", "\x1b[31m", "\ud800", "C:x",
        "nul\u202e", "model.safetensors.index.json", 5, None, ["a"], {"a": 1},
    )  # fmt: skip
    made = {f"index of the shard {str(shard)[:20]!a}": of(shard) for shard in names}
    made["index of 100,000 shards"] = lambda: json.dumps(
        {"weight_map": {f"t{n}": f"s{n}.safetensors" for n in range(100_000)}}
    ).encode()
    made["index without a map"] = lambda: b'{"weight_map": []}'
    made["index with an empty map"] = lambda: b'{"weight_map": {}}'
    made["index nested 100,000 times"] = lambda: b'{"weight_map":' * 100_000
    return made


def good_zip() -> bytes:
    """A torch file as torch writes it."""
    return READERS["weights"].seeds()[0]["pytorch_model.bin"]


def repacked(change: Callable[[str, bytes], tuple[str, bytes]], method: int = 0) -> Callable[[Path], bytes]:
    """A torch file whose members were changed, with checksums that fit."""

    def make(trace: Path) -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(good_zip())) as old, zipfile.ZipFile(out, "w", method) as new:
            for member in old.namelist():
                new.writestr(*change(member, old.read(member)))
        return out.getvalue()

    return make


def flipped(part: str) -> Callable[[Path], bytes]:
    """A torch file with one other bit in a member."""

    def make(trace: Path) -> bytes:
        raw = bytearray(good_zip())
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            info = next(i for i in archive.infolist() if i.filename.endswith(part) and i.file_size)
        names = struct.unpack("<26xHH", raw[info.header_offset : info.header_offset + 30])
        raw[info.header_offset + 30 + sum(names)] ^= 1
        return bytes(raw)

    return make


def directory(entries: int, size: int = 0, start: int = 0, name: bytes = b"a") -> bytes:
    """A zip archive that is a directory alone."""
    one = struct.pack("<4s6H3I5H2I", b"PK\x01\x02", 20, 20, 0, 0, 0, 0, zlib.crc32(b""), 0, 0, len(name), *[0] * 6)
    table = (one + name) * entries
    end = struct.pack(
        "<4s4H2IH", b"PK\x05\x06", 0, 0, entries & 0xFFFF, entries & 0xFFFF, size or len(table), start, 0
    )
    return b"PK\x03\x04" + table + end


def _zips() -> Iterator[Case]:
    same: Callable[[str, bytes], tuple[str, bytes]] = lambda name, data: (name, data)  # noqa: E731
    wide = struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1_000_000, 1_000_000, 46_000_000, 4)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, 4, 1)
    made: dict[str, Callable[[Path], bytes]] = {
        "one bit of a storage": flipped("data/0"),
        "one bit of another storage": flipped("data/2"),
        "one bit of the pickle": flipped("data.pkl"),
        "one bit of the byte order": flipped("byteorder"),
        "compressed members": repacked(same, zipfile.ZIP_DEFLATED),
        "members of bzip2": repacked(same, zipfile.ZIP_BZIP2),
        "members of lzma": repacked(same, zipfile.ZIP_LZMA),
        "names of 60,000 bytes": repacked(lambda n, d: (n + "x" * 60_000, d)),
        "names of escape codes": repacked(lambda n, d: (n.replace("data/0", "\x1b[31m\u202e"), d)),
        "another storage": repacked(lambda n, d: (n.replace("data/0", "data/9"), d)),
        "short storages": repacked(lambda n, d: (n, d[:-1] if "data/" in n else d)),
        "a program": repacked(lambda n, d: (n.replace("version", "code/x.py"), d)),
        "a directory far behind the end": lambda trace: directory(1, start=0x7FFFFFFF),
        "a directory of 4 GB": lambda trace: directory(1, size=0xFFFFFFF0),
        "60,000 members without data": lambda trace: directory(60_000),
        "a million members, it says": lambda trace: b"PK\x03\x04" + wide + locator + directory(0)[4:],
        "a wide directory at 2**63": lambda trace: (
            good_zip()[:-22] + struct.pack("<4sIQI", b"PK\x06\x07", 0, 1 << 63, 1) + good_zip()[-22:]
        ),
        "no directory": lambda trace: good_zip()[:-22],
        "the beginning alone": lambda trace: b"PK\x03\x04",
    }
    for what, content in made.items():
        yield Case(f"torch zip: {what}", "pytorch_model.bin", content)
