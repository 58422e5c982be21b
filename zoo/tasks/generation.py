"""Lists the data sets of question generation, summaries and translation."""

from __future__ import annotations

from zoo.tasks.hub import Hub
from zoo.tasks.text2text import Text2Text

CHARACTER_METRICS = ("bleu-4", "bleu-1", "bleu-2", "bleu-3", "rouge-l")
# As UniLM and the Hub publish the data; papers call rougeLsum of CNN/DailyMail ROUGE-L.
CNNDM_METRICS = ("rougeLsum", "rouge1", "rouge2")
GIGAWORD_METRICS = ("rougeL", "rouge1", "rouge2")
TSV_FILES = {"train": "train.tsv", "dev": "dev.tsv", "test": "test.tsv"}
JSON_FILES = {"train": "train.json", "dev": "dev.json", "test": "test.json"}
WMT14_FILES = {
    "train": ("train.{0}", "train.{1}"),
    "dev": ("newstest2013.{0}", "newstest2013.{1}"),
    "test": ("newstest2014.{0}", "newstest2014.{1}"),
}
MULTI30K_FILES = {
    "train": ("train.{0}", "train.{1}"),
    "dev": ("val.{0}", "val.{1}"),
    "test": ("test_2016_flickr.{0}", "test_2016_flickr.{1}"),
    "test2017": ("test_2017_flickr.{0}", "test_2017_flickr.{1}"),
}
FLORES_FILES = {
    "dev": ("dev/{0}.dev", "dev/{1}.dev"),
    "test": ("devtest/{0}.devtest", "devtest/{1}.devtest"),
}
FLORES_CODES = {"en": "eng_Latn", "de": "deu_Latn", "fr": "fra_Latn", "zh": "zho_Hans"}


def _translation(
    name: str, title: str, folder: str, files: dict[str, tuple[str, str]], source: str, target: str, **codes: str
) -> Text2Text:
    sides = codes.get(source, source), codes.get(target, target)
    return Text2Text(
        name=f"{name}-{source}-{target}",
        title=f"{title} {source}-{target}",
        metrics=("bleu", "chrf"),
        folder=folder,
        format="parallel",
        files={split: (a.format(*sides), b.format(*sides)) for split, (a, b) in files.items()},
        target_length=128,
        source_language=source,
        target_language=target,
        tokenize="zh" if target == "zh" else "13a",
    )


TASKS = (
    Text2Text(
        name="dureader-qg",
        title="DuReaderQG",
        metrics=CHARACTER_METRICS,
        folder="dureader_qg",
        files=TSV_FILES,
        lead="answer",
        source="paragraph",
        target="tgt",
        renamed={"context": "paragraph", "question": "tgt"},
    ),
    Text2Text(
        name="dureader-robust-qg",
        title="DuReader-Robust question generation",
        metrics=CHARACTER_METRICS,
        folder="dureader_robust",
        files=JSON_FILES,
        format="squad",
        lead="answer",
        source="context",
        target="question",
        prepared="first answer",
    ),
    Text2Text(
        name="lcsts",
        title="LCSTS",
        metrics=CHARACTER_METRICS,
        folder="lcsts",
        files=TSV_FILES,
        columns=("content", "summary"),
        source="content",
        target="summary",
    ),
    Text2Text(
        name="cnndm",
        title="CNN/DailyMail",
        metrics=CNNDM_METRICS,
        folder="cnn_dailymail",
        files={"train": "train.csv", "dev": "validation.csv", "test": "test.csv"},
        format="csv",
        source="article",
        target="highlights",
        max_length=512,
        target_length=128,
        hub=Hub("abisee/cnn_dailymail", "3.0.0"),
    ),
    Text2Text(
        name="gigaword",
        title="Gigaword",
        metrics=GIGAWORD_METRICS,
        folder="org_data",
        files={split: (f"{split}.src.txt", f"{split}.tgt.txt") for split in ("train", "dev", "test")},
        format="parallel",
        target_length=32,
    ),
    *(_translation("wmt14", "WMT14", "wmt14", WMT14_FILES, "en", target) for target in ("de", "fr")),
    *(_translation("multi30k", "Multi30k", "multi30k", MULTI30K_FILES, "en", target) for target in ("de", "fr")),
    *(
        _translation("flores", "FLORES-200", "flores200", FLORES_FILES, "en", target, **FLORES_CODES)
        for target in ("de", "fr", "zh")
    ),
)
