"""Folders and files appear whole, and nothing that somebody else wrote is lost."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from zoo import files
from zoo.errors import DiskError, UsageError
from zoo.files import writing


def put(target: Path, **content: str) -> None:
    with files.publish(target) as work:
        for name, text in content.items():
            file = work / name.replace("__", "/").replace("_json", ".json")
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)


def listed(folder: Path) -> dict[str, str]:
    """Every file below a folder but our list, with what is in it."""
    return {
        p.relative_to(folder).as_posix(): p.read_text()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name != writing.MANIFEST_FILE
    }


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("exchange", [True, False])
def test_a_second_time_replaces_what_was_ours_and_nothing_else(tmp_path, monkeypatch, whole, exchange):
    if not exchange:
        monkeypatch.setattr(writing, "_exchange", lambda one, other: False)
    target = tmp_path / "a" / "model"
    put(target, config_json="1", vocab="x", sub__weights="1")
    if not whole:
        (target / "notes.txt").write_text("mine")
        (target / ".git").mkdir()
        (target / ".git" / "HEAD").write_text("mine")
    put(target, config_json="2", weights="2")
    strangers = {} if whole else {"notes.txt": "mine", ".git/HEAD": "mine"}
    assert listed(target) == {"config.json": "2", "weights": "2", **strangers}
    assert [p.name for p in target.parent.iterdir()] == ["model"]


def test_a_strangers_file_with_our_name_stays_and_nothing_is_written(tmp_path):
    (tmp_path / "config.json").write_text("theirs")
    with pytest.raises(UsageError, match=r"config.json.*stays"), files.publish(tmp_path):
        raise AssertionError("refused before any work")
    (tmp_path / "config.json").unlink()
    (tmp_path / "weights").write_text("theirs")
    with pytest.raises(UsageError, match="weights"):
        put(tmp_path, config_json="1", weights="1")
    assert listed(tmp_path) == {"weights": "theirs"}


def test_a_file_that_was_changed_since_is_no_longer_ours_to_remove(tmp_path):
    put(tmp_path / "m", config_json="1", vocab="x")
    (tmp_path / "m" / "vocab").write_text("changed by hand")
    put(tmp_path / "m", config_json="2")
    assert listed(tmp_path / "m") == {"config.json": "2", "vocab": "changed by hand"}


def test_the_working_directory_keeps_its_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes").write_text("mine")
    put(Path("."), config_json="1")
    (tmp_path / "notes").unlink()
    put(Path("."), config_json="2")  # wholly ours, but we stand in it
    assert listed(Path(".")) == {"config.json": "2"}
    assert os.path.samefile(".", tmp_path)


@pytest.mark.parametrize("kind", ["file", "below", "device"])
def test_what_is_no_folder_is_refused_by_name(tmp_path, kind):
    (tmp_path / "f").write_text("mine")
    target = {"file": tmp_path / "f", "below": tmp_path / "f" / "m", "device": Path("/dev/null")}[kind]
    with pytest.raises(UsageError, match="is a file"):
        put(target, config_json="1")
    assert listed(tmp_path) == {"f": "mine"}


def test_a_link_to_a_folder_stays_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    for n in "12":
        put(tmp_path / "link", config_json=n)
    assert (tmp_path / "link").is_symlink()
    assert listed(tmp_path / "real") == {"config.json": "2"}
    (tmp_path / "dangling").symlink_to("new")
    put(tmp_path / "dangling", config_json="1")
    assert listed(tmp_path / "new") == {"config.json": "1"}


def test_a_link_inside_is_not_followed(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "sub").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="stays"):
        put(tmp_path / "m", config_json="1", sub__weights="1")
    assert not listed(tmp_path / "elsewhere")


def test_an_error_inside_leaves_what_was_there(tmp_path):
    put(tmp_path / "m", config_json="1")
    with pytest.raises(ZeroDivisionError), files.publish(tmp_path / "m") as work:
        (work / "config.json").write_text("2")
        raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError), files.publish(tmp_path / "x" / "y"):
        raise ZeroDivisionError
    assert listed(tmp_path) == {"m/config.json": "1"}
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


def test_a_list_from_elsewhere_does_not_lead_out_of_its_folder(tmp_path):
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "m").mkdir()
    names = {"../precious": 4, str(tmp_path / "precious"): 4, "config.json": 1}
    (tmp_path / "m" / writing.MANIFEST_FILE).write_text(json.dumps({"format": 1, "files": names}))
    put(tmp_path / "m", config_json="1")
    files.remove(tmp_path / "m")
    assert listed(tmp_path) == {"precious": "mine"}


def test_removing_leaves_strangers(tmp_path):
    put(tmp_path / "m", config_json="1", sub__weights="1")
    (tmp_path / "m" / "notes").write_text("mine")
    files.remove(tmp_path / "m")
    assert listed(tmp_path) == {"m/notes": "mine"}
    (tmp_path / "m" / "notes").unlink()
    put(tmp_path / "m", config_json="1", sub__weights="1")
    files.remove(tmp_path / "m")
    assert not list(tmp_path.iterdir())


def test_a_folder_of_that_name_that_we_did_not_make_is_not_tidied(tmp_path):
    for name in (".m.tmp", ".m.old", ".m.zoo-tmp-mine"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "notes").write_text("mine")
    put(tmp_path / "m", config_json="1")
    assert len(listed(tmp_path)) == 4


KILLED = """
import os, signal, sys
from pathlib import Path
from zoo import files
from zoo.files import writing
moment = sys.argv[2]
def die(*args, **more):
    os.kill(os.getpid(), signal.SIGKILL)
