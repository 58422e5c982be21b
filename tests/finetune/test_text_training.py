"""Runs that learn vectors of texts and rankings: a command, a folder, a model that every part of the zoo takes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zoo
from tests.finetune.text_pairs import pair_rows, written
from tests.tiny_models import network
from zoo.finetune import teacher

Command = Callable[..., tuple[int, str, str]]
QUICK = ("--max-steps", "12", "--batch-size", "8", "--lr", "3e-3", "--eval-every", "6", "--warmup", "0")


def record(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "run.json").read_text("utf-8"))


def losses(folder: Path) -> list[float]:
    lines = map(json.loads, (folder / "metrics.jsonl").read_text("utf-8").splitlines())
    return [line["loss"] for line in lines if line["kind"] == "update"]


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random network of one layer that knows letters."""
    return network(tmp_path_factory.mktemp("letters") / "model", "letters")


@pytest.fixture(scope="module")
def wider(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sentence model of the same vocabulary with wider vectors, from which a student learns."""
    made = network(tmp_path_factory.mktemp("wide") / "encoder", "letters", hidden_size=48)
    zoo.load(made, task="embedding").save(made.parent / "model")
    return made.parent / "model"


@pytest.fixture
def triplets(tmp_path: Path) -> Path:
    return written(tmp_path / "triplets.jsonl", pair_rows(30, negatives=2))


def test_pairs_become_a_sentence_model(
    finetune: Command, evaluate: Command, predict: Command, letters: Path, tmp_path: Path
) -> None:
    data, out = written(tmp_path / "pairs.jsonl", pair_rows(30)), tmp_path / "run"
    code, said, err = finetune("--task", "pairs", "--model", letters, "--data", data, "--out", out, *QUICK)
    assert code == 0, err
    assert said.startswith("ndcg@10 on dev: ours ") and "anchor = 'anchor', positive = 'positive'" in err
    found = record(out)
    assert set(found["results"]["dev"]["scores"]["all"]) == {"ndcg@10", "mrr@10", "accuracy@1"}
    assert "loss" not in found["results"]["dev"], "of a whole split there is none"
    assert losses(out)[-1] < losses(out)[0]
    assert "ndcg@10" in (out / "report.html").read_text("utf-8")
    model = zoo.load(out / "best")
    assert model.task == "embedding" and (out / "best/modules.json").is_file()
    vectors = model.encode(["ba be", "bi bo"])
    made = zoo.pipeline("embeddings", out, precision="fp32")(["ba be", "bi bo"])
    np.testing.assert_allclose(np.stack(made), vectors, atol=1e-5)
    code, said, _ = evaluate(out, "--json")
    assert code == 0 and json.loads(said)["scores"] == found["results"]["dev"]["scores"]
    assert json.loads(said)["loss"] is None
    code, said, err = predict(out, "--data", data, "--json")
    assert code == 0 and {row["rank"] >= 1 for row in json.loads(said)} == {True}, err


def test_triplets_stopped_go_on_to_the_same_bytes(
    finetune: Command, letters: Path, triplets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from zoo.finetune.events import Updated
    from zoo.finetune.progress import ProgressReporter

    words = ("--task", "triplets", "--model", letters, "--data", triplets, *QUICK, "--layer-decay", "0.9")
    words = (*words, "--loss", "mini_batch=6,dims=32+16")
    assert finetune(*words, "--out", tmp_path / "whole")[0] == 0
    usual = ProgressReporter.__call__

    def stop(self: ProgressReporter, event: object) -> None:
        if isinstance(event, Updated) and event.update == 8:
            raise KeyboardInterrupt
        usual(self, event)  # type: ignore[arg-type]

    monkeypatch.setattr(ProgressReporter, "__call__", stop)
    assert finetune(*words, "--out", tmp_path / "run")[0] == 130
    monkeypatch.setattr(ProgressReporter, "__call__", usual)
    code, _, err = finetune("--resume", tmp_path / "run")
    assert code == 0, err
    weights = [(tmp_path / name / "best/model.safetensors").read_bytes() for name in ("run", "whole")]
    assert weights[0] == weights[1]
    assert set(record(tmp_path / "run")["results"]["dev"]["scores"]["all"]) >= {"triplet-accuracy", "ndcg@10"}


def test_scored_pairs_learn_by_cosent(finetune: Command, letters: Path, tmp_path: Path) -> None:
    rows = [
        {"sentence1": r["anchor"], "sentence2": r["positive"], "score": n % 5} for n, r in enumerate(pair_rows(40))
    ]
    data, out = written(tmp_path / "scored.jsonl", rows), tmp_path / "run"
    words = ("--task", "pairs", "--model", letters, "--data", data, "--out", out, *QUICK)
    code, said, err = finetune(*words)
    assert code == 0 and said.startswith("spearman on dev"), err
    code, _, err = finetune(*words[:-2], "--out", tmp_path / "other", "--loss", "multiple-negatives")
    assert code == 2 and "no loss 'multiple-negatives' for scored pairs" in err and "cosent" in err
    assert not (tmp_path / "other").exists()


def test_rankings_become_a_reranker(
    finetune: Command, predict: Command, letters: Path, triplets: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    code, said, err = finetune("--task", "rerank", "--model", letters, "--data", triplets, "--out", out, *QUICK)
    assert code == 0 and said.startswith("ndcg@10 on dev"), err
    rerank = zoo.pipeline("rerank", out, engine="eager")
    found = rerank("ba be", ["be ba", "gu gu"])
    assert {row["corpus_id"] for row in found} == {0, 1} and all(0 < row["score"] < 1 for row in found)
    dev = record(out)["data"]["dev"]
    assert dev["examples"] % 3 == 0, "the passages of a query are held out together"
    code, said, err = predict(out, "be ba", "--context", "ba be", "--json")
    assert code == 0 and 0 < json.loads(said)[0]["score"] < 1, err


def test_rankings_learn_by_softmax_in_mini_batches(
    finetune: Command, letters: Path, triplets: Path, tmp_path: Path
) -> None:
    found = []
    for name, loss in (("whole", "softmax"), ("parts", "softmax,mini_batch=4")):
        words = ("--task", "rerank", "--model", letters, "--data", triplets, "--out", tmp_path / name, *QUICK)
        code, _, err = finetune(*words, "--loss", loss, "--dropout", "0", "--max-steps", "4")
        assert code == 0, err
        found.append(losses(tmp_path / name))
    assert found[0] == pytest.approx(found[1], abs=1e-4) and found[0][0] != found[0][-1]


def test_a_student_learns_vectors(finetune: Command, letters: Path, wider: Path, tmp_path: Path) -> None:
    data, out = written(tmp_path / "pairs.jsonl", pair_rows(30)), tmp_path / "run"
    words = ("--task", "pairs", "--model", letters, "--data", data, "--out", out, "--teacher", wider, *QUICK)
    code, _, err = finetune(*words)
    assert code == 0, err
    assert "48 numbers are projected on 32" in err
    assert losses(out)[-1] < 0.8 * losses(out)[0]


def test_a_student_learns_scores(finetune: Command, letters: Path, triplets: Path, tmp_path: Path) -> None:
    code, _, err = finetune(
        "--task", "rerank", "--model", letters, "--data", triplets, "--out", tmp_path / "judge", *QUICK
    )
    assert code == 0, err
    for task in ("triplets", "rerank"):
        out = tmp_path / task
        words = ("--task", task, "--model", letters, "--data", triplets, "--out", out, *QUICK)
        code, _, err = finetune(*words, "--teacher", tmp_path / "judge/best")
        assert code == 0, err
        assert ("length 1" in err) == (task == "triplets")
        assert losses(out)[-1] < losses(out)[0]
    pairs = written(tmp_path / "pairs.jsonl", pair_rows(30))
    words = ("--task", "pairs", "--model", letters, "--data", pairs, "--out", tmp_path / "p", *QUICK)
    code, _, err = finetune(*words, "--teacher", tmp_path / "judge/best")
    assert code == 2 and "gives scores" in err and "--task triplets" in err


def test_products_of_projected_vectors_are_kept_best() -> None:
    random = np.random.default_rng(0)
    low = random.normal(size=(50, 4)) @ random.normal(size=(4, 12))  # of rank 4
    made = teacher.fitted(low.astype(np.float32), 4, normalize=False)
    np.testing.assert_allclose(made @ made.T, low @ low.T, rtol=1e-3, atol=1e-3)
    wide = teacher.fitted(low.astype(np.float32), 16, normalize=True)
    assert wide.shape == (50, 16) and not wide[:, 12:].any()
    np.testing.assert_allclose(np.linalg.norm(wide, axis=1), 1, rtol=1e-5)


def test_prompts_stand_before_anchors_and_documents(finetune: Command, letters: Path, tmp_path: Path) -> None:
    from zoo.finetune.text_training import with_prompts
    from zoo.tasks.text_pairs import TextPairs

    model: Any = zoo.load(letters, task="embedding")
    model.head.sentence = model.sentence.with_prompts({"query": "query: ", "passage": "passage: "})
    task = TextPairs(name="pairs", metrics=("ndcg@10",))
    found = with_prompts(task, model)
    assert found.prompts == ("query: ", "passage: ")
    examples = [task.example(_row(anchor="ba", positive="bo"), "train")]
    ids = found.features(examples, model.tokenizer).columns["input_ids"]
    for n, text in enumerate(("query: ba", "passage: bo")):
        assert ids[n].tolist() == model.tokenizer([text], return_tensors="np")["input_ids"][0].tolist()


def _row(**values: str) -> Any:
    from zoo.tasks.rows import Row

    return Row("f", 1, values)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--task", "classification", "--teacher", "some/model"), "--teacher is for --task pairs"),
        (("--task", "pairs", "--label-smoothing", "0.1"), "no meaning for pairs"),
        (("--task", "pairs", "--best", "loss"), "has none for a whole split"),
        (("--task", "pairs", "--loss", "mnrl"), "no loss 'mnrl'"),
    ],
)
def test_options_that_make_no_sense(
    finetune: Command, letters: Path, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    data = written(
        tmp_path / "pairs.jsonl", [{**r, "text": "a", "label": n % 2} for n, r in enumerate(pair_rows(6))]
    )
    if "classification" not in words:
        data = written(tmp_path / "pairs.jsonl", pair_rows(6))
    code, _, err = finetune(*words, "--model", letters, "--data", data, "--out", tmp_path / "run")
    assert code == 2 and message in err
    assert not (tmp_path / "run").exists()
