"""Lists the data sets of reading comprehension: SQuAD 1.1 and 2.0, XQuAD, CMRC 2018."""

from __future__ import annotations

from zoo.tasks.hub import Hub
from zoo.tasks.qa import QA

SQUAD_FILES = {"train": "train-v1.1.json", "dev": "dev-v1.1.json"}
SQUAD2_FILES = {"train": "train-v2.0.json", "dev": "dev-v2.0.json"}
XQUAD_LANGUAGES = "ar de el en es hi ro ru th tr vi zh"

TASKS = (
    QA(
        name="squad",
        title="SQuAD 1.1",
        folder="squad",
        files=SQUAD_FILES,
        submission={"dev": "predictions.json"},
        hub=Hub("rajpurkar/squad"),
    ),
    QA(
        name="squad2",
        title="SQuAD 2.0",
        folder="squad",
        files=SQUAD2_FILES,
        unanswerable=True,
        submission={"dev": "predictions.json"},
        hub=Hub("rajpurkar/squad_v2"),
    ),
    QA(
        name="xquad",
        title="XQuAD",
        folder="xquad",
        files={**SQUAD_FILES, "test": "xquad.{language}.json"},
        languages=tuple(XQUAD_LANGUAGES.split()),
        train_languages=("en",),
        hub=Hub("google/xquad", "xquad.{language}", splits={"test": "validation"}, learned="rajpurkar/squad"),
    ),
    QA(
        name="cmrc2018",
        title="CMRC 2018",
        folder="cmrc2018",
        files={"train": "cmrc2018_train.json", "dev": "cmrc2018_dev.json", "trial": "cmrc2018_trial.json"},
        language_rules="chinese",
        max_length=512,
        max_answer=50,
        submission={"test": "cmrc2018_predict.json"},
        hub=Hub("hfl/cmrc2018"),
    ),
)
