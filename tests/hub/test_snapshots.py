"""The hub over a real socket, with the real client library: every way a download can go, and go wrong."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import pytest

from tests.hub.entries import commit
from tests.hub.server import CONFIG, TINY, WEIGHTS, HubServer
from zoo import env, hub
from zoo.cards import Source
from zoo.errors import HubError, UnknownModelError


def leftovers() -> list[str]:
    """Files in the two caches that a reader could take for finished ones."""
    found = [*env.hub_cache().rglob("*"), *(env.home() / "downloads").rglob("*")]
    return sorted(p.name for p in found if p.is_file() and not p.name.startswith(".") and p.suffix != ".lock")


def names(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


# Repositories of the Hub


def test_a_repository_becomes_a_folder(server: HubServer) -> None:
    found = hub.resolve("org/tiny")
    assert names(found.path) == ["config.json", "model.safetensors", "vocab.txt"]
    assert (found.path / "model.safetensors").read_bytes() == WEIGHTS
    assert found.revision == commit(server.root / "hub/org/tiny")
    assert (found.name, found.card, found.source) == ("org/tiny", None, Source("hub", "org/tiny"))


def test_config_alone_does_not_fetch_the_weights(server: HubServer) -> None:
    assert names(hub.resolve("org/tiny", files="config").path) == ["config.json", "vocab.txt"]
    assert not server.asked("*safetensors")


def test_safetensors_are_taken_and_pickles_left(server: HubServer) -> None:
    server.add("org/both", TINY | {"pytorch_model.bin": b"pickle", "tf_model.h5": b"x", "onnx/model.onnx": b"x"})
    assert "pytorch_model.bin" not in names(hub.resolve("org/both").path)


def test_a_pickle_is_taken_where_there_is_nothing_else(server: HubServer) -> None:
    server.add("org/old", {"config.json": CONFIG, "pytorch_model.bin": b"pickle"})
    assert names(hub.resolve("org/old").path) == ["config.json", "pytorch_model.bin"]


def test_shards_and_the_modules_of_a_sentence_model(server: HubServer) -> None:
    parts = {f"model-0000{n}-of-00002.safetensors": b"s" * n for n in (1, 2)}
    index = json.dumps({"weight_map": {"a": "model-00001-of-00002.safetensors", "b": list(parts)[1]}})
    more = {"model.safetensors.index.json": index, "modules.json": "[]", "1_Pooling/config.json": "{}"}
    more |= {"2_Dense/config.json": "{}", "2_Dense/model.safetensors": b"d", "2_Dense/pytorch_model.bin": b"d"}
    server.add("org/sharded", {"config.json": CONFIG, **parts, **more})
    expected = {"config.json", "modules.json", "1_Pooling/config.json", "2_Dense/config.json", *parts}
    expected |= {"2_Dense/model.safetensors", "model.safetensors.index.json"}
    assert set(names(hub.resolve("org/sharded").path)) == expected


def test_the_modules_of_a_sentence_model_in_any_folder(server: HubServer) -> None:
    modules = [{"idx": 0, "path": ""}, {"idx": 1, "path": "pool"}, {"idx": 2, "path": "parts/out"}, {"path": 5}, 7]
    more = {"modules.json": json.dumps(modules), "pool/config.json": "{}", "sentence_roberta_config.json": "{}"}
    more |= {"parts/out/config.json": "{}", "parts/out/pytorch_model.bin": b"d", "other/config.json": "{}"}
    server.add("org/parts", TINY | more)
    expected = {*TINY, *more} - {"README.md", "other/config.json"}
    assert set(names(hub.resolve("org/parts").path)) == expected


def test_a_missing_shard_is_named(server: HubServer) -> None:
    index = json.dumps({"weight_map": {"a": "model-00001-of-00002.safetensors"}})
    server.add("org/torn", {"config.json": CONFIG, "model.safetensors.index.json": index})
    with pytest.raises(HubError, match=r"lacks model-00001-of-00002\.safetensors"):
        hub.resolve("org/torn")


@pytest.mark.parametrize("index", ["{}", "[]", "not json", '{"weight_map": {"a": "../../etc/passwd"}}'])
def test_an_index_that_is_none_is_an_error(server: HubServer, index: str) -> None:
    server.add("org/odd", {"config.json": CONFIG, "model.safetensors.index.json": index})
    with pytest.raises(HubError, match=r"index|passwd"):
        hub.resolve("org/odd")


def test_a_repository_without_weights_says_what_it_has(server: HubServer) -> None:
    server.add("org/gguf", {"config.json": CONFIG, "model.gguf": "x"})
    with pytest.raises(HubError, match=r"no weight file.*model\.gguf"):
        hub.resolve("org/gguf")


def test_the_second_time_nothing_is_downloaded(server: HubServer) -> None:
    first = hub.resolve("org/tiny")
    server.requests.clear()
    assert hub.resolve("org/tiny") == first
    assert [r.path for r in server.requests] == ["/api/models/org/tiny/revision/main"]


# Revisions


def test_branches_commits_and_how_they_are_written(server: HubServer) -> None:
    other = server.add("org/tiny@v1", {"config.json": CONFIG, "model.safetensors": b"old"})
    for found in (
        hub.resolve("org/tiny@v1"),
        hub.resolve("org/tiny", revision="v1"),
        hub.resolve("hub:org/tiny@v1"),
    ):
        assert (found.path / "model.safetensors").read_bytes() == b"old"
        assert found.revision == commit(other)
    assert hub.resolve("org/tiny", revision=commit(other)).revision == commit(other)


def test_a_pinned_commit_asks_nobody_once_it_is_here(server: HubServer) -> None:
    pinned = f"org/tiny@{hub.resolve('org/tiny').revision}"
    server.requests.clear()
    assert hub.resolve(pinned).path == hub.resolve("org/tiny@" + pinned.partition("@")[2]).path
    assert not server.requests


def test_a_revision_that_does_not_exist(server: HubServer) -> None:
    with pytest.raises(HubError, match="no revision 'v9'"):
        hub.resolve("org/tiny@v9")


def test_two_revisions_contradict_each_other() -> None:
    with pytest.raises(UnknownModelError, match="contradict"):
        hub.resolve("org/tiny@a", revision="b")


# What can go wrong on the way


def test_nobody_has_it(server: HubServer) -> None:
    with pytest.raises(HubError, match="There is no org/nope"):
        hub.resolve("org/nope")


def test_a_typing_error_in_a_name_of_the_zoo_gets_a_suggestion(server: HubServer) -> None:
    with pytest.raises(UnknownModelError, match="Did you mean 'funnel-transformer/xlarge'"):
        hub.resolve("funnel-transformer/xlage")


def test_gated_and_private(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_thisisasecretvalue")
    server.fault("/api/models/org/tiny*", status=403, code="GatedRepo", times=1)
    with pytest.raises(HubError, match="accept its conditions") as gated:
        hub.resolve("org/tiny")
    server.fault("/api/models/org/tiny*", status=401, code="RepoNotFound")
    with pytest.raises(HubError, match="private") as private:
        hub.resolve("org/tiny")
    for error in (gated, private):
        assert "HF_TOKEN" in error.value.hint and "secret" not in str(error.value)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
def test_a_server_that_recovers_goes_unnoticed(server: HubServer, status: int) -> None:
    server.fault("*model.safetensors", status=status, times=2)
    assert (hub.resolve("org/tiny").path / "model.safetensors").read_bytes() == WEIGHTS


@pytest.mark.parametrize("status", [500, 503, 418])
@pytest.mark.parametrize("path", ["/api/*", "*/resolve/*/model.safetensors", "/cdn/*"])
def test_a_server_that_stays_broken_is_an_error_and_leaves_nothing(
    server: HubServer, status: int, path: str
) -> None:
    server.fault(path, status=status)
    with pytest.raises(HubError) as error:
        hub.resolve("org/tiny")
    assert error.value.hint
    assert not [n for n in leftovers() if n == "model.safetensors"]


def test_a_cut_connection_goes_on_where_it_stopped(server: HubServer) -> None:
    content = os.urandom(1 << 20) * 12
    server.add("org/big", TINY | {"model.safetensors": content})
    server.fault("/cdn/*", cut=11 << 20, times=1)
    assert (hub.resolve("org/big").path / "model.safetensors").read_bytes() == content
    first, second = (r.headers.get("Range") for r in server.asked("/cdn/*", "GET"))
    # Some versions of the client library keep whole pieces of 10 MB only.
    assert first is None and second in (f"bytes={10 << 20}-", f"bytes={11 << 20}-")


def test_a_download_that_was_interrupted_is_finished_by_the_next_try(server: HubServer) -> None:
    server.fault("/cdn/*", cut=40_000, times=1)
    server.fault("/cdn/*", status=500)
    with pytest.raises(HubError):
        hub.resolve("org/tiny")
    assert "model.safetensors" not in leftovers()
    server.faults.clear()
    server.requests.clear()
    assert (hub.resolve("org/tiny").path / "model.safetensors").read_bytes() == WEIGHTS


def test_other_content_under_the_right_etag_is_thrown_away(server: HubServer) -> None:
    server.fault("/cdn/*", damage=True, times=1)
    with pytest.raises(HubError, match=r"model\.safetensors of org/tiny has sha256"):
        hub.resolve("org/tiny")
    assert not [p for p in env.hub_cache().rglob("*") if p.is_file() and p.read_bytes()[:4] == b"\1\0\3\2"]
    assert (hub.resolve("org/tiny").path / "model.safetensors").read_bytes() == WEIGHTS


def test_a_mirror_that_announces_digests_in_its_etags_only(server: HubServer) -> None:
    server.plain_listing = True
    server.fault("/cdn/*", damage=True, times=1)
    with pytest.raises(HubError, match="sha256"):
        hub.resolve("org/tiny")
    assert (hub.resolve("org/tiny").path / "model.safetensors").read_bytes() == WEIGHTS


def test_a_file_that_changed_on_disk_is_noticed(server: HubServer) -> None:
    path = (hub.resolve("org/tiny").path / "model.safetensors").resolve()
    path.write_bytes(bytes(reversed(WEIGHTS)))
    with pytest.raises(HubError, match="sha256") as error:
        hub.resolve("org/tiny")
    assert "Delete it" in error.value.hint and path.exists()


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(HubError) as error:
        hub.resolve("org/tiny")
    assert "connected" in error.value.hint


@pytest.mark.parametrize(
    ("number", "said"), [(28, "disk is full"), (13, "cannot be written"), (30, "cannot be written")]
)
def test_what_the_system_refuses(
    server: HubServer, monkeypatch: pytest.MonkeyPatch, number: int, said: str
) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("zoo.hub.http._open_part", refuse)
    with pytest.raises(HubError, match=said) as error:
        hub.resolve("org/tiny")
    assert "HF_HOME" in error.value.hint


def test_a_full_disk_is_noticed_before_the_download(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    with pytest.raises(HubError, match=r"102 kB are needed and 1 kB are free"):
        hub.resolve("org/tiny")
    assert not server.asked("/cdn/*")


def test_what_the_listing_announces_needs_no_headers(server: HubServer) -> None:
    server.fault("*/resolve/*", drop=("X-Repo-Commit", "ETag", "X-Linked-Etag"))
    assert (hub.resolve("org/tiny").path / "model.safetensors").read_bytes() == WEIGHTS


# Offline


@pytest.mark.parametrize("switch", ["ZOO_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_offline_uses_what_is_here_and_asks_nobody(
    server: HubServer, monkeypatch: pytest.MonkeyPatch, switch: str
) -> None:
    online = hub.resolve("org/tiny")
    server.requests.clear()
    monkeypatch.setenv(switch, "1")
    assert hub.resolve("org/tiny") == online
    assert not server.requests
    with pytest.raises(HubError, match=f"org/other is not on this machine, and {switch} is set") as error:
        hub.resolve("org/other")
    assert "zoo convert org/other --out DIR" in error.value.hint


def test_offline_a_typing_error_still_gets_a_suggestion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    with pytest.raises(HubError) as error:
        hub.resolve("xlm-roberta-bsae")
    assert "Did you mean 'FacebookAI/xlm-roberta-base'" in error.value.hint


def test_offline_with_a_part_of_the_files(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.resolve("org/tiny", files="config")
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    assert hub.resolve("org/tiny", files="config").path.is_dir()
    with pytest.raises(HubError, match="Only a part of org/tiny"):
        hub.resolve("org/tiny")


def test_offline_a_branch_is_what_it_was(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.add("org/tiny@v1", {"config.json": CONFIG, "model.safetensors": b"old"})
    online = hub.resolve("org/tiny@v1")
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    assert hub.resolve("org/tiny@v1") == online


def test_a_hub_that_is_down_does_not_matter_when_the_files_are_here(
    server: HubServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    online = hub.resolve("org/tiny")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert hub.resolve("org/tiny") == online
    assert "copy of org/tiny on this machine is used" in caplog.text
