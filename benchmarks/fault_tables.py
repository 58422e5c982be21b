"""The table of the fault trials, from results/faults_*.json."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from benchmarks.markdown import markdown, measured, unmeasured

COMMAND = "python -m benchmarks.faults --save"
# kind -> what is tried. The order of the table.
KINDS = {
    "hostile": "files written to do harm, in front of every reader",
    "mutations": "valid files changed at random, in front of every reader",
    "hubs": "servers that lie, stall, break off or name paths",
    "signals": "SIGINT and SIGTERM at moments spread over every command",
    "kills": "SIGKILL at a random moment, then the same command again",
    "disks": "disks of 40 kB to 4 MB under output and caches",
    "forbidden": "targets that cannot be written, or where something of the user's is",
    "processes": "eight processes that write one target",
}
OTHER = ("kind", "what", "tree", "tried", "right")


def faults() -> str:
    """Tried, right before and right now, and what came of the others; a row for each kind."""
    found = {kind: measured(f"faults_{kind}") for kind in KINDS}
    if not any(found.values()):
        return unmeasured(COMMAND)
    rows, stamps = [], set()
    for kind, what in KINDS.items():
        document = found[kind]
        if document is None:
            rows.append((kind, what, "not measured yet", "", "", ""))
            continue
        stamps.add(f"{document['stamp']['date']}, {document['stamp']['cpu']}, {document['stamp']['cores']} cores")
        now = [row for row in document["rows"] if row["tree"] == "now"]
        before = [row for row in document["rows"] if row["tree"] != "now"]
        rows.append(
            (kind, what, f"{_sum(now, 'tried'):,}", f"{_sum(now, 'right'):,}", _others(now), _before(before))
        )
    header = ("kind", "what is tried", "tried", "right", "what else came of it", "right before these were mended")
    return markdown(header, rows) + f"\nPrinted by `{COMMAND}` ({'; '.join(sorted(stamps))}).\n"


def _before(rows: Iterable[Mapping[str, Any]]) -> str:
    rows = list(rows)
    if not rows:
        return "not tried"
    return f"{_sum(rows, 'right'):,} of {_sum(rows, 'tried'):,} ({_others(rows)})"


def _sum(rows: Iterable[Mapping[str, Any]], name: str) -> int:
    return sum(int(row.get(name) or 0) for row in rows)


def _others(rows: Iterable[Mapping[str, Any]]) -> str:
    seen: Counter[str] = Counter()
    for row in rows:
        seen.update({name: int(value) for name, value in row.items() if name not in OTHER and value})
    return ", ".join(f"{count:,} {name}" for name, count in seen.most_common() if count) or "nothing"
