"""Our scores beside the official scripts' on the same predictions.

The scripts are not part of the project. Put them into a folder first:

    mlqa_evaluation_v1.py   github.com/facebookresearch/MLQA
    evaluate_squad_v1.py    SQuAD's evaluate-v1.1.py, which TyDiQA-GoldP and XTREME score with
    utils_retrieve.py       github.com/google-research/xtreme, third_party; wants the package faiss-cpu

Predictions are XQuAD's gold answers and their damaged forms (a word more or less, punctuation, an article, another
part of the context, nothing), drawn by a seed; for BUCC, random vectors with planted pairs and repeated sentences.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import json
import random
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from benchmarks import common
from zoo import tasks
from zoo.tasks.qa import Answer, QAExample
from zoo.tasks.similarity import find

COMMAND = "python -m benchmarks.accuracy.judges"
DATA = common.SHARED / "data" / "xquad"
MLQA_SCRIPT, SQUAD_SCRIPT, RETRIEVE = "mlqa_evaluation_v1", "evaluate_squad_v1", "utils_retrieve"
MLQA = ("ar", "de", "en", "es", "hi", "vi", "zh")
TYDIQA = ("ar", "en", "ru")  # its languages that XQuAD has
XQUAD = ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")
EXTRA = {"en": "the", "de": "die", "es": "la", "ar": "\u0627\u0644", "vi": "c\u1ee7a"}
SEED, BUCC_ROWS, BUCC_GOLD, BUCC_WIDTH = 11, 400, 150, 16


def script(folder: Path, name: str) -> ModuleType:
    """Imports an official script."""
    spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def damaged(gold: str, context: str, language: str, rng: random.Random) -> str:
    """Gives an answer as a network may: right, nearly right, wrong or empty."""
    words = gold.split()
    start = rng.randrange(len(context))
    forms = (
        gold,
        f"{EXTRA.get(language, 'x')} {gold}!",
        " ".join(words[1:]) or gold[1:],
        gold.upper(),
        f"{gold}{context[start : start + 9]}",
        context[start : start + 20],
        gold.replace(" ", "-"),
        "",
    )
    return rng.choice(forms)


def question_rows(
    task_name: str, languages: tuple[str, ...], source: str, judge: Callable[[Any, Any, str], dict[str, float]]
) -> Iterator[dict[str, object]]:
    """Gives a row for each language: both sides' F1 and exact match on the same answers."""
    task = tasks.find(task_name)
    for language in languages:
        rng = random.Random(SEED)
        articles = json.loads((DATA / f"xquad.{language}.json").read_text("utf-8"))["data"]
        predictions, examples = {}, []
        for article in articles:
            for paragraph in article["paragraphs"]:
                for row in paragraph["qas"]:
                    golds = tuple(answer["text"] for answer in row["answers"])
                    predictions[row["id"]] = damaged(golds[0], paragraph["context"], language, rng)
                    answers = tuple(tasks.qa.GoldAnswer(gold, 0) for gold in golds)
                    examples.append(QAExample(row["id"], "?", "", answers, language=language))
        theirs = judge(articles, predictions, language)
        found = task.score([Answer(predictions[e.id], 0.0) for e in examples], examples).rows[language]
        for ours, name in (("f1", "f1"), ("exact", "exact_match")):
            yield row_of(task_name, source, language, ours, len(examples), found[ours], theirs[name])


def row_of(
    task: str, source: str, language: str, metric: str, count: int, ours: float, theirs: float
) -> dict[str, object]:
    row: dict[str, object] = {"task": task, "script": source, "language": language, "metric": metric}
    row |= {"predictions": count}
    return row | {"ours": ours, "official script": theirs, "difference": f"{abs(ours - theirs):.1e}"}


def bucc_rows(judge: ModuleType) -> Iterator[dict[str, object]]:
    """Gives rows of F1, precision and recall on vectors with planted pairs."""
    rng = np.random.default_rng(SEED)
    ids = {side: [f"{side}-{n:05}" for n in range(BUCC_ROWS)] for side in ("de", "en")}
    vectors = {side: rng.normal(size=(BUCC_ROWS, BUCC_WIDTH)).astype(np.float32) for side in ids}
    vectors["en"][:BUCC_GOLD] = vectors["de"][:BUCC_GOLD] + 0.7 * rng.normal(size=(BUCC_GOLD, BUCC_WIDTH))
    texts = {side: [f"sentence {n} {side}" for n in range(BUCC_ROWS)] for side in ids}
    for side in ids:  # some sentences stand there twice, one of them among the gold pairs
        for a, b in ((3, 300), (301, 302)):
            texts[side][b], vectors[side][b] = texts[side][a], vectors[side][a]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for side in ids:
            lines = zip(ids[side], texts[side], strict=True)
            (folder / f"de-en.sample.{side}").write_text("".join(f"{i}\t{t}\n" for i, t in lines))
            (folder / f"{side}.txt").write_text("".join(f"{t}\n" for t in texts[side]))
            (folder / f"{side}.id").write_text("".join(f"{i}\n" for i in ids[side]))
        gold = folder / "de-en.sample.gold"
        gold.write_text("".join(f"{ids['de'][n]}\t{ids['en'][n]}\n" for n in range(BUCC_GOLD)))
        files = [str(folder / n) for n in ("de.txt", "en.txt", "de.id", "en.id", "out")]
        with contextlib.redirect_stdout(io.StringIO()):
            judge.mine_bitext(vectors["de"].copy(), vectors["en"].copy(), files[0], files[1], str(folder / "mined"))
            theirs = judge.bucc_eval(str(folder / "mined"), str(gold), *files)
        ((_, data),) = find("bucc-mining").read(folder, "dev", languages=["de-en"])
        ours = data.scores(
            {s: _unique(vectors[w], texts[w]) for s, w in (("source", "de"), ("target", "en"))}, None
        )
    for metric, name in (("f1", "F1"), ("precision", "precision"), ("recall", "recall")):
        yield row_of("bucc-mining", RETRIEVE, "de-en", metric, BUCC_ROWS, ours[metric], theirs[name])


def _unique(vectors: np.ndarray, texts: list[str]) -> np.ndarray:
    return vectors[[texts.index(text) for text in dict.fromkeys(texts)]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scripts", type=Path, required=True, help="folder with the official scripts")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/judges.*")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    mlqa, squad = script(given.scripts, MLQA_SCRIPT), script(given.scripts, SQUAD_SCRIPT)
    rows = [
        *question_rows("mlqa", MLQA, MLQA_SCRIPT, mlqa.evaluate),
        *question_rows("tydiqa-goldp", TYDIQA, SQUAD_SCRIPT, lambda data, found, _: squad.evaluate(data, found)),
        *question_rows("xquad", XQUAD, SQUAD_SCRIPT, lambda data, found, _: squad.evaluate(data, found)),
        *bucc_rows(script(given.scripts, RETRIEVE)),
    ]
    for row in rows:
        print(json.dumps(row), flush=True)
    if given.save:
        print(common.write("judges", f"{COMMAND} --scripts DIR --save", rows))
    return int(any(float(str(row["difference"])) > 1e-9 for row in rows))


if __name__ == "__main__":
    sys.exit(main())
