"""Lists the data sets of named entities. Any other file of CoNLL's form: zoo.tasks.user_tasks."""

from __future__ import annotations

from zoo.tasks.hub import PARQUET_REVISION, Hub
from zoo.tasks.tagging import Tagging, bio

PANX_LANGUAGES = (
    "af ar bg bn de el en es et eu fa fi fr he hi hu id it ja jv ka kk ko ml mr ms my nl pt ru sw ta te th tl tr ur"
    " vi yo zh"
)

TASKS = (
    Tagging(
        name="peoples-daily",
        title="People's Daily NER",
        labels=bio("PER", "ORG", "LOC"),
        folder="peoples_daily_ner",
        unit="characters",
        files={"train": "example.train", "dev": "example.dev", "test": "example.test"},
        max_length=256,
        hub=Hub(
            "peoples-daily-ner/peoples_daily_ner",
            revision=PARQUET_REVISION,
            columns={"tokens": "words", "ner_tags": "tags"},
        ),
    ),
    Tagging(
        name="msra",
        title="MSRA NER",
        labels=bio("PER", "ORG", "LOC"),
        folder="msra_ner",
        unit="characters",
        files={"train": "msra_train_bio.txt", "test": "msra_test_bio.txt"},
        max_length=256,
        hub=Hub("levow/msra_ner", revision=PARQUET_REVISION, columns={"tokens": "words", "ner_tags": "tags"}),
    ),
    Tagging(
        name="conll2003",
        title="CoNLL 2003",
        labels=bio("PER", "ORG", "LOC", "MISC"),
        folder="conll2003",
        files={"train": "eng.train", "dev": "eng.testa", "test": "eng.testb"},
        max_length=256,
        file_scheme="IOB1",
        hub=Hub("eriktks/conll2003", revision=PARQUET_REVISION, columns={"tokens": "words", "ner_tags": "tags"}),
    ),
    Tagging(
        name="cluener",
        title="CLUENER2020",
        metrics=(*Tagging.metrics, "f1-texts"),
        labels=bio(
            "address", "book", "company", "game", "government", "movie", "name", "organization", "position", "scene"
        ),
        folder="cluener2020",
        unit="characters",
        files={"train": "train.json", "dev": "dev.json", "test": "test.json"},
        format="jsonl",
        prepared="cluener",
        style="spans",
        submission={"test": "cluener_predict.json"},
    ),
    Tagging(
        name="panx",
        title="PAN-X",
        labels=bio("LOC", "ORG", "PER"),
        folder="panx",
        files={"train": "train-{language}.tsv", "dev": "dev-{language}.tsv", "test": "test-{language}.tsv"},
        languages=tuple(PANX_LANGUAGES.split()),
        train_languages=("en",),
        prepared="wikiann",
        style="tags",
        hub=Hub("unimelb-nlp/wikiann", "{language}", columns={"tokens": "words", "ner_tags": "tags"}),
    ),
)
