"""`zoo claims`: every published number with what became of it here. Imports no framework."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from fnmatch import fnmatchcase

from zoo import arguments, registry, terminal
from zoo.errors import UnknownModelError
from zoo.files import quote
from zoo.published.ledger import STATES, Claim, claims, counts

HEADER = ("model", "task", "language", "metric", "split", "published", "state", "ours", "difference")
MEANINGS = "\n".join(f"  {state:<11} {meaning}" for state, meaning in STATES.items())
EPILOG = f"""\
examples:
  zoo claims "*large*"                 every published number of these models
  zoo claims "*xnli*" --state open     what is missing for XNLI's
  zoo claims minilm --json

states:
{MEANINGS}

exit codes:
  0    done
  2    no published number matches, or the command line makes no sense
{terminal.STOPPED}"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    made = arguments.parser("claims", "Published numbers, and which of them are reproduced here.", EPILOG)
    made.add_argument(
        "pattern", nargs="?", default="*", help='a model, family or task with wildcards, such as "*xnli*"'
    )
    made.add_argument("--state", choices=tuple(STATES), help="only these")
    made.add_argument("--json", action="store_true", help="machine-readable output")
    return arguments.run(made, _main, argv)


def matching(pattern: str) -> tuple[Claim, ...]:
    """Gives the claims whose model, as `zoo list` matches names, or whose task matches a wildcard pattern.

    Raises:
        UnknownModelError: there is none.
    """
    wanted, named = pattern.lower(), set(registry.list_models(pattern))
    found = tuple(
        claim
        for claim in claims()
        if claim.score.model in named or any(fnmatchcase(name, wanted) for name in _names(claim))
    )
    if not found:
        raise UnknownModelError(
            f"No published number is of a model or task {quote(pattern)}.", "`zoo claims` shows all of them."
        )
    return found


def _names(claim: Claim) -> tuple[str, ...]:
    model = claim.score.model.lower()
    return model, model.rpartition("/")[2], claim.score.task


def _main(given: argparse.Namespace) -> None:
    found = [claim for claim in matching(given.pattern) if given.state in (None, claim.state)]
    if given.json:
        terminal.print_json([plain(claim) for claim in found])
        return
    if found:
        terminal.table([_row(claim) for claim in found], HEADER, right=(5, 7, 8))
        print()
    for line in _ending(found):
        print(line)


def _row(claim: Claim) -> tuple[str, ...]:
    score, ours = claim.score, claim.ours
    measured = (number(ours.value), f"{claim.difference:+.4f}") if ours else ("", "")
    return (
        score.model,
        score.task,
        score.language,
        score.metric,
        score.split,
        number(score.value),
        claim.state,
        *measured,
    )


def number(value: float) -> str:
    """Gives a score with at most four decimals, and no zeros at the end."""
    return f"{value:.4f}".rstrip("0").rstrip(".")


def _ending(found: Iterable[Claim]) -> list[str]:
    """Gives the counts by state, and below each state the reasons with theirs."""
    found = list(found)
    lines = []
    for state, count in counts(found).items():
        lines.append(f"{state:<11} {count:>6,}")
        reasons = Counter(claim.reason for claim in found if claim.state == state)
        lines += [f"  {times:>6,}  {reason}" for reason, times in reasons.most_common()]
    return lines


def plain(claim: Claim) -> dict[str, object]:
    """Gives a claim as JSON."""
    score = asdict(claim.score)
    published = score.pop("value")
    return {
        **score,
        "published": published,
        "state": claim.state,
        "reason": claim.reason,
        "ours": claim.ours.value if claim.ours else None,
        "difference": claim.difference,
        "tolerance": claim.tolerance.value,
        "date": claim.ours.date if claim.ours else None,
        "command": f"zoo {claim.way.command}" if claim.way else None,
    }
