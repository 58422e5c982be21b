"""Tasks without training: their readers on small files, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.texts import write_bucc
from zoo import tasks
from zoo.errors import InputError, UsageError, ZooError
from zoo.tasks import similarity
from zoo.tasks.similarity.gather import mteb_sample
from zoo.tasks.similarity.sets import Bitext, Measure, Mining, Pairs, Reranking, Retrieval, SimilarityData

DATA = Path(__file__).parents[1] / "data"
COSINE = Measure("cosine", lambda a, b: a @ b.T)


def read(task: str, source: Path, **options: str) -> SimilarityData:
    ((_, data),) = similarity.find(task).read(source, **options)
    return data


def perfect(data: SimilarityData, meaning: Callable[[str], str]) -> dict[str, np.ndarray]:
    """Vectors by which texts of one meaning are equal, and others at right angles."""
    texts = [text for side in data.sides.values() for text in side.texts]
    places = {key: n for n, key in enumerate(dict.fromkeys(map(meaning, texts)))}
    eye = np.eye(len(places), dtype=np.float32)
    return {name: np.stack([eye[places[meaning(t)]] for t in side.texts]) for name, side in data.sides.items()}


@pytest.mark.parametrize(("ending", "separator"), [("jsonl", ""), ("tsv", "\t"), ("csv", ",")])
def test_own_retrieval(tmp_path: Path, ending: str, separator: str) -> None:
    tables = {
        "corpus": [{"_id": "d1", "title": "Tea", "text": "green"}, {"_id": "d2", "title": "", "text": "coffee"}],
        "queries": [{"_id": "q1", "text": "what is green"}, {"_id": "q2", "text": "never judged"}],
    }
    for name, rows in tables.items():
        lines = [json.dumps(row) for row in rows]
        if separator:
            lines = [separator.join(rows[0]), *(separator.join(row.values()) for row in rows)]
        (tmp_path / f"{name}.{ending}").write_text("\n".join(lines) + "\n", "utf-8")
    (tmp_path / "qrels").mkdir()
    (tmp_path / "qrels/test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\n", "utf-8")
    data = read("retrieval", tmp_path)
    assert isinstance(data, Retrieval)
    assert data.corpus == {"d1": "Tea green", "d2": "coffee"} and data.queries == {"q1": "what is green"}
    scores = data.scores(perfect(data, lambda text: "green" if "green" in text else text), COSINE)
    assert scores["ndcg@10"] == 100.0 and scores["precision@10"] == 10.0


@pytest.mark.parametrize(
    ("qrels", "said"),
    [
        ("q1\tnone\t1\n", "no document 'none'"),
        ("none\td1\t1\n", "no query 'none'"),
        ("q1\td1\tmuch\n", "'much' is not a number"),
        ("q1\td1\t0\n", "no document as relevant"),
    ],
)
def test_judgements_that_make_no_sense(tmp_path: Path, qrels: str, said: str) -> None:
    (tmp_path / "corpus.jsonl").write_text('{"_id": "d1", "text": "a"}\n')
    (tmp_path / "queries.jsonl").write_text('{"_id": "q1", "text": "b"}\n')
    (tmp_path / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\n" + qrels)
    with pytest.raises(InputError, match=said):
        read("retrieval", tmp_path)


def test_an_id_that_stands_there_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_text('{"_id": "d1", "text": "a"}\n{"_id": "d1", "text": "b"}\n')
    (tmp_path / "queries.jsonl").write_text('{"_id": "q1", "text": "b"}\n')
    with pytest.raises(InputError, match=r"line 2: the id 'd1' stands there twice"):
        read("retrieval", tmp_path)


@pytest.mark.parametrize("language", ["en", "de", "zh"])
def test_xquad_as_retrieval(language: str) -> None:
    task = similarity.find("xquad_retrieval")
    ((code, data),) = task.read(DATA / "xquad", languages=[language])
    assert code == language and isinstance(data, Retrieval)
    assert all(text == text.strip() for text in (*data.corpus.values(), *data.queries.values()))
    assert set(data.relevant) == set(data.queries)


def test_tatoeba_both_ways() -> None:
    ((code, data),) = similarity.find("tatoeba-bitext").read(DATA / "tatoeba", languages=["deu"])
    assert code == "deu" and isinstance(data, Bitext)
    size = len(data.source)
    vectors = {"source": np.eye(size), "target": np.ones((size, 2 * size))[:, :size]}
    assert data.scores(vectors, COSINE)["accuracy"] == pytest.approx(100 / size)
    assert data.scores({name: np.eye(size) for name in vectors}, COSINE)["back-f1"] == 100.0


def test_flores_has_the_pairs_that_lie_there(tmp_path: Path) -> None:
    for code, lines in {"deu_Latn": "eins\nzwei\n", "eng_Latn": "one\ntwo\n"}.items():
        (tmp_path / f"{code}.devtest").write_text(lines)
    read_pairs = dict(similarity.find("flores-bitext").read(tmp_path))
    assert list(read_pairs) == ["deu_Latn-eng_Latn", "eng_Latn-deu_Latn"]
    (tmp_path / "eng_Latn.devtest").write_text("one\n")
    with pytest.raises(InputError, match="2 and 1 lines"):
        dict(similarity.find("flores-bitext").read(tmp_path))


def test_bucc_takes_the_threshold_of_the_sample(tmp_path: Path) -> None:
    write_bucc(tmp_path, ("de",))
    ((_, data),) = similarity.find("bucc-mining").read(tmp_path, languages=["de-en"])
    assert isinstance(data, Mining) and list(data.source) == ["de-1", "de-2", "de-3"] and data.tuned_on is not None
    meaning = {"eins": "one", "zwei": "two", "drei": "three"}
    scores = data.scores(perfect(data, lambda text: meaning.get(text, text)), COSINE)
    # "drei" stands there twice: its pair does not count as mined, as in XTREME.
    assert scores["precision"] == 100.0 and scores["recall"] == pytest.approx(200 / 3)


@pytest.mark.parametrize(
    ("task", "folder", "languages"),
    [
        ("stsb-sts", "glue", ()),
        ("afqmc-sts", "clue", ()),
        ("xnli-pairs", "xnli", ("en",)),
        ("pawsx-pairs", "pawsx", ("de",)),
    ],
)
def test_pairs_of_data_sets(task: str, folder: str, languages: tuple[str, ...]) -> None:
    ((_, data),) = similarity.find(task).read(DATA / folder, "dev", languages)
    assert isinstance(data, Pairs) and len(data.first) == len(data.second) == len(data.gold) > 0
    assert data.binary == task.endswith("pairs") and (not data.binary or set(data.gold) <= {0.0, 1.0})


def test_sentence_pairs_guard_an_export(minilm_snapshot: Path) -> None:
    """The task of the same name that `zoo export --guard` takes: the same pairs, as rows of a network."""
    from zoo.models.structbert import tokenizer
    from zoo.models.structbert.config import Config

    task = tasks.find("stsb-sts")
    examples = list(task.read(DATA / "glue", "dev"))
    config = Config.from_dict(json.loads((minilm_snapshot / "config.json").read_text("utf-8")))
    features = task.features(examples, tokenizer.load(minilm_snapshot, config))
    assert len(features) == 2 * len(examples) and task.head == "embedding"
    gold = [float(e.label) for e in examples]  # type: ignore[attr-defined]
    vectors = [np.array([1.0, 0.0]) for _ in gold] + [np.array([score, 5 - score]) for score in gold]
    answers = task.predictions({"embeddings": vectors}, features, examples)
    assert task.score(answers, examples).value == pytest.approx(100.0)
    assert tasks.from_dict(task.to_dict()) == task


def test_the_sts_benchmark_as_published() -> None:
    data = read("stsbenchmark", DATA / "glue/STS-B/sts-test.labelled.csv")
    assert isinstance(data, Pairs) and all(0 <= score <= 5 for score in data.gold)


def test_the_sts_benchmark_has_glues_sentences(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Those that mteb scored; copies of the file with scores differ from them in quotation marks."""
    caplog.set_level("INFO")
    glue = "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\n"
    row = "0\tnews\town\t2026\t7\tnone\tnone\t{}\tOr so.\n"
    (tmp_path / "sts-test.csv").write_text('news\town\t2026\t7\t2.5\t"Yes.\tOr so.\n')
    (tmp_path / "test.tsv").write_text(glue + row.format('"Yes."'))
    data = read("stsbenchmark", tmp_path)
    assert isinstance(data, Pairs)
    assert (list(data.first), list(data.second), list(data.gold)) == (['"Yes."'], ["Or so."], [2.5])
    assert "the sentences are those of test.tsv, which differ in 1 of 1 pairs" in caplog.text
    (tmp_path / "test.tsv").write_text(glue + row.format("Another.").replace("\t7\t", "\t8\t"))
    data = read("stsbenchmark", tmp_path)
    assert isinstance(data, Pairs) and list(data.first) == ['"Yes.']


