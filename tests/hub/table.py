"""The table of misbehaviours; see `tests.hub.cases` for what its words mean and how to run it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any

from tests.hub.acts import OK, drips, hang_up, never_ends, redirects, says, silence
from tests.hub.cases import (
    ABSOLUTE,
    CONFIG,
    ESCAPE,
    FILES,
    PAGE,
    RECOVERED,
    SENTENCE,
    Case,
    any_revision,
    body,
    hub_part,
    more,
    part,
    put,
    ref,
    without,
)

LIST, CONF, BIG = "/api/models/*", "*/resolve/*/config.json", "/cdn/*"
MS_LIST, MS_CONF, MS_BIG = "*/repo/files", "*/repo/config.json", "*/repo/model.safetensors"
ARCHIVE = "/archives/*"
EITHER = (RECOVERED, SENTENCE)
DATA = ("Data", "Files")
WEIGHTS = FILES["model.safetensors"]
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n"
DEEP = b"[" * 100_000

# Names that must never become paths, by what they are
NAMES = {
    "leads out": "../../LICENSE",
    "leads out in its middle": "1_x/../../../../config.json",
    "absolute": f"{ABSOLUTE}/config.json",
    "with backslashes": "..\\..\\config.json",
    "of a drive": "LICENSE/C:x",
    "with NUL": "LICENSE\0",
    "with an escape code": "LICENSE\x1b[2J",
    "with a mark of direction": "LICENSE\u202etxt",
    "half a character": "LICENSE\ud800",
    "far too long": "LICENSE" + "x" * 5000,
    "in far too many folders": "LICENSE" + "/x" * 5000,
    "through .": "LICENSE/./x",
    "with an empty folder": "LICENSE//x",
    "of a stream": "LICENSE:evil",
}
COMMITS: dict[str, Any] = {
    "leads out": ESCAPE,
    "absolute": ABSOLUTE,
    "empty": "",
    "null": None,
    "a number": 5,
    "a list": ["a" * 40],
    "short": "abc123",
    "41 digits": "a" * 41,
    "with a line end": "a" * 40 + "\n",
    "in capitals": "A" * 40,
    "in other digits": "١" * 40,
    "with escape codes": "\x1b[31m" + "a" * 35,
}
VALUES: dict[str, Any] = {"a text": "x", "a list": [1], "negative": -1, "huge": 10**29, "half": 1.5, "true": True}


def _same(kind: str, listing: str) -> Iterator[Case]:
    """What any listing can do, of the Hub and of ModelScope."""
    yield Case("a listing that is silent", (SENTENCE,), listing, {"act": silence}, kind)
    yield Case("a listing that drips", (SENTENCE,), listing, {"act": drips()}, kind)
    yield Case("headers that drip", (SENTENCE,), listing, {"act": drips(OK + b"X: ")}, kind)
    yield Case("a status line that drips", (SENTENCE,), listing, {"act": drips(b"HTTP/1.1 2")}, kind)
    yield Case(
        "a listing that never ends", (SENTENCE,), listing, {"act": never_ends(OK + b"\r\n", b"[" * 9999)}, kind
    )
    yield Case("headers that never end", (SENTENCE,), listing, {"act": never_ends(OK, b"X: y\r\n" * 99)}, kind)
    yield Case(
        "a header that never ends", (SENTENCE,), listing, {"act": never_ends(OK + b"X: ", b"y" * 9999)}, kind
    )
    endless = never_ends(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 99)
    yield Case("100 Continue for ever", (SENTENCE,), listing, {"act": endless}, kind)
    yield Case("hangs up", (SENTENCE,), listing, {"act": hang_up}, kind)
    yield Case("hangs up once", (RECOVERED,), listing, {"act": hang_up, "times": 1}, kind)
    yield Case("no HTTP", (SENTENCE,), listing, {"act": says(b"\x00\xff\x1b[31m\r\n\r\n")}, kind)
    yield Case("HTTP/9", (SENTENCE,), listing, {"act": says(b"HTTP/9.9 200 OK\r\n\r\n{}")}, kind)
    yield Case("status abc", (SENTENCE,), listing, {"act": says(b"HTTP/1.1 abc OK\r\n\r\n{}")}, kind)
    for status in (204, 206, 304, 400, 418, 500, 503, 599):
        yield Case(f"status {status}", EITHER if status == 206 else (SENTENCE,), listing, {"status": status}, kind)
    for value in ("3600", "86400000", "Fri, 31 Dec 9999 23:59:59 GMT", "inf", "-1", "9" * 5000, "0"):
        asks = {"status": 429, "headers": {"Retry-After": value}}
        yield Case(f"Retry-After {value[:30]}", (SENTENCE,), listing, asks, kind)
    yield Case(
        "Retry-After, once",
        (RECOVERED,),
        listing,
        {"status": 503, "headers": {"Retry-After": "1"}, "times": 1},
        kind,
    )
    yield Case("a page", (SENTENCE,), listing, body(PAGE, Content_Type="text/html"), kind)
    yield Case("a page, once", EITHER, listing, body(PAGE) | {"times": 1}, kind)
    yield Case("nothing", (SENTENCE,), listing, body(b""), kind)
    yield Case("nested 100,000 times", (SENTENCE,), listing, body(DEEP), kind)
    yield Case("no UTF-8", (SENTENCE,), listing, body(b'{"a": "\xff"}'), kind)
    yield Case("NaN", (SENTENCE,), listing, body(b'{"sha": NaN, "Code": NaN}'), kind)
    yield Case("a number of 5,000 digits", (SENTENCE,), listing, body(b'{"sha": %s}' % (b"9" * 5000)), kind)
    yield Case("2 MB of spaces", (SENTENCE,), listing, body(b" " * (2 << 20)), kind)
    yield Case("packed unasked", (SENTENCE,), listing, body(gzip.compress(b"{}"), Content_Encoding="gzip"), kind)
    for value in (None, [], "x", 5, {}):
        yield Case(f"{json.dumps(value)}", (SENTENCE,), listing, put(value), kind)
    yield Case("cut off", (SENTENCE,), listing, {"cut": 30}, kind)
    for length in ("abc", "-5", "1e3", "999999", "9" * 400, "1, 2"):
        yield Case(f"Content-Length {length[:9]}", EITHER, listing, {"headers": {"Content-Length": length}}, kind)
    yield Case(
        "half of it, then silence",
        (SENTENCE,),
        listing,
        {"act": says(OK + b"Content-Length: 99\r\n\r\n{", silence)},
        kind,
    )
    for size in (b"-1", b"-5", b"zz", b"", b"FFFFFFFFFFFFFFFF", b"5;" + b"x" * 70_000):
        chunked = OK + b"Transfer-Encoding: chunked\r\n\r\n" + size + b"\r\n"
        yield Case(
            f"a piece of {size[:9]!r} bytes", (SENTENCE,), listing, {"act": never_ends(chunked, b"[" * 9999)}, kind
        )
    trailers = never_ends(OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n", b"X: y\r\n" * 99)
    yield Case("trailers that never end", (SENTENCE,), listing, {"act": trailers}, kind)
    for where in (
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
        "data:,{}",
        "http://",
        "http://[::1",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:9/",
        "//",
        "http://" + "a" * 300,
        "http://a b/",
        "\x1b[31m",
        "?" + "x" * 60_000,
    ):
        yield Case(f"sent to {where[:30]!r}", (SENTENCE,), listing, {"act": redirects(where)}, kind)
    yield Case("sent in circles", (SENTENCE,), listing, {"status": 302, "headers": {"Location": "?again"}}, kind)
    yield Case("sent nowhere", (SENTENCE,), listing, {"status": 302}, kind)
    yield Case(
        "sent on with words that never end",
        (SENTENCE,),
        listing,
        {"act": redirects("/x", never_ends(b"", b"x" * 9999))},
        kind,
    )
    yield Case("sent on, then silence", (SENTENCE,), listing, {"act": redirects("/x", silence)}, kind)


def _files(kind: str, small: str, large: str) -> Iterator[Case]:
    """What any file can be, of the Hub and of ModelScope."""
    for plain in (False, True) if kind == "hub" else (False,):
        end = ", digests in headers only" if plain else ""
        yield Case(f"a page for config.json{end}", (SENTENCE,), small, body(PAGE), kind, plain)
        yield Case(f"a page for the weights{end}", (SENTENCE,), large, body(PAGE), kind, plain)
        yield Case(f"a pointer for the weights{end}", (SENTENCE,), large, body(POINTER), kind, plain)
        yield Case(f"other weights{end}", (SENTENCE,), large, {"damage": True}, kind, plain)
        yield Case(f"another config.json{end}", (SENTENCE,), small, {"damage": True}, kind, plain)
        yield Case(f"longer weights{end}", (SENTENCE,), large, body(WEIGHTS + b"x"), kind, plain)
        yield Case(f"shorter weights{end}", (SENTENCE,), large, body(WEIGHTS[:-1]), kind, plain)
        yield Case(f"no weights{end}", (SENTENCE,), large, body(b""), kind, plain)
        endless = {"act": never_ends(OK + b"\r\n", b"x" * 9999)}
        yield Case(f"weights that never end{end}", (SENTENCE,), large, endless, kind, plain)
        yield Case(f"a config.json that never ends{end}", (SENTENCE,), small, endless, kind, plain)
    for name, path in (("config.json", small), ("weights", large)):
        yield Case(f"{name}: silence", (SENTENCE,), path, {"act": silence}, kind)
        yield Case(f"{name}: silence, once", (RECOVERED,), path, {"act": silence, "times": 1}, kind)
        yield Case(f"{name}: drips", (SENTENCE,), path, {"act": drips()}, kind)
        yield Case(f"{name}: Content-Length abc", (RECOVERED,), path, {"headers": {"Content-Length": "abc"}}, kind)
        yield Case(f"{name}: no length", (RECOVERED,), path, {"drop": ("Content-Length",)}, kind)
        yield Case(f"{name}: cut", EITHER, path, {"cut": 20}, kind)
        yield Case(f"{name}: cut once", (RECOVERED,), path, {"cut": 20, "times": 1}, kind)
        yield Case(f"{name}: status 416", (SENTENCE,), path, {"status": 416}, kind)
        yield Case(f"{name}: status 403", (SENTENCE,), path, {"status": 403}, kind)
        yield Case(f"{name}: status 404", (SENTENCE,), path, {"status": 404}, kind)
        yield Case(
            f"{name}: Retry-After 3600",
            (SENTENCE,),
            path,
            {"status": 503, "headers": {"Retry-After": "3600"}},
            kind,
        )
        piece = says(b"HTTP/1.1 206 Partial\r\nContent-Range: bytes 5-9/10\r\nContent-Length: 5\r\n\r\nabcde")
        yield Case(f"{name}: another piece", (SENTENCE,), path, {"act": piece}, kind)
        yield Case(
            f"{name}: packed unasked",
            (SENTENCE,),
            path,
            body(gzip.compress(WEIGHTS), Content_Encoding="gzip"),
            kind,
        )
        yield Case(f"{name}: sent to a file", (SENTENCE,), path, {"act": redirects("file:///etc/passwd")}, kind)
    named = {"Content-Disposition": f'attachment; filename="{ESCAPE}"', "Set-Cookie": "x=\x01"}
    yield Case("a name for the file", (RECOVERED,), large, {"headers": named}, kind)


def _hub() -> Iterator[Case]:
    for what, sha in COMMITS.items():
        yield Case(f"a commit {what}", (SENTENCE,), LIST, put(sha, "sha"))
        both = put(sha, "sha") | {"headers": {"X-Repo-Commit": ESCAPE}}
        yield Case(f"a commit {what}, X-Repo-Commit too", (SENTENCE,), "*", both, prepare=any_revision)
        yield Case(f"a commit {what}, served too", (SENTENCE,), LIST, put(sha, "sha"), prepare=any_revision)
    yield Case("no commit", (SENTENCE,), LIST, without("sha"))
    for header in ("X-Repo-Commit", "ETag", "X-Linked-Etag"):
        for plain in (False, True):
            for value in (f'"{ESCAPE}"', "", ABSOLUTE, "x" * 5000, "W/" * 99, '"..."'):
                fault = {"headers": {header: value}}
                yield Case(f"{header} {value[:9]}", (RECOVERED,), "*/resolve/*", fault, plain=plain)
    for value in ("abc", "-5", "9" * 400):
        yield Case(
            f"X-Linked-Size {value[:9]}",
            (RECOVERED,),
            "*/resolve/*",
            {"headers": {"X-Linked-Size": value}},
            plain=True,
        )
    for code in ("GatedRepo", "RepoNotFound", "RevisionNotFound", "EntryNotFound", ESCAPE, "x" * 5000):
        for status in (401, 403, 404):
            yield Case(f"{status} {code[:20]}", (SENTENCE,), "*", {"status": status, "code": code})
    for what, name in NAMES.items():
        yield Case(f"a file {what}", (SENTENCE,), LIST, more(name))
    for what, name in {"a number": 5, "null": None, "a list": ["x"], "empty": ""}.items():
        yield Case(f"a file's name is {what}", (SENTENCE,), LIST, more(name))
    yield Case("a file twice with two sizes", (SENTENCE,), LIST, more("config.json", size=5))
    yield Case("two files that differ in capitals", (SENTENCE,), LIST, more("LICENSE.txt", "LICENSE.TXT"))
    yield Case(
        "two files that differ in how é is written", (SENTENCE,), LIST, more("LICENSE\u00e9", "LICENSEe\u0301")
    )
    yield Case("a file that is a folder", (SENTENCE,), LIST, more("LICENSE", "LICENSE/x"))
    yield Case("odd names of files that nobody wants", (RECOVERED,), LIST, more("a: b?.png", "CON", "readme.md"))
    yield Case("a file that is listed only", (SENTENCE,), LIST, more("LICENSE"))
    for value in (None, {}, "x", 5, ["config.json"], [None], [[]]):
        yield Case(f"siblings {json.dumps(value)}", (SENTENCE,), LIST, put(value, "siblings"))
    for what, value in VALUES.items():
        yield Case(f"a size is {what}", (SENTENCE,), LIST, put(value, "siblings", 0, "size"))
        yield Case(f"lfs is {what}", (SENTENCE,), LIST, put(value, "siblings", 1, "lfs"))
        yield Case(f"a large size is {what}", (SENTENCE,), LIST, put(value, "siblings", 1, "lfs", "size"))
        yield Case(f"a sha256 is {what}", (SENTENCE,), LIST, put(value, "siblings", 1, "lfs", "sha256"))
        yield Case(f"a blobId is {what}", (SENTENCE,), LIST, put(value, "siblings", 0, "blobId"))
    for field, index in (("sha256", 1), ("blobId", 0)):
        path: tuple[str | int, ...] = ("siblings", index, "lfs", field) if index else ("siblings", index, field)
        yield Case(f"{field} leads out", (SENTENCE,), LIST, put(ESCAPE, *path))
        yield Case(f"{field} of something else", (SENTENCE,), LIST, put("0" * (64 if index else 40), *path))
    yield Case("sizes of something else", (SENTENCE,), LIST, put(5, "siblings", 0, "size"))
    yield Case("a size beyond any disk", (SENTENCE,), LIST, put(1 << 49, "siblings", 1, "lfs", "size"))
    yield Case("a part of other bytes", (RECOVERED,), "-", {}, prepare=hub_part(b"x" * 5000))
    yield Case("a part that is too long", (RECOVERED,), "-", {}, prepare=hub_part(WEIGHTS * 2))
    yield Case("a part of the right length", (RECOVERED,), "-", {}, prepare=hub_part(b"x" * len(WEIGHTS)))
    yield Case(
        "a part, but no ranges",
        (RECOVERED,),
        BIG,
        {"headers": {"Accept-Ranges": "none"}},
        prepare=hub_part(WEIGHTS[:500]),
    )
    for text in (ESCAPE, "", "x" * 5000, "\0", "a" * 40):
        yield Case(f"a note of the branch {text[:20]!r}", (RECOVERED,), "-", {}, prepare=ref(text))


def _modelscope() -> Iterator[Case]:
    folder = "downloads/modelscope/org--tiny@master/"
    for what, name in NAMES.items():
        yield Case(f"a file {what}", (SENTENCE,), MS_LIST, more(name, files=DATA), "modelscope")
    for what, name in {"a number": 5, "null": None, "a list": ["x"], "empty": ""}.items():
        yield Case(f"a file's name is {what}", (SENTENCE,), MS_LIST, more(name, files=DATA), "modelscope")
    for value in (None, [], "x", 5):
        yield Case(f"Data {json.dumps(value)}", (SENTENCE,), MS_LIST, put(value, "Data"), "modelscope")
        yield Case(f"Files {json.dumps(value)}", (SENTENCE,), MS_LIST, put(value, *DATA), "modelscope")
        yield Case(f"a file {json.dumps(value)}", (SENTENCE,), MS_LIST, put(value, *DATA, 0), "modelscope")
        yield Case(f"Code {json.dumps(value)}", (SENTENCE,), MS_LIST, put(value, "Code"), "modelscope")
    refused = {"change": lambda listing: {"Code": 5, "Message": "\x1b[31m" + "x" * 99_999}}
    yield Case("a refusal of 100 kB with escape codes", (SENTENCE,), MS_LIST, refused, "modelscope")
    yield Case(
        "a refusal that is a list",
        (SENTENCE,),
        MS_LIST,
        {"change": lambda x: {"Code": 5, "Message": []}},
        "modelscope",
    )
    for what, value in VALUES.items():
        yield Case(f"a size is {what}", (SENTENCE,), MS_LIST, put(value, *DATA, 0, "Size"), "modelscope")
        yield Case(f"a sha256 is {what}", (SENTENCE,), MS_LIST, put(value, *DATA, 0, "Sha256"), "modelscope")
    yield Case("a sha256 that leads out", (SENTENCE,), MS_LIST, put(ESCAPE, *DATA, 0, "Sha256"), "modelscope")
    for what, left in {
        "longer": WEIGHTS * 2,
        "of other bytes": b"x" * 5000,
        "as long": b"x" * len(WEIGHTS),
    }.items():
        prepare = part(f"{folder}.model.safetensors.part", left)
        yield Case(f"a part that is {what}", (RECOVERED,), "-", {}, "modelscope", prepare=prepare)
    prepare = part(f"{folder}.model.safetensors.part.etag", b"\xff\x00\n" * 99)
    yield Case("an ETag that is none", (RECOVERED,), "-", {}, "modelscope", prepare=prepare)


def _archive() -> Iterator[Case]:
    folder = "downloads/archives/"
    kind = "archive"
    yield Case("silence", (SENTENCE,), ARCHIVE, {"act": silence}, kind)
    yield Case("drips", (SENTENCE,), ARCHIVE, {"act": drips()}, kind)
    yield Case("never ends", (SENTENCE,), ARCHIVE, {"act": never_ends(OK + b"\r\n", b"x" * 9999)}, kind)
    yield Case("a page", (SENTENCE,), ARCHIVE, body(PAGE), kind)
    yield Case("a page of JSON", (SENTENCE,), ARCHIVE, body(CONFIG), kind)
    yield Case("nothing", (SENTENCE,), ARCHIVE, body(b""), kind)
    yield Case("cut", EITHER, ARCHIVE, {"cut": 500}, kind)
    yield Case("cut once", (RECOVERED,), ARCHIVE, {"cut": 500, "times": 1}, kind)
    yield Case("cut once, no ETag", (RECOVERED,), ARCHIVE, {"cut": 500, "times": 1, "drop": ("ETag",)}, kind)
    yield Case("cut without a length", (SENTENCE,), ARCHIVE, {"cut": 500, "drop": ("Content-Length",)}, kind)
    yield Case("damaged", (SENTENCE,), ARCHIVE, {"damage": True}, kind)
    yield Case("Retry-After 3600", (SENTENCE,), ARCHIVE, {"status": 429, "headers": {"Retry-After": "3600"}}, kind)
    yield Case("sent to a file", (SENTENCE,), ARCHIVE, {"act": redirects("file:///etc/passwd")}, kind)
    yield Case("Content-Length abc", (RECOVERED,), ARCHIVE, {"headers": {"Content-Length": "abc"}}, kind)
    yield Case(
        "an ETag with a line of its own",
        (RECOVERED,),
        ARCHIVE,
        {"headers": {"ETag": "x" * 9999}, "cut": 500, "times": 1},
        kind,
    )
    for left in (b"x" * 500, b"x" * (1 << 20)):
        yield Case(
            f"a part of {len(left)} bytes",
            (RECOVERED,),
            "-",
            {},
            kind,
            prepare=part(f"{folder}.tiny.tar.gz.part", left),
        )
    prepare = part(f"{folder}.tiny.unpacking/config.json", b"{}")
    yield Case("a process was killed while it unpacked", (RECOVERED,), "-", {}, kind, prepare=prepare)


CASES = (
    *_hub(),
    *_same("hub", LIST),
    *_files("hub", CONF, BIG),
    *_modelscope(),
    *_same("modelscope", MS_LIST),
    *_files("modelscope", MS_CONF, MS_BIG),
    *_archive(),
)
