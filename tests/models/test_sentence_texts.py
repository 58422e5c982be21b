"""Texts of models of sentence-transformers: prompts, lengths, lower case, search, and every engine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

import zoo
from tests.models.sentence_folders import (
    FORMS,
    MEAN,
    NORMALIZE,
    OLD,
    PROMPTS,
    WIDTH,
    dense,
    folder,
    pooling,
    write,
)
from zoo import registry
from zoo.convert.to_paddle import _keep_prompts
from zoo.errors import InputError, UsageError
from zoo.models.common.sentence_transformers.arrays import hide_prompt

pytestmark = pytest.mark.torch
TEXTS = ["a b C", "J i w3 w4 h", "", "w1 [MASK] B", " ".join(["w5"] * 99)]


def by_hand(model: Any, text: str, prompt: int = 0) -> np.ndarray:
    """The vector of one text through the tokenizer."""
    batch = model.tokenizer(text, return_tensors="np")
    batch["attention_mask"] = hide_prompt(batch["attention_mask"], prompt)
    with paddle.no_grad():
        return model(**{name: paddle.to_tensor(ids) for name, ids in batch.items()}).embeddings.numpy()[0]


def test_encode(tmp_path: Path) -> None:
    folder(tmp_path, [("Pooling", "1_Pooling", pooling("mean", include_prompt=False))], PROMPTS)
    model = zoo.load(tmp_path)
    model.train()
    found = model.encode(TEXTS, batch_size=2)
    assert model.training and found.dtype == np.float32 and found.shape == (len(TEXTS), WIDTH)
    np.testing.assert_allclose(found, [by_hand(model.eval(), f"a b {text}", 3) for text in TEXTS], atol=1e-6)
    np.testing.assert_allclose(model.encode(TEXTS, batch_size=64), found, atol=1e-6)
    one = model.encode(TEXTS[0])
    assert one.shape == (WIDTH,)
    np.testing.assert_allclose(one, found[0], atol=1e-6)
    for given, before in (({"prompt": "h "}, "h "), ({"prompt": ""}, ""), ({"prompt_name": "none"}, "")):
        expected = by_hand(model, before + TEXTS[0], 2 if before else 0)
        np.testing.assert_allclose(model.encode(TEXTS[0], **given), expected, atol=1e-6)
    assert model.encode([]).shape == (0, WIDTH)
    named = model.encode(TEXTS[0], prompt="query")  # a name of its own, as prompt_name= takes it
    np.testing.assert_array_equal(named, model.encode(TEXTS[0], prompt_name="query"))
    bad_prompts = ({"prompt_name": "passage"}, {"prompt": "passage"})  # a bare word is no text to put in front
    for given, name in (*((given, "passage") for given in bad_prompts), ({"batch_size": 0}, "batch_size")):
        with pytest.raises(UsageError, match=name):
            model.encode(TEXTS, **given)
    for bad in (["a", None], None, b"a", 5, [("a", "b")]):
        with pytest.raises(InputError):
            model.encode(bad)


def test_vectors_are_cut_and_then_divided(tmp_path: Path) -> None:
    folder(tmp_path / "m", [MEAN, NORMALIZE], {"truncate_dim": 10})
    folder(tmp_path / "whole", [MEAN, NORMALIZE])
    model, whole = zoo.load(tmp_path / "m"), zoo.load(tmp_path / "whole").encode(TEXTS)
    np.testing.assert_allclose(model.encode(TEXTS), whole[:, :10], atol=1e-6)
    np.testing.assert_allclose(model.encode(TEXTS, truncate_dim=4), whole[:, :4], atol=1e-6)
    unit = whole[:, :10] / np.linalg.norm(whole[:, :10], axis=1, keepdims=True)
    np.testing.assert_allclose(model.encode(TEXTS, normalize_embeddings=True), unit, atol=1e-6)


def scores(name: str, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """As sentence-transformers compares."""
    if name in ("cosine", "dot"):
        a, b = ((v / np.linalg.norm(v, axis=1, keepdims=True) if name == "cosine" else v) for v in (a, b))
        return a @ b.T
    return -np.linalg.norm(a[:, None] - b[None], ord=2 if name == "euclidean" else 1, axis=2)


@pytest.mark.parametrize("name", ["cosine", "dot", "euclidean", "manhattan"])
def test_search_compares_as_the_model_says(tmp_path: Path, name: str) -> None:
    settings = {"similarity_fn_name": name, "prompts": {"query": "a ", "passage": "b "}}
    folder(tmp_path, [MEAN], settings)
    model = zoo.load(tmp_path)
    documents = TEXTS[:4]
    queries, held = model.encode(TEXTS, prompt="a "), model.encode(documents, prompt="b ")
    expected = scores(name, queries, held)
    np.testing.assert_allclose(model.similarity(queries, held), expected, rtol=1e-5, atol=1e-6)
    pipe = zoo.pipeline("embeddings", model, engine="eager", precision="fp32")
    for found in (model.search(TEXTS, documents, top_k=3), model.search(TEXTS, held, top_k=3)):
        assert [[hit["corpus_id"] for hit in row] for row in found] == np.argsort(-expected, 1)[:, :3].tolist()
        best = np.sort(expected, 1)[:, ::-1][:, :3]
        np.testing.assert_allclose([[h["score"] for h in row] for row in found], best, rtol=1e-5, atol=1e-6)
    alone = model.search(TEXTS[1], documents, top_k=2)
    assert [hit["corpus_id"] for hit in alone] == [hit["corpus_id"] for hit in found[1][:2]]
    texts = [text for text in TEXTS if text]
    by_pipe = pipe.search(texts, [d for d in documents if d], top_k=2)
    by_model = model.search(texts, [d for d in documents if d], top_k=2)
    assert [[h["corpus_id"] for h in row] for row in by_pipe] == [[h["corpus_id"] for h in row] for row in by_model]


def engines() -> list[str]:
    from zoo.inference.engines import ENGINES, missing

    return [name for name in ENGINES if not missing(name)]


@pytest.mark.parametrize("engine", engines())
def test_pipelines_give_what_encode_gives(tmp_path: Path, engine: str) -> None:
    modules = [("Pooling", "1_Pooling", pooling(*OLD, include_prompt=False)), ("Dense", "2_Dense", dense(144, 12))]
    folder(tmp_path / "m", modules, {**PROMPTS, "truncate_dim": 10}, {"do_lower_case": True})
    model, texts = zoo.load(tmp_path / "m"), [text for text in TEXTS if text]
    pipe = zoo.pipeline("embeddings", tmp_path / "m", engine=engine, precision="fp32")
    for given in ({}, {"prompt": "h i "}, {"truncate_dim": 3, "normalize_embeddings": True}):
        expected = model.encode(texts, **given)
        np.testing.assert_allclose(pipe.encode(texts, **given), expected, atol=1e-5)
        np.testing.assert_allclose(np.stack(pipe(texts, **given)), expected, atol=1e-5)
    assert pipe.encode(texts[0]).shape == (10,) and pipe.encode(texts).dtype == np.float32
    with pytest.raises(InputError, match="Item 1"):
        pipe.encode(["a", 5])


def test_an_export_knows_prompts(tmp_path: Path) -> None:
    from zoo.export.run import export as deploy

    folder(tmp_path / "m", FORMS["dense"], {**PROMPTS, "similarity_fn_name": "dot"})
    deploy(tmp_path / "m", tmp_path / "out", to="paddle")
    pipe = zoo.pipeline("embeddings", tmp_path / "out")
    assert "prompt=" not in pipe.deployed.summary  # the default one is put in front
    expected = zoo.load(tmp_path / "m").encode(TEXTS[:2])
    np.testing.assert_allclose(pipe.encode(TEXTS[:2]), expected, atol=1e-5)
    assert pipe.similarity(expected, expected) == pytest.approx(expected @ expected.T, abs=1e-5)


def test_lower_case_and_length_come_before_the_tokenizer_s_own(tmp_path: Path) -> None:
    folder(tmp_path, [MEAN], texts={"max_seq_length": 20, "do_lower_case": True})
    write(tmp_path / "tokenizer_config.json", {"do_lower_case": False, "model_max_length": 7})
    tokenizer = zoo.load(tmp_path).tokenizer
    assert tokenizer.max_length == 20
    assert tokenizer.tokenize("A j [MASK] I") == ["a", "j", "[MASK]", "i"]
    text = "A\u0130 B [MASK] J"
    batch = tokenizer(text, return_offsets=True, return_tensors="np")
    spans = [text[a:b] for a, b in batch["offsets"][0][1:-1]]
    assert spans == ["A\u0130", "B", "[MASK]", "J"]
    again = zoo.load(tmp_path, task="classification", labels=2)
    again.save(tmp_path / "classifier")
    assert zoo.load(tmp_path / "classifier").tokenizer.tokenize("A j") == ["a", "j"]


@pytest.mark.parametrize("name", ["sentence_roberta_config.json", "sentence_xlm-roberta_config.json"])
def test_older_names_of_the_text_rules(tmp_path: Path, name: str) -> None:
    folder(tmp_path / "m", [MEAN])
    write(tmp_path / "m" / name, {"max_seq_length": 11, "do_lower_case": True})
    zoo.load(tmp_path / "m").save(tmp_path / "saved")
    assert zoo.load(tmp_path / "saved").tokenizer.max_length == 11


def test_a_card_knows_prompts_that_the_files_lack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """E5's prompts stand in its README only: search would go without them, and find less."""
    card = registry.lookup("intfloat/multilingual-e5-base")
    assert card is not None and card.prompts == {"query": "query: ", "passage": "passage: "}
    known = replace(card, prompts={"query": "a b ", "passage": "c "})
    folder(tmp_path / "m", FORMS["dense"])
    monkeypatch.setattr("zoo.loading.find", lambda name, revision: (tmp_path / "m", known))
    model = zoo.load("intfloat/multilingual-e5-base")
    assert model.sentence.prompts == known.prompts
    np.testing.assert_array_equal(model.encode_query("d"), model.encode("a b d"))
    pipe = zoo.pipeline("embeddings", model, engine="eager")
    assert pipe.deployed.summary.endswith("; prompt=query or passage")
    np.testing.assert_allclose(pipe("d", prompt="passage"), model.encode("c d"), atol=1e-6)
    model.save(tmp_path / "saved")
    monkeypatch.undo()
    assert zoo.load(tmp_path / "saved").sentence.prompts == known.prompts
    _keep_prompts(tmp_path / "m", known)  # as a conversion does
    assert zoo.load(tmp_path / "m").sentence.prompts == known.prompts
    folder(tmp_path / "own", FORMS["dense"], {"prompts": {"query": "own "}})
    _keep_prompts(tmp_path / "own", known)
    assert zoo.load(tmp_path / "own").sentence.prompts == {"query": "own "}
