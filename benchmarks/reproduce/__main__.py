"""Measures published numbers again: `python -m benchmarks.reproduce PATTERN | --all [--data DIR] [--devices N]`

Runs the public command behind each number (`zoo claims --json` names it), one process for each CUDA device, writes
what was measured to zoo/published/ours.csv, and benchmarks/results/claims.*. What cannot run is skipped with its
reason. What has finished is kept in the work folder: a second start goes on; remove the folder to begin anew.

exit codes:
  0    done; what was skipped is named
  1    a command failed
  2    the command line makes no sense
  3    a number that was reproduced no longer is; its line in ours.csv is left as it was
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import common
from benchmarks.reproduce.jobs import jobs_of, largest, values_of
from benchmarks.reproduce.runner import Outcome, Run, devices, run_command, run_jobs
from zoo import files, published, terminal
from zoo.claims import matching, number
from zoo.published import ledger
from zoo.published.ledger import KEY, REPRODUCED, Claim, Ours

COMMAND = "python -m benchmarks.reproduce"
OURS = Path(published.__file__).parent / "ours.csv"
RESULTS = common.RESULTS
WORK = common.ROOT / "build" / "reproduce"
REGRESSED = 3


@dataclass(frozen=True)
class Found:
    """What a run of the jobs says of the claims.

    Attributes:
        claims: judged anew, those that were measured.
        unmeasured: were to be measured, and their scores have no such number.
        lost: were reproduced before, and are not now.
    """

    claims: tuple[Claim, ...]
    unmeasured: tuple[Claim, ...]
    lost: tuple[Claim, ...]


def judge(outcomes: Mapping[str, Outcome], chosen: Iterable[Claim]) -> Found:
    """Judges the claims of the jobs that have scores."""
    anew: list[Claim] = []
    unmeasured: list[Claim] = []
    lost: list[Claim] = []
    for job in jobs_of(chosen):
        outcome = outcomes[job.name]
        if outcome.scores is None:
            continue
        for before, value in values_of(job, outcome.scores):
            after = ledger.judged(before.score, None if value is None else Ours(value, outcome.date))
            (unmeasured if value is None else anew).append(after)
            if before.state == REPRODUCED and after.state != REPRODUCED:
                lost.append(after)
    return Found(tuple(anew), tuple(unmeasured), tuple(lost))


def write_ours(found: Found, file: Path) -> None:
    """Writes ours.csv: new values over earlier ones, but for those that were reproduced and no longer are."""
    kept = dict(ledger.measured())
    lost = {claim.score.key for claim in found.lost}
    kept |= {claim.score.key: claim.ours for claim in found.claims if claim.ours and claim.score.key not in lost}
    with files.write_file(file, replace=True) as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow((*KEY, "ours", "date"))
        for score in published.every():
            if ours := kept.get(score.key):
                writer.writerow((*score.key, f"{ours.value:.7g}", ours.date))
    ledger.measured.cache_clear()


def rows_of(claims: Iterable[Claim], outcomes: Mapping[str, Outcome]) -> list[dict[str, object]]:
    """Sums up the ledger for the results: a row for each model, task and split."""
    groups: dict[tuple[str, str, str], list[Claim]] = {}
    for claim in claims:
        groups.setdefault((claim.score.model, claim.score.task, claim.score.split), []).append(claim)
    rows = []
    for (model, task, split), held in groups.items():
        furthest = largest(held)
        ended = [outcomes[job.name] for job in jobs_of(held) if job.name in outcomes]
        score = furthest.score if furthest else None
        rows.append(
            {
                "model": model,
                "task": task,
                "split": split,
                "numbers": len(held),
                **ledger.counts(held),
                "largest difference": f"{furthest.difference:+.4f}" if furthest else "",
                "where": f"{score.language} {score.metric}".strip() if score else "",
                "skipped": " ".join(dict.fromkeys(o.skipped or o.failed for o in ended if o.skipped or o.failed)),
            }
        )
    return rows


def report(outcomes: Mapping[str, Outcome], found: Found) -> None:
    """Prints how each job ended, what is further off than it may be, and what was lost."""
    for name, outcome in outcomes.items():
        if outcome.skipped or outcome.failed:
            print(f"{'skipped' if outcome.skipped else 'FAILED'} {name}: {outcome.skipped or outcome.failed}")
    for claim in found.claims:
        if claim.state != REPRODUCED:
            print(f"further off: {line_of(claim)}; may be {claim.tolerance.value:g}")
    for claim in found.unmeasured:
        print(f"not measured: {line_of(claim)}; the command's scores do not have it")
    for claim in found.lost:
        print(f"NO LONGER REPRODUCED: {line_of(claim)}")
    if furthest := largest(found.claims):
        print(f"largest difference: {line_of(furthest)}")
    counted = ledger.counts(found.claims)
    print(f"{counted[REPRODUCED]:,} of {len(found.claims):,} measured numbers are reproduced")


def line_of(claim: Claim) -> str:
    """Gives a claim in a line: what it is, published, ours."""
    score = claim.score
    name = " ".join(filter(None, (score.model, score.task, score.split, score.language, score.metric)))
    ours = f", ours {number(claim.ours.value)}, difference {claim.difference:+.4f}" if claim.ours else ""
    return f"{name}: published {number(score.value)}{ours}"


def main(argv: Sequence[str] | None = None, run: Run = run_command) -> int:
    """Runs the command; returns its exit code.

    Args:
        run: what runs a command of `zoo`.
    """
    parser = argparse.ArgumentParser(
        prog=COMMAND, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pattern", nargs="?", help="model, family or task with wildcards, as for `zoo claims`")
    parser.add_argument("--all", action="store_true", help="every published number that a command leads to")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="holds xquad/, tatoeba/, glue/, clue/, ...; the Hub without it"
    )
    parser.add_argument("--devices", type=int, metavar="N", help="CUDA devices to spread over; all by default")
    parser.add_argument("--work", type=Path, default=WORK, metavar="DIR", help="keeps what has finished")
    given = parser.parse_args(argv)
    if given.all == bool(given.pattern):
        parser.error("give a pattern, or --all")
    return terminal.run(lambda: _main(given, run))


def _main(given: argparse.Namespace, run: Run) -> int:
    chosen = matching("*" if given.all else given.pattern)
    data = given.data.resolve() if given.data else None
    jobs = jobs_of(chosen)
    outcomes = run_jobs(jobs, data, given.work.resolve(), devices(given.devices), run)
    found = judge(outcomes, chosen)
    write_ours(found, OURS)
    asked = "--all" if given.all else given.pattern
    command = f"{COMMAND} {asked}{' --data DIR' if given.data else ''}"
    common.write("claims", command, rows_of(ledger.claims(), outcomes), RESULTS)
    report(outcomes, found)
    if found.lost:
        return REGRESSED
    return int(any(outcome.failed for outcome in outcomes.values()))


if __name__ == "__main__":
    raise SystemExit(main())
