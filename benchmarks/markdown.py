"""What the tables of the pages are made with: results, Markdown, and the line that says what printed them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks import common


def markdown(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; numbers are written as they are."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(str(cell) for cell in line)} |\n" for line in lines)


def result(name: str) -> dict[str, Any]:
    """A file of results/."""
    return json.loads((common.RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def millions(count: int) -> str:
    return f"{count / 1e6:,.0f} M" if count else "?"


def measured(name: str) -> dict[str, Any] | None:
    """A file of results/, None before its benchmark has run."""
    return result(name) if (common.RESULTS / f"{name}.json").is_file() else None


def unmeasured(command: str) -> str:
    return f"Not measured yet: `{command}`.\n"


def printed_by(found: dict[str, Any], *packages: str) -> str:
    """The line below a table: command, versions, date, processor."""
    stamp = found["stamp"]
    named = ", ".join(f"{name} {stamp['versions'][name]}" for name in ("paddlepaddle", *packages))
    return (
        f"\nPrinted by `{found['command']}` ({named}, {stamp['date']}, {stamp['cpu']}, {stamp['cores']} cores).\n"
    )
