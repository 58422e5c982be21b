"""How long the commands that only look things up take. `python -m benchmarks.speed.startup`

Wall time of whole processes, in turn with `python -c pass`, which is what any Python program costs. The targets are
0.1 s for `import zoo` and 0.3 s for each command.
"""

from __future__ import annotations

import argparse
import sys

from benchmarks import common

COMMAND = "python -m benchmarks.speed.startup"
REFERENCE = "python -c pass"
CASES = {
    REFERENCE: (("-c", "pass"), 0.0),
    "import zoo": (("-c", "import zoo"), 0.1),
    "python -m zoo list": (("-m", "zoo", "list"), 0.3),
    "python -m zoo info xlm-roberta-base": (("-m", "zoo", "info", "xlm-roberta-base"), 0.3),
    "python -m zoo doctor": (("-m", "zoo", "doctor"), 0.3),
    "python -m zoo.convert --help": (("-m", "zoo.convert", "--help"), 0.3),
}


def main() -> int:
    """Measures, writes benchmarks/results/startup.*, and fails if a target is missed."""
    parser = argparse.ArgumentParser("python -m benchmarks.speed.startup", description=__doc__)
    parser.add_argument("--rounds", type=int, default=21)
    rounds = parser.parse_args().rounds
    runs = {
        name: lambda a=arguments: common.run_process([sys.executable, *a]) for name, (arguments, _) in CASES.items()
    }
    timings = common.interleave(runs, rounds=rounds, warmup=2)
    reference = timings[REFERENCE].median
    rows, missed = [], 0
    for name, (_, target) in CASES.items():
        median = timings[name].median
        common.compare(name, median, reference, " s")
        missed += bool(target) and median > target
        rows.append(
            {
                "case": name,
                "median_s": round(median, 4),
                "least_s": round(timings[name].least, 4),
                "over_reference_s": round(median - reference, 4),
                "target_s": target or "",
                "rounds": rounds,
            }
        )
    common.write("startup", COMMAND, rows)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
