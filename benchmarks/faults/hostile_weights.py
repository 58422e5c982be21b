"""Hostile weight files: pickles that call, lie or grow, archives and headers that do not add up."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from benchmarks.faults.files_of_strangers import READERS

MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03."  # the first two pickles of torch's old format
SYSTEM = (
    b"\x80\x02}(X\x10\x00\x00\x00protocol_versionM\xe9\x03X\r\x00\x00\x00little_endian\x88"
    b"X\n\x00\x00\x00type_sizes}u."
)


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


def text(value: str) -> bytes:
    """A pickled text."""
    raw = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(raw)) + raw


def name(path: str) -> bytes:
    """A pickled name of a function or class."""
    module, _, last = path.rpartition(".")
    return f"c{module}\n{last}\n".encode("utf-8", "surrogatepass")


def in_zip(pickled: bytes) -> bytes:
    """A torch file of the zip format without storages."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
    return out.getvalue()


def in_legacy(pickled: bytes) -> bytes:
    """A torch file of the old format."""
    return MAGIC + SYSTEM + pickled + b"\x80\x02]."


CARRIERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "zip": ("pytorch_model.bin", in_zip),
    "legacy": ("pytorch_model.bin", in_legacy),
    "pdparams": ("model_state.pdparams", lambda pickled: pickled),
}

# Functions that a pickle must not reach, by every way to name one.
FUNCTIONS = (
    "os.system", "posix.system", "subprocess.check_output", "builtins.eval", "builtins.exec", "builtins.getattr",
    "builtins.__import__", "builtins.open", "torch.load", "torch.hub.load", "numpy.load", "pickle.loads",
    "functools.partial", "operator.attrgetter", "runpy.run_path", "shutil.rmtree", "importlib.import_module",
    "torch.os.system", "collections.OrderedDict.__init__", "zoo.loading.load", "a\x1b[31m.b\u202e", "x" * 3_000,
    "\ud800.a",
)  # fmt: skip


def called(function: str, trace: Path) -> dict[str, bytes]:
    """The pickles that call a function with a command, by each operation that calls."""
    command = text(f"touch '{trace}'")
    found = name(function)
    stacked = text(function.rpartition(".")[0]) + text(function.rpartition(".")[2]) + b"\x93"
    return {
        "R": b"\x80\x02" + found + command + b"\x85R.",
        "o": b"\x80\x02(" + found + command + b"o.",
        "i": b"(" + command + b"i" + found[1:] + b".",
        "4": b"\x80\x04" + stacked + command + b"\x85R.",
        "new": b"\x80\x04" + stacked + command + b"\x85\x81.",
    }


def doubled(times: int) -> bytes:
    """A tuple of two tuples of two tuples, each twice the same."""
    return b")" + b"2\x86" * times


def copied(function: str, count: int, items: int = 5_000) -> bytes:
    """A list that a function copies over and over, all copies kept."""
    values = b"(" + b"K\x01" * items + b"l"
    return b"\x80\x02](" + values + b"\x85q\x00" + (name(function) + b"h\x00R") * count + b"e."


def pairs(count: int, items: int = 3_000) -> bytes:
    """A dict that OrderedDict copies over and over."""
    table = b"}(" + b"".join(b"M" + struct.pack("<H", n) + b"N" for n in range(items)) + b"u"
    return b"\x80\x02](" + table + b"\x85q\x00" + (name("collections.OrderedDict") + b"h\x00R") * count + b"e."


def updates(count: int, items: int = 3_000) -> bytes:
    """Attributes that many Namespaces are given."""
    state = b"}(" + b"".join(text(f"a{n}") + b"N" for n in range(items)) + b"u"
    return b"\x80\x02](" + state + b"q\x000" + (name("argparse.Namespace") + b")\x81h\x00b") * count + b"e."


def encoded(count: int, size: int = 60_000) -> bytes:
    """A text that is encoded over and over."""
    call = name("_codecs.encode") + b"h\x00R"
    return b"\x80\x02](" + text("a" * size) + text("latin1") + b"\x86q\x000" + call * count + b"e."


def one_hash(count: int) -> bytes:
    """Keys that are different numbers with the same hash."""
    prime = 2**61 - 1
    numbers = (((n + 1) * prime + 7).to_bytes(11, "little") for n in range(count))
    return b"\x80\x02}(" + b"".join(b"\x8a\x0b" + raw + b"N" for raw in numbers) + b"u."


def state_of(key: bytes) -> bytes:
    """A Namespace that is given a dict with a key."""
    return b"\x80\x02" + name("argparse.Namespace") + b")\x81}" + key + b"Nsb."


def tensor(storage: bytes, offset: bytes, shape: bytes, strides: bytes, key: bytes = text("w")) -> bytes:
    """A state dict with one described tensor."""
    call = name("torch._utils._rebuild_tensor_v2") + b"(" + storage + offset + shape + strides
    return b"\x80\x02}" + key + call + b"\x89}tRs."


def storage(called: bytes = text("0"), size: bytes = b"K\x02", kind: str = "torch.FloatStorage") -> bytes:
    """A persistent id."""
    return b"(" + text("storage") + name(kind) + called + text("cpu") + size + b"tQ"


