"""Published scores of all-MiniLM-L6-v2 on tasks without training, by engine.

Runs `zoo evaluate` on XQuADRetrieval, Tatoeba, AFQMC, STS-B, XNLI and PAWS-X (in float32 by Paddle Inference, as
the zoo picks, in bfloat16 and in int8) and compares every value with the one that mteb's results hold. Seconds are
those of embedding and scoring, as the command reports them; beside them transformers' feature-extraction pipeline
at its defaults, timed on texts of each task drawn at random and extrapolated to all.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from benchmarks import common
from zoo import published
from zoo.tasks import similarity

COMMAND = "python -m benchmarks.accuracy.untrained"
MODEL = "sentence-transformers/all-MiniLM-L6-v2"
DATA = common.SHARED / "data"
WORK, REPRODUCED = common.ROOT / "build" / "untrained", common.ROOT / "build" / "reproduce"
SAMPLE = 60  # texts of each task that transformers' pipeline embeds
SEED = 5


class Run(NamedTuple):
    """A task on a split: the command's --task, --split, and --data below the folder of the data."""

    task: str
    split: str
    data: str
    languages: str = "all"

    @property
    def name(self) -> str:
        return f"{self.task}-{self.split}"


RUNS = (
    Run("xquad-retrieval", "test", "xquad"),
    Run("stsb-sts", "dev", "glue"),
    Run("stsbenchmark", "test", "glue/STS-B/sts-test.labelled.csv"),
    Run("afqmc-sts", "dev", "clue"),
    Run("pawsx-pairs", "dev", "pawsx"),
    Run("xnli-pairs", "dev", "xnli", "ar,bg,de,el,en,es,fr,hi,ru,sw,th,tr,vi,zh"),
    Run("xnli-pairs", "test", "xnli", "ar,bg,de,el,en,es,fr,hi,ru,sw,th,tr,vi,zh"),
    Run("tatoeba-bitext", "test", "tatoeba"),
)
SIDES = {  # name -> what the command gets
    "fp32": ("--engine", "paddle", "--precision", "fp32"),
    "as picked": (),
    "bf16": ("--engine", "openvino", "--precision", "bf16"),
    "int8": (),
}


def evaluate(run: Run, side: str, model: str, missing: bool) -> dict[str, Any]:
    """Runs the command; gives its scores.json, without a time where `benchmarks.reproduce` ran it in float32."""
    out = WORK / f"{run.name}-{side.replace(' ', '-')}"
    if side == "fp32" and missing and (reproduced := REPRODUCED / f"evaluate-all-MiniLM-L6-v2-{run.name}").is_dir():
        return json.loads((reproduced / "scores.json").read_text("utf-8")) | {"seconds": None}
    if not (missing and (out / "scores.json").is_file()):
        options = ["--data", str(DATA / run.data), "--split", run.split, "--languages", run.languages]
        command = [sys.executable, "-m", "zoo", "evaluate", model, "--task", run.task, *options, *SIDES[side]]
        print(*command[2:], flush=True)
        common.run_process([*command, "--out", str(out)])
    return json.loads((out / "scores.json").read_text("utf-8"))


def int8_model() -> str:
    """Exports in int8, guarded by the dev split of STS-B and calibrated on its train split; gives the folder."""
    out = WORK / "minilm-int8"
    if not out.is_dir():
        options = (
            "--to",
            "openvino",
            "--precision",
            "int8",
            "--guard",
            str(DATA / "glue/STS-B"),
            "--task",
            "stsb-sts",
        )
        command = [sys.executable, "-m", "zoo", "export", MODEL, *options, "--out", str(out)]
        print(*command[2:], flush=True)
        common.run_process(command)
    return str(out)


def differences(run: Run, scores: dict[str, dict[str, float]]) -> Iterator[tuple[published.Score, float]]:
    """Gives each published value with ours minus it, in points; thresholds as they are. main-score is a copy."""
    for score in published.of_task(MODEL, run.task, run.split):
        if score.metric != "main-score":
            yield score, scores[score.language][score.metric] - score.value


def pipeline_seconds(run: Run) -> float:
    """Times transformers' pipeline on some texts of a task: seconds of a text."""
    import torch
    import transformers

    from benchmarks.speed.train_references import snapshot
    from zoo import env

    torch.set_num_threads(env.threads())
    pipe = transformers.pipeline("feature-extraction", model=str(snapshot()), device="cpu")
    languages = () if run.languages == "all" else tuple(run.languages.split(","))
    texts: set[str] = set()
    for _, data in similarity.find(run.task).read(DATA / run.data, run.split, languages):
        texts |= {text for side in data.sides.values() for text in side.texts}
    chosen = random.Random(SEED).sample(sorted(texts), SAMPLE)
    pipe(chosen[:5])
    begin = time.perf_counter()
    pipe(chosen, truncation=True)
    return (time.perf_counter() - begin) / SAMPLE


def rows_of(
    run: Run, side: str, found: dict[str, Any], reference: dict[str, dict[str, float]]
) -> dict[str, object]:
    """Sums up one run of the command: how far from what was published, and from our own float32."""
    gaps = [
        (abs(gap), score) for score, gap in differences(run, found["scores"]) if "threshold" not in score.metric
    ]
    worst = max(gaps, key=lambda pair: pair[0], default=None)
    metric = found["metric"]
    losses = [reference[language][metric] - row[metric] for language, row in found["scores"].items()]
    return {
        "task": run.task,
        "split": run.split,
        "side": side,
        "engine": found["engine"],
        "metric": metric,
        "value": round(found["value"], 4),
        "published values": len(gaps),
        "median difference": f"{sorted(gap for gap, _ in gaps)[len(gaps) // 2]:.2e}" if gaps else "",
        "largest difference": f"{worst[0]:.2e}" if worst else "",
        "where": f"{worst[1].language} {worst[1].metric}".strip() if worst else "",
        "largest loss to fp32": round(max(losses), 4),
        "texts": found["texts"],
        "seconds": found["seconds"],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sides", default=",".join(SIDES), help=f"of {','.join(SIDES)}")
    parser.add_argument("--tasks", default="", help="only these, as task-split; all by default")
    parser.add_argument("--missing", action="store_true", help="leave out runs that are there")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/untrained.*")
    given = parser.parse_args()
    rows = []
    for run in RUNS:
        if given.tasks and run.name not in given.tasks.split(","):
            continue
        reference: dict[str, dict[str, float]] = {}
        for side in given.sides.split(","):
            found = evaluate(run, side, int8_model() if side == "int8" else MODEL, given.missing)
            reference = reference or found["scores"]
            row = rows_of(run, side, found, reference)
            if found["seconds"]:
                theirs = pipeline_seconds(run) * found["texts"]
                row |= {"transformers seconds": round(theirs, 1), "times": round(theirs / found["seconds"], 1)}
            rows.append({"transformers seconds": "", "times": ""} | row)
            print(json.dumps(rows[-1]), flush=True)
    if given.save:
        asked = "".join(f" --{name} {value}" for name, value in (("tasks", given.tasks),) if value)
        print(common.write("untrained", f"{COMMAND}{asked} --save", rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
