"""The pages in a browser: they load, filter, answer and refuse; by keyboard, narrow and wide, in both languages.

Needs Playwright (`pip install playwright`, 165 MB, no browser of its own) and Chromium; skipped without them.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.screens import BROWSERS
from tests.compare.test_compare import run
from zoo import registry
from zoo.errors import UsageError
from zoo.published import ledger
from zoo.ui import pages
from zoo.ui.__main__ import _listening
from zoo.ui.app import application
from zoo.ui.shelf import Shelf

sync_api = pytest.importorskip("playwright.sync_api", reason="the tests in a browser need playwright")
uvicorn = pytest.importorskip("uvicorn", reason="zoo ui needs uvicorn")
CHROMIUM = next((found for name in BROWSERS if (found := shutil.which(name))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="the tests in a browser need Chromium")

NARROW, WIDE = 320, 1280  # pixels


class Vectors:
    """Stands for a pipeline of vectors."""

    class deployed:
        summary = "small: no engine"

    def __call__(self, text: str) -> np.ndarray:
        if text == "refused":
            raise UsageError("This does not fit: <b>bold</b>", "Type something else.")
        time.sleep(0.2)
        return np.arange(8, dtype=np.float32)

    def similarity(self, text: str, others: list[str]) -> np.ndarray:
        return np.array([[len(other) / 100 for other in others]])


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with two runs."""
    folder = tmp_path_factory.mktemp("ui") / "runs"
    run(folder / "one", [True, False])
    run(folder / "two", [True, True])
    shelf = Shelf(folder, "small")
    shelf._pipe = lambda pipeline, model: Vectors()  # type: ignore[method-assign]
    server = uvicorn.Server(
        uvicorn.Config(application(shelf), log_config=None, log_level="warning", lifespan="off")
    )
    with _listening(0) as listener:
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page whose console must stay empty: no script fails and no policy is broken."""
    made = browser.new_page(viewport={"width": WIDE, "height": 800})
    said: list[str] = []
    made.on("console", lambda message: said.append(message.text))
    made.on("pageerror", lambda error: said.append(str(error)))
    made.on(
        "request",
        lambda request: said.extend(
            [request.url] * (not request.url.startswith(("http://127.", "file:", "data:")))
        ),
    )
    yield made
    made.close()
    assert [line for line in said if "422 (Unprocessable" not in line] == []


def rows(page: Any) -> int:
    return page.locator("tbody tr:visible").count()


def test_models_load_and_filter(page: Any, address: str) -> None:
    page.goto(address)
    assert page.url.endswith("/en/models.html") and rows(page) == len(registry.list_models())
    page.select_option("select[name=family]", "funnel")
    page.fill("input[name=q]", "LARGE base")
    assert rows(page) == 2 and page.inner_text(".count") == f"2 of {len(registry.list_models())}"
    page.reload()
    assert rows(page) == 2, "the address holds the filters"
    page.click("text=中文")
    assert page.url.startswith(f"{address}/zh/models.html?") and rows(page) == 2
    page.fill("input[name=q]", "no such thing")
    assert page.inner_text(".none") == "没有符合全部条件的内容。"
    page.click("button[type=reset]")
    page.wait_for_function("document.querySelector('.none').hidden")
    assert rows(page) == len(registry.list_models())


def test_the_ledger_filters(page: Any, address: str) -> None:
    counted = ledger.counts(ledger.claims())
    page.goto(f"{address}/en/ledger.html?state=proven")
    assert page.inner_text(".count").startswith(f"{counted['proven']} of ") and rows(page) == 100
    page.click("button.more")
    assert rows(page) == 200
    page.select_option("select[name=task]", "xnli")
    assert 0 < rows(page) <= 71
    page.click("tbody tr:visible a")
    assert "/en/models/" in page.url


def test_files_filter_too(page: Any, tmp_path: Path) -> None:
    pages.write(tmp_path / "browse")
    page.goto((tmp_path / "browse/zh/models.html").as_uri())
    page.select_option("select[name=languages]", "zh")
    assert 0 < rows(page) < len(registry.list_models())


def test_an_answer_and_an_error(page: Any, address: str) -> None:
    page.goto(f"{address}/en/try/embeddings.html")
    page.fill("textarea[name=text]", "a text")
    page.fill("textarea[name=others]", "short\na longer one")
    page.click("main button:has-text('Answer')")
    assert page.locator(".answer tbody tr").all_inner_texts() == ["a longer one\t0.1200", "short\t0.0500"]
    assert page.input_value("textarea[name=text]") == "a text"
    page.fill("textarea[name=text]", "refused")
    page.click("main button:has-text('Answer')")
    assert "This does not fit: <b>bold</b>\nType something else." in page.inner_text(".error").replace("\n\n", "\n")
    assert page.is_enabled("main button:has-text('Answer')")


def test_waiting_is_said(page: Any, address: str) -> None:
    page.goto(f"{address}/en/try/embeddings.html")
    page.fill("textarea[name=text]", "a text")
    page.evaluate(
        "document.querySelector('form.asked').addEventListener('submit', (event) => event.preventDefault())"
    )
    page.click("main button:has-text('Answer')")
    assert page.is_disabled("main button:has-text('Answer')") and "takes longer" in page.inner_text(".busy")


def test_by_keyboard(page: Any, address: str) -> None:
    page.goto(f"{address}/en/models.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.name") == "q":
            break
    page.keyboard.type("minilm")
    assert rows(page) == 1


def test_runs_are_compared(page: Any, address: str) -> None:
    page.goto(f"{address}/en/runs.html")
    for box in page.locator("input[type=checkbox]").all():
        box.check()
    page.click("main button:has-text('Compare')")
    assert "2 runs compared" in page.inner_text("h1")


def test_the_theme(page: Any, address: str) -> None:
    page.goto(f"{address}/en/models.html")
    page.emulate_media(color_scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    page.click("button.theme")
    assert page.inner_text("button.theme") == "Theme: light" and page.evaluate(ground) == "rgb(255, 255, 255)"
    page.goto(f"{address}/zh/runs.html")
    assert page.inner_text("button.theme") == "主题: 浅色", "it holds for every page"
    page.click("button.theme")
    page.emulate_media(color_scheme="light")
    assert page.evaluate(ground) == dark


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(
    "name", ["models", "models/FacebookAI--xlm-roberta-base", "ledger", "runs", "try/qa", "try/embeddings"]
)
def test_narrow(page: Any, address: str, language: str, name: str) -> None:
    """Nothing is wider than the screen, and nothing is so small that a finger misses it."""
    page.set_viewport_size({"width": NARROW, "height": 600})
    page.goto(f"{address}/{language}/{name}.html")
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW
    for box in page.locator("main button:visible, main select:visible").all():
        assert box.bounding_box()["height"] >= 24
