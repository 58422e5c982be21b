"""Lists the parts of speech of Universal Dependencies, as XTREME trains and scores them."""

from __future__ import annotations

from zoo.tasks.tagging import Tagging

UDPOS_LANGUAGES = (
    "af ar bg de el en es et eu fa fi fr he hi hu id it ja kk ko mr nl pt ru ta te th tl tr ur vi yo zh"
)
UDPOS_TAGS = "ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART PRON PROPN PUNCT SCONJ SYM VERB X"

TASKS = (
    Tagging(
        name="udpos",
        title="UD-POS",
        labels=tuple(UDPOS_TAGS.split()),
        folder="ud-treebanks-v2.5",
        files={split: f"*/{{language}}_*-ud-{split}.conllu" for split in ("train", "dev", "test")},
        format="conllu",
        languages=tuple(UDPOS_LANGUAGES.split()),
        train_languages=("en",),
        scheme="",
        stride=0,
        metrics=("f1", "accuracy"),
        style="tags",
    ),
)
