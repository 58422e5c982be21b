"""Lists the data sets of reading comprehension: SQuAD 1.1 and 2.0, XQuAD, MLQA, TyDiQA-GoldP, CMRC 2018."""

from __future__ import annotations

from zoo.tasks.hub import PARQUET_REVISION, Hub
from zoo.tasks.qa import QA

SQUAD_FILES = {"train": "train-v1.1.json", "dev": "dev-v1.1.json"}
SQUAD2_FILES = {"train": "train-v2.0.json", "dev": "dev-v2.0.json"}
XQUAD_LANGUAGES = "ar de el en es hi ro ru th tr vi zh"
MLQA_LANGUAGES = "ar de en es hi vi zh"
MLQA_FILE = "context-{language}-question-{language}.json"  # the question in the language of the text, as XTREME's
TYDIQA_LANGUAGES = {
    "ar": "arabic", "bn": "bengali", "en": "english", "fi": "finnish", "id": "indonesian", "ko": "korean",
    "ru": "russian", "sw": "swahili", "te": "telugu",
}  # fmt: skip
# All there is with answers beside the training data, so XTREME picks on its English part and reports on all of it.
TYDIQA_DEV = "tydiqa-goldp-v1.1-dev/tydiqa-goldp-dev-{language}.json"

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
        beside=("squad",),
        files={**SQUAD_FILES, "test": "xquad.{language}.json"},
        languages=tuple(XQUAD_LANGUAGES.split()),
        train_languages=("en",),
        hub=Hub("google/xquad", "xquad.{language}", splits={"test": "validation"}, learned="rajpurkar/squad"),
    ),
    QA(
        name="mlqa",
        title="MLQA",
        folder="MLQA_V1",
        beside=("squad",),
        files={"train": SQUAD_FILES["train"], "dev": f"dev/dev-{MLQA_FILE}", "test": f"test/test-{MLQA_FILE}"},
        language_rules="mlqa",
        languages=tuple(MLQA_LANGUAGES.split()),
        train_languages=("en",),
        hub=Hub(
            "facebook/mlqa",
            "mlqa.{language}.{language}",
            revision=PARQUET_REVISION,
            learned="rajpurkar/squad",
            learned_splits=("train",),
        ),
    ),
    QA(
        name="tydiqa-goldp",
        title="TyDiQA-GoldP",
        folder="tydiqa",
        files={"train": "tydiqa-goldp-v1.1-train.json", "dev": TYDIQA_DEV, "test": TYDIQA_DEV},
        languages=tuple(TYDIQA_LANGUAGES),
        train_languages=("en",),
        named_in_ids=TYDIQA_LANGUAGES,
        hub=Hub("google-research-datasets/tydiqa", "secondary_task", splits={"test": "validation"}),
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
