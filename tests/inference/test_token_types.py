"""A network decides how many token types there are, a tokenizer's files how text becomes ids: any may meet any."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

import zoo
from tests.tiny_models import build, loud, write
from tests.tokenization import tiny
from zoo.errors import CheckpointError
from zoo.export.run import export
from zoo.inference import engines
from zoo.inference.deployed import deploy
from zoo.models.common.base import Model
from zoo.tokenization import load_tokenizer
from zoo.tokenization.sentence import SentencePiece

SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24}
FIRST = ["the cat sat", "hello world, hello there", "tag"]
SECOND = ["the cat", "hello", "word tag word tag"]
# A family, its rows of token types, and the files of the tokenizer.
CASES: dict[str, tuple[str, int, Callable[[Path], Path]]] = {
    "BERT with XLM-R's pieces": ("structbert", 2, tiny.xlmr),
    "BERT with XLM-R's pieces as tokenizer.json": ("structbert", 2, tiny.xlmr_document),
    "BERT of one type": ("structbert", 1, tiny.bert),
    "BERT with RoBERTa's bytes": ("structbert", 2, tiny.roberta),
    "RoBERTa with BERT's words": ("xlmr", 1, tiny.bert),
    "RoBERTa of two types with BERT's words": ("xlmr", 2, tiny.bert),
    "XLM-R of two types": ("xlmr", 2, tiny.xlmr),
    "RoBERTa of two types": ("xlmr", 2, tiny.roberta),
    "Funnel with XLM-R's pieces": ("funnel", 3, tiny.xlmr),
}


MEETINGS = ("BERT with XLM-R's pieces", "RoBERTa with BERT's words", "RoBERTa of two types")


def network(
    folder: Path, family: str, types: int, make: Callable[[Path], Path], task: str = "classification"
) -> Path:
    """A folder with random weights, of two classes."""
    source = make(folder.parent / f"{folder.name}-source")
    tokenizer = load_tokenizer(source)
    names = {"structbert": "Bert", "xlmr": "Roberta", "funnel": "Funnel"}
    config: dict[str, Any] = {**SIZES, "type_vocab_size": types, "max_position_embeddings": 60}
    if family == "funnel":
        config = {
            "d_model": 16,
            "n_head": 2,
            "d_head": 8,
            "d_inner": 24,
            "block_sizes": [1, 1],
            "num_decoder_layers": 1,
        }
    config |= {
        "model_type": names[family].lower(),
        "architectures": [f"{names[family]}Model"],
        "vocab_size": tokenizer.vocab_size,
        "pad_token_id": tokenizer.pad_token_id,
    }
    model = loud(build(family, task, config, seed=5))
    return write(folder, model, family, f"{names[family]}ForSequenceClassification", source)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    made: dict[str, Path] = {}

    def folder(name: str) -> Path:
        if name not in made:
            made[name] = network(tmp_path_factory.mktemp("networks") / "model", *CASES[name])
        return made[name]

    return folder


def logits(model: Model, first: list[str], second: list[str] | None = None) -> np.ndarray:
    with paddle.no_grad():
        return model(**model.tokenizer(first, second)).logits.numpy()


@pytest.mark.parametrize("name", CASES)
def test_batches_fit(name: str, folders: Callable[[str], Path]) -> None:
    """What the tokenizer gives is what the network takes; types that a tokenizer does not know are 0."""
    model, types = zoo.load(folders(name)), CASES[name][1]
    raw = load_tokenizer(folders(name))(FIRST, SECOND)
    batch = model.tokenizer(FIRST, SECOND)
    assert batch["input_ids"].tolist() == raw["input_ids"].tolist()
    assert ("token_type_ids" in batch) == (types > 1)
    if types > 1:
        wanted = (
            raw["token_type_ids"].tolist() if "token_type_ids" in raw else np.zeros(raw["input_ids"].shape).tolist()
        )
        assert batch["token_type_ids"].tolist() == wanted
    with paddle.no_grad():
        assert np.array_equal(model(**batch).logits.numpy(), model(**raw).logits.numpy())


@pytest.mark.parametrize(
    ("name", "engine"),
    [(name, engine) for name in CASES for engine in engines.ENGINES if engine == "eager" or name in MEETINGS],
)
def test_pipelines(name: str, engine: str, folders: Callable[[str], Path]) -> None:
    """Single texts and pairs, by every engine; and the engine given a batch without types."""
    if engines.missing(engine):
        pytest.skip(f"{engine} is not installed")
    model = zoo.load(folders(name))
    pipe = zoo.pipeline("classification", folders(name), engine=engine, precision="fp32", top_k=None)
    for second in (None, SECOND):
        items = FIRST if second is None else [*zip(FIRST, second, strict=True)]
        shifted = np.exp(logits(model, FIRST, second))
        for answer, row in zip(pipe(items), shifted / shifted.sum(1, keepdims=True), strict=True):
            scores = {one["label"]: one["score"] for one in answer}
            assert [scores["LABEL_0"], scores["LABEL_1"]] == pytest.approx(row.tolist(), abs=1e-4)
    bare = {k: v for k, v in model.tokenizer(FIRST, return_tensors="np").items() if k != "token_type_ids"}
    with paddle.no_grad():
        wanted = model(**{k: paddle.to_tensor(v) for k, v in bare.items()}).logits.numpy()
    np.testing.assert_allclose(pipe.engine(bare)["logits"], wanted, atol=1e-4)


@pytest.mark.parametrize("name", MEETINGS[:2])
@pytest.mark.parametrize("engine", ["paddle", "openvino", "onnx"])
def test_exports(name: str, engine: str, folders: Callable[[str], Path], tmp_path: Path) -> None:
    if engines.missing(engine.replace("onnx", "onnxruntime")):
        pytest.skip(f"{engine} is not installed")
    export(folders(name), tmp_path / "out", to=engine, precision="fp32")
    made, model = deploy(tmp_path / "out"), zoo.load(folders(name))
    assert ("token_type_ids" in made.engine.inputs) == (CASES[name][1] > 1)
    answer = made.engine(made.tokenizer(FIRST, SECOND, return_tensors="np"))["logits"]
    np.testing.assert_allclose(answer, logits(model, FIRST, SECOND), atol=1e-4)


@pytest.mark.parametrize("name", MEETINGS)
def test_finetuning_on_pairs(name: str, folders: Callable[[str], Path], tmp_path: Path) -> None:
    from zoo.finetune.__main__ import main

    rows = "".join(f"{n % 2}\t0\t0\t{a}\t{b}\n" for n, (a, b) in enumerate(zip(FIRST * 3, SECOND * 3, strict=True)))
    for split in ("train", "dev"):
        (tmp_path / f"{split}.tsv").write_text("Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n" + rows, "utf-8")
    words = ["--task", "mrpc", "--model", folders(name), "--data", tmp_path, "--out", tmp_path / "run"]
    words += ["--max-steps", "2", "--batch-size", "4", "--eval-every", "2", "--max-length", "32"]
    assert main([str(word) for word in words]) == 0
    run = json.loads((tmp_path / "run" / "run.json").read_text("utf-8"))
    assert run["status"] == "finished"


def test_the_network_leaves_aside_what_it_has_no_table_for(folders: Callable[[str], Path]) -> None:
    """A batch of another tokenizer, with types, in a network of one."""
    model = zoo.load(folders("RoBERTa with BERT's words"))
    batch = model.tokenizer(FIRST)
    with paddle.no_grad():
        given = model(**batch, token_type_ids=paddle.ones_like(batch["input_ids"])).logits
        assert np.array_equal(given.numpy(), model(**batch).logits.numpy())


def test_more_types_than_the_network_has(tmp_path: Path) -> None:
    """Funnel's first token is of type 2."""
    folder = network(tmp_path / "model", "structbert", 2, tiny.funnel)
    with pytest.raises(CheckpointError, match="token type 2; the network has 2"):
        _ = zoo.load(folder).tokenizer


def test_saving_keeps_the_files(folders: Callable[[str], Path], tmp_path: Path) -> None:
    model = zoo.load(folders("BERT with XLM-R's pieces"))
    model.save(tmp_path / "again")
    again = zoo.load(tmp_path / "again")
    assert isinstance(again.tokenizer.engine, SentencePiece)
    assert np.array_equal(logits(again, FIRST, SECOND), logits(model, FIRST, SECOND))
    shutil.rmtree(tmp_path / "again")