@cache
def growing() -> dict[str, bytes]:
    """Pickles that are small and ask for much."""
    ones = b"K\x01\x85"
    d60 = doubled(60)
    large = b"\x8a\x08" + b"\x00" * 7 + b"\x10"
    encode, dtype = name("_codecs.encode"), name("numpy.dtype")
    bad_shape = tensor(storage(), b"K\x00", d60, ones)
    return {
        "doubled tuples as root": b"\x80\x02" + doubled(64) + b".",
        "doubled tuples as a key": b"\x80\x02}" + doubled(64) + b"Ns.",
        "doubled tuples as a function's argument": b"\x80\x02" + encode + text("a") + d60 + b"\x86R.",
        "doubled tuples as a shape": bad_shape,
        "doubled tuples as strides": tensor(storage(), b"K\x00", ones, d60),
        "doubled tuples as an offset": tensor(storage(), d60, ones, ones),
        "doubled tuples as a tensor's name": tensor(storage(), b"K\x00", ones, ones, d60),
        "doubled tuples as a persistent id": b"\x80\x02" + d60 + b"Q.",
        "doubled tuples as a storage's name": tensor(storage(d60), b"K\x00", ones, ones),
        "doubled tuples as a storage's size": tensor(storage(text("0"), d60), b"K\x00", ones, ones),
        "doubled tuples as Namespace's pairs": b"\x80\x02" + name("argparse.Namespace") + d60 + b"\x85R.",
        "doubled tuples as OrderedDict's pairs": b"\x80\x02" + name("collections.OrderedDict") + d60 + b"\x85R.",
        "doubled tuples as a dtype": b"\x80\x02" + name("numpy.dtype") + d60 + b"\x85R.",
        "doubled tuples as a dtype's state": b"\x80\x02" + dtype + text("f4") + b"\x85R" + d60 + b"b.",
        "doubled tuples as a class": b"\x80\x02" + name("copyreg._reconstructor") + d60 + b"NN\x87R.",
        "doubled tuples as a Namespace's key": state_of(doubled(64)),
        "doubled lists": b"\x80\x02]" + b"2\x86" * 64 + b".",
        "list() 20,000 times": copied("builtins.list", 20_000),
        "tuple() 20,000 times": copied("builtins.tuple", 20_000),
        "set() 20,000 times": copied("builtins.set", 20_000),
        "torch.Size 20,000 times": copied("torch.Size", 20_000),
        "OrderedDict 20,000 times": pairs(20_000),
        "Namespace.update 20,000 times": updates(20_000),
        "encode 20,000 times": encoded(20_000),
        "numbers with one hash": one_hash(60_000),
        "a memo of a million": b"\x80\x02N" + b"".join(b"r" + struct.pack("<I", n) for n in range(400_000)) + b".",
        "a place in the memo of 80 digits": b"Np" + b"9" * 80 + b"\n.",
        "a million lists": b"\x80\x02(" + b"]" * 1_000_000 + b"l.",
        "a million Namespaces": b"\x80\x02(" + (name("argparse.Namespace") + b")\x81") * 100_000 + b"l.",
        "nested 500,000 times": b"\x80\x02" + b"]" * 500_000 + b"a" * 499_999 + b".",
        "nested tuples 500,000 times": b"\x80\x02)" + b"\x85" * 500_000 + b".",
        "one text 3,000 times": b"\x80\x02(" + text("\U0001f600" * 15_000) * 3_000 + b"l.",
        "numbers of 255 bytes": b"\x80\x02(" + (b"\x8a\xff" + b"\x7f" * 255) * 100_000 + b"l.",
        "a text of 4 GB": b"\x80\x02X\xff\xff\xff\xff",
        "bytes of 16 EB": b"\x80\x04\x8e" + b"\xff" * 8,
        "a frame of 16 EB": b"\x80\x04\x95" + b"\xff" * 8 + b"N.",
        "a number of 2 GB": b"\x80\x02\x8b\xff\xff\xff\x7f",
        "a number of 5,000 digits": b"(L" + b"9" * 5_000 + b"L\nt.",
        "a line without end": b"c" + b"a" * 300_000,
        "a view of 2**60 elements": tensor(storage(), b"K\x00", large + b"\x85", b"K\x00\x85"),
        "a storage of 2**60 elements": tensor(storage(text("0"), large), b"K\x00", ones, ones),
        "a storage with a name of 60,000": tensor(storage(text("k" * 60_000)), b"K\x00", ones, ones),
        "a tensor with a name of 60,000": tensor(storage(), b"K\x00", ones, ones, text("k" * 60_000)),
        "a tensor with escape codes": tensor(storage(), b"K\x00", ones, ones, text("\x1b[2J\u202ew")),
        "a tensor with half a character": tensor(storage(), b"K\x00", ones, ones, text("\ud800")),
        "a type of escape codes": b"\x80\x02" + name("numpy.dtype") + text("\x1b[31m") + b"\x85R.",
        "keys of escape codes": b"\x80\x02}" + text("\x1b[2J\u202e") + b"Ns.",
        "another kind of data": b"\x80\x02" + text("\x1b]0;x\x07") + b"\x85Q.",
    }  # fmt: skip


def broken() -> dict[str, bytes]:
    """Pickles that make no sense."""
    parts = (
        b"R.", b"b.", b"t.", b"(.", b".", b"K\x01K\x02s.", b"h\x05.", b"}(K\x01u.", b"]K\x01K\x02s.", b"}]K\x01s.",
        b"NK\x01a.", b"q\x00.", b"2.", b"0.", b"e.", b"\x82\x01.", b")\x86Q.", b"P0\n.", b"NQ.",
        b"X\x01\x00\x00\x00\xff.", b"(lb.", b"(S'a\nt.", b"(Ix\nt.", b"(Fx\nt.", b"(V\\u0041\nt.",
        b"\x97.", b"]\x90.",
    )  # fmt: skip
    return {f"broken {n}": b"\x80\x02" + part for n, part in enumerate(parts)}


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
