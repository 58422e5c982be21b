"""Whatever a server says or does: the right files come, or a sentence; soon, and nothing outside of the cache."""

from __future__ import annotations

import errno
import os
import socket
import stat
import time
from http.client import HTTPMessage
from pathlib import Path

import pytest

from tests.hub.cases import Case, run
from tests.hub.server import HubServer, commit
from tests.hub.table import CASES
from tests.hub.test_snapshots import CONFIG, TINY, WEIGHTS, leftovers, server
from zoo import env, hub
from zoo.errors import HubError, UnknownModelError, ZooError
from zoo.hub import http, meter, names, transport
from zoo.hub.meter import BrokenTransfer, Meter
from zoo.hub.transport import Unreachable

__all__ = ["server"]  # a fixture


@pytest.mark.parametrize("case", CASES, ids=[f"{c.kind}: {c.name}{' (plain)' * c.plain}" for c in CASES])
def test_a_server_that_misbehaves(case: Case) -> None:
    outcome = run(case)
    assert outcome.kind in case.expected, outcome


def test_the_table_is_large_and_each_case_has_a_name() -> None:
    assert len(CASES) >= 400
    assert len({(c.kind, c.name, c.plain, c.pattern) for c in CASES}) == len(CASES)


# What is waited for


def test_silence_is_waited_for_20_seconds_in_all() -> None:
    assert meter.SILENCE_SECONDS <= 10 and meter.PATIENCE_SECONDS <= 20
    assert sum(http.PAUSE_SECONDS * 2**n for n in range(http.MAX_TRIES - 1)) < 10


def test_seconds_of_retry_after_are_said_and_not_waited_for(server: HubServer) -> None:
    server.fault("*", status=429, headers={"Retry-After": "3600"})
    for name in ("org/tiny", "modelscope:org/tiny"):
        with pytest.raises(HubError, match="429 and asks to wait 3,600 seconds"):
            hub.resolve(name)
    assert len(server.requests) == 2


