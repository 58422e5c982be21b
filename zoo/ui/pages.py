"""Renders the pages. Those about models and published numbers need no server: `write` makes files of them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from zoo import files, listing, registry
from zoo.claims import number
from zoo.finetune.templates import render
from zoo.published.ledger import STATES
from zoo.ui import answers, catalogue
from zoo.ui.words import LANGUAGES, Said

SECTIONS = {"models": "models.html", "ledger": "ledger.html"}  # of every site: key of the words -> page
SERVED_SECTIONS = {**SECTIONS, "runs": "runs.html", "try": "try/classification.html"}
ASSETS = {"style.css": "text/css", "page.js": "text/javascript"}  # file of this package -> its kind
Options = list[tuple[str, str, int]]  # value, what it is called, how many rows have it


def page(
    template: str, language: str, path: str, title: str, section: str, static: bool = False, **more: Any
) -> str:
    """Gives a page.

    Args:
        template: a file of this package, without .html.jinja.
        language: a key of LANGUAGES.
        path: of the page below the folder of its language; links are relative to it.
        title: its heading.
        section: which one is marked in the navigation; "" for none.
        static: for a file of a site, which has no server.
        **more: what the template shows.
    """
    up = "../" * path.partition("?")[0].count("/")
    return render(
        f"{template}.html.jinja",
        "zoo.ui",
        t=Said(language),
        languages=LANGUAGES,
        path=path,
        here=up or "./",
        root=f"{up}../",
        title=title,
        section=section,
        static=static,
        sections=list((SECTIONS if static else SERVED_SECTIONS).items()),
        number=number,
        zip=zip,
        **more,
    )


@lru_cache(maxsize=8)
def models(language: str, static: bool = False) -> str:
    """Gives the page of all checkpoints."""
    t, rows = Said(language), catalogue.models()
    facets = {
        "family": _options(((row.card.family,) for row in rows), {row.card.family: row.title for row in rows}),
        "languages": _named(t, "languages", (row.languages for row in rows)),
        "heads": _named(t, "heads", (row.heads for row in rows)),
        "size": sorted(_named(t, "size", ((row.size,) for row in rows))),
        "licence": _options((row.licence,) for row in rows),
        "state": _named(t, "state", ((row.state,) for row in rows)),
    }
    more = {"rows": rows, "facets": facets, "states": tuple(STATES)}
    return page("models", language, "models.html", t("models"), "models", static, **more)


@lru_cache(maxsize=256)
def model(language: str, slug: str, static: bool = False) -> str | None:
    """Gives the page of a checkpoint; None where there is no such page."""
    row = catalogue.model(slug)
    if row is None:
        return None
    return page(
        "model",
        language,
        f"models/{slug}.html",
        row.card.name,
        "models",
        static,
        row=row,
        facts=listing.facts(row.card, registry.family(row.card.family)),
        claims=[catalogue.LedgerRow(claim, row.card.family) for claim in catalogue.of_papers(row)],
        tried=answers.pipeline_of(row.card.heads),
    )


@lru_cache(maxsize=8)
def ledger(language: str, static: bool = False) -> str:
    """Gives the page of all published numbers."""
    t, rows = Said(language), catalogue.ledger_rows()
    titles = {row.family: t("others") if row.family == catalogue.OTHERS else row.title for row in rows}
    facets = {
        "state": _named(t, "state", ((row.claim.state,) for row in rows)),
        "family": _options(((row.family,) for row in rows), titles),
        "task": sorted(_options((row.claim.score.task,) for row in rows)),
    }
    more = {"rows": rows, "facets": facets, "states": tuple(STATES)}
    return page("ledger", language, "ledger.html", t("ledger"), "ledger", static, **more)


def _options(values: Iterable[Sequence[str]], names: Mapping[str, str] | None = None) -> Options:
    return [(value, (names or {}).get(value, value), n) for value, n in catalogue.counted(values).items()]


def _named(t: Said, kind: str, values: Iterable[Sequence[str]]) -> Options:
    counted = catalogue.counted(values)
    return [(value, t.label(kind, value), count) for value, count in counted.items()]


def asset(name: str) -> str:
    """Gives the text of a file of ASSETS."""
    return resources.files("zoo.ui").joinpath(name).read_text("utf-8")


def write(folder: str | os.PathLike[str]) -> int:
    """Writes the pages that need no server, in every language, and gives how many there are.

    Args:
        folder: of a site; what a former call wrote there is replaced.

    Raises:
        UsageError: the folder has files of somebody else with these names.
        DiskError: the disk is full.
    """
    made: dict[str, str] = {}
    for language in LANGUAGES:
        made[f"{language}/models.html"] = models(language, True)
        made[f"{language}/ledger.html"] = ledger(language, True)
        for row in catalogue.models():
            made[f"{language}/models/{row.slug}.html"] = model(language, row.slug, True) or ""
    with files.publish(folder, last="page.js") as work:
        for name, text in {**made, **{name: asset(name) for name in ASSETS}}.items():
            place = Path(work, name)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, "utf-8")
    return len(made)
