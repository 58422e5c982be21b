"""Whatever a server says or does: the right files come, or a sentence; soon, and nothing outside of the cache."""

from __future__ import annotations

import os
import socket
import time
from http.client import HTTPMessage

import pytest

from tests.hub.cases import Case, run
from tests.hub.entries import commit
from tests.hub.server import TINY, HubServer
from tests.hub.table import CASES
from tests.hub.test_snapshots import leftovers
from zoo import hub
from zoo.errors import HubError, UnknownModelError, ZooError
from zoo.hub import http, meter, names, transport
from zoo.hub.meter import BrokenTransfer, Meter
from zoo.hub.transport import Unreachable


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


# What is here already is looked at too


# Disks


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