if moment == "unmarked":
    Path.write_bytes = die
elif moment == "half marked":
    Path.write_bytes = lambda path, *_: (path.touch(), die())
elif moment == "half removed":
    class Stop(BaseException): ...
    real = os.unlink
    os.unlink = lambda *args, **more: (real(*args, **more), die())
    try:
        with files.publish(Path(sys.argv[1])) as work:
            (work / "config.json").write_text("2")
            raise Stop
    except Stop:
        pass
elif moment != "inside":
    one, left = moment.split()
    real, left = getattr(os, one), [int(left)]
    def kill(*args):
        real(*args)
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
    writing._exchange = lambda a, b: False
    setattr(writing.os, one, kill)
with files.publish(Path(sys.argv[1])) as work:
    (work / "config.json").write_text("2")
    (work / "weights").write_text("2")
    if moment == "inside":
        os.kill(os.getpid(), signal.SIGKILL)
"""


EARLY_OR_LATE = ["unmarked", "half marked", "half removed"]
STEPS = (
    ["inside", "rename 1", "rename 2", *EARLY_OR_LATE],
    ["inside", "replace 1", "replace 2", "replace 3", "replace 4"],
)


@pytest.mark.parametrize("moment, strangers", [(m, bool(n)) for n in (0, 1) for m in STEPS[n]])
def test_after_a_kill_the_next_call_finds_the_old_folder_and_leaves_nothing(tmp_path, moment, strangers):
    target = tmp_path / "m"
    put(target, config_json="1", weights="1")
    if strangers:
        (target / "notes").write_text("mine")
    done = subprocess.run([sys.executable, "-c", KILLED, str(target), moment])
    assert done.returncode == -signal.SIGKILL
    put(target, config_json="3", weights="3")
    notes = {"notes": "mine"} if strangers else {}
    assert listed(target) == {"config.json": "3", "weights": "3", **notes}
    assert {p.name for p in tmp_path.iterdir()} <= {"m", ".m.zoo-lock"}


def _many(target: Path, number: int) -> None:
    for _ in range(5):
        put(target, config_json=str(number), weights=str(number))


def test_several_processes_on_one_target(tmp_path):
    processes = [multiprocessing.Process(target=_many, args=(tmp_path / "m", n)) for n in range(8)]
    for process in processes:
        process.start()
    seen = set()
    while any(p.is_alive() for p in processes):
        if (tmp_path / "m").exists():
            seen.add((tmp_path / "m" / "config.json").exists())
    assert [p.exitcode for p in processes] == [0] * 8
    found = listed(tmp_path / "m")
    assert found["config.json"] == found["weights"]
    assert seen <= {True}, "a reader saw half a folder"
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


def test_who_does_not_wait_is_told(tmp_path):
    told = pytest.raises(UsageError, match="Another process")
    with files.lock(tmp_path / "run"), told, files.lock(tmp_path / "run", wait=False):
        raise AssertionError
    assert not list(tmp_path.iterdir())


def test_a_file_is_replaced_only_when_that_was_said(tmp_path):
    file = tmp_path / "out" / "answers.tsv"
    files.write_json(file, {"a": 1})
    with pytest.raises(UsageError, match="already"), files.write_file(file):
        raise AssertionError
    with files.write_file(file, replace=True) as stream:
        stream.write("行\r\n")
    assert file.read_bytes() == "行\r\n".encode()
    assert [p.name for p in file.parent.iterdir()] == [file.name]
    for other in (tmp_path, Path("/dev/null")):
        with pytest.raises(UsageError), files.write_file(other, replace=True):
            raise AssertionError


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), OSError(122, "Disk quota exceeded")])
def test_a_full_disk_is_a_sentence(tmp_path, error):
    with pytest.raises(DiskError, match="is full"), files.publish(tmp_path / "m"):
        raise error
    with pytest.raises(DiskError, match="is full"), files.write_file(tmp_path / "f"):
        raise error
    assert not list(tmp_path.iterdir())


def test_a_source_that_cannot_be_read_is_not_called_the_target(tmp_path):
    with pytest.raises(DiskError, match=r"vocab\.txt"), files.publish(tmp_path / "m"):
        raise PermissionError(13, "Permission denied", "/elsewhere/vocab.txt")


@pytest.mark.parametrize("target", ["/proc/x", "/proc/1/x", "/sys/zoo"])
def test_where_nothing_can_be_written_is_a_sentence(target):
    with pytest.raises(UsageError, match="cannot be written"):
        put(Path(target), config_json="1")
    with pytest.raises(UsageError, match="cannot be written"):
        files.probe(target)


def test_a_probe_leaves_nothing(tmp_path):
    files.probe(tmp_path / "a" / "b")
    assert not list(tmp_path.iterdir())


def test_long_and_foreign_names(tmp_path):
    for name in ("模" * 80, "a b", "x" * 255):
        put(tmp_path / name, config_json="1")
        put(tmp_path / name, config_json="2")
        assert listed(tmp_path / name) == {"config.json": "2"}
    with pytest.raises(UsageError, match="cannot be written"):
        put(tmp_path / ("x" * 256), config_json="1")


def test_room_for_work_on_the_way_outlives_a_publication(tmp_path):
    with files.scratch(tmp_path / "m") as made:
        (made / "converted").write_text("1")
        put(tmp_path / "m", config_json="1")
        assert (made / "converted").read_text() == "1"
    assert [p.name for p in tmp_path.iterdir()] == ["m"]
    with pytest.raises(UsageError, match="cannot be written"), files.scratch("/proc/x"):
        raise AssertionError


def test_a_parent_that_another_process_took_away_is_made_again(tmp_path, monkeypatch):
    from zoo.files import disk

    real = disk._touch

    def late(file):
        if file.parent.exists() and not any(file.parent.iterdir()):
            file.parent.rmdir()  # as a process that failed does with what it made
        monkeypatch.setattr(disk, "_touch", real)
        real(file)

    monkeypatch.setattr(disk, "_touch", late)
    put(tmp_path / "out" / "m", config_json="1")
    assert listed(tmp_path) == {"out/m/config.json": "1"}


def test_removing_takes_what_a_killed_process_left(tmp_path):
    target = tmp_path / "m"
    put(target, config_json="1")
    assert subprocess.run([sys.executable, "-c", KILLED, str(target), "inside"]).returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 3
    files.remove(target)
    assert not list(tmp_path.iterdir())


def test_a_path_that_is_none(tmp_path: Path) -> None:
    assert files.user_path("~/x") == Path.home() / "x"
    assert files.user_path("~nobody-at-all/x") == Path("~nobody-at-all/x")
    assert str(files.user_path("~\0")) == "~\0"  # whoever opens it says so
    for bad in ("", "a\0b"):
        for write in (files.probe_file, lambda name: files.write_json(name, {})):
            with pytest.raises(UsageError, match="no name of a file"):
                write(bad)
