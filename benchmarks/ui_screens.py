"""Draws the pages of `zoo ui` from files: docs/ui-*.png, in both languages, light and dark."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from zoo.ui import pages
from zoo.ui.app import Site
from zoo.ui.shelf import Shelf

REVIEW = {"model": "run:classes", "text": "the film is moving, with a good cast 7"}
SHOWN = {  # picture -> page, height in pixels, dark
    "ui-models": ("en/models.html", 900, False),
    "ui-ledger": ("en/ledger.html?family=xlmr", 900, True),
    "ui-runs": ("en/runs.html", 420, False),
    "ui-try": ("en/try/classification.html", 820, False),
    "ui-models-zh": ("zh/models.html", 900, False),
    "ui-try-zh": ("zh/try/classification.html", 820, True),
}


def draw(runs: Path, work: Path, picture: Callable[[str, str, int, bool], None]) -> None:
    """Draws every page of SHOWN.

    Args:
        runs: a folder with a finished classifier called "classes".
        work: where the pages are written.
        picture: takes an address, the name of a picture, a height and whether it is dark.
    """
    site = Site(Shelf(runs))
    for name in pages.ASSETS:
        (work / name).write_text(pages.asset(name), "utf-8")
    for name, (address, height, dark) in SHOWN.items():
        path, _, query = address.partition("?")
        language, _, page = path.partition("/")
        if page.startswith("try/"):
            content, code = site.asked(language, "classification", {**REVIEW, "pair": ""})
            assert code == 200, content
        else:
            found = site.get(language, page, [])
            assert found and isinstance(found[0], str)
            content = found[0]
        place = work / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content, "utf-8")
        picture(f"{place.resolve().as_uri()}{'?' * bool(query)}{query}", name, height, dark)
