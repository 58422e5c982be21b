"""The commands of five public projects beside ours: how much is typed, what is told, and what ours came to here.

    python -m benchmarks.seeds           runs the stand-ins: the same command, of the models and data at hand
    python -m benchmarks.seeds --save    writes benchmarks/results/seeds.json and .csv

Words are what stands between spaces in the commands that a project's README shows, `cd` and `export` included;
of Python they are the words of its lines. Files that are placed or edited by hand count as none.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import common
from benchmarks.markdown import markdown, measured, printed_by, unmeasured

MESSAGES = common.ROOT / "examples/data/shop_messages"
COMMAND = "python -m benchmarks.seeds --save"


@dataclass(frozen=True)
class Step:
    """One thing that a project's README lets its reader do.

    Attributes:
        project: a key of PROJECTS.
        does: what it is for.
        theirs: what they type, by the names of scripts and calls.
        words: how many words that is.
        ours: our command for the same, as it is typed with the weights and the data at hand.
        gain: what ours says or checks that theirs does not; or the other way round.
        trial: the same command, of the bundled model and data; empty where an earlier one has shown it.
    """

    project: str
    does: str
    theirs: str
    words: int
    ours: str
    gain: str
    trial: str = ""


PROJECTS = {
    "infoxlm": "InfoXLM in Paddle: convert, check, finetune on XNLI, score 15 languages",
    "funnel": "Funnel-Transformer on PaddleNLP: compare, convert, QNLI, SQuAD",
    "sofa": "SOFA: StructBERT, PALM and VECO, Child-Tuning, pipelines",
    "zero-shot": "Zero-shot XNLI with Transformers, Aim and MLflow",
    "ner": "XLM-R as a Chinese entity tagger on an accelerator",
}
TRAIN = "--task classification --model ./minilm --data messages --batch-size 16 --lr 3e-4"
STEPS = (
    Step(
        "infoxlm", "convert", "four files placed by hand, `cd`, `converter.py`", 8,
        "zoo convert microsoft/infoxlm-base --verify --out infoxlm-base",
        "downloads by commit and digest; a certificate with every difference to torch, gradients too",
        "zoo convert all-MiniLM-L6-v2 --verify --out minilm",
    ),
    Step(
        "infoxlm", "check the conversion", "`pytest ./tests/`", 4, "",
        "is part of the line above; theirs has three tests of ids and outputs",
    ),
    Step(
        "infoxlm", "finetune", "`trainer_manual.py` with six flags", 8, "zoo finetune --task xnli",
        "the published recipe, scores beside the paper's; theirs has trained it at full size, ours has not",
        f"zoo finetune {TRAIN} --epochs 3 --out runs/messages",
    ),
    Step(
        "infoxlm", "score every language", "trained weights fetched by hand, `eval.py`", 2,
        "zoo evaluate runs/xnli --split test",
        "any run, any split; difference to the published row and whether it is chance; theirs offers its weights",
        "zoo evaluate runs/messages --split test",
    ),
    Step(
        "funnel", "compare with torch", "`compare.py`", 2,
        "zoo convert funnel-transformer/xlarge --verify --out funnel",
        "every output, gradient and id; nothing is written unless they agree",
    ),
    Step(
        "funnel", "convert all ten", "`convert.py`", 2, 'zoo convert "funnel*" --out funnel',
        "the same ten in two words more; a certificate each, and what is done is not done again",
    ),
    Step(
        "funnel", "finetune on QNLI", "two `export`, `cd`, `run_glue.py` with five flags", 17,
        "zoo finetune --task qnli --model funnel-transformer/xlarge --data QNLI --out runs/qnli",
        "batch, rate and epochs are the paper's; theirs names the 95.1 it reached, ours was not run at this size",
    ),
    Step(
        "funnel", "score", "the same script with `--num_train_epochs 0`", 18, "zoo evaluate runs/qnli",
        "remembers data and splits; names a file that has changed",
    ),
    Step(
        "funnel", "answers for the server", "two `export`, `cd`, `run_predict.py` with three flags", 14,
        "zoo predict runs/qnli --split test --out QNLI.tsv",
        "in the form of GLUE's server; files of your own keep their columns",
        "zoo predict runs/messages --data messages/test.csv --out answers.csv",
    ),
    Step(
        "funnel", "finetune on SQuAD 2.0", "`export` twice, `cd`, `run_squad_v1.py` with six flags", 17,
        "zoo finetune --task squad2 --model funnel-transformer/xlarge --data squad2 --out runs/squad2",
        "the paper's head, and the threshold for no answer kept with the model",
    ),
    Step(
        "sofa", "load StructBERT", "an import, `from_pretrained` on a downloaded archive", 5,
        "zoo info structbert-en-large",
        "in Python `zoo.load` with the name; no fork of transformers and no switch before it",
        "zoo info all-MiniLM-L6-v2",
    ),
    Step(
        "sofa", "GLUE", "`sh examples/finetune_sbert_glue.sh`", 2,
        "zoo finetune --task glue --model structbert-en-large --data glue",
        "theirs is shorter: its script has the options in it; ours resumes, and ends with the published row",
    ),
    Step(
        "sofa", "Child-Tuning", "24 lines of Python around Trainer", 60,
        "zoo finetune --task cluewsc --model structbert-zh-base --technique child-tuning-F --data clue",
        "F and D, with report and comparison; theirs also patches any Trainer, ours is an option and an optimiser",
        f"zoo finetune {TRAIN} --epochs 2 --technique child-tuning-F --out runs/child",
    ),
    Step(
        "sofa", "PALM", "`sh examples/finetune_palm.sh`", 2, "zoo finetune --task lcsts",
        "theirs brings its data along; ours scores BLEU and ROUGE and keeps the best checkpoint",
    ),
    Step(
        "sofa", "VECO", "`sh examples/finetune_veco.sh`", 2, "zoo finetune --task xquad",
        "ours also has the translations (`--task wmt14-en-de`), which theirs announces",
    ),
    Step(
        "zero-shot", "four models, six languages, head alone", "`main.py` with four models and six languages", 17,
        "zoo finetune --task xnli --model bert-base-multilingual-cased bert-base-multilingual-uncased"
        " xlm-roberta-base --technique feature-extraction --train-rows 15000 --epochs 3 --batch-size 8"
        " --languages en,de,fr,es,ar,zh --trackers mlflow,aim --out logs",
        "longer, as rows, epochs and batch are said; one table of models and languages. DistilBERT, their fourth"
        " model, is not in the zoo",
        f"zoo finetune {TRAIN.replace('./minilm', './minilm all-MiniLM-L6-v2')} --epochs 1"
        " --technique feature-extraction --out runs/two",
    ),
    Step(
        "zero-shot", "compare the runs", "by eye in Aim", 2, "zoo compare logs",
        "table, curves, and a significance test of every difference",
        "zoo compare runs/messages runs/child",
    ),
    Step(
        "zero-shot", "record in Aim and MLflow", "`aim init`, `aimlflow sync`, `aim up`", 8,
        "aim up --repo logs/trackers/aim",
        "both are written while training, so nothing is synchronised; the command ends with this line",
    ),
    Step(
        "ner", "compile, float16 and int8", "a YAML edited by hand, three folders, `vamc compile` twice", 12,
        "zoo export runs/ner --to openvino --precision int8 --guard peoples_daily_ner --out ner-int8",
        "the F1 before and after is the gate: theirs falls from 76.6 to 9.1 in int8 without a word, ours would"
        " write nothing. Theirs is for an accelerator, ours for CPUs",
        "zoo export runs/messages --to openvino --precision int8 --guard messages --budget 5 --out deployed",
    ),
    Step(
        "ner", "prepare the inputs", "`sequence2npz.py`", 6, "", "raw text goes in; the tokenizer is in the folder",
    ),
    Step(
        "ner", "answers", "`vsx_ner.py` with five flags", 12,
        "zoo predict ner-int8 --data sentences.txt --out entities.jsonl",
        "entities with text, place and score instead of arrays",
        'zoo predict deployed "You charged my card twice."',
    ),
    Step(
        "ner", "F1", "`people_daily_eval.py`", 6, "zoo evaluate ner-int8 --data peoples_daily_ner",
        "of entities and of tokens, with the metric that the run was picked by",
        "zoo evaluate deployed --data messages --split test",
    ),
    Step(
        "ner", "speed", "`vamp` with seven flags", 15, "zoo bench ner-int8",
        "latency and throughput over batch and length, beside other engines",
        "zoo bench deployed --batch 1 --length 16 --rounds 5",
    ),
)  # fmt: skip


def run(step: Step, place: Path) -> dict[str, object]:
    """Runs a step's stand-in in a folder with the data; gives its exit code, seconds and last line."""
    variables = {**os.environ, "PYTHONPATH": str(common.ROOT), "ZOO_OFFLINE": "1", "ZOO_HOME": str(place / "home")}
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", *shlex.split(step.trial)], capture_output=True, text=True, cwd=place, env=variables
    )
    said = (done.stdout.strip() or done.stderr.strip()).splitlines()
    return {
        "project": step.project,
        "does": step.does,
        "typed": step.trial,
        "exit": done.returncode,
        "seconds": round(time.monotonic() - began, 1),
        "said": said[-1].strip()[:160] if said else "",
    }


