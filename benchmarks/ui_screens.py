"""Draws the pages of `zoo ui` from files: docs/ui-*.png, in both languages, light and dark."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from zoo.ui import pages
from zoo.ui.app import Site
from zoo.ui.shelf import Shelf

MODEL = "all-MiniLM-L6-v2"  # the one that the tests of real weights use
OTHERS = ("There is a cat on the mat.", "A dog sleeps on the sofa.", "The budget was voted on.")
ASKED = {"model": "given", "text": "A cat sits on the mat.", "others": "\n".join(OTHERS)}
SHOWN = {  # picture -> page, height in pixels, dark
    "ui-models": ("en/models.html", 900, False),
    "ui-ledger": ("en/ledger.html?family=xlmr", 900, True),
    "ui-try": ("en/try/embeddings.html", 900, False),
    "ui-models-zh": ("zh/models.html", 900, False),
    "ui-try-zh": ("zh/try/embeddings.html", 900, True),
}


def draw(work: Path, picture: Callable[[str, str, int, bool], None]) -> None:
    """Draws every page of SHOWN.

    Args:
        work: where the pages are written.
        picture: takes an address, the name of a picture, a height and whether it is dark.
    """
    site = Site(Shelf(work / "runs", MODEL))
    for name in pages.ASSETS:
        (work / name).write_text(pages.asset(name), "utf-8")
    for name, (address, height, dark) in SHOWN.items():
        path, _, query = address.partition("?")
        language, _, page = path.partition("/")
        if page.startswith("try/"):
            content, code = site.asked(language, "embeddings", ASKED)
            assert code == 200, content
        else:
            found = site.get(language, page, [])
            assert found and isinstance(found[0], str)
            content = found[0]
        place = work / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content, "utf-8")
        picture(f"{place.resolve().as_uri()}{'?' * bool(query)}{query}", name, height, dark)
