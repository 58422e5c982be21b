"""A folder appears whole or not at all, also when the process is killed; archives bring nothing but files."""

from __future__ import annotations

import io
import os
import stat
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from pathlib import Path

import pytest

from benchmarks.faults import hostile_archives
from zoo.checkpoint import extract
from zoo.checkpoint.archive import FREE_BYTES
from zoo.errors import CheckpointError, UsageError
from zoo.files import publish
from zoo.files.writing import MANIFEST_FILE


def content(folder: Path) -> dict[str, str]:
    return {
        p.relative_to(folder).as_posix(): p.read_text()
        for p in folder.rglob("*")
        if p.is_file() and p.name != MANIFEST_FILE
    }


def fill(folder: Path, text: str) -> None:
    (folder / "inner").mkdir()
    for name in ("a", "inner/b"):
        (folder / name).write_text(text)


def whole(text: str) -> dict[str, str]:
    return {"a": text, "inner/b": text}


class TestPublish:
    def test_new_and_replaced(self, tmp_path: Path) -> None:
        for text in ("one", "two"):
            with publish(tmp_path / "deep" / "model") as folder:
                fill(folder, text)
                assert not (tmp_path / "deep" / "model").exists() or text == "two"
            assert content(tmp_path / "deep" / "model") == whole(text)
        assert [p.name for p in (tmp_path / "deep").iterdir() if p.is_dir()] == ["model"]

    @pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, SystemExit])
    def test_an_error_leaves_the_old_one(self, tmp_path: Path, kind: type[BaseException]) -> None:
        with publish(tmp_path / "model") as folder:
            fill(folder, "one")
        with pytest.raises(kind), publish(tmp_path / "model") as folder:
            fill(folder, "two")
            raise kind
        assert content(tmp_path / "model") == whole("one")
        assert [p.name for p in tmp_path.iterdir() if p.is_dir()] == ["model"]

    def test_a_file_in_the_way_is_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "model").write_text("mine")
        with pytest.raises(UsageError, match="is a file"), publish(tmp_path / "model"):
            pass
        assert (tmp_path / "model").read_text() == "mine"

    @pytest.mark.parametrize("call", ["os.fsync", "os.rename", "shutil.rmtree", "Path.mkdir", "open"])
    @pytest.mark.parametrize("older", [False, True], ids=["new", "replaced"])
    def test_killed_at_any_point(self, tmp_path: Path, call: str, older: bool) -> None:
        """The process kills itself before and after the n-th such call, for every n there is."""
        code = """
import os, shutil, signal, sys
from pathlib import Path
from zoo.files import publish, writing
writing._exchange = lambda one, other: False  # as on systems without it
target, call, n, when = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
owner, name = {"os": os, "shutil": shutil, "Path": Path}.get(call.split(".")[0]), call.split(".")[-1]
owner = owner or __import__("builtins")
real, seen = getattr(owner, name), [0]
def deadly(*args, **options):
    mine = seen[0] = seen[0] + 1
    if mine == n and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    result = real(*args, **options)
    if mine == n and when == "after":
        os.kill(os.getpid(), signal.SIGKILL)
    return result
setattr(owner, name, deadly)
with publish(target) as folder:
    (folder / "inner").mkdir()
    for part in ("a", "inner/b"):
        with open(folder / part, "w") as file:
            file.write("new")
"""
        if os.name != "posix":
            pytest.skip("needs SIGKILL")
        killed = 0
        for n in range(1, 12):
            ended = set()
            for when in ("before", "after"):
                target = tmp_path / f"{n}{when}" / "model"
                if older:
                    with publish(target) as folder:
                        fill(folder, "old")
                run = subprocess.run([sys.executable, "-c", code, str(target), call, str(n), when])
                ended.add(run.returncode)
                if target.exists():
                    assert content(target) in (whole("old"), whole("new")), (call, n, when)
                if target.exists() and not older:
                    assert content(target) == whole("new")
                with (
                    pytest.raises(ZeroDivisionError),
                    publish(target),
                ):  # what is left is tidied up, nothing is lost
                    raise ZeroDivisionError
                assert content(target) in (whole("old"), whole("new")) if older else True
                left = target.parent.iterdir() if target.parent.exists() else ()
                assert [p.name for p in left] in ([], ["model"])
            if ended == {0}:
                break
            killed += 1
        assert killed or not older

    def test_two_at_once_wait_for_each_other(self, tmp_path: Path) -> None:
        inside, most, lock = 0, 0, threading.Lock()

        def run(text: str) -> None:
            nonlocal inside, most
            with publish(tmp_path / "model") as folder:
                with lock:
                    inside += 1
                    most = max(most, inside)
                fill(folder, text)
                with lock:
                    inside -= 1

        threads = [threading.Thread(target=run, args=(str(n),)) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert most == 1
        assert content(tmp_path / "model") in [whole(str(n)) for n in range(6)]


Member = tuple[tarfile.TarInfo, bytes]


def member(name: str, data: bytes = b"x", kind: bytes = tarfile.REGTYPE, link: str = "") -> Member:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, len(data) if kind == tarfile.REGTYPE else 0
    return info, data


def tar(path: Path, members: list[Member], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return path


class TestArchives:
    @pytest.mark.parametrize("mode", ["w:gz", "w"])
    def test_tar(self, tmp_path: Path, mode: str) -> None:
        big = os.urandom(3_000_000)
        path = tar(
            tmp_path / "m.tar.gz", [member("m", kind=tarfile.DIRTYPE), member("m/model.pt", big), member("d")], mode
        )
        files = extract(path, tmp_path / "out")
        assert files == [tmp_path / "out/m/model.pt", tmp_path / "out/d"]
        assert files[0].read_bytes() == big and files[1].read_bytes() == b"x"

    def test_zip(self, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "m.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("m/config.json", "{}")
        (out := tmp_path / "out").mkdir()
        assert [p.read_text() for p in extract(tmp_path / "m.zip", out)] == ["{}"]

    @pytest.mark.parametrize(
        "bad",
        [
            member("../evil"), member("/etc/evil"), member("a/../../evil"), member("a\\..\\evil"),
            member("C:/evil"),
            member("..", kind=tarfile.DIRTYPE), member("/tmp/evil", kind=tarfile.DIRTYPE),
            member("evil", kind=tarfile.SYMTYPE, link="/etc/passwd"),
            member("evil", kind=tarfile.SYMTYPE, link="good"),
            member("evil", kind=tarfile.LNKTYPE, link="/etc/passwd"),
            member("evil", kind=tarfile.LNKTYPE, link="good"),
            member("evil", kind=tarfile.CHRTYPE), member("evil", kind=tarfile.BLKTYPE),
            member("evil", kind=tarfile.FIFOTYPE),
            member("good"), member("./good"), member("good/evil"),
        ],
        ids=lambda m: f"{m[0].name}-{m[0].type.decode()}{m[0].linkname}",
    )  # fmt: skip
    def test_what_is_refused(self, tmp_path: Path, bad: Member) -> None:
        path = tar(tmp_path / "m.tar.gz", [member("good"), bad])
        with pytest.raises(CheckpointError):
            extract(path, tmp_path / "out")
        assert sorted(p.name for p in tmp_path.iterdir()) == ["m.tar.gz", "out"]
        assert not any((tmp_path / "out").iterdir())

    def test_zip_with_links_or_ways_out(self, tmp_path: Path) -> None:
        link = zipfile.ZipInfo("evil")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        for info in (link, zipfile.ZipInfo("../evil"), zipfile.ZipInfo("/evil")):
            with zipfile.ZipFile(tmp_path / "m.zip", "w") as archive:
                archive.writestr(info, "/etc/passwd")
            with pytest.raises(CheckpointError):
                extract(tmp_path / "m.zip", tmp_path / "out")
            assert not any((tmp_path / "out").iterdir())

    @pytest.mark.parametrize("make", ["tar", "zip"])
    def test_bombs(self, tmp_path: Path, make: str) -> None:
        zeros = bytes(FREE_BYTES * 3 // 2)
        path = tmp_path / "m"
        if make == "tar":
            tar(path, [member("a", zeros)])
        else:
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr("a", zeros)
        with pytest.raises(CheckpointError, match="times its size"):
            extract(path, tmp_path / "out")
        assert not any((tmp_path / "out").iterdir())

    def test_a_header_that_asks_for_gigabytes(self, tmp_path: Path) -> None:
        info = tarfile.TarInfo("pax")
        info.type, info.size = tarfile.XHDTYPE, 4 << 30
        (tmp_path / "m.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
        with pytest.raises(CheckpointError, match="cannot be unpacked"):
            extract(tmp_path / "m.tar", tmp_path / "out")

    @pytest.mark.parametrize("make", ["tar", "zip"])
    def test_cut_off_anywhere(self, tmp_path: Path, make: str) -> None:
        path, data = tmp_path / "m", os.urandom(5000)
        if make == "tar":
            tar(path, [member("a", data), member("b", data)])
        else:
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr("a", data)
                archive.writestr("b", data)
        full = path.read_bytes()
        for size in range(0, len(full) - 8, 97):
            path.write_bytes(full[:size])
            with pytest.raises(CheckpointError):
                extract(path, tmp_path / "out")
            assert not any((tmp_path / "out").iterdir())

    def test_a_full_folder_is_left_alone(self, tmp_path: Path) -> None:
        path = tar(tmp_path / "m.tar", [member("a")])
        with pytest.raises(CheckpointError, match="not an empty folder"):
            extract(path, tmp_path)
        with pytest.raises(CheckpointError, match="no archive"):
            extract(tmp_path / "nowhere", tmp_path / "out")
        assert path.exists()


HARMFUL = (
    "tar: a header of 15 MB", "tar: a header of a million records", "tar: a header with 60,000 digits",
    "tar: a size of 4,000 digits", "tar: a long name of 15 MB", "tar: 5,000 headers of headers",
    "tar: a map of a million holes", "tar: a map of 10**18 holes", "tar: a map of 100,000 digits",
    "tar: a file of 8 EB", "tar: two links in a circle", "tar: 30,000 folders", "tar: 12,000 files",
    "zip: a million members", "zip: names of 60,000 bytes", "zip: a directory of 4 GB",
    "zip: a directory far behind the end", "zip: members of bzip2", "zip: members of lzma",
    "zip: an extra field without end", "zip 12: damaged at 5/10", "zip 14: damaged at 5/10",
)  # fmt: skip


HARMLESS = ("a\0b", "", ".", "a//b", "./a")  # as a tar writes the name, or unpacked as one file of the folder


class TestHarmfulArchives:
    """Bounded, in a sentence, and nothing stays."""

    @pytest.mark.parametrize("name", HARMFUL)
    def test_what_asks_for_more_than_it_is(self, tmp_path: Path, name: str) -> None:
        path = tmp_path / "m"
        path.write_bytes(dict(hostile_archives.made())[name]())
        started = time.process_time()
        with pytest.raises(CheckpointError) as caught:
            extract(path, tmp_path / "out")
        assert time.process_time() - started < 10
        assert caught.value.message.isprintable() and len(caught.value.message) < 800
        assert not any((tmp_path / "out").iterdir())

    @pytest.mark.parametrize(
        "name", [n for n in hostile_archives.NAMES if n not in HARMLESS], ids=lambda text: ascii(text[:12])
    )
    def test_a_name_stays_in_the_folder_and_off_the_terminal(self, tmp_path: Path, name: str) -> None:
        path = tmp_path / "m"
        path.write_bytes(hostile_archives.tar(hostile_archives.member(name)))
        with pytest.raises(CheckpointError) as caught:
            extract(path, tmp_path / "out")
        assert caught.value.message.isprintable() and len(caught.value.message) < 800
        assert sorted(p.name for p in tmp_path.iterdir()) == ["m", "out"]

    def test_bzip2_is_refused_whole_or_damaged(self, tmp_path: Path) -> None:
        for name in (n for n, _ in hostile_archives.made() if n.startswith("zip 12")):
            (tmp_path / "m").write_bytes(dict(hostile_archives.made())[name]())
            with pytest.raises(CheckpointError):
                extract(tmp_path / "m", tmp_path / "out")

    @pytest.mark.parametrize("kind", ["pipe", "loop"])
    def test_what_is_no_file(self, tmp_path: Path, kind: str) -> None:
        path = tmp_path / "m"
        os.mkfifo(path) if kind == "pipe" else path.symlink_to("m")
        with pytest.raises(CheckpointError):
            extract(path, tmp_path / "out")