def words(command: str) -> int:
    """How many words a command has."""
    return len(shlex.split(command))


def steps(project: str) -> str:
    """The table of a project: what they type, what we type, and what each tells."""
    header = ("to", "theirs", "words", "zoo", "words", "what one tells and the other does not")
    rows = [
        (
            step.does,
            step.theirs,
            step.words,
            f"`{step.ours}`" if step.ours else "nothing",
            words(step.ours),
            step.gain,
        )
        for step in STEPS
        if step.project == project
    ]
    together = ("together", "", sum(row[2] for row in rows), "", sum(row[4] for row in rows), "")
    return markdown(header, [*rows, together])


def trials() -> str:
    """What the stand-ins came to."""
    found = measured("seeds")
    if found is None:
        return unmeasured(COMMAND)
    rows = [(f"`{r['typed']}`", r["exit"], r["seconds"], str(r["said"]).replace("|", "/")) for r in found["rows"]]
    return markdown(("typed", "exit code", "seconds", "last line"), rows) + printed_by(found)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the stand-ins; returns 1 when one did not end with 0."""
    made = argparse.ArgumentParser(prog="python -m benchmarks.seeds", description=__doc__)
    made.add_argument("--save", action="store_true", help="write benchmarks/results/seeds.json and .csv")
    save = made.parse_args(argv).save
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(MESSAGES, Path(folder) / "messages")
        for step in STEPS:
            if step.trial:
                rows.append(run(step, Path(folder)))
                print(rows[-1], flush=True)
    if save:
        common.write("seeds", COMMAND, rows)
    return int(any(row["exit"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
