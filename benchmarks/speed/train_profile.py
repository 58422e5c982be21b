"""Where an update of training goes, by kernel: paddle's profiler over the loop of `zoo finetune`, SST-2, base size.

`python -m benchmarks.speed.train_profile [--updates N] [--save]`. Kernels that together take less than a hundredth
are left out; "all" is the whole time of the profiled updates.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks import common
from benchmarks.speed.train_references import BATCH, LR, paddle_model, rows_of

COMMAND = "python -m benchmarks.speed.train_profile"
WARM = 2  # updates that are not counted
LEAST_SHARE = 0.01
KERNEL = " kernel launch"


def profile(updates: int) -> tuple[float, Counter[str]]:
    """Gives the seconds of some updates, and those of each kernel in them."""
    from paddle import profiler

    from zoo.finetune.events import Event, Updated
    from zoo.finetune.loop import train
    from zoo.finetune.loop_settings import LoopSettings
    from zoo.finetune.optimisation import OptimiserSettings, make_optimiser

    rows, labels = rows_of("sst2")
    model = paddle_model("base", "classification", labels)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "trace.json"
        watch = profiler.Profiler(
            targets=[profiler.ProfilerTarget.CPU], on_trace_ready=lambda made: made.export(str(file), format="json")
        )
        whole = 0.0

        def tell(event: Event) -> None:
            nonlocal whole
            if isinstance(event, Updated):
                whole += event.seconds if event.update > WARM else 0.0
                if event.update == WARM:
                    watch.start()

        settings = LoopSettings(WARM + updates, BATCH, lr=LR, seed=1)
        train(model, rows, make_optimiser(model, OptimiserSettings(lr=LR)), settings, on_event=tell)
        watch.stop()
        trace: dict[str, Any] = json.loads(file.read_text("utf-8"))
    spent: Counter[str] = Counter()
    for event in trace["traceEvents"]:
        if event.get("ph") == "X" and event["name"].split("[")[0].endswith(KERNEL):
            spent[event["name"].split(KERNEL)[0].strip()] += event["dur"] / 1e6
    return whole, spent


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--updates", type=int, default=3)
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/train_profile.*")
    given = parser.parse_args()
    whole, spent = profile(given.updates)
    rows = [
        {"kernel": name, "seconds": round(seconds, 3), "share": round(seconds / whole, 3)}
        for name, seconds in [("all", whole), *spent.most_common()]
        if seconds >= LEAST_SHARE * whole
    ]
    for row in rows:
        print(f"{row['kernel']:<20} {row['seconds']:8.3f} s {100 * float(str(row['share'])):5.1f} %")
    if given.save:
        print(common.write("train_profile", f"{COMMAND} --updates {given.updates} --save", rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
