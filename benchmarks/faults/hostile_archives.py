"""Hostile archives of a model's folder: members that leave it, headers and members that grow, damage."""

from __future__ import annotations

import bz2
import gzip
import io
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.faults.hostile_weights import Case, directory

Member = tuple[tarfile.TarInfo, bytes]
NAMES = (
    "../x", "/etc/x", "a/../../x", "..", "a\\..\\x", "C:x", "a\0b", "x" * 256, "x" * 5_000, "a/" * 500 + "x",
    "\x1b[31mx\u202e", "\udc80", "", ".", "a//b", "./a", "con\n", "é" * 200,
)  # fmt: skip
TYPES = {
    "a link": tarfile.SYMTYPE, "a hard link": tarfile.LNKTYPE, "a pipe": tarfile.FIFOTYPE,
    "a device": tarfile.CHRTYPE, "a disk": tarfile.BLKTYPE,
    "a file with holes": tarfile.GNUTYPE_SPARSE, "an unknown kind": b"Z",
}  # fmt: skip


def member(name: str, data: bytes = b"x", kind: bytes = tarfile.REGTYPE, link: str = "", **pax: str) -> Member:
    """A member of a tar."""
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname, info.pax_headers = len(data), kind, link, pax
    return info, data


def tar(*members: Member) -> bytes:
    """A tar archive."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data) if info.isreg() else None)
    return out.getvalue()


def pax(raw: bytes, kind: bytes = tarfile.XHDTYPE, times: int = 1) -> bytes:
    """Raw extended headers, then a file."""
    info = tarfile.TarInfo("header")
    info.size, info.type = len(raw), kind
    head = info.tobuf(tarfile.USTAR_FORMAT) + raw + bytes(-len(raw) % 512)
    return head * times + tar(member("a"))


def sized(size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    """A file that says it is of a size."""
    info = tarfile.TarInfo("a")
    info.size, info.type = size, kind
    return info.tobuf(tarfile.GNU_FORMAT) + b"x" * 512


def sparse(numbers: bytes) -> bytes:
    """A file with holes as GNU tar 1.0 writes it: its map is at the beginning of its data."""
    records = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "a", "GNU.sparse.realsize": "9"}
    return tar(member("a", numbers + bytes(-len(numbers) % 512), **records))


def packed(members: list[tuple[str, bytes]], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip archive."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name) if method == 0 else name, data)
    return out.getvalue()


def linked(mode: int, target: str) -> bytes:
    """A zip archive with a member that is a link or a device."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo("a")
        info.external_attr = mode << 16
        archive.writestr(info, target)
    return out.getvalue()


def damaged(raw: bytes, at: float) -> bytes:
    """Sixteen other bytes in the middle."""
    place = int(len(raw) * at)
    return raw[:place] + bytes(b ^ 0x5A for b in raw[place : place + 16]) + raw[place + 16 :]