def test_own_pairs(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("sentence1,sentence2,score\na,b,0.5\nc,d,1\n")
    data = read("sts", tmp_path / "a.csv")
    assert isinstance(data, Pairs) and list(data.gold) == [0.5, 1.0]
    with pytest.raises(InputError, match=r"line 2: '0.5' is not 1 or 0"):
        read("pairs", tmp_path / "a.csv")
    (tmp_path / "b.csv").write_text("left,right\na,b\n")
    with pytest.raises(InputError, match="left, right"):
        read("sts", tmp_path / "b.csv")


def test_own_translations_and_candidates(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text("source\ttarget\neins\tone\n")
    assert read("bitext", tmp_path / "t.tsv") == Bitext(["eins"], ["one"])
    (tmp_path / "r.jsonl").write_text('{"query": "q", "positive": ["a"], "negative": ["b", "c"]}\n')
    data = read("reranking", tmp_path / "r.jsonl")
    assert isinstance(data, Reranking)
    vectors = {"queries": np.array([[1.0, 0.0]]), "candidates": np.array([[0.5, 0.1], [1.0, 0.0], [0.2, 1.0]])}
    assert data.scores(vectors, COSINE) == pytest.approx(
        {
            "map": 50.0,
            "mrr@10": 50.0,
            "ndcg@10": 63.093,
        },
        abs=1e-3,
    )
    (tmp_path / "r.jsonl").write_text('{"query": "q", "positive": 3, "negative": []}\n')
    with pytest.raises(InputError, match="not a text or a list"):
        read("reranking", tmp_path / "r.jsonl")


def test_the_sample_of_mteb_is_the_one_of_datasets() -> None:
    """Rows that datasets 5.2.0's train_test_split(test_size=size, seed=42, stratify_by_column="label") draws."""
    assert mteb_sample([n * n % 3 for n in range(20)], 8) == [0, 2, 3, 5, 1, 15, 8, 17]
    many = [(n * 7 + n // 3) % 3 for n in range(40)]
    assert mteb_sample(many, 11) == [38, 19, 14, 5, 2, 28, 39, 31, 35, 36, 11]
    assert mteb_sample(many, 40) == list(range(40))


@pytest.mark.parametrize("name", ["xquad-retreival", "nothing-like-it"])
def test_unknown_names(name: str) -> None:
    with pytest.raises(UsageError, match="no task"):
        similarity.find(name)


def test_unknown_languages(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no language 'xx'"):
        list(similarity.find("xquad-retrieval").read(tmp_path, languages=["xx"]))
    with pytest.raises(ZooError):
        list(similarity.find("xquad-retrieval").read(tmp_path, languages=["de"]))
