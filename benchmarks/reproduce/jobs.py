"""What there is to run: one command for all published numbers that it measures; and how its scores are read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.files import read_object
from zoo.published.ledger import Claim, Way

Scores = dict[str, dict[str, dict[str, float]]]  # split -> language, "" for the row that counts -> metric -> value
MAX_SCORES = 64 << 20  # bytes
HEADLINE = "main-score"  # mteb's second name for a task's headline metric


@dataclass(frozen=True)
class Job:
    """A command with the published numbers that it measures."""

    way: Way
    claims: tuple[Claim, ...]

    @property
    def name(self) -> str:
        """Gives a name for its folder: the command without what all of them share."""
        words = re.sub(
            r"--(engine|precision|languages) \S+|--(task|recipe|model|split)\b|\S+/", "", self.way.command
        )
        return "-".join(words.split())

    def words(self, data: Path | None, out: Path, resume: bool) -> list[str]:
        """Gives the words behind `zoo`.

        Args:
            data: the folder that holds all data sets; None to have the command look on the Hub.
            out: where it writes.
            resume: a training was stopped there.
        """
        found = [*self.way.command.split(), "--out", str(out)]
        if data:
            found += ["--data", str(data / self.way.data)]
        return [*found, "--resume"] if resume and found[0] == "finetune" else found


def jobs_of(claims: Iterable[Claim]) -> list[Job]:
    """Gives the commands that measure claims, in their order; without those that have no way or no comparison."""
    groups: dict[Way, list[Claim]] = {}
    for claim in claims:
        if claim.way and claim.score.comparable:
            groups.setdefault(claim.way, []).append(claim)
    return [Job(way, tuple(held)) for way, held in groups.items()]


def scores_in(out: Path) -> Scores | None:
    """Gives the scores that a command left in its folder; None where it has not finished."""
    for file, read in (("scores.json", _evaluated), ("suite.json", _suite), ("run.json", _run)):
        if (out / file).is_file():
            return read(read_object(out / file, MAX_SCORES))
    return None


def _evaluated(content: dict[str, Any]) -> Scores:
    rows = {language: dict(row) for language, row in content["scores"].items()}
    if "" not in rows:
        rows[""] = rows["average"] if "average" in rows else next(iter(rows.values()))
    for row in rows.values():
        row.setdefault(HEADLINE, row[content["metric"]])
    return {content["split"]: rows}


def _suite(content: dict[str, Any]) -> Scores:
    return {"dev": {"": {"average": content["scores"]["average"]}}}


def _run(content: dict[str, Any]) -> Scores | None:
    results = content.get("results")
    if not results:
        return None
    return {split: {**held["scores"], "": held["scores"][held["row"]]} for split, held in results.items()}


def values_of(job: Job, found: Scores) -> list[tuple[Claim, float | None]]:
    """Gives what was measured for each claim of a job; None where the scores do not have it.

    A number whose split nobody stated is compared with the development set's.
    """
    values = []
    for claim in job.claims:
        score = claim.score
        split = "dev" if score.split == "not stated" else score.split
        values.append((claim, found.get(split, {}).get(score.language, {}).get(score.metric)))
    return values


def largest(claims: Sequence[Claim]) -> Claim | None:
    """Gives the measured claim that is furthest from its published score; thresholds are of another unit."""
    measured = [claim for claim in claims if claim.ours and "threshold" not in claim.score.metric]
    return max(measured, key=lambda claim: abs(claim.difference or 0), default=None)
