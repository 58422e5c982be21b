"""Texts that belong together, from a user's files: columns, ranks, and what is wrong with a file."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoo import tasks
from zoo.errors import InputError, UsageError
from zoo.tasks.features import Features
from zoo.tasks.text_pairs import PairExample, TextPairs
from zoo.tasks.user_tasks import own


def lines(file: Path, *rows: dict[str, Any]) -> Path:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return file


@pytest.mark.parametrize("header", ["anchor,positive", "query,answer", "sentence1,sentence2", "question,passage"])
def test_names_of_columns(tmp_path: Path, header: str) -> None:
    file = tmp_path / "pairs.csv"
    file.write_text(f"{header}\na,b\nc,d\n", "utf-8")
    task = own("pairs", file)
    assert [(e.anchor, e.positive, e.score) for e in task.read(file)] == [("a", "b", None), ("c", "d", None)]
    assert task.metrics == ("ndcg@10", "mrr@10", "accuracy@1")
    assert tasks.from_dict(json.loads(json.dumps(task.to_dict()))) == task


def test_scored_pairs(tmp_path: Path) -> None:
    file = tmp_path / "sts.tsv"
    file.write_text("sentence1\tsentence2\tscore\na\tb\t0.5\nc\td\t1\n", "utf-8")
    task = own("pairs", file)
    assert [e.score for e in task.read(file)] == [0.5, 1.0] and task.metrics == ("spearman", "pearson")
    assert task.measure([0.1, 0.2], list(task.read(file)))["all"]["spearman"] == pytest.approx(100)
    file.write_text("sentence1\tsentence2\tscore\na\tb\t1\nc\td\t1\n", "utf-8")
    with pytest.raises(InputError, match="no pair is more alike"):
        own("pairs", file)
    file.write_text("sentence1\tsentence2\tscore\na\tb\tmuch\n", "utf-8")
    with pytest.raises(InputError, match=r"line 2: 'score' must be a number and is 'much'"):
        own("pairs", file)


def test_all_negatives_count(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "triplets.csv"
    file.write_text("query,answer,negative_1,negative_2,source\nx,y,z,,web\na,b,c,d,book\n", "utf-8")
    with caplog.at_level(logging.INFO, "zoo"):
        task: Any = own("triplets", file)
    assert [e.negatives for e in task.read(file)] == [("z",), ("c", "d")]
    assert "negatives: 1 to 2 of a row" in caplog.text and "(not used: source)" in caplog.text
    file.write_text("query,answer,negative\nx,y,\n", "utf-8")
    with pytest.raises(InputError, match="line 2: no text in 'negative'"):
        own("triplets", file)


def test_lists_are_a_row_for_each_positive(tmp_path: Path) -> None:
    """FlagEmbedding's form."""
    file = lines(tmp_path / "a.jsonl", {"query": "q", "pos": ["a", "b"], "neg": ["c", "d"]})
    task = own("triplets", file)
    assert [(e.positive, e.negatives) for e in task.read(file)] == [("a", ("c", "d")), ("b", ("c", "d"))]
    task = own("rerank", file)
    assert [(e.pair, e.label) for e in task.read(file)] == [("a", 1.0), ("b", 1.0), ("c", 0.0), ("d", 0.0)]
    lines(file, {"query": "q", "pos": [3], "neg": ["c"]})
    with pytest.raises(InputError, match="'pos' must be text and is 3"):
        own("triplets", file)


def test_rankings_have_a_score_or_negatives(tmp_path: Path) -> None:
    file = lines(tmp_path / "a.jsonl", {"query": "q", "passage": ["a", "b"], "label": [1, 0]})
    task = own("rerank", file)
    assert [(e.pair, e.label) for e in task.read(file)] == [("a", 1.0), ("b", 0.0)]
    lines(file, {"query": "q", "passage": ["a", "b"], "label": [1]})
    with pytest.raises(InputError, match="2 items in 'passage' and 1 in 'label'"):
        list(task.read(file))
    lines(file, {"query": "q", "passage": "a", "label": 3})
    with pytest.raises(InputError, match="from 0 to 1 and is 3"):
        list(task.read(file))
    lines(file, {"query": "q", "passage": "a"})
    with pytest.raises(UsageError, match="how well it answers"):
        own("rerank", file)


def ranks(vectors: Any, examples: list[PairExample]) -> Any:
    task = TextPairs(name="t", metrics=("ndcg@10",))
    counts = [len(e.texts) for e in examples]
    place = np.concatenate([np.arange(n) for n in counts])
    features = Features({}, np.repeat(np.arange(len(examples)), counts), {"place": place})
    return task.predictions({"embeddings": np.asarray(vectors, np.float32)}, features, examples)


def test_rank_among_all_documents() -> None:
    examples = [PairExample("1", "q", "a", ("b",)), PairExample("2", "p", "c", ("a",))]
    # q is nearest to b, then c, then its own a; p nearest to its own c, and a is far.
    q, a, b, c, p = (1, 0), (0.5, 1), (1, 0.1), (0.9, 0.5), (0.8, 0.6)
    assert ranks([q, a, b, p, c, a], examples) == [(3, 2), (1, 1)]


def test_equal_vectors_are_no_success() -> None:
    examples = [PairExample(str(n), f"q{n}", f"d{n}") for n in range(4)]
    assert ranks(np.ones((8, 2)), examples) == [(4, 1)] * 4


def test_other_positives_of_an_anchor_are_passed_over() -> None:
    examples = [PairExample("1", "q", "a"), PairExample("2", "q", "b")]
    assert ranks([(1, 0), (0.9, 0.5), (1, 0), (1, 0)], examples) == [(1, 1), (1, 1)]


def test_ndcg_is_that_of_the_ranking_metrics() -> None:
    from zoo.metrics import ranking_scores

    task = TextPairs(name="t", metrics=("ndcg@10", "mrr@10", "accuracy@1"))
    found = [(1, 1), (3, 1), (12, 1)]
    scores = task.measure(found, [PairExample(str(n), f"q{n}", "d") for n in range(3)])["all"]
    gains = [np.eye(20)[rank - 1] for rank, _ in found]
    wanted = ranking_scores(gains, [[1.0]] * 3)
    assert scores == pytest.approx(
        {"ndcg@10": wanted["ndcg@10"], "mrr@10": wanted["mrr@10"], "accuracy@1": 100 / 3}
    )


def test_ranking_of_passages() -> None:
    from zoo.tasks.classification import TextExample
    from zoo.tasks.reranking import Reranking

    task = Reranking(name="r", pair="passage")
    rows = [("q", "a", 0.0), ("q", "b", 1.0), ("p", "c", 0.0)]  # p has no right one and is left out
    examples = [TextExample(str(n), q, d, label) for n, (q, d, label) in enumerate(rows)]
    assert task.measure([0.1, 0.9, 0.0], examples)["all"] == {"ndcg@10": 100.0, "mrr@10": 100.0, "map": 100.0}
    assert task.measure([0.5, 0.5, 0.0], examples)["all"]["mrr@10"] == 50.0, "of equal scores the worse one first"
    with pytest.raises(InputError, match="nothing to score"):
        task.measure([0.0], examples[2:])
