"""Lists the tasks without training. Protocols of names that mteb has too are mteb's."""

from __future__ import annotations

from dataclasses import replace

from zoo.tasks.base import Task
from zoo.tasks.clue import TASKS as CLUE_TASKS
from zoo.tasks.comprehension import TASKS as QA_TASKS
from zoo.tasks.crosslingual import PAWSX, XNLI
from zoo.tasks.glue import TASKS as GLUE_TASKS
from zoo.tasks.retrieval import TATOEBA
from zoo.tasks.similarity.base import SimilarityTask, of_task
from zoo.tasks.similarity.gather import labelled_pairs, questions_as_queries, translations
from zoo.tasks.similarity.readers import (
    bitext_file,
    bucc,
    flores,
    flores_pairs,
    pairs_file,
    reranking_file,
    retrieval_folder,
    sts_benchmark,
)

RANKING = ("ndcg@10", "map@10", "mrr@10", "recall@10", "recall@100")
BITEXT = ("f1", "accuracy", "back-f1", "back-accuracy")
CORRELATION = ("cosine-spearman", "cosine-pearson")
PAIRS = ("max-ap", "cosine-ap", "cosine-accuracy", "cosine-f1")
MTEB_SAMPLE = 2048  # rows of XNLI that mteb scores

# LASER's 112 languages, as the names of its files have them.
TATOEBA_LANGUAGES = (
    "afr amh ang ara arq arz ast awa aze bel ben ber bos bre bul cat cbk ceb ces cha cmn cor csb cym dan deu dsb "
    "dtp ell epo est eus fao fin fra fry gla gle glg gsw heb hin hrv hsb hun hye ido ile ina ind isl ita jav jpn "
    "kab kat kaz khm kor kur kzj lat lfn lit lvs mal mar max mhr mkd mon nds nld nno nob nov oci orv pam pes pms "
    "pol por ron rus slk slv spa sqi srp swe swg swh tam tat tel tgl tha tuk tur tzl uig ukr urd uzb vie war wuu "
    "xho yid yue zsm"
)


def _known(tasks: tuple[Task, ...], name: str) -> Task:
    return next(task for task in tasks if task.name == name)


TATOEBA_LASER = replace(TATOEBA, languages=tuple(TATOEBA_LANGUAGES.split()), codes={}, hub=None)
XQUAD, AFQMC, STSB = _known(QA_TASKS, "xquad"), _known(CLUE_TASKS, "afqmc"), _known(GLUE_TASKS, "stsb")

TASKS = (
    SimilarityTask(
        name="xquad-retrieval",
        title="XQuADRetrieval",
        metric="ndcg@10",
        shown=RANKING,
        read_one=of_task(XQUAD, questions_as_queries),
        languages=XQUAD.languages,
        published_as={"test": "validation"},
    ),
    SimilarityTask(
        name="tatoeba-bitext",
        title="Tatoeba",
        metric="f1",
        shown=BITEXT,
        read_one=of_task(TATOEBA_LASER, translations),
        languages=TATOEBA_LASER.languages,
        note="f1 and accuracy: the nearest English sentence of each foreign one, as mteb; back: the other way.",
    ),
    SimilarityTask(
        name="flores-bitext",
        title="FLORES-200",
        metric="f1",
        shown=BITEXT,
        read_one=flores,
        split="devtest",
        found=flores_pairs("devtest"),
    ),
    SimilarityTask(
        name="bucc-mining",
        title="BUCC 2018",
        metric="f1",
        shown=("f1", "precision", "recall", "best-f1"),
        read_one=bucc,
        languages=("de-en", "fr-en", "ru-en", "zh-en"),
        note="the threshold of the split test is chosen on the sample, as XTREME does.",
    ),
    SimilarityTask(
        name="afqmc-sts",
        title="AFQMC",
        metric="cosine-spearman",
        shown=CORRELATION,
        read_one=of_task(AFQMC, labelled_pairs("1", binary=False)),
        split="dev",
        published_as={"dev": "validation"},
    ),
    SimilarityTask(
        name="stsb-sts",
        title="STSBenchmarkMultilingualSTS",
        metric="cosine-spearman",
        shown=CORRELATION,
        read_one=of_task(STSB, labelled_pairs(binary=False)),
        split="dev",
    ),
    SimilarityTask(
        name="stsbenchmark",
        title="STSBenchmark",
        metric="cosine-spearman",
        shown=CORRELATION,
        read_one=sts_benchmark,
    ),
    SimilarityTask(
        name="xnli-pairs",
        title="XNLI",
        metric="max-ap",
        shown=PAIRS,
        read_one=of_task(XNLI, labelled_pairs("entailment", "neutral", XNLI.labels, MTEB_SAMPLE)),
        languages=XNLI.languages,
        published_as={"dev": "validation"},
        note=f"of {MTEB_SAMPLE} rows that mteb draws, those that are not neutral.",
    ),
    SimilarityTask(
        name="pawsx-pairs",
        title="PawsXPairClassification",
        metric="max-ap",
        shown=PAIRS,
        read_one=of_task(PAWSX, labelled_pairs("same")),
        split="dev",
        languages=PAWSX.languages,
        published_as={"dev": "validation"},
    ),
    # A user's own files.
    SimilarityTask(name="retrieval", title="own files", metric="ndcg@10", shown=RANKING, read_one=retrieval_folder),
    SimilarityTask(name="bitext", title="own files", metric="f1", shown=BITEXT, read_one=bitext_file),
    SimilarityTask(
        name="sts",
        title="own files",
        metric="cosine-spearman",
        shown=CORRELATION,
        read_one=pairs_file(binary=False),
    ),
    SimilarityTask(name="pairs", title="own files", metric="max-ap", shown=PAIRS, read_one=pairs_file(binary=True)),
    SimilarityTask(
        name="reranking",
        title="own files",
        metric="map",
        shown=("map", "mrr@10", "ndcg@10"),
        read_one=reranking_file,
    ),
)
