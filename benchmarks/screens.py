"""Draws what a run leaves to look at: `python -m benchmarks.screens` writes docs/report*.png, docs/compare*.png and
docs/ui-*.png.

Small runs on made-up data, so that every part of the pages has something to show; the numbers mean nothing. Needs
Chromium, and the model that the tests of real weights use.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import common, ui_screens
from zoo.finetune.__main__ import main as finetune

DOCS = common.ROOT / "docs"
MODEL = "all-MiniLM-L6-v2"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WORDS = {
    "positive": ("great", "wonderful", "moving", "a joy"),
    "neutral": ("fine", "okay", "average"),
    "negative": ("dull", "awful", "a mess", "boring"),
}
NAMES = {
    "PER": ("John Smith", "Ada Lovelace", "Li Wei", "Paris Hilton"),
    "LOC": ("Paris", "New York", "Berlin"),
    "ORG": ("Acme Corp", "United Nations", "Berlin Press"),
}
SENTENCES = ("PER lives in LOC", "ORG hired PER in LOC", "In LOC , PER met ORG", "LOC is far", "ORG wrote to PER")
QUESTION = "In {year}, {person} moved to {place} with a friend & a <b>dog</b>. {other} had stayed in {elsewhere}. "
COMMON = ("--eval-every", "5", "--batch-size", "16", "--lr", "1e-4")
RUNS = {  # name -> flags; their pages are docs/report-NAME.png
    "classes": ("--task", "classification", "--max-steps", "40", *COMMON),
    "entities": ("--task", "tagging", "--max-steps", "10", *COMMON),
    "questions": ("--task", "qa", "--max-steps", "10", "--max-length", "96", "--doc-stride", "16", *COMMON),
    "seeds": ("--task", "classification", "--max-steps", "20", "--seeds", "3", *COMMON, "--lr", "5e-5"),
}
HEIGHTS = {"classes": 1700, "entities": 1200, "questions": 1100, "seeds": 1000}  # pixels that are shown
DATA = {"classes": "reviews", "seeds": "reviews", "entities": "names", "questions": "moves"}


def write_data(folder: Path) -> None:
    """Writes reviews with some wrong labels, sentences with names of two kinds, and questions about a text."""
    draw = random.Random(1)
    for split, count in (("train", 300), ("dev", 120)):
        for name in ("reviews", "names", "moves"):
            (folder / name).mkdir(exist_ok=True)
        reviews = "".join(_review(draw) for _ in range(count))
        (folder / "reviews" / f"{split}.csv").write_text("text,label\n" + reviews, "utf-8")
        (folder / "names" / f"{split}.conll").write_text("".join(_names(draw) for _ in range(count)), "utf-8")
        moves = "".join(json.dumps(_question(draw, n)) + "\n" for n in range(count // 2))
        (folder / "moves" / f"{split}.jsonl").write_text(moves, "utf-8")


def _review(draw: random.Random) -> str:
    label = draw.choice(list(WORDS))
    said = draw.choice(WORDS[label] if draw.random() > 0.1 else WORDS[draw.choice(list(WORDS))])
    more = draw.choice(("with a good cast", "and too long", "<script>alert(1)</script>", "说得不错", "again"))
    return f'"the film is {said}, {more} {draw.randint(1, 99)}",{label}\n'


def _names(draw: random.Random) -> str:
    lines = []
    for part in draw.choice(SENTENCES).split():
        words = draw.choice(NAMES[part]).split() if part in NAMES else [part]
        small = part in NAMES and draw.random() < 0.2
        for n, word in enumerate(words):
            tag = f"{'I' if n else 'B'}-{part}" if part in NAMES else "O"
            lines.append(f"{word.lower() if small else word} {tag}\n")
    return "".join(lines) + "\n"


def _question(draw: random.Random, number: int) -> dict[str, object]:
    (person, other), (place, elsewhere) = draw.sample(NAMES["PER"][:3], 2), draw.sample(NAMES["LOC"], 2)
    context = QUESTION.format(year=1900 + number, person=person, place=place, other=other, elsewhere=elsewhere)
    answers = {"text": [place], "answer_start": [context.index(place)]}
    return {"id": str(number), "question": f"Where did {person} move?", "context": context, "answers": answers}


def picture(page: Path | str, file: Path, height: int, dark: bool = False) -> None:
    """Writes what a browser shows of a page, a file or an address.

    Raises:
        SystemExit: there is no browser, or it fails.
    """
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        raise SystemExit(f"None of {', '.join(BROWSERS)} is installed.")
    scheme = ("--blink-settings=preferredColorScheme=0",) if dark else ()
    words = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--screenshot={file}")
    address = page.resolve().as_uri() if isinstance(page, Path) else page
    shown = (f"--window-size=1000,{height}", address)
    subprocess.run([browser, *words, *scheme, *shown], check=True, timeout=120, stderr=subprocess.DEVNULL)


def main() -> int:
    """Trains, and draws the pages light and dark."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_data(folder)
        for run, flags in RUNS.items():
            words = [*flags, "--model", MODEL, "--data", str(folder / DATA[run]), "--out", str(folder / run)]
            if code := finetune(words):
                return code
            picture(folder / run / "report.html", DOCS / f"report-{run}.png", HEIGHTS[run])
        picture(folder / "classes" / "report.html", DOCS / "report-dark.png", 1100, dark=True)
        from zoo.compare.__main__ import main as compare

        runs = [str(folder / run) for run in ("classes", "seeds")]
        if code := compare([*runs, "--out", str(folder / "compare.html")]):
            return code
        picture(folder / "compare.html", DOCS / "compare.png", 1250)
        with tempfile.TemporaryDirectory() as work:
            ui_screens.draw(Path(work), lambda at, to, *how: picture(at, DOCS / f"{to}.png", *how))
    return 0


if __name__ == "__main__":
    sys.exit(main())
