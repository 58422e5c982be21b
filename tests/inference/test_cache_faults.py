"""A cache that cannot be written, read or locked: the answer still comes, and a line says what happened."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.disks import small_files
from tests.inference.test_cache import entries, logits
from tests.tiny_models import batch, tiny
from zoo import files
from zoo.errors import UsageError
from zoo.inference import cache
from zoo.inference.engines import build, choose, compile, missing, versions
from zoo.inference.engines.eager import Eager
from zoo.models.common.base import Model


def test_nothing_can_be_written(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "file" / "home"))
    with caplog.at_level(logging.WARNING, "zoo"):
        assert logits(tiny()).shape == (2, 2)
    assert "compiled at every start" in caplog.text


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What a user is told, a line each."""
    return [line for record in caplog.records if record.name == "zoo" for line in record.message.split("\n")]


def answered(caplog: pytest.LogCaptureFixture, said: str) -> None:
    """A right answer, and one line that says what could not be done."""
    np.testing.assert_allclose(logits(tiny()), Eager(tiny())(batch(2, 5))["logits"], atol=1e-5)
    assert len(lines(caplog)) == 1 and said in lines(caplog)[0], lines(caplog)


WIDE = {"hidden_size": 96, "intermediate_size": 400, "vocab_size": 600}  # 1.2 MB


@pytest.mark.parametrize("limit", [0, 100_000, 300_000, 1_000_000])
def test_no_disk_has_room(limit: int, caplog: pytest.LogCaptureFixture) -> None:
    """Paddle writes on where nothing fits any more, paddle2onnx ends the process, and OpenVINO knows no reason."""
    model = tiny(**WIDE)
    wanted = Eager(model)(batch(2, 5))["logits"]
    for engine in ("paddle", "onnxruntime", "openvino"):
        if missing(engine):
            continue
        caplog.clear()
        with small_files(limit):
            built = build(model, choose(model, engine, "fp32"))
        assert (built.choice.engine, built.how) == ("eager", "as it is") and not entries()
        np.testing.assert_allclose(built.engine(batch(2, 5))["logits"], wanted, atol=1e-5)
        assert len(lines(caplog)) == 1 and "runs uncompiled, which is slower" in lines(caplog)[0]
        assert not list(cache.folder().glob(".*"))
    assert build(model, choose(model, "paddle", "fp32")).choice.engine == "paddle"  # there is room again
    assert len(entries()) == 1


