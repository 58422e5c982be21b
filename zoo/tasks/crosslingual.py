"""Lists XNLI and PAWS-X: trained on English or on machine translations, scored in every language."""

from __future__ import annotations

from dataclasses import replace

from zoo.tasks.classification import Classification
from zoo.tasks.hub import Hub

XNLI_LANGUAGES = ("ar", "bg", "de", "el", "en", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh")
PAWSX_LANGUAGES = ("de", "en", "es", "fr", "ja", "ko", "zh")

XNLI = Classification(
    name="xnli",
    title="XNLI",
    metrics=("accuracy",),
    folder="XNLI-1.0",
    files={
        "train": "XNLI-MT-1.0/multinli/multinli.train.{language}.tsv",
        "dev": "xnli.dev.tsv",
        "test": "xnli.test.tsv",
    },
    languages=XNLI_LANGUAGES,
    train_languages=("en",),
    text="sentence1",
    pair="sentence2",
    label="gold_label",
    language="language",
    labels=("entailment", "neutral", "contradiction"),
    also={"contradictory": "contradiction"},
    dropped=("-",),
    prepared="xnli",
    hub=Hub("facebook/xnli", "{language}"),
)
PAWSX = Classification(
    name="pawsx",
    title="PAWS-X",
    metrics=("accuracy",),
    folder="pawsx",
    files={"train": "train-{language}.tsv", "dev": "dev-{language}.tsv", "test": "test-{language}.tsv"},
    columns=("sentence1", "sentence2", "label"),
    languages=PAWSX_LANGUAGES,
    train_languages=("en",),
    text="sentence1",
    pair="sentence2",
    labels=("different", "same"),
    written=("0", "1"),
    hub=Hub("google-research-datasets/paws-x", "{language}"),
)
XTREME_XNLI = replace(
    XNLI,
    name="xnli-xtreme",
    folder="xnli",
    files={"train": "train-{language}.tsv", "dev": "dev-{language}.tsv", "test": "test-{language}.tsv"},
    columns=("sentence1", "sentence2", "gold_label"),
    language="",
)
TASKS = (
    XNLI,
    replace(XNLI, name="xnli-translate-train", train_languages=XNLI_LANGUAGES),
    XTREME_XNLI,
    PAWSX,
    replace(PAWSX, name="pawsx-translate-train", train_languages=PAWSX_LANGUAGES),
)
