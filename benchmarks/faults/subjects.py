"""What the fault trials work on: a tiny model, a small data set, a finished run; and the commands."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TEXT = "good bad fine poor great awful nice dull warm cold the a film book was is very not at all"
WORDS = TEXT.split()
SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
}
ROWS = {"train": 64, "dev": 16, "test": 16}


@dataclass(frozen=True)
class Subjects:
    """Folders that trials read and never write.

    Attributes:
        upstream: a small BERT as transformers saves it.
        model: the same, converted.
        data: train, dev and test as tab-separated files with a header.
        run: a finished finetuning run.
        tree: the checkout of the zoo that is tried.
    """

    upstream: Path
    model: Path
    data: Path
    run: Path
    tree: Path


def environment(tree: Path, home: Path) -> dict[str, str]:
    """Variables for a command of the checkout `tree`, with a cache of its own and no hub."""
    return {
        **os.environ,
        "PYTHONPATH": str(tree),
        "ZOO_HOME": str(home),
        "ZOO_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "PYTHONUNBUFFERED": "1",
    }


def prepare(folder: Path, tree: Path) -> Subjects:
    """Makes the subjects in an empty folder, by the checkout's own commands.

    Raises:
        RuntimeError: a command that must work does not.
    """
    from transformers import BertConfig, BertForMaskedLM, set_seed

    made = Subjects(folder / "upstream", folder / "model", folder / "data", folder / "run", tree)
    set_seed(1)
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = [
        *specials,
        *WORDS,
        *(f"##{c}" for c in "abcdefghijklmnopqrstuvwxyz"),
        *"abcdefghijklmnopqrstuvwxyz",
    ]
    BertForMaskedLM(BertConfig(vocab_size=len(vocabulary), **SIZES)).save_pretrained(made.upstream)
    (made.upstream / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
    made.data.mkdir()
    for split, count in ROWS.items():
        (made.data / f"{split}.tsv").write_text("".join(_rows(split, count)))
    for command in ("convert", "finetune"):
        target = made.model if command == "convert" else made.run
        done = subprocess.run(
            COMMANDS[command](made, target),
            env=environment(tree, folder / "home"),
            capture_output=True,
            text=True,
            timeout=600,
            cwd=folder,
        )
        if done.returncode:
            raise RuntimeError(f"{command} of the subjects ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return made


def _rows(split: str, count: int) -> list[str]:
    lines = ["text\tlabel\n"]
    for n in range(count):
        first, rest = WORDS[n % 10], [WORDS[(n * k + k) % len(WORDS)] for k in range(3, 7)]
        lines.append(f"{' '.join([first, *rest])}\t{'pos' if n % 2 == 0 else 'neg'}\n")
    return lines


def _python(*words: object) -> list[str]:
    return [sys.executable, *map(str, words)]


SAVE = """
import sys, zoo
from zoo.errors import ZooError
try:
    zoo.load(sys.argv[1]).save(sys.argv[2])
except ZooError as error:
    sys.exit(str(error))
"""
ANSWER = "import sys, zoo; print(zoo.pipeline('classification', sys.argv[1])('a good film'))"

# name -> the words of the command that writes `target`. Those of READS write nothing of a user's.
COMMANDS: Mapping[str, Callable[[Subjects, Path], Sequence[str]]] = {
    "save": lambda s, target: _python("-c", SAVE, s.upstream, target),
    "convert": lambda s, target: _python("-m", "zoo.convert", s.upstream, "--out", target),
    "convert --to torch": lambda s, target: _python("-m", "zoo.convert", s.model, "--to", "torch", "--out", target),
    "finetune": lambda s, target: _python(
        "-m", "zoo.finetune", "--task", "classification", "--model", s.model, "--data", s.data, "--out", target,
        "--epochs", 2, "--batch_size", 8, "--max_length", 16, "--lr", "1e-3", "--eval_every", 4,
    ),
    "evaluate": lambda s, target: _python("-m", "zoo.evaluate", s.run, "--data", s.data),
    "predict": lambda s, target: _python("-m", "zoo.predict", s.run, "--data", s.data, "--out", target / "answers"),
    "export": lambda s, target: _python("-m", "zoo.export", s.run, "--out", target),
    "export --to onnx": lambda s, target: _python("-m", "zoo.export", s.run, "--to", "onnx", "--out", target),
    "export --to openvino": lambda s, target: _python(
        "-m", "zoo.export", s.run, "--to", "openvino", "--out", target
    ),
    "bench": lambda s, target: _python(
        "-m", "zoo.bench", s.model, "--engine", "eager,paddle", "--precision", "fp32", "--batch", 1, "--length", 16,
        "--rounds", 2, "--out", target,
    ),
    "pipeline": lambda s, target: _python("-c", ANSWER, s.run / "best"),
}  # fmt: skip
READS = ("evaluate", "pipeline")


def whole(command: str, target: Path) -> bool:
    """Whether what a command left at its target is complete or nothing, by the file that each writes last."""
    if not target.exists() or not visible(target):
        return True
    last = {
        "finetune": ("run.json",),
        "predict": ("answers",),
        "bench": ("bench.json", "bench.csv"),
    }.get(command, ("config.json",))
    if not all((target / name).is_file() for name in last):
        return False
    if command == "finetune":
        best = target / "best"
        return not best.exists() or ((best / "task.json").is_file() and (best / "config.json").is_file())
    return True


def visible(folder: Path) -> list[str]:
    """The names in a folder but for hidden ones."""
    return sorted(p.name for p in folder.iterdir() if not p.name.startswith("."))


def leftovers(folder: Path) -> list[str]:
    """What no command should leave beside its target: temporary folders and locks."""
    return [p.name for p in folder.rglob(".*") if p.name != ".zoo-files.json"]


def status_of(target: Path) -> str:
    """What run.json says of a run; "" where there is none."""
    try:
        return str(json.loads((target / "run.json").read_text()).get("status", ""))
    except (OSError, ValueError):
        return ""


def fresh(folder: Path) -> Path:
    """An empty folder of that name."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