def made() -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Names and makers of the archives."""
    text = bytes(range(256)) * 40
    for name in NAMES:
        yield f"tar: {name[:30]!a}", lambda n=name: tar(member(n))  # type: ignore[misc]
        if name and (name.isprintable() or "\x1b" in name):
            yield f"zip: {name[:30]!a}", lambda n=name: packed([(n, b"x")])  # type: ignore[misc]
    for what, kind in TYPES.items():
        yield f"tar: {what}", lambda k=kind: tar(member("a", b"", k, "/etc/passwd"))  # type: ignore[misc]
    modes = {"a link": stat.S_IFLNK, "a pipe": stat.S_IFIFO, "a device": stat.S_IFCHR}
    for what, mode in modes.items():
        yield f"zip: {what}", lambda m=mode: linked(m | 0o777, "a")  # type: ignore[misc]
    yield (
        "tar: two links in a circle",
        lambda: tar(member("a", b"", tarfile.SYMTYPE, "b"), member("b", b"", tarfile.SYMTYPE, "a"), member("a/c")),
    )
    yield "tar: a name twice", lambda: tar(member("a"), member("a"))
    yield "tar: a file and a folder", lambda: tar(member("a"), member("a/b"))
    yield "zip: a file and a folder", lambda: packed([("a", b"x"), ("a/b", b"x")])
    yield "tar: a header of 15 MB", lambda: pax(b"15728640 comment=" + b"a" * (15 << 20))
    yield "tar: a header of a million records", lambda: pax(b"6 a=b\n" * 1_000_000)
    yield "tar: a header with 60,000 digits", lambda: pax(b"9" * 60_000 + b" a=b\n")
    yield "tar: a size of 4,000 digits", lambda: pax(b"4011 size=" + b"9" * 4_000 + b"\n")
    yield "tar: a size below nothing", lambda: pax(b"13 size=-999\n")
    yield "tar: a name of half a character", lambda: pax(b"13 path=\xed\xa0\x80\n")
    yield "tar: a path that leaves", lambda: pax(b"20 path=../../../x\n\n")
    yield "tar: a long name of 15 MB", lambda: pax(b"a" * (15 << 20), tarfile.GNUTYPE_LONGNAME)
    yield "tar: 5,000 headers of headers", lambda: pax(b"7 a=bc\n", times=5_000)
    yield "tar: a map of a million holes", lambda: sparse(b"1000000\n" + b"1\n" * 2_000_000)
    yield "tar: a map of 10**18 holes", lambda: sparse(b"1000000000000000000\n1\n")
    yield "tar: a map of 100,000 digits", lambda: sparse(b"9" * 100_000 + b"\n")
    yield "tar: a file of 8 EB", lambda: sized(1 << 62)
    yield "tar: a link of 8 EB", lambda: sized(1 << 62, tarfile.SYMTYPE)
    yield "tar: 30,000 folders", lambda: tar(*(member(f"d{n}", b"", tarfile.DIRTYPE) for n in range(30_000)))
    yield "tar: 12,000 files", lambda: tar(*(member(f"f{n}", b"") for n in range(12_000)))
    yield "tar.gz: 300 MB of zeros", lambda: gzip.compress(sized(300 << 20)[:512] + bytes(300 << 20), 1)
    yield "tar.gz: 300 MB behind its end", lambda: gzip.compress(tar(member("a")) + bytes(300 << 20), 1)
    yield "tar.gz: a wrong checksum", lambda: gzip.compress(tar(member("a")))[:-8] + bytes(8)
    yield "tar.gz: the beginning alone", lambda: b"\x1f\x8b"
    yield "tar.bz2", lambda: bz2.compress(tar(member("a")))
    yield "zip: 300 MB of zeros", lambda: packed([("a", bytes(300 << 20))])
    yield "zip: members of bzip2", lambda: packed([("a", text)], zipfile.ZIP_BZIP2)
    yield "zip: members of lzma", lambda: packed([("a", text)], zipfile.ZIP_LZMA)
    yield "zip: a million members", lambda: directory(1_000_000)
    yield "zip: 60,000 members", lambda: directory(60_000)
    yield "zip: names of 60,000 bytes", lambda: directory(1_000, name=b"n" * 60_000)
    yield "zip: a directory far behind the end", lambda: directory(1, start=0x7FFFFFFF)
    yield "zip: a directory of 4 GB", lambda: directory(1, size=0xFFFFFFF0)
    yield "zip: an encrypted member", lambda: _with_flag(packed([("a", b"x")]))
    yield "zip: an extra field without end", lambda: _with_extra(packed([("a", b"x")], 0))
    forms = {"tar.gz": gzip.compress(tar(member("a", text))), "tar": tar(member("a", text))}
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        forms[f"zip {method}"] = packed([("a", text)], method)
    for form, raw in forms.items():
        for tenth in range(1, 10):
            yield f"{form}: damaged at {tenth}/10", lambda r=raw, t=tenth: damaged(r, t / 10)  # type: ignore[misc]


def _with_flag(raw: bytes) -> bytes:
    at = raw.index(b"PK\x01\x02")
    return raw[:6] + b"\x01" + raw[7 : at + 8] + b"\x01" + raw[at + 9 :]


def _with_extra(raw: bytes) -> bytes:
    """The directory's entry with an extra field that says it is longer than it is."""
    at = raw.index(b"PK\x01\x02")
    entry = bytearray(raw[at : at + 47])
    entry[30:32] = struct.pack("<H", 4)
    entry += struct.pack("<HH", 1, 0xFFFF)
    end = bytearray(raw[at + 47 :])
    end[12:16] = struct.pack("<I", len(entry))
    return raw[:at] + bytes(entry) + bytes(end)


def cases() -> Iterator[Case]:
    """Every hostile archive."""
    for name, maker in made():

        def content(trace: Path, maker: Callable[[], bytes] = maker) -> bytes:
            return maker()

        yield Case(name, "model.archive", content)
