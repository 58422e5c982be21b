"""Sources beside the Hub: ModelScope, archives, packages, folders; cards, plans and names."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import IO

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.hub.entries import commit
from tests.hub.server import CONFIG, TINY, WEIGHTS, HubServer
from tests.hub.test_snapshots import leftovers, names
from zoo import env, hub, registry
from zoo.cards import Source
from zoo.errors import HubError, UnknownModelError

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
    card = replace(registry.info("structbert-en-large"), sources=(Source("archive", url),))
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


def test_a_full_disk_while_writing(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.add("iic/tiny", TINY, "modelscope")

    def full(part: Path, have: int) -> IO[bytes]:
        return open("/dev/full", "wb")

    with monkeypatch.context() as patch:
        patch.setattr("zoo.hub.http._open_part", full)
        for name in ("org/tiny", "modelscope:iic/tiny"):
            with pytest.raises(HubError, match="is full") as error:
                hub.resolve(name)
            assert "_HOME" in error.value.hint
    assert leftovers() == []
    for name in ("org/tiny", "modelscope:iic/tiny"):
        assert (hub.resolve(name).path / "model.safetensors").read_bytes() == WEIGHTS


# Cards


def test_a_card_by_alias_and_its_second_source(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = Source("hub", "org/gone"), Source("modelscope", "iic/tiny")
    card = replace(registry.info("xlmr-base"), sources=(first, second))
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
    card = replace(registry.info("xlmr-base"), sources=(Source("hub", "org/tiny", commit(old), sha256=digest),))
    monkeypatch.setattr(registry, "lookup", lambda name: card)
    assert hub.resolve("xlmr-base").revision == commit(old)
    assert hub.resolve("xlmr-base@main").revision == commit(server.root / "hub/org/tiny")


def test_a_pinned_digest_beats_what_the_hub_announces(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    card = replace(
        registry.info("xlmr-base"), sources=(Source("hub", "org/tiny", sha256={"model.safetensors": "0" * 64}),)
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


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("xlmr.base.tar.gz", "tar -xf xlmr.base.tar.gz;"),
        ("./my models/xlmr.tar", "tar -xf 'my models/xlmr.tar';"),
        ("models/xlmr.zip", "unzip models/xlmr.zip;"),
        ("models/model.pt", "in: './models'"),
        ("model.pt", "in: '.'"),
    ],
)
def test_a_file_that_could_be_a_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).touch()
    with pytest.raises(UnknownModelError, match=re.escape(said)):
        hub.refer(name)
    hub.refer("hub:models/model.pt")


def test_names_of_folders() -> None:
    assert hub.model_dir("org/name@v1") == env.home() / "models" / "org--name@v1"
    assert hub.folder_name("modelscope:iic/x") == "modelscope--iic--x"
