"""`zoo evaluate` on tasks without training: the real sentence model, small files of our own."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import zoo
from zoo.evaluate.__main__ import main
from zoo.evaluate.untrained import Evaluation, evaluate, published_beside
from zoo.inference.pipelines.embeddings import Embeddings
from zoo.tasks import similarity

DATA = Path(__file__).parents[1] / "data"
OPTIONS = ("--engine", "eager")


@pytest.fixture(scope="module")
def pipe(minilm_snapshot: Path) -> Embeddings:
    made = zoo.pipeline("embeddings", minilm_snapshot, engine="eager")
    assert isinstance(made, Embeddings)
    return made


def test_every_language_gets_a_row_and_they_an_average(pipe: Embeddings) -> None:
    told = []
    found = evaluate(
        pipe,
        similarity.find("xquad-retrieval"),
        DATA / "xquad",
        languages=("en", "de"),
        on_language=lambda language, scores: told.append((language, scores["ndcg@10"])),
    )
    assert list(found.rows) == ["en", "de", "average"]
    assert told == [(language, found.rows[language]["ndcg@10"]) for language in ("en", "de")]
    assert found.value == pytest.approx(np.mean([score for _, score in told]))


def test_a_text_that_stands_on_both_sides_is_embedded_once(pipe: Embeddings, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("sentence1,sentence2,score\na cat,a dog,1\na dog,a cat,1\na tree,a cat,0\n")
    assert evaluate(pipe, similarity.find("sts"), tmp_path / "p.csv").texts == 3


def test_prompts_of_the_model_are_applied(
    pipe: Embeddings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "r.jsonl").write_text('{"query": "q", "positive": ["a"], "negative": ["q"]}\n')
    seen = []
    real = pipe.encode
    monkeypatch.setattr(type(pipe.sentence), "first_of", lambda self, names: names[0])
    monkeypatch.setattr(
        pipe, "encode", lambda texts, prompt_name=None: seen.append((prompt_name, sorted(texts))) or real(texts)
    )
    evaluate(pipe, similarity.find("reranking"), tmp_path / "r.jsonl")
    assert seen == [("query", ["q"]), ("document", ["a", "q"])]


def test_a_prompt_for_texts_that_are_neither_query_nor_document(
    pipe: Embeddings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "p.csv").write_text("sentence1,sentence2,score\na cat,a dog,1\na dog,a cat,1\na tree,a cat,0\n")
    seen = []
    real = pipe.encode
    monkeypatch.setattr(pipe, "encode", lambda texts, **given: seen.append(given) or real(texts))
    monkeypatch.setattr(type(pipe.sentence), "unused", ["query", "passage"])
    for prompt, given in (("query", {"prompt": "query"}), ("", {"prompt_name": None})):
        evaluate(pipe, similarity.find("sts"), tmp_path / "p.csv", prompt=prompt)
        assert seen.pop() == given and not seen
        assert ("none of the model's prompts query, passage; --prompt NAME" in caplog.text) == (not prompt)


def test_the_command(minilm_snapshot: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "scores"
    words = [str(minilm_snapshot), "--task", "tatoeba-bitext", "--data", str(DATA / "tatoeba"), *OPTIONS]
    assert main([*words, "--languages", "deu,swh", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "average" in printed and "back-accuracy" in printed and f"{out}: scores.json" in printed
    held = json.loads((out / "scores.json").read_text())
    assert held["metric"] == "f1" and set(held["scores"]) == {"deu", "swh", "average"}
    assert (out / "scores.csv").read_text().startswith("language,metric,value\ndeu,")
    assert (out / "scores.png").read_bytes().startswith(b"\x89PNG")
    assert main([*words, "--languages", "deu", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["scores"]["deu"] == held["scores"]["deu"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--task", "xquad-retrieval"), "needs its files"),
        (("--task", "xquad-retrieval", "--data", str(DATA), "--languages", "xx"), "has no language 'xx'"),
        (("--task", "sts", "--data", "nowhere.csv"), "nowhere.csv"),
        (("--task", "sst2", "--out", "somewhere"), "tasks without training"),
    ],
)
def test_what_makes_no_sense(
    minilm_snapshot: Path, words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(minilm_snapshot), *words]) in (1, 2)
    assert said in capsys.readouterr().err


def test_the_list_of_tasks(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--task", "list"]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in similarity.names())


def test_the_published_headline_stands_beside_ours() -> None:
    task = similarity.find("xquad-retrieval")
    found = Evaluation(task, "test", {"en": {"ndcg@10": 94.4}}, 1, 1.0)
    assert published_beside("all-MiniLM-L6-v2", found)["en"] == pytest.approx(94.357)
    assert published_beside("some/folder", found) == {}
