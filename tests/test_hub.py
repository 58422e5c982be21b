"""The hub over a real socket, with the real client library: every way a download can go, and go wrong."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tarfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.hub_server import HubServer, commit
from zoo import env, hub, registry
from zoo.cards import Source
from zoo.errors import HubError, NotYetError, UnknownModelError
from zoo.hub import http as plain_http

CONFIG = json.dumps({"architectures": ["BertModel"], "model_type": "bert", "hidden_size": 4})
WEIGHTS = bytes(range(256)) * 400
TINY = {"config.json": CONFIG, "model.safetensors": WEIGHTS, "vocab.txt": "[PAD]\n", "README.md": "# tiny"}


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A hub with one repository. Waiting between tries takes no time."""
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    with HubServer(tmp_path / "server") as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        server.add("org/tiny", TINY)
        yield server


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

    monkeypatch.setattr("huggingface_hub.hf_hub_download", refuse)
    with pytest.raises(HubError, match=said) as error:
        hub.resolve("org/tiny")
    assert "HF_HOME" in error.value.hint


def test_a_full_disk_is_noticed_before_the_download(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    with pytest.raises(HubError, match=r"102 kB are needed and 1 kB are free"):
        hub.resolve("org/tiny")
    assert not server.asked("/cdn/*")


def test_a_proxy_that_answers_with_a_page(server: HubServer) -> None:
    server.fault("*/resolve/*", drop=("X-Repo-Commit", "ETag", "X-Linked-Etag"))
    with pytest.raises(HubError):
        hub.resolve("org/tiny")


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
    assert "python -m zoo.convert org/other --out DIR" in error.value.hint


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


# ModelScope and archives


def test_modelscope(server: HubServer) -> None:
    server.add("iic/tiny", TINY | {"sub/config.json": "{}"}, "modelscope")
    found = hub.resolve("modelscope:iic/tiny")
    assert names(found.path) == ["config.json", "model.safetensors", "vocab.txt"]
    assert found.name == "modelscope:iic/tiny"
    server.requests.clear()
    assert hub.resolve("modelscope:iic/tiny") == found
    assert len(server.requests) == 1


def test_modelscope_resumes_and_survives_errors(server: HubServer) -> None:
    server.add("iic/tiny", TINY, "modelscope")
    server.fault("*model.safetensors", status=503, times=1)
    server.fault("*model.safetensors", cut=50_000, times=1)
    assert (hub.resolve("modelscope:iic/tiny").path / "model.safetensors").read_bytes() == WEIGHTS
    ranges = [r.headers.get("Range") for r in server.asked("*model.safetensors")]
    assert ranges == [None, None, "bytes=50000-"]


def test_modelscope_checks_the_digest(server: HubServer) -> None:
    server.add("iic/tiny", TINY, "modelscope")
    server.fault("*model.safetensors", damage=True)
    with pytest.raises(HubError, match="was announced"):
        hub.resolve("modelscope:iic/tiny")
    assert "model.safetensors" not in leftovers()


def test_modelscope_says_no(server: HubServer) -> None:
    for name in ("modelscope:iic/nope", "modelscope:iic/tiny@v3"):
        with pytest.raises(HubError, match=r"does not exist|There is no"):
            hub.resolve(name)


@pytest.mark.parametrize("name", ["1_x/../../../config.json", "/tmp/config.json"])
def test_a_hub_cannot_write_elsewhere(server: HubServer, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    listing = {"Code": 200, "Data": {"Files": [{"Path": name, "Type": "blob", "Size": 1}]}}
    monkeypatch.setattr("zoo.hub.sources.get_json", lambda url: listing)
    with pytest.raises(HubError, match="lies outside"):
        hub.resolve("modelscope:iic/tiny", files="config")


def archive(server: HubServer, name: str, files: dict[str, bytes]) -> str:
    (server.root / "archives").mkdir(parents=True, exist_ok=True)
    with tarfile.open(server.root / "archives" / name, "w:gz") as tar:
        for inside, content in files.items():
            entry = tarfile.TarInfo(inside)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return f"{server.url}/archives/{name}"


@pytest.fixture
def archived(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """A card whose only source is an archive with its files in one folder; returns its name."""
    content = {"tiny/config.json": CONFIG.encode(), "tiny/pytorch_model.bin": os.urandom(9999), "tiny/notes": b"n"}
    url = archive(server, "tiny.tar.gz", content)
    card = replace(registry.find("structbert-en-large"), sources=(Source("archive", url),))
    monkeypatch.setattr(registry, "lookup", lambda name: card if name == "archived" else None)
    return "archived"


def test_an_archive_is_fetched_unpacked_and_thrown_away(server: HubServer, archived: str) -> None:
    server.fault("/archives/*", cut=5000, times=1)
    found = hub.resolve(archived)
    assert {"config.json", "pytorch_model.bin"} <= set(names(found.path))
    assert "tiny.tar.gz" not in leftovers()
    origin = json.loads((found.path.parent / "origin.json").read_text())
    assert origin["sha256"] == hashlib.sha256((server.root / "archives/tiny.tar.gz").read_bytes()).hexdigest()
    assert [r.headers.get("Range") for r in server.asked("/archives/*")] == [None, "bytes=5000-"]
    server.requests.clear()
    assert hub.resolve(archived) == found
    assert not server.requests


def test_an_archive_that_changed_meanwhile_is_fetched_anew(server: HubServer, archived: str) -> None:
    server.fault("/archives/*", cut=5000, times=1)
    server.fault("/archives/*", status=500)
    with pytest.raises(HubError, match="500"):
        hub.resolve(archived)
    server.faults.clear()
    archive(server, "tiny.tar.gz", {"tiny/config.json": b"{}", "tiny/pytorch_model.bin": b"new" * 5000})
    assert (hub.resolve(archived).path / "pytorch_model.bin").read_bytes() == b"new" * 5000


def test_an_archive_that_is_none_leaves_nothing(server: HubServer, archived: str) -> None:
    (server.root / "archives/tiny.tar.gz").write_bytes(b"<html>moved</html>")
    with pytest.raises(Exception, match=r"tiny\.tar\.gz"):
        hub.resolve(archived)
    assert leftovers() == []


def test_an_archive_without_length_or_ranges(server: HubServer, archived: str) -> None:
    server.fault("/archives/*", drop=("Content-Length", "ETag", "Accept-Ranges"))
    assert (hub.resolve(archived).path / "config.json").exists()


def test_a_full_disk_while_writing(tmp_path: Path) -> None:
    with open("/dev/full", "wb", buffering=0) as full, pytest.raises(HubError, match="is full"):
        plain_http._write(full, b"x")


# Cards


def test_a_card_by_alias_and_its_second_source(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = Source("hub", "org/gone"), Source("modelscope", "iic/tiny")
    card = replace(registry.find("xlmr-base"), sources=(first, second))
    monkeypatch.setattr(registry, "lookup", lambda name: card)
    server.add("iic/tiny", TINY, "modelscope")
    found = hub.resolve("xlmr-base")
    assert (found.card, found.source, found.name) == (card, second, "FacebookAI/xlm-roberta-base")
    shutil.rmtree(server.root / "modelscope")
    shutil.rmtree(env.home())
    with pytest.raises(HubError, match=r"any of its 2 sources") as error:
        hub.resolve("xlmr-base")
    assert "org/gone" in str(error.value) and "iic/tiny" in str(error.value)


def test_the_pin_of_a_card_holds_and_can_be_overruled(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    old = server.add("org/tiny@v1", {"config.json": CONFIG, "model.safetensors": b"old"})
    digest = {"model.safetensors": hashlib.sha256(b"old").hexdigest()}
    card = replace(registry.find("xlmr-base"), sources=(Source("hub", "org/tiny", commit(old), sha256=digest),))
    monkeypatch.setattr(registry, "lookup", lambda name: card)
    assert hub.resolve("xlmr-base").revision == commit(old)
    assert hub.resolve("xlmr-base@main").revision == commit(server.root / "hub/org/tiny")


def test_a_pinned_digest_beats_what_the_hub_announces(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    card = replace(
        registry.find("xlmr-base"), sources=(Source("hub", "org/tiny", sha256={"model.safetensors": "0" * 64}),)
    )
    monkeypatch.setattr(registry, "lookup", lambda name: card)
    with pytest.raises(HubError, match="0000"):
        hub.resolve("xlmr-base")


def test_a_package_is_used_where_it_lies(minilm_snapshot: Path) -> None:
    found = hub.resolve("minilm")
    assert found.path == minilm_snapshot and found.source is not None and found.source.kind == "package"
    assert all(f.cached for f in hub.plan("minilm"))


def test_a_card_without_address_says_so() -> None:
    with pytest.raises(HubError, match="no address") as error:
        hub.plan("palm-en-base")
    assert "Google Drive" in error.value.hint


def test_a_family_that_comes_later_is_not_downloaded(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    later = replace(registry.family("veco"), not_yet="not now.")
    monkeypatch.setattr(registry, "family", lambda name: later)
    with pytest.raises(NotYetError, match="veco-large cannot be run"):
        hub.resolve("veco-large")
    assert not server.requests


def test_plan_says_what_would_be_fetched(server: HubServer) -> None:
    expected = {"config.json": len(CONFIG), "vocab.txt": 6, "model.safetensors": len(WEIGHTS)}
    assert {f.name: f.size for f in hub.plan("org/tiny")} == expected
    assert not any(f.cached for f in hub.plan("org/tiny")) and not server.asked("/cdn/*")
    hub.resolve("org/tiny")
    assert all(f.cached for f in hub.plan("org/tiny"))


# Folders


def test_a_folder_is_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run").mkdir()
    monkeypatch.chdir(tmp_path)
    for name in (tmp_path / "run", str(tmp_path / "run"), "./run", "run"):
        found = hub.resolve(name)
        assert found.path.resolve() == tmp_path / "run" and found.card is None and found.revision == ""
    assert hub.plan("./run") == []


def test_a_folder_named_like_a_model_is_asked_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "xlm-roberta-base").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnknownModelError) as error:
        hub.resolve("xlm-roberta-base")
    assert "'./xlm-roberta-base'" in error.value.hint and "'hub:xlm-roberta-base'" in error.value.hint
    assert hub.resolve("./xlm-roberta-base").card is None
    assert hub.refer("hub:xlm-roberta-base").card is not None


@pytest.mark.parametrize(
    ("name", "message"),
    [("./nope", "no folder"), ("a b", "cannot be one"), ("a/b/c", "cannot be one"), ("", "empty"), ("x@", "x@")],
)
def test_names_that_mean_nothing(name: str, message: str) -> None:
    with pytest.raises(UnknownModelError, match=message):
        hub.resolve(name)


@given(st.text(max_size=300) | st.from_regex(r"(\./|~|hub:|modelscope:)[\w./@:~-]{0,40}", fullmatch=True))
@example("a" * 5000)
@example("./" + "a" * 5000)
@example("~nobody-has-this-name/x")
@example("./a\0b")
@example("a\0b")
def test_any_text_is_a_reference_or_an_error(text: str) -> None:
    try:
        found = hub.refer(text)
    except UnknownModelError as error:
        assert error.message and error.hint
    else:
        assert found.folder is not None or found.sources or found.card is not None


def test_a_file_is_not_a_folder(tmp_path: Path) -> None:
    (tmp_path / "model.bin").touch()
    with pytest.raises(UnknownModelError, match="is a file"):
        hub.resolve(tmp_path / "model.bin")
    with pytest.raises(UnknownModelError, match="no revision"):
        hub.resolve(tmp_path, revision="main")


def test_names_of_folders() -> None:
    assert hub.model_dir("org/name@v1") == env.home() / "models" / "org--name@v1"
    assert hub.folder_name("modelscope:iic/x") == "modelscope--iic--x"
