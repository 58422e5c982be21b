"""Lists GLUE's nine tasks and its diagnostic set, with files and submissions as gluebenchmark.com; and SNLI."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from zoo.tasks.classification import Classification
from zoo.tasks.hub import Hub

GLUE_FILES = {"train": "train.tsv", "dev": "dev.tsv", "test": "test.tsv"}
BINARY_LABELS = ("0", "1")
MATCHED_SPLITS = {"dev": "validation_matched", "test": "test_matched"}
MISMATCHED_SPLITS = {"dev-mismatched": "validation_mismatched", "test-mismatched": "test_mismatched"}
NLI_LABELS = ("entailment", "neutral", "contradiction")
ENTAILMENT_LABELS = ("entailment", "not_entailment")


def _glue(name: str, folder: str, metrics: str, **values: Any) -> Classification:
    common: dict[str, Any] = {
        "files": GLUE_FILES,
        "hub": Hub("nyu-mll/glue", name, columns={"idx": "index"}),
        "submission": {"test": f"{folder}.tsv"},
        "id": "index",
        "style": "glue",
    }
    values = {**common, **values, "metrics": tuple(metrics.split())}
    return Classification(name=name, title=folder, folder=folder, **values)


TASKS: tuple[Classification, ...] = (
    _glue(
        "cola", "CoLA", "matthews accuracy",
        labels=("unacceptable", "acceptable"), written=BINARY_LABELS,
        columns=("source", "label", "mark", "sentence"), headless=("train", "dev"),
    ),
    _glue("sst2", "SST-2", "accuracy", labels=("negative", "positive"), written=BINARY_LABELS),
    _glue(
        "mrpc", "MRPC", "accuracy f1", text="#1 String", pair="#2 String", label="Quality",
        labels=("not_equivalent", "equivalent"), written=BINARY_LABELS,
        hub=Hub("nyu-mll/glue", "mrpc",
                columns={"sentence1": "#1 String", "sentence2": "#2 String", "label": "Quality", "idx": "index"}),
    ),
    _glue(
        "stsb", "STS-B", "pearson spearman", text="sentence1", pair="sentence2", label="score", bounds=(0.0, 5.0),
        hub=Hub("nyu-mll/glue", "stsb", columns={"label": "score", "idx": "index"}),
    ),
    _glue(
        "qqp", "QQP", "accuracy f1", text="question1", pair="question2", label="is_duplicate", id="id",
        labels=("not_duplicate", "duplicate"), written=BINARY_LABELS, reading={"skip_short": True},
        hub=Hub("nyu-mll/glue", "qqp", columns={"label": "is_duplicate", "idx": "id"}),
    ),
    _glue(
        "mnli", "MNLI", "accuracy", text="sentence1", pair="sentence2", label="gold_label", labels=NLI_LABELS,
        dropped=("-",),
        files={"train": "train.tsv", "dev": "dev_matched.tsv", "dev-mismatched": "dev_mismatched.tsv",
               "test": "test_matched.tsv", "test-mismatched": "test_mismatched.tsv"},
        submission={"test": "MNLI-m.tsv", "test-mismatched": "MNLI-mm.tsv"},
        hub=Hub("nyu-mll/glue", "mnli", splits={**MATCHED_SPLITS, **MISMATCHED_SPLITS},
                columns={"premise": "sentence1", "hypothesis": "sentence2", "label": "gold_label", "idx": "index"}),
    ),
    _glue("qnli", "QNLI", "accuracy", text="question", pair="sentence", labels=ENTAILMENT_LABELS),
    _glue("rte", "RTE", "accuracy", text="sentence1", pair="sentence2", labels=ENTAILMENT_LABELS),
    _glue(
        "wnli", "WNLI", "accuracy", text="sentence1", pair="sentence2",
        labels=("not_entailment", "entailment"), written=BINARY_LABELS,
    ),
)  # fmt: skip
MNLI_TASK = next(task for task in TASKS if task.name == "mnli")
AX_TASK = replace(
    MNLI_TASK,
    name="ax",
    title="AX",
    folder="diagnostic",
    metrics=("matthews", "accuracy"),
    label="label",
    files={"test": "diagnostic.tsv", "test-labelled": "diagnostic-full.tsv"},
    prepared="diagnostic",
    submission={"test": "AX.tsv"},
    hub=Hub("nyu-mll/glue", "ax", columns={"premise": "sentence1", "hypothesis": "sentence2", "idx": "index"}),
)
SNLI_TASK = Classification(
    name="snli",
    title="SNLI",
    metrics=("accuracy",),
    folder="snli_1.0",
    files={split: f"snli_1.0_{split}.jsonl" for split in GLUE_FILES},
    format="jsonl",
    text="sentence1",
    pair="sentence2",
    label="gold_label",
    labels=NLI_LABELS,
    dropped=("-",),
    id="pairID",
    hub=Hub("stanfordnlp/snli", columns={"premise": "sentence1", "hypothesis": "sentence2", "label": "gold_label"}),
)
TASKS = (*TASKS, AX_TASK, SNLI_TASK)
