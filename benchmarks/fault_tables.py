"""The table of the fault trials, from results/faults_*.json."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.markdown import markdown, measured, printed_by, unmeasured

COMMAND = "python -m benchmarks.faults --save"
MISTAKES_COMMAND = "python -m benchmarks.faults mistakes --save"
BEFORE_COMMAND = "python -m benchmarks.faults KIND --tree DIR --label before --share SHARE --save"
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
    """A row for each kind: how many were tried and right before the faults were mended and now, and the others."""
    found = {kind: measured(f"faults_{kind}") for kind in KINDS}
    if not any(found.values()):
        return unmeasured(COMMAND)
    rows, stamps = [], set()
    for kind, what in KINDS.items():
        document = found[kind]
        if document is None:
            rows.append((kind, what, *["not measured yet"] * 2, "", ""))
            continue
        stamps.add(f"{document['stamp']['date']}, {document['stamp']['cpu']}, {document['stamp']['cores']} cores")
        sides = [[r for r in document["rows"] if (r["tree"] == "now") is now] for now in (False, True)]
        rows.append((kind, what, *map(_right, sides), *map(_others, sides)))
    header = ("kind", "what is tried", "right before", "right now", "what else before", "what else now")
    note = f"Printed by `{COMMAND}` and, for before, `{BEFORE_COMMAND}` ({'; '.join(sorted(stamps))}).\n"
    return f"{markdown(header, rows)}\n{note}"


def mistakes() -> str:
    """A row for each mistake of a user: what was typed, what was said, the exit code, and when."""
    found = measured("faults_mistakes")
    if found is None:
        return unmeasured(MISTAKES_COMMAND)
    rows = [
        (f"`{_cell(row['typed'])}`", _cell(row["said"]), row["exit"], row["seconds"], row["outcome"])
        for row in found["rows"]
    ]
    counted = Counter(row["outcome"] for row in found["rows"])
    said = ", ".join(f"{count} {outcome}" for outcome, count in counted.most_common())
    header = ("typed", "said", "exit code", "seconds", "judged")
    return f"{len(rows)} mistakes: {said}.\n\n{markdown(header, rows)}{printed_by(found)}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


def _right(rows: Sequence[Mapping[str, Any]]) -> str:
    return f"{_sum(rows, 'right'):,} of {_sum(rows, 'tried'):,}" if rows else "not tried"


def _sum(rows: Sequence[Mapping[str, Any]], name: str) -> int:
    return sum(int(row.get(name) or 0) for row in rows)


def _others(rows: Sequence[Mapping[str, Any]]) -> str:
    seen: Counter[str] = Counter()
    for row in rows:
        seen.update({name: int(value) for name, value in row.items() if name not in OTHER and value})
    return ", ".join(f"{count:,} {name}" for name, count in seen.most_common() if count) or "nothing" * bool(rows)