def test_the_disk_of_the_cache_is_full(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever part of the entry it is that does not fit."""
    stops = [""]

    def full(real: Callable[..., int]) -> Callable[..., int]:
        def write(path: Path, *given: Any, **options: Any) -> int:
            if path.name == stops[-1] and cache.folder() in path.parents:
                raise OSError(errno.ENOSPC, "No space left on device", str(path))
            return real(path, *given, **options)

        return write

    for name in ("write_text", "write_bytes"):
        monkeypatch.setattr(Path, name, full(getattr(Path, name)))
    for stop in ("target", "model.json", cache.GRAPH_FILE, ".zoo-files.json.new"):
        stops.append(stop)
        caplog.clear()
        answered(caplog, "is full; nothing was published. The network is compiled at every start")
        assert not entries() and not list(cache.folder().glob(".*"))


def test_what_is_in_the_way_of_an_entry(caplog: pytest.LogCaptureFixture) -> None:
    key = cache.key_of(tiny(), "paddle", versions("paddle"))
    cache.folder().mkdir(parents=True)
    for name in (key, f".{key}.compile.zoo-lock", f".{key}.zoo-lock"):
        place = cache.folder() / name
        for make, remove in ((Path.touch, Path.unlink), (Path.mkdir, Path.rmdir)):
            caplog.clear()
            make(place)
            if place.is_dir() == name.endswith("lock"):  # an empty folder is filled, and a file is a good lock
                answered(caplog, "compiled at every start")
                remove(place)
            else:
                logits(tiny())
                assert not lines(caplog)
                shutil.rmtree(cache.folder() / key)


def test_a_file_of_somebody_elses_stays(caplog: pytest.LogCaptureFixture) -> None:
    logits(tiny())
    entry = entries()[0]
    (entry / "notes.txt").write_text("mine")
    (entry / "model.pdiparams").write_bytes(b"")
    before = logits(tiny())
    assert (entry / "notes.txt").read_text() == "mine" and not lines(caplog)
    assert (entry / "model.pdiparams").stat().st_size > 1000
    np.testing.assert_array_equal(logits(tiny()), before)


@pytest.mark.parametrize("name", [cache.GRAPH_FILE, ".zoo-files.json"])
@pytest.mark.parametrize("content", ["", '{"format": 1, "files": {"/etc/passwd": 3}}', "[" * 100_000])
def test_lists_that_are_damaged(name: str, content: str, caplog: pytest.LogCaptureFixture) -> None:
    before = logits(tiny())
    (entries()[0] / name).write_text(content)
    (entries()[0] / "model.json").unlink()
    np.testing.assert_array_equal(logits(tiny()), before)
    assert not lines(caplog)
    assert cache._read(entries()[0]) is not None


def test_a_lock_that_is_never_free(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "WAIT_SECONDS", 0.1)
    monkeypatch.setattr("zoo.files.disk.SECONDS_UNTIL_NOTICE", 0.1)
    key = cache.key_of(tiny(), "paddle", versions("paddle"))
    cache.folder().mkdir(parents=True)
    with files.lock(cache.folder() / f"{key}.compile"):
        caplog.set_level(logging.WARNING, "zoo")
        answered(caplog, "Another process is writing")


def test_a_cache_for_reading_only(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    before = logits(tiny())

    def refuse(*given: Any, **options: Any) -> Any:
        raise OSError(errno.EROFS, "Read-only file system", str(cache.folder()))

    for name in ("mkdir", "utime", "rename", "replace"):
        monkeypatch.setattr(os, name, refuse)
    request.getfixturevalue("no_tracing")
    np.testing.assert_array_equal(logits(tiny()), before)
    assert not lines(caplog)


def test_what_killed_processes_left_goes_by_age(tmp_path: Path) -> None:
    cache.folder().mkdir(parents=True)
    key, long_ago = "0123456789abcdef" * 2, time.time() - cache.LEFTOVER_SECONDS - 60
    folders = [f".{key}.zoo-tmp-abc", f".{key}.tmp", f".{key}.old", f".{key}.zoo-tmp-new"]
    strange = [".mine.tmp", f"{key}.tmp", "notes", f".{key}.backup", f".{key}x.tmp"]
    locks = [f".{key}.lock", f".{key}.compile", f".{key}.compile.zoo-lock"]
    for name in (*folders, *strange):
        (cache.folder() / name).mkdir()
        (cache.folder() / name / "file").touch()
        os.utime(cache.folder() / name, (long_ago, long_ago))
    for name in locks:
        (cache.folder() / name).touch()
        os.utime(cache.folder() / name, (long_ago, long_ago))
    os.utime(cache.folder() / folders[-1])
    (tmp_path / "elsewhere").mkdir()
    (cache.folder() / f".{key[::-1]}.tmp").symlink_to(tmp_path / "elsewhere")
    os.utime(cache.folder() / f".{key[::-1]}.tmp", (long_ago, long_ago), follow_symlinks=False)
    logits(tiny())
    left = {path.name for path in cache.folder().iterdir()} - {
        entry.name for entry in cache.folder().glob("?" * 32)
    }
    assert left >= {*strange, folders[-1]} and not left & {*folders[:-1], *locks}
    assert (tmp_path / "elsewhere").is_dir()


def test_what_a_killed_process_left_goes_with_the_next_entry() -> None:
    """Whatever network it compiled, and at once: its lock is free. One that is at work keeps its own."""
    dead, alive = (cache.folder() / (digit * 32) for digit in "07")
    code = """
import os, sys
from pathlib import Path
from zoo import files
target = Path(sys.argv[1])
with files.lock(target.with_name(f"{target.name}.compile")), files.publish(target):
    if len(sys.argv) > 2:
        os.kill(os.getpid(), 9)
    print("at work", flush=True)
    sys.stdin.read()
"""
    cache.folder().mkdir(parents=True)
    subprocess.run([sys.executable, "-c", code, str(dead), "killed"], check=False)
    command = [sys.executable, "-c", code, str(alive)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout and other.stdout.readline() == "at work\n"
        hidden = [path.name for path in cache.folder().glob(".*")]
        assert len(hidden) == 6
        logits(tiny())
        left = [path.name for path in cache.folder().glob(".*")]
        assert sorted(left) == sorted(name for name in hidden if name.startswith(".7"))
        other.communicate("")
    assert other.returncode == 0 and not list(cache.folder().glob(".*"))


def test_no_folder_for_temporary_files(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    cache.folder().parent.mkdir(parents=True)
    cache.folder().touch()

    def refuse(*given: Any, **options: Any) -> Any:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    monkeypatch.setattr(cache, "TemporaryDirectory", refuse)
    assert compile(tiny(), "paddle", "fp32").name == "eager"
    assert len(lines(caplog)) == 1 and "runs uncompiled" in lines(caplog)[0]


def test_an_engine_that_cannot_write_its_graph_says_so_itself(caplog: pytest.LogCaptureFixture) -> None:
    """A reason that has nothing to do with disks is no warning of the cache's."""

    def write(model: Model, folder: Path) -> Any:
        raise UsageError("ONNX needs paddle2onnx.")

    with pytest.raises(UsageError, match="paddle2onnx"), cache.graph_of(tiny(), "paddle", {}, write):
        pass
    assert not lines(caplog) and not entries()


def test_failed_write_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def write(model: Model, folder: Path) -> None:
        (folder / "model.json").write_text("half")
        raise RuntimeError("no space")

    with pytest.raises(RuntimeError, match="no space"), cache.graph_of(tiny(), "paddle", {}, write):  # type: ignore[arg-type]
        pass
    assert not entries()
