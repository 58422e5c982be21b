"""Pickles that call what they must not, lie, grow or make no sense, and the files that carry them."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03."  # the first two pickles of torch's old format
SYSTEM = (
    b"\x80\x02}(X\x10\x00\x00\x00protocol_versionM\xe9\x03X\r\x00\x00\x00little_endian\x88"
    b"X\n\x00\x00\x00type_sizes}u."
)


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
