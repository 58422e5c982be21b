"""Lists CLUE's classification tasks and ChnSentiCorp, with submissions as CLUE's rules of September 2021."""

from __future__ import annotations

from typing import Any

from zoo.tasks.classification import Classification
from zoo.tasks.hub import Hub

CLUE_FILES = {"train": "train.json", "dev": "dev.json", "test": "test.json"}
BINARY_LABELS = ("0", "1")
NLI_LABELS = ("entailment", "neutral", "contradiction")
TNEWS_LABELS = {
    "100": "news_story", "101": "news_culture", "102": "news_entertainment", "103": "news_sports",
    "104": "news_finance", "106": "news_house", "107": "news_car", "108": "news_edu", "109": "news_tech",
    "110": "news_military", "112": "news_travel", "113": "news_world", "114": "news_stock",
    "115": "news_agriculture", "116": "news_game",
}  # fmt: skip
IFLYTEK_CLASSES = 119


def _clue(name: str, title: str, **values: Any) -> Classification:
    common: dict[str, Any] = {
        "metrics": ("accuracy",),
        "folder": name,
        "files": CLUE_FILES,
        "format": "jsonl",
        "id": "id",
        "style": "clue",
        "submission": {"test": f"{name}_predict.json"},
        "hub": Hub("clue/clue", name, columns={"idx": "id"}),
    }
    return Classification(name=name, title=title, **{**common, **values})


TASKS = (
    _clue("afqmc", "AFQMC", text="sentence1", pair="sentence2", labels=BINARY_LABELS),
    _clue(
        "tnews",
        "TNEWS",
        labels=tuple(TNEWS_LABELS.values()),
        written=tuple(TNEWS_LABELS),
        submission={"test": "tnews11_predict.json"},
    ),
    _clue("iflytek", "IFLYTEK", labels=tuple(map(str, range(IFLYTEK_CLASSES)))),
    _clue(
        "cmnli", "CMNLI", text="sentence1", pair="sentence2", labels=NLI_LABELS, dropped=("-",),
    ),
    _clue(
        "ocnli", "OCNLI", text="sentence1", pair="sentence2", labels=NLI_LABELS, dropped=("-",),
        files={"train": "train.50k.json", "dev": "dev.json", "test": "test.json"},
        submission={"test": "ocnli_50k_predict.json"},
    ),
    _clue(
        "cluewsc", "CLUEWSC2020", text="text", pair="claim", labels=("false", "true"), prepared="cluewsc",
        submission={"test": "cluewsc11_predict.json"}, hub=Hub("clue/clue", "cluewsc2020"), max_length=256,
    ),
    _clue(
        "csl", "CSL", text="keywords", pair="abst", labels=BINARY_LABELS, prepared="csl", max_length=256,
        hub=Hub("clue/clue", "csl", columns={"corpus_id": "id"}),
    ),
    Classification(
        name="chnsenticorp",
        title="ChnSentiCorp",
        metrics=("accuracy",),
        folder="chnsenticorp",
        files={"train": "train.tsv", "dev": "dev.tsv", "test": "test.tsv"},
        text="text_a",
        labels=("negative", "positive"),
        written=BINARY_LABELS,
        max_length=256,
        hub=Hub("lansinuote/ChnSentiCorp", columns={"text": "text_a"}),
    ),
)  # fmt: skip
