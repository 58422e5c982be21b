"""The pages that need no server: every model, every published number, both languages, links that lead somewhere."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from string import Formatter

import pytest

from zoo import registry
from zoo.published import ledger
from zoo.ui import catalogue, pages
from zoo.ui.words import LANGUAGES, WORDS, Said


def links(page: str) -> list[str]:
    """What a page refers to."""
    return [unescape(link) for link in re.findall(r'(?:href|src|action)="([^"]*)"', page)]


def rows_of(page: str) -> list[dict[str, str]]:
    """What the rows of its table are filtered by."""
    rows = re.findall(r"<tr (data-[^>]+)>", page)
    return [{name: unescape(value) for name, value in re.findall(r'(data-[a-z]+)="([^"]*)"', row)} for row in rows]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "browse"
    assert pages.write(folder) == len(LANGUAGES) * (2 + len(registry.list_models()))
    return folder


def test_every_word_is_said_in_every_language() -> None:
    for key, said in WORDS.items():
        assert len(said) == len(LANGUAGES) and all(said), key
        places = {sum(name is not None for _, name, _, _ in Formatter().parse(text)) for text in said}
        assert len(places) == 1, key


def test_every_template_says_known_words() -> None:
    for file in Path(pages.__file__).parent.glob("*.jinja"):
        for key, more in re.findall(r't\("([^"]+)"( ~)?', file.read_text("utf-8")):
            found = [known for known in WORDS if known.startswith(key)] if more else [key] * (key in WORDS)
            assert found, f"{file.name}: {key}"


@pytest.mark.parametrize("language", LANGUAGES)
def test_models(site: Path, language: str) -> None:
    page = (site / language / "models.html").read_text("utf-8")
    rows = rows_of(page)
    assert len(rows) == len(registry.list_models())
    assert {row["data-state"] for row in rows} == {"reproduced", "proven", "open"}
    for name in ("family", "languages", "heads", "size", "licence", "state"):
        select = page.split(f'<select name="{name}">')[1].split("</select>")[0]
        offered = set(re.findall(r'<option value="([^"]+)"', select))
        assert offered == {value for row in rows for value in row[f"data-{name}"].split("|")}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_ledger(site: Path, language: str) -> None:
    rows = rows_of((site / language / "ledger.html").read_text("utf-8"))
    counted = catalogue.counted((row["data-state"],) for row in rows)
    assert counted == {state: n for state, n in ledger.counts(ledger.claims()).items() if n}


def test_links_lead_somewhere(site: Path) -> None:
    """From files too: all are relative. Only the way back leads out of the folder."""
    for page in site.rglob("*.html"):
        for link in set(links(page.read_text("utf-8"))):
            target = link.partition("?")[0]
            if link.startswith(("#", "data:")):
                continue
            assert "://" not in link and not link.startswith("/"), (page, link)
            if not (page.parent / target).is_file():
                assert target.endswith(("../index.html", "../zh/index.html")), (page, link)
                assert (page.parent / target).resolve().parent in (site.parent, site.parent / "zh")


def test_a_page_of_each_model(site: Path) -> None:
    page = (site / "en/models/FacebookAI--xlm-roberta-base.html").read_text("utf-8")
    assert "zoo convert FacebookAI/xlm-roberta-base --out xlm-roberta-base" in page
    assert "zoo.pipeline(&#34;fill-mask&#34;, &#34;FacebookAI/xlm-roberta-base&#34;)" in page
    assert "zoo finetune --recipe" in page and "try/" not in page, "a site has no server"


def test_writing_again_replaces(site: Path) -> None:
    before = sorted(path.name for path in site.rglob("*"))
    pages.write(site)
    assert sorted(path.name for path in site.rglob("*")) == before


def test_labels() -> None:
    assert Said("zh").label("state", "open") == "未完成" and Said("en").label("state", "else") == "else"
    assert Said("zh")("shown", 1, 2) == "1 / 2 项"
    assert catalogue.model("no-such") is None and pages.model("en", "../models") is None
