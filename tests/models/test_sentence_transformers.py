"""Models of sentence-transformers: read, saved, converted both ways and run, with all that their files say."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
import torch

import zoo
from tests.models.sentence_folders import (
    CLS,
    FORMS,
    MEAN,
    NORMALIZE,
    OLD,
    WIDTH,
    dense,
    folder,
    pooling,
    vectors,
    write,
)
from zoo import registry
from zoo.convert.to_paddle import _keep_prompts, convert
from zoo.convert.to_upstream import export
from zoo.errors import InputError, NotYetError, UsageError
from zoo.models.common.sentence_transformers import layers
from zoo.models.common.sentence_transformers.encoder import hide_prompt
from zoo.models.common.sentence_transformers.files import KNOWN_ACTIVATIONS

pytestmark = pytest.mark.torch
IDS = np.array([[2, 5, 6, 7, 8, 3], [2, 9, 10, 3, 0, 0], [0, 0, 2, 11, 12, 3]])
MASK = np.array([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0], [0, 0, 1, 1, 1, 1]])
TEXTS = ["a b C", "J i w3 w4 h", "", "w1 [MASK] B", " ".join(["w5"] * 99)]


def embedded(model: Any, mask: np.ndarray = MASK) -> np.ndarray:
    """Vectors of IDS. Positions are counted from the first token, as the reference does without padding."""
    places = np.maximum(np.cumsum(mask != 0, axis=1) - 1, 0)
    given = (paddle.to_tensor(a) for a in (IDS, mask, np.zeros_like(IDS), places))
    with paddle.no_grad():
        return model(*given).embeddings.numpy()


def same(model: Any, expected: np.ndarray) -> None:
    np.testing.assert_allclose(embedded(model), expected, atol=1e-5)


@pytest.mark.parametrize("form", FORMS)
def test_every_way_gives_the_vectors_of_sentence_transformers(tmp_path: Path, form: str) -> None:
    peer = folder(tmp_path / "m", FORMS[form], texts={"max_seq_length": 16, "do_lower_case": False})
    expected = vectors(tmp_path / "m", peer, torch.tensor(IDS), torch.tensor(MASK)).numpy()
    model = zoo.load(tmp_path / "m")
    assert model.task == "embedding"
    same(model, expected)
    model.save(tmp_path / "saved")
    same(zoo.load(tmp_path / "saved"), expected)
    convert(str(tmp_path / "m"), tmp_path / "converted")
    same(zoo.load(tmp_path / "converted"), expected)
    for source in ("saved", "converted"):
        export(str(tmp_path / source), tmp_path / f"{source}-torch", "torch")
        back = type(peer).from_pretrained(tmp_path / f"{source}-torch").eval()
        found = vectors(tmp_path / f"{source}-torch", back, torch.tensor(IDS), torch.tensor(MASK)).numpy()
        np.testing.assert_allclose(found, expected, atol=1e-5)
        same(zoo.load(tmp_path / f"{source}-torch"), expected)


def test_the_files_go_back_as_they_were(tmp_path: Path) -> None:
    settings = {"prompts": {"query": "q: "}, "default_prompt_name": "query", "__version__": {"pytorch": "2"}}
    modules = [("Pooling", "pool", pooling("cls", "max")), ("Dense", "deep/er", dense(48, 6))]
    folder(tmp_path / "m", modules, settings, {"max_seq_length": 9})
    zoo.load(tmp_path / "m").save(tmp_path / "saved")
    convert(str(tmp_path / "m"), tmp_path / "converted")
    export(str(tmp_path / "saved"), tmp_path / "torch", "torch")
    names = ("modules.json", "config_sentence_transformers.json", "pool/config.json", "deep/er/config.json")
    for copy in ("saved", "converted", "torch"):
        for name in (*names, "sentence_bert_config.json"):
            old, new = (json.loads((tmp_path / where / name).read_text()) for where in ("m", copy))
            assert old == new, (copy, name)
        assert (tmp_path / copy / "deep/er/model.safetensors").is_file()


def test_a_trained_dense_is_saved(tmp_path: Path) -> None:
    folder(tmp_path / "m", FORMS["dense"], pickled=True)
    model = zoo.load(tmp_path / "m")
    before = embedded(model)
    for parameter in model.head.parameters():
        parameter.set_value(parameter * 1.5)
    after = embedded(model)
    assert np.abs(after - before).max() > 1e-3
    model.save(tmp_path / "saved")
    same(zoo.load(tmp_path / "saved"), after)


@pytest.mark.parametrize("name", sorted(KNOWN_ACTIVATIONS))
def test_activations_are_those_of_torch(tmp_path: Path, name: str) -> None:
    kind = "linear.Identity" if name == "Identity" else f"activation.{name}"
    peer = folder(tmp_path, [MEAN, ("Dense", "2_Dense", dense(WIDTH, 10, kind))])
    same(zoo.load(tmp_path), vectors(tmp_path, peer, torch.tensor(IDS), torch.tensor(MASK)).numpy())


def test_activations_are_those_of_torch_as_onnx_too(tmp_path: Path) -> None:
    pytest.importorskip("paddle2onnx")
    import onnxruntime
    import paddle2onnx

    assert set(layers.ACTIVATIONS) == set(KNOWN_ACTIVATIONS)

    class All(paddle.nn.Layer):
        def forward(self, x: paddle.Tensor) -> paddle.Tensor:
            return paddle.concat([f(x) for f in layers.ACTIVATIONS.values()]) * 1.0

    x = np.concatenate([np.linspace(-8, 8, 401), [-40, 40, 0]]).astype(np.float32)[None]
    spec = [paddle.static.InputSpec([None, None], "float32", "x")]
    paddle.jit.save(paddle.jit.to_static(All(), input_spec=spec, full_graph=True), str(tmp_path / "m"))
    files = [str(tmp_path / name) for name in ("m.json", "m.pdiparams", "m.onnx")]
    paddle2onnx.export(*files, opset_version=17, optimize_tool="None")
    (found,) = onnxruntime.InferenceSession(files[2]).run(None, {"x": x})
    expected = [getattr(torch.nn, name)()(torch.tensor(x)).numpy() for name in layers.ACTIVATIONS]
    np.testing.assert_allclose(found, np.concatenate(expected), atol=5e-6)


@pytest.mark.parametrize("mode", OLD)
def test_a_prompt_is_left_out_of_the_pooling(tmp_path: Path, mode: str) -> None:
    peer = folder(tmp_path, [("Pooling", "1_Pooling", pooling(mode, include_prompt=False))])
    expected = vectors(tmp_path, peer, torch.tensor(IDS), torch.tensor(MASK), prompt=2).numpy()
    found = embedded(zoo.load(tmp_path), hide_prompt(MASK, 2))
    np.testing.assert_allclose(found, expected, atol=1e-5)


PROMPTS = {"prompts": {"query": "a b ", "none": None}, "default_prompt_name": "query"}


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


def test_the_order_is_the_list_s(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    peer = folder(tmp_path / "m", FORMS["dense"])
    expected = vectors(tmp_path / "m", peer, torch.tensor(IDS), torch.tensor(MASK)).numpy()
    file = tmp_path / "m/modules.json"
    entries = json.loads(file.read_text())
    write(file, entries[::-1])  # the network is not first: idx decides
    same(zoo.load(tmp_path / "m"), expected)
    write(file, [{**entry, "idx": 9 - entry["idx"]} for entry in entries])  # as the library runs them
    with caplog.at_level(logging.WARNING, "zoo"):
        same(zoo.load(tmp_path / "m"), expected)
    assert "not that of idx" in caplog.text


def test_a_masked_language_model_s_config(tmp_path: Path) -> None:
    peer = folder(tmp_path / "m", [CLS])
    config = json.loads((tmp_path / "m/config.json").read_text())
    write(tmp_path / "m/config.json", {**config, "architectures": ["BertForMaskedLM"]})
    expected = vectors(tmp_path / "m", peer, torch.tensor(IDS), torch.tensor(MASK)).numpy()
    same(zoo.load(tmp_path / "m"), expected)
    convert(str(tmp_path / "m"), tmp_path / "converted")
    same(zoo.load(tmp_path / "converted"), expected)
    assert zoo.load(tmp_path / "m", task="encoder").task is None


def test_options_change_the_pooling_and_its_files(tmp_path: Path) -> None:
    peer = folder(tmp_path / "m", [MEAN, NORMALIZE], PROMPTS)
    model = zoo.load(tmp_path / "m", pooling="lasttoken", normalize=False)
    model.save(tmp_path / "saved")
    found = vectors(tmp_path / "saved", peer, torch.tensor(IDS), torch.tensor(MASK)).numpy()
    same(zoo.load(tmp_path / "saved"), found)
    np.testing.assert_allclose(found[0], peer(torch.tensor(IDS[:1])).last_hidden_state[0, -1].detach(), atol=1e-6)
    assert model.sentence.default_prompt == "query"
    zoo.load(tmp_path / "m", task="encoder").save(tmp_path / "bare")
    zoo.load(tmp_path / "bare", task="embedding", pooling="cls").save(tmp_path / "new")
    kinds = [entry["type"].rpartition(".")[2] for entry in json.loads((tmp_path / "new/modules.json").read_text())]
    assert kinds == ["Transformer", "Pooling", "Normalize"]
    with pytest.raises(UsageError, match="median"):
        zoo.load(tmp_path / "m", pooling="median")


def test_folders_whose_config_names_the_pooling_are_read(tmp_path: Path) -> None:
    """What `save` wrote before it wrote sentence-transformers' files."""
    peer = folder(tmp_path / "m", [MEAN])
    model = zoo.load(tmp_path / "m", pooling="cls", normalize=True)
    model.save(tmp_path / "old")
    for file in ("modules.json", "1_Pooling/config.json"):
        (tmp_path / "old" / file).unlink()
    config = json.loads((tmp_path / "old/config.json").read_text())
    config["zoo"]["options"] = {"pooling": "cls", "normalize": True}
    write(tmp_path / "old/config.json", config)
    expected = embedded(model)
    same(zoo.load(tmp_path / "old"), expected)
    export(str(tmp_path / "old"), tmp_path / "torch", "torch")
    found = vectors(tmp_path / "torch", peer, torch.tensor(IDS), torch.tensor(MASK)).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_vectors_of_an_inner_layer_are_not_written_as_those_of_the_last(tmp_path: Path) -> None:
    folder(tmp_path / "m", [MEAN])
    model = zoo.load(tmp_path / "m", layer=1)
    model.save(tmp_path / "saved")
    same(zoo.load(tmp_path / "saved"), embedded(model))
    with pytest.raises(NotYetError, match="layer 1"):
        export(str(tmp_path / "saved"), tmp_path / "torch", "torch")


def test_a_card_knows_prompts_that_the_files_lack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """E5's prompts stand in its README only: search would go without them, and find less."""
    card = registry.lookup("intfloat/multilingual-e5-base")
    assert card is not None and card.prompts == {"query": "query: ", "passage": "passage: "}
    known = replace(card, prompts={"query": "a b ", "passage": "c "})
    folder(tmp_path / "m", FORMS["dense"])
    monkeypatch.setattr("zoo.loading._find", lambda name, revision: (tmp_path / "m", known))
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
