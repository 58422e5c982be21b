"""What is kept of a hub on disk: links, files of other versions, disks that refuse."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from tests.hub.entries import commit
from tests.hub.server import CONFIG, TINY, WEIGHTS, HubServer
from zoo import env, hub
from zoo.errors import HubError


def test_a_link_in_the_cache_that_leads_out_is_not_written_through(server: HubServer, tmp_path: Path) -> None:
    server.add("org/deep", TINY | {"1_Pooling/config.json": "{}"})
    server.add("org/deep", TINY | {"1_Pooling/config.json": "{}"}, "modelscope")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    snapshot = env.hub_cache() / "models--org--deep/snapshots" / commit(server.root / "hub/org/deep")
    copy = env.home() / "downloads/modelscope/org--deep@master"
    for folder in (snapshot, copy):
        folder.mkdir(parents=True)
        (folder / "1_Pooling").symlink_to(elsewhere)
    for name in ("org/deep", "modelscope:org/deep"):
        with pytest.raises(HubError, match="outside of the cache"):
            hub.resolve(name)
    assert list(elsewhere.iterdir()) == []


def test_a_part_that_is_a_link_is_not_written_through(server: HubServer, tmp_path: Path) -> None:
    server.add("iic/tiny", TINY, "modelscope")
    precious = tmp_path / "precious"
    precious.write_text("mine")
    folder = env.home() / "downloads/modelscope/iic--tiny@master"
    folder.mkdir(parents=True)
    (folder / ".model.safetensors.part").symlink_to(precious)
    with pytest.raises(HubError):
        hub.resolve("modelscope:iic/tiny")
    assert precious.read_text() == "mine"


def test_a_cache_that_is_moved_to_another_disk_by_links_works(server: HubServer, tmp_path: Path) -> None:
    (tmp_path / "disk/models--org--tiny").mkdir(parents=True)
    env.hub_cache().parent.mkdir(parents=True)
    env.hub_cache().symlink_to(tmp_path / "disk")
    assert (hub.resolve("org/tiny").path / "model.safetensors").read_bytes() == WEIGHTS


def test_the_cache_is_as_huggingface_hub_has_it(server: HubServer) -> None:
    from huggingface_hub import scan_cache_dir, try_to_load_from_cache

    found = hub.resolve("org/tiny")
    for name in ("config.json", "model.safetensors"):
        path = try_to_load_from_cache("org/tiny", name, cache_dir=env.hub_cache(), revision="main")
        assert isinstance(path, str) and Path(path) == found.path / name and Path(path).is_symlink()
    (repository,) = scan_cache_dir(env.hub_cache()).repos
    assert repository.repo_id == "org/tiny" and repository.refs["main"].commit_hash == found.revision


def test_what_huggingface_hub_downloaded_is_used(server: HubServer) -> None:
    from huggingface_hub import hf_hub_download

    for name in ("config.json", "model.safetensors", "vocab.txt"):
        hf_hub_download("org/tiny", name, cache_dir=env.hub_cache(), endpoint=server.url)
    server.requests.clear()
    assert (hub.resolve("org/tiny").path / "model.safetensors").read_bytes() == WEIGHTS
    assert [r.path for r in server.requests] == ["/api/models/org/tiny/revision/main"]


def test_a_page_that_an_earlier_version_kept_is_noticed_and_replaced(server: HubServer) -> None:
    found = hub.resolve("org/tiny")
    (found.path / "config.json").resolve().write_bytes(b"<html>Please log in</html>")
    for offline in ("0", "1"):
        os.environ["ZOO_OFFLINE"] = offline
        try:
            with pytest.raises(HubError, match=r"config\.json of org/tiny has .* announced") as error:
                hub.resolve("org/tiny", files="config")
        finally:
            del os.environ["ZOO_OFFLINE"]
        assert "Delete it" in error.value.hint
    (found.path / "config.json").unlink()  # the blob is still wrong
    assert (hub.resolve("org/tiny").path / "config.json").read_text() == CONFIG


def test_an_archive_is_not_there_until_it_is_unpacked(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    from zoo.cards import Source
    from zoo.hub.sources import ArchivePlace

    def stop(archive: Path, into: Path) -> None:
        into.mkdir()
        (into / "config.json").write_text("{}")
        raise KeyboardInterrupt

    (server.root / "archives").mkdir()
    (server.root / "archives/x.tar.gz").write_bytes(b"x" * 99)
    place = ArchivePlace(Source("archive", f"{server.url}/archives/x.tar.gz"))
    monkeypatch.setattr("zoo.checkpoint.archive.extract", stop)
    with pytest.raises(KeyboardInterrupt):
        place.snapshot("weights")
    assert [p.name for p in (env.home() / "downloads/archives").iterdir()] == []


def test_nothing_unfinished_stays_beside_finished_files(server: HubServer) -> None:
    server.add("iic/tiny", TINY, "modelscope")
    server.fault("*", cut=40, times=3)
    hub.resolve("org/tiny")
    hub.resolve("modelscope:iic/tiny")
    marks = (".part", ".incomplete", ".etag", "lock", ".tmp")
    roots = (env.hub_cache(), env.home() / "downloads")
    assert not [p for root in roots for p in root.rglob("*") if p.name.endswith(marks)]


@pytest.mark.parametrize(
    "number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO, errno.ENAMETOOLONG]
)
@pytest.mark.parametrize("call", ["os.replace", "os.symlink", "pathlib.Path.mkdir", "zoo.hub.http._open_part"])
@pytest.mark.parametrize("name", ["org/tiny", "modelscope:org/tiny"])
def test_what_a_disk_refuses_is_a_sentence_and_leaves_nothing(
    server: HubServer, monkeypatch: pytest.MonkeyPatch, name: str, call: str, number: int
) -> None:
    server.add("org/tiny", TINY, "modelscope")

    def refuse(*args: object, **options: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(call, refuse)
        try:
            hub.resolve(name)  # without links the files are put there themselves
        except HubError as error:
            assert "_HOME" in error.hint and str(env.hub_cache().parent.parent) in error.message
        else:
            assert call == "os.symlink"
    found = hub.resolve(name)
    assert {n: (found.path / n).read_text() for n in ("config.json", "vocab.txt")} == {
        n: TINY[n] for n in ("config.json", "vocab.txt")
    }
    assert (found.path / "model.safetensors").read_bytes() == WEIGHTS


@pytest.mark.parametrize("name", ["org/tiny", "modelscope:org/tiny"])
def test_caches_below_a_file_are_a_sentence(
    server: HubServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    server.add("org/tiny", TINY, "modelscope")
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "file/hf"))
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "file/zoo"))
    with pytest.raises(HubError, match="cannot be written") as error:
        hub.resolve(name)
    assert "_HOME" in error.value.hint


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_cache_that_may_not_be_written_is_a_sentence(server: HubServer) -> None:
    env.hub_cache().mkdir(parents=True)
    env.hub_cache().chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(HubError, match="cannot be written"):
        hub.resolve("org/tiny")
