"""The server: who is answered, the runs that lie there, and forms with their answers and errors."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest

from tests.compare.test_compare import EVIL, run
from zoo.errors import UsageError
from zoo.ui import __main__ as command
from zoo.ui.answers import MAX_TEXT
from zoo.ui.app import MAX_BODY, application, refusal
from zoo.ui.shelf import MAX_COMPARED, Shelf
from zoo.ui.words import Said

pytest.importorskip("starlette", reason="zoo ui needs starlette")
pytest.importorskip("httpx", reason="starlette's test client needs httpx")

HERE = "http://127.0.0.1:8770"
FORM = {"content-type": "application/x-www-form-urlencoded", "origin": HERE}


class Vectors:
    """Stands for a pipeline of vectors."""

    class deployed:
        summary = "small: no engine"

    def __call__(self, text: str) -> np.ndarray:
        if text == "mistake":
            raise RuntimeError("a library's own words")
        if text == "refused":
            raise UsageError(f"This does not fit: {EVIL}", "Type something else.")
        return np.arange(8, dtype=np.float32)


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    found = Shelf(tmp_path / "runs", "small")
    monkeypatch.setattr(found, "_pipe", lambda pipeline, model: Vectors())
    return found


@pytest.fixture
def client(shelf: Shelf) -> Any:
    from starlette.testclient import TestClient

    return TestClient(application(shelf), base_url=HERE, raise_server_exceptions=False)


def post(client: Any, form: dict[str, str], page: str = "en/try/embeddings.html", **headers: str) -> Any:
    return client.post(f"/{page}", content=urlencode(form), headers={**FORM, **headers})


# --- who is answered ---


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:9", "LOCALHOST", "[::1]:8770", "[::1]"])
def test_names_of_this_machine(host: str) -> None:
    assert not refusal("GET", {"host": host})
    assert not refusal("POST", {"host": host, "origin": f"http://{host}"})


@pytest.mark.parametrize(
    "host",
    ["", "evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8770", "192.0.2.7", "localhost:x"],
)
def test_other_names(host: str, client: Any) -> None:
    assert refusal("GET", {"host": host})
    answer = client.get("/en/models.html", headers={"host": host})
    assert answer.status_code == 403 and "<" not in answer.text


@pytest.mark.parametrize(
    "origin", [None, "null", "http://evil.example", "http://localhost:8770", "https://127.0.0.1"]
)
def test_forms_of_other_pages(origin: str | None, client: Any) -> None:
    headers = {"content-type": FORM["content-type"]} | ({"origin": origin} if origin else {})
    answer = client.post("/en/try/ner.html", content="text=x", headers=headers)
    assert answer.status_code == 403


def test_headers(client: Any) -> None:
    for page in ("/en/models.html", "/page.js", "/no-such"):
        headers = client.get(page).headers
        assert "default-src 'none'" in headers["content-security-policy"] and "nosniff" in headers.values()


# --- pages ---


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_page_opens(language: str, client: Any) -> None:
    for page in ("models", "models/funnel-transformer--small", "ledger", "runs", "try/qa", "try/rerank"):
        answer = client.get(f"/{language}/{page}.html")
        assert answer.status_code == 200 and f'<html lang="{language}">' in answer.text, page
        assert "style=" not in answer.text and "onclick" not in answer.text and "http:" not in answer.text


def test_the_first_page_has_the_browsers_language(client: Any) -> None:
    def first(asked: str) -> str:
        return client.get("/", headers={"accept-language": asked}, follow_redirects=False).headers["location"]

    assert first("zh-CN,zh;q=0.9") == "/zh/models.html" and first("de") == "/en/models.html"


@pytest.mark.parametrize(
    "page",
    [
        "xx/models.html",
        "en/models",
        "en/models/x.html",
        "en/try/x.html",
        "en/%2e%2e/page.js",
        "en/runs/a.html",
        "x",
    ],
)
def test_pages_that_are_not_there(page: str, client: Any) -> None:
    answer = client.get(f"/{page}")
    assert answer.status_code == 404 and Said("en")("error.page") in answer.text


# --- runs ---


def test_runs(shelf: Shelf, client: Any, tmp_path: Path) -> None:
    assert "There is no run in" in client.get("/en/runs.html").text
    folder = run(shelf.folder / "one", [True, False])
    run(shelf.folder / "deep/two", [True, True], lr=3e-5)
    (folder / "report.html").write_text("<script>alert(1)</script>its own page", "utf-8")
    run(tmp_path / "outside", [True])
    (shelf.folder / "link").symlink_to(tmp_path / "outside", target_is_directory=True)
    (shelf.folder / "deep/two/report.html").symlink_to(tmp_path / "outside/run.json")
    for name, text in (("broken", "{"), ("odd", '{"format": 1, "status": "finished", "config": 3, "results": []}')):
        (shelf.folder / name).mkdir()
        (shelf.folder / name / "run.json").write_text(text, "utf-8")
    page = client.get("/en/runs.html").text
    assert page.count('type="checkbox"') == 2 and page.count(">cannot be read<") == 2 and "outside" not in page
    assert "accuracy 50.00 (dev)" in page and EVIL not in page and "&lt;script&gt;" in page
    assert page.count("report.html?run=") == 1, "a link out of the folder is no report"
    report = client.get("/en/report.html?run=one")
    assert "its own page" in report.text and report.headers["content-security-policy"].startswith("sandbox")
    compared = client.get("/en/compare.html?run=one&run=deep/two")
    assert compared.status_code == 200 and "2 runs compared" in compared.text and EVIL not in compared.text


@pytest.mark.parametrize("path", ["../outside", "/etc", "one/../../outside", "", "%2e%2e/outside", "link"])
def test_only_what_lies_there_is_opened(path: str, shelf: Shelf, client: Any, tmp_path: Path) -> None:
    run(tmp_path / "outside", [True])
    run(shelf.folder / "one", [True])
    (shelf.folder / "link").symlink_to(tmp_path / "outside", target_is_directory=True)
    (tmp_path / "outside/report.html").write_text("secret", "utf-8")
    for page in (f"report.html?run={path}", f"compare.html?run={path}&run=one"):
        answer = client.get(f"/en/{page}")
        assert answer.status_code == 422 and "There is no run" in answer.text and "secret" not in answer.text
    answer = post(client, {"model": f"run:{path}", "text": "x"})
    assert answer.status_code == 422 and "There is no run" in answer.text


def test_too_few_and_too_many_runs(shelf: Shelf, client: Any) -> None:
    run(shelf.folder / "one", [True])
    assert "nothing to be compared with" in client.get("/en/compare.html?run=one&run=one").text
    many = "&".join(["run=one"] * (MAX_COMPARED + 1))
    assert client.get(f"/en/compare.html?{many}").status_code == 422


def test_exports(shelf: Shelf) -> None:
    folder = shelf.folder / "int8"
    folder.mkdir(parents=True)
    about = {"format": 1, "engine": "openvino", "precision": "int8", "task": "tagging"}
    (folder / "export.json").write_text(json.dumps(about), "utf-8")
    (found,), cut = shelf.runs()
    assert (found.status, found.model, found.pipeline) == ("exported", "openvino, int8", "ner")
    assert found.answers and not found.comparable and not cut


# --- forms ---


def test_an_answer(client: Any) -> None:
    answer = post(client, {"model": "given", "text": EVIL, "others": ""})
    assert answer.status_code == 200 and EVIL not in answer.text
    assert "A vector of 8 numbers" in answer.text and "small: no engine" in answer.text
    assert "&lt;script&gt;" in answer.text, "what was typed stays in its field"
    assert "8 维向量" in post(client, {"model": "given", "text": "x"}, "zh/try/embeddings.html").text


def test_errors_are_sentences(client: Any, caplog: pytest.LogCaptureFixture) -> None:
    answer = post(client, {"model": "given", "text": "refused"})
    assert answer.status_code == 422 and "Type something else." in answer.text and EVIL not in answer.text
    with caplog.at_level(logging.CRITICAL, "zoo"):
        answer = post(client, {"model": "given", "text": "mistake"})
    assert answer.status_code == 500 and "inside the zoo" in answer.text
    assert "RuntimeError" not in answer.text and "library" not in answer.text


@pytest.mark.parametrize(
    "model", ["", "runs:x", "card:FacebookAI/xlm-roberta-base", "card:../x", "/etc", "given:x"]
)
def test_models_that_are_not_offered(model: str, client: Any) -> None:
    answer = post(client, {"model": model, "text": "x"})
    assert answer.status_code == 422 and "zoo ui --model MODEL" in answer.text


def test_a_folder_is_not_taken_for_a_published_model(
    shelf: Shelf, client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "sentence-transformers/all-MiniLM-L6-v2"
    monkeypatch.chdir(tmp_path)
    assert post(client, {"model": f"card:{name}", "text": "x"}).status_code == 200
    (tmp_path / name).mkdir(parents=True)
    answer = post(client, {"model": f"card:{name}", "text": "x"})
    assert answer.status_code == 422 and "lies where" in answer.text


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"text=" + b"x" * (MAX_TEXT + 1), "characters"),
        (b"text=" + b"x" * MAX_BODY, "bytes"),
        (b"text=%ff", "not a form"),
        (b"text=\xff", "not a form"),
        (b"&".join(b"a%d=1" % n for n in range(99)), "not a form"),
        (b"text=", "is empty"),
    ],
)
def test_what_cannot_be_read(body: bytes, said: str, client: Any) -> None:
    answer = client.post("/en/try/embeddings.html", content=b"model=given&" + body, headers=FORM)
    assert answer.status_code == 422 and said in answer.text


# --- the command ---


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert command.main(["--port", "70000"]) == 2 and "no port" in capsys.readouterr().err
    assert command.main(["--runs", str(tmp_path / "file")]) == 2 and "is a file" in capsys.readouterr().err


def test_a_port_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("uvicorn", reason="zoo ui needs uvicorn")
    with command._listening(0) as taken:
        taken.listen()
        assert command.main(["--port", str(taken.getsockname()[1])]) == 1
    assert "--port 0" in capsys.readouterr().err


def test_the_log_of_others_stays_open(tmp_path: Path) -> None:
    pytest.importorskip("uvicorn", reason="zoo ui needs uvicorn")
    handler = logging.FileHandler(tmp_path / "log")
    command._server(command.parser().parse_args(["--runs", str(tmp_path)]))
    assert handler.stream is not None and not handler.stream.closed
    handler.close()


def test_without_the_library(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(__import__("sys").modules, "uvicorn", None)
    assert command.main([]) == 1
    assert "zoo ui` needs uvicorn" in capsys.readouterr().err