def test_a_short_retry_after_is_waited_for(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    server.fault("/api/*", status=429, headers={"Retry-After": "7"}, times=1)
    hub.resolve("org/tiny")
    assert waited == [7.0]


@pytest.mark.parametrize(
    ("header", "value", "seconds"),
    [
        ("Retry-After", "120", 120),
        ("Retry-After", " 5 ", 5),
        ("Retry-After", "-5", 0),
        ("Retry-After", "²", 0),
        ("Retry-After", "1e9", 0),
        ("Retry-After", "Mon, 01 Jan 2001 00:00:00 GMT", 0),
        ("RateLimit", '"api";r=0;t=55', 55),
        ("RateLimit", '"api";r=9;t=55', 0),
    ],
)
def test_how_long_a_server_asks_to_wait(header: str, value: str, seconds: float) -> None:
    headers = HTTPMessage()
    headers[header] = value
    assert transport._retry_after(headers) == seconds


def test_the_switch_of_huggingface_hub_sets_the_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_DOWNLOAD_TIMEOUT", "45")
    assert Meter().timeout() == Meter().left() == 45
    for odd in ("0", "-1", "abc", "9" * 9):
        monkeypatch.setenv("HF_HUB_DOWNLOAD_TIMEOUT", odd)
        assert Meter().silence == meter.SILENCE_SECONDS


def test_a_connection_is_tried_at_every_address_within_the_time_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[float] = []

    def connect(address: object, timeout: float, source: object) -> socket.socket:
        tried.append(timeout)
        raise TimeoutError

    places = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{n}", 9)) for n in range(1, 9)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: places)
    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(BrokenTransfer):
        transport.open_url("http://hub.invalid/x", {}, Meter())
    assert len(tried) == 8 and tried[0] < 2


def test_a_server_that_cuts_but_goes_on_is_asked_as_often_as_needed(server: HubServer) -> None:
    content = os.urandom(1 << 20) * 9
    server.add("iic/big", TINY | {"model.safetensors": content}, "modelscope")
    server.fault("*model.safetensors", cut=(1 << 20) + 1)
    assert (hub.resolve("modelscope:iic/big").path / "model.safetensors").read_bytes() == content
    assert len(server.asked("*model.safetensors")) == 9


# What becomes a path


@pytest.mark.parametrize("text", ["", "a" * 39, "a" * 41, "A" * 40, "a" * 40 + "\n", "../" * 13 + "a", "١" * 40])
def test_only_40_digits_are_a_commit(text: str) -> None:
    with pytest.raises(HubError, match="40 digits"):
        names.commit(text, "it")
    assert names.commit("0123456789" * 4, "it")


@pytest.mark.parametrize(("text", "found"), [('W/"%s"', True), ('"%s"', True), ("%s", True), ('"../%s"', False)])
def test_only_a_digest_in_an_etag_becomes_the_name_of_a_blob(text: str, found: bool) -> None:
    for digits in (40, 64):
        assert bool(names.digest(text % ("a" * digits))) is found
    assert names.digest(text % ("a" * 32)) == ""


@pytest.mark.parametrize(
    "revision", ["../../x", "/x", "a/../../b", "a\0", "x" * 5000, "a\x1b[31m", "..", "a//b", "a\\..\\b"]
)
@pytest.mark.parametrize("name", ["org/tiny", "modelscope:org/tiny"])
def test_a_revision_that_is_no_name_is_refused(name: str, revision: str) -> None:
    with pytest.raises(UnknownModelError, match="revision"):
        hub.refer(name, revision)


@pytest.mark.parametrize("name", ["hub:..", "hub:../x", "hub:a/..", "modelscope:../x", "hub:" + "a" * 300])
def test_a_repository_that_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(UnknownModelError):
        hub.refer(name)


def test_a_commit_that_was_asked_for_is_the_one_that_comes(server: HubServer) -> None:
    server.fault("/api/*", change=lambda listing: listing | {"sha": "b" * 40})
    pinned = commit(server.root / "hub/org/tiny")
    with pytest.raises(HubError, match=f"asked for {pinned} and names b"):
        hub.resolve("org/tiny", revision=pinned)
    assert leftovers() == []


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


# What is here already is looked at too


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


# Disks


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


# Tokens and addresses


def headers_of(server: HubServer, pattern: str) -> list[str | None]:
    return [r.headers.get("Authorization") for r in server.asked(pattern)]


def test_the_token_stays_with_the_hub(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_thisisasecretvalue")
    hub.resolve("org/tiny")
    assert set(headers_of(server, "/api/*") + headers_of(server, "*/resolve/*")) == {"Bearer hf_thisisasecretvalue"}
    assert headers_of(server, "/cdn/*") == [None]  # another host


@pytest.mark.parametrize("token", ["hf_sec\nret", "hf_sec\r\nX: ret", "hf_secré中"])
def test_a_token_that_cannot_be_sent_is_a_sentence_without_it(
    server: HubServer, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setattr("zoo.hub.huggingface._headers", lambda: {"authorization": f"Bearer {token}"})
    with pytest.raises(ZooError) as error:
        hub.resolve("org/tiny")
    assert "sec" not in str(error.value)


@pytest.mark.parametrize(
    "address",
    ["hf-mirror.com", "file:///etc", "http://", "http://[", "ftp://x", "http://a:99999", "https://", "x\ny"],
)
def test_addresses_that_are_none(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("HF_ENDPOINT", address)
    monkeypatch.setenv("MODELSCOPE_ENDPOINT", address if "://" in address else f"http://{address} x")
    for name in ("org/tiny", "modelscope:org/tiny"):
        with pytest.raises(HubError) as error:
            hub.resolve(name)
        assert error.value.hint and error.value.message.isprintable()


def test_a_password_in_an_address_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://user:secret@127.0.0.1:9")
    with pytest.raises(HubError) as error:
        hub.resolve("org/tiny")
    assert "secret" not in str(error.value)


def test_nobody_is_sent_from_https_to_http(server: HubServer) -> None:
    import urllib.request

    request = urllib.request.Request("https://hub.invalid/x", headers={"Authorization": "Bearer x"})
    redirects = transport._Redirects()

    def sent(where: str) -> urllib.request.Request:
        return redirects.redirect_request(request, None, 302, "", {}, where)

    for where in ("http://hub.invalid/y", "ftp://hub.invalid/y", "file:///etc/passwd", "https:///y"):
        with pytest.raises(Unreachable, match="not followed"):
            sent(where)
    assert sent("https://hub.invalid/y").headers["Authorization"] == "Bearer x"
    assert sent("https://huggingface.co/y").headers["Authorization"] == "Bearer x"
    for where in ("https://cdn.invalid/y", "https://hub.invalid:444/y", "https://huggingface.co.evil.invalid/y"):
        assert "Authorization" not in sent(where).headers


def test_a_server_without_tls_behind_https(monkeypatch: pytest.MonkeyPatch, server: HubServer) -> None:
    monkeypatch.setenv("HF_ENDPOINT", server.url.replace("http:", "https:"))
    with pytest.raises(HubError, match=r"SSL|hung up|Connection"):
        hub.resolve("org/tiny")


# The meter


def test_patience_is_for_all_files_of_a_model() -> None:
    counted = Meter()
    for _ in range(4):  # four files, each of which comes at the second try
        counted.begin()
        counted.waited = meter.SILENCE_SECONDS - 3
        counted.failed(pause=1)
        counted.attempt()
    assert counted.left() <= 0
    with pytest.raises(BrokenTransfer, match=f"{meter.PATIENCE_SECONDS:g} seconds"):
        counted.timeout()


def test_a_slow_disk_is_not_taken_for_a_slow_server(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    counted = Meter()
    counted.expect(1 << 30)
    for _ in range(100):
        with counted.waiting():
            now[0] += 0.01
        counted.add(10)
        now[0] += 60  # for writing
    assert counted.left() == pytest.approx(meter.PATIENCE_SECONDS - 1)


def test_good_data_restores_patience_and_bad_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    for size, restored in ((meter.MIN_BYTES_PER_SECOND, True), (meter.MIN_BYTES_PER_SECOND - 1, False)):
        counted = Meter()
        counted.failed(pause=5)
        counted.expect(1 << 30)
        for _ in range(int(meter.SILENCE_SECONDS)):
            with counted.waiting():
                now[0] += 1
            try:
                counted.add(size)
            except BrokenTransfer as broken:
                assert not restored and "1,000 bytes a second" in str(broken)
        assert (counted.lost == 0) is restored
