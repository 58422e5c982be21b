"""Folders of sentence-transformers read, saved, converted and converted back. `python -m benchmarks.parity.interop`

For every form of `interop_forms.FORMS` the vectors of sentence-transformers are compared with those of the zoo from
the folder itself, from what the zoo saves of it, from its conversion, by pipelines, and with those of
sentence-transformers from what the zoo writes for torch. Needs the environment of `make interop`.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import sentence_transformers
import transformers
from rich.console import Console
from rich.table import Table
from sentence_transformers import SentenceTransformer

import zoo
from benchmarks import common
from benchmarks.parity.interop_forms import FORMS, Form
from benchmarks.parity.interop_networks import TEXTS
from zoo.convert.to_paddle import convert
from zoo.convert.to_upstream import export
from zoo.errors import ZooError

COMMAND = "python -m benchmarks.parity.interop"
ALLOWED = 1e-5
ENGINES = ("paddle", "onnxruntime", "openvino")
Encode = Callable[..., np.ndarray]


def theirs(folder: Path) -> SentenceTransformer:
    """The folder in sentence-transformers, without network."""
    return SentenceTransformer(str(folder), device="cpu", local_files_only=True)


def vectors(encode: Encode, form: Form, texts: Sequence[str]) -> list[np.ndarray]:
    """What every call of a form gives, and a single text."""
    return [*(np.asarray(encode(list(texts), **call)) for call in form.calls), np.asarray(encode(texts[0]))]


def piped(folder: Path, engine: str) -> Encode:
    """`encode` of a pipeline."""
    encode: Encode = zoo.pipeline("embeddings", folder, engine=engine, precision="fp32").encode
    return encode


def ways(form: Form, source: Path, work: Path, engines: Sequence[str]) -> Mapping[str, Callable[[], Encode]]:
    """Name -> what gives the `encode` of a way to read the folder; each may use what one before it wrote."""
    saved, converted, back, again = (work / name for name in ("saved", "converted", "back", "again"))

    def save() -> Encode:
        zoo.load(source).save(saved)
        return zoo.load(saved).encode  # type: ignore[no-any-return, attr-defined]

    def to_paddle() -> Encode:
        convert(str(source), converted)
        return zoo.load(converted).encode  # type: ignore[no-any-return, attr-defined]

    def to_torch(given: Path, target: Path) -> Encode:
        export(str(given), target, "torch")
        model = theirs(target)
        assert model.similarity_fn_name == theirs(source).similarity_fn_name
        return model.encode  # type: ignore[no-any-return]

    return {
        "load": lambda: zoo.load(source).encode,  # type: ignore[attr-defined]
        "save": save,
        "convert": to_paddle,
        "converted, to torch": lambda: to_torch(converted, back),
        "saved, to torch": lambda: to_torch(saved, again),
        **{engine: lambda engine=engine: piped(converted, engine) for engine in engines},  # type: ignore[misc]
    }


def largest(found: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> float:
    """The largest difference; infinite for other shapes or types."""
    if any(a.shape != b.shape or a.dtype != b.dtype for a, b in zip(found, expected, strict=True)):
        return float("inf")
    return max(float(np.abs(a - b).max()) for a, b in zip(found, expected, strict=True))


def measure(form: Form, work: Path, engines: Sequence[str]) -> dict[str, Any]:
    """The row of a form."""
    source = work / "source"
    form.write(source)
    row: dict[str, Any] = {"form": form.name}
    if form.refused:
        return row | {"verdict": _refusal(form, source, work)}
    reference = theirs(source)
    for name, encode in ways(form, source, work, engines).items():
        texts = [text for text in TEXTS if text or name not in engines]  # pipelines refuse empty ones
        try:
            row[name] = largest(vectors(encode(), form, texts), vectors(reference.encode, form, texts))
        except ZooError as error:
            row[name] = f"{type(error).__name__}: {error.message}"
    differences = [value for name, value in row.items() if name != "form"]
    equal = all(isinstance(value, float) and value <= ALLOWED for value in differences)
    return row | {"verdict": "equal" if equal else "differs"}


def _refusal(form: Form, source: Path, work: Path) -> str:
    for attempt in (lambda: zoo.load(source), lambda: convert(str(source), work / "converted")):
        try:
            attempt()
        except ZooError as error:
            if form.refused in error.message:
                continue
            return f"refused otherwise: {error.message}"
        return "not refused"
    return "refused by name"


def show(rows: Sequence[Mapping[str, Any]]) -> None:
    """Prints the table."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    table = Table(*names)
    for row in rows:
        values = [row.get(name, "") for name in names]
        table.add_row(*(f"{v:.1e}" if isinstance(v, float) else str(v) for v in values))
    Console(width=200).print(table)


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 1 when a form is neither equal nor refused by name."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="forms whose name has this in it; nothing is written then")
    parser.add_argument("--engines", default=",".join(ENGINES), help="of the pipelines, with commas")
    given = parser.parse_args(arguments)
    transformers.logging.set_verbosity_error()
    rows = []
    for form in (form for form in FORMS if given.only in form.name):
        with tempfile.TemporaryDirectory() as work:
            rows.append(measure(form, Path(work), [name for name in given.engines.split(",") if name]))
        print(f"{form.name}: {rows[-1]['verdict']}", flush=True)
    show(rows)
    bad = [row for row in rows if row["verdict"] not in ("equal", "refused by name")]
    print(f"{len(rows) - len(bad)} of {len(rows)} forms are equal (to {ALLOWED:g}) or refused by name")
    if not given.only:
        release = f"sentence-transformers {sentence_transformers.__version__}"
        common.write("interop", COMMAND, [{"reference": release, **row} for row in rows])
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
