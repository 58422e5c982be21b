"""What published recipes need beyond the usual: heads, losses, layers, languages, other columns."""

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
from tests.finetune.test_official_formats import record
from tests.places import DATA
from tests.tiny_models import PIECES
from zoo.errors import UsageError
from zoo.finetune.config import FinetuneConfig
from zoo.finetune.setup import load_model, network_options, objective_for, split_of, task_of

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def multi30k() -> Path:
    """A few rows of English and German, packed as published."""
    return DATA / "multi30k"


def test_translation(
    translator: Path, multi30k: Path, tmp_path: Path, finetune: Command, predict: Command, evaluate: Command
) -> None:
    """VECO's way: two of the decoder's layers, the languages' tokens, BLEU."""
    out = tmp_path / "run"
    words = ("--task", "multi30k-en-de", "--model", translator, "--data", multi30k, "--out", out)
    code, said, err = finetune(
        *words, "--network", "keep_decoder_layers=1-2", "--max-steps", "2", "--batch-size", "8",
        "--target-length", "12", "--generate", "num_beams=2,length_penalty=1",
    )  # fmt: skip
    assert code == 0, err
    assert said.startswith("bleu on test: ours ")
    assert zoo.load(out / "best").config.decoder_layers == 2
    saved = json.loads((out / "best/task.json").read_text("utf-8"))
    token = 4 + PIECES + 1  # fairseq's four, the words, English, German
    assert saved["generate"] == {
        "max_length": 12, "num_beams": 2, "length_penalty": 1, "bos_token_id": token, "eos_token_id": token,
    }  # fmt: skip
    code, answer, err = evaluate(out, "--data", multi30k, "--split", "test", "--json")
    assert code == 0, err
    found = json.loads(answer)
    results = record(out)["results"]["test"]
    assert found["scores"] == results["scores"] and found["loss"] == pytest.approx(results["loss"])
    assert 5 < found["loss"] < 20  # a mean over tokens, though the network's loss is a sum
    file = tmp_path / "answers.txt"
    code, _, err = predict(out, "--data", multi30k, "--out", file)
    assert code == 0, err
    assert len(file.read_text("utf-8").splitlines()) == 4 and "[de]" not in file.read_text("utf-8")


def test_rows_of_a_translator_are_the_tokenizers_own(translator: Path, multi30k: Path) -> None:
    model = zoo.load(translator)
    task = zoo.tasks.find("multi30k-en-de")
    examples: list[Any] = list(task.read(multi30k, "dev"))
    features = split_of("dev", examples, task, model, {}).features
    batch = features.batch(range(len(examples)))
    tokenizer: Any = model.tokenizer
    sources = tokenizer([e.source for e in examples], language="en", return_tensors="np")
    targets = tokenizer.targets([e.target for e in examples], "de", return_tensors="np")
    assert np.array_equal(batch["input_ids"], sources["input_ids"])
    assert np.array_equal(batch["labels"], targets["labels"])
    counts = targets["labels"] >= 0
    assert np.array_equal(batch["decoder_input_ids"][counts], targets["decoder_input_ids"][counts])


def test_a_translator_wants_languages(
    translator: Path, multi30k: Path, tmp_path: Path, finetune: Command, predict: Command
) -> None:
    data = tmp_path / "own"
    data.mkdir()
    rows = [f'{{"source": "a dog {n}", "target": "ein Hund {n}"}}\n' for n in range(8)]
    for split in ("train", "dev"):
        (data / f"{split}.jsonl").write_text("".join(rows), "utf-8")
    out = tmp_path / "run"
    words = ("--task", "text2text", "--model", translator, "--data", data, "--out", out, "--max-steps", "1")
    code, _, err = finetune(*words)
    assert code == 2 and "does not say between which languages" in err and "--languages en,de" in err
    code, _, err = finetune(*words, "--languages", "en,xx")
    assert code == 1 and "no token for the language 'xx'" in err
    code, _, err = finetune(*words, "--languages", "en")
    assert code == 2 and "goes from one to another" in err
    assert not out.exists()
    assert finetune(*words, "--languages", "en,de", "--target-length", "8")[0] == 0


def test_the_head_of_funnels_paper(
    funnel: Path, tmp_path: Path, finetune: Command, predict: Command, evaluate: Command
) -> None:
    data, out = DATA / "squad", tmp_path / "run"
    words = ("--task", "squad2", "--model", funnel, "--data", data, "--out", out, "--max-steps", "2")
    short = ("--batch-size", "8", "--max-length", "64", "--doc-stride", "-16", "--target-length", "9")
    code, _, err = finetune(*words, *short, "--network", "head=qa-beam")
    assert code == 0, err
    assert zoo.load(out / "best").task == "qa-beam"
    saved = json.loads((out / "best/task.json").read_text("utf-8"))["task"]
    assert saved["stride"] == -16 and saved["max_answer"] == 9
    found = record(out)["results"]["dev"]["scores"]
    assert {"all", "HasAns", "NoAns", "best threshold"} <= set(found)
    code, answer, err = evaluate(out, "--data", data, "--json")  # at the threshold that was saved
    assert code == 0, err
    assert json.loads(answer)["scores"]["all"]["f1"] == pytest.approx(found["best threshold"]["f1"])
    assert predict(out, "--data", data, "--split", "dev", "--out", tmp_path / "predictions.json")[0] == 0


def test_palms_loss_counts_padding(palm: Path, tmp_path: Path) -> None:
    """SOFA's mean: over all positions up to the longest target, padding has the label 0."""
    data = tmp_path / "lcsts"
    data.mkdir()
    (data / "train.tsv").write_text("一篇很长的文章\t摘要\n又一篇文章\t很好的摘要\n", "utf-8")
    losses = {}
    for name in ("", "mean-over-tokens", "mean-over-positions"):
        config = FinetuneConfig(task="lcsts", model=str(palm), loss=name, target_length=12)
        task = task_of(config)
        model = load_model(config, task, 1)
        split = split_of("train", list(task.read(data, "train")), task, model, {})
        arrays = split.features.batch([0, 1])
        batch = {name: paddle.to_tensor(array) for name, array in arrays.items()}
        objective = objective_for(config, model)
        losses[name] = float(objective.loss(model, batch))
        if name != "mean-over-positions":
            assert objective.count(arrays) == (arrays["labels"] >= 0).sum() < 22
            continue
        assert arrays["labels"].shape == (2, 11) and objective.count(arrays) == 22
        assert (arrays["labels"][0, 3:] == 0).all()
        logits = model(**batch).logits
        plain = paddle.nn.functional.cross_entropy(logits.reshape([22, -1]), batch["labels"].reshape([-1]))
        assert losses[name] == pytest.approx(float(plain), rel=1e-5)
    assert losses[""] == losses["mean-over-tokens"] != losses["mean-over-positions"]


def test_a_run_of_palms_recipe(palm: Path, tmp_path: Path, finetune: Command) -> None:
    data = tmp_path / "lcsts"
    data.mkdir()
    rows = "".join(f"第{n}篇文章\t摘要{n}\n" for n in range(8))
    for split in ("train", "dev"):
        (data / f"{split}.tsv").write_text(rows, "utf-8")
    out = tmp_path / "run"
    words = ("--recipe", "palm-zh-base-lcsts", "--model", palm, "--data", data, "--out", out)
    code, _, err = finetune(*words, "--max-steps", "1", "--target-length", "8")
    assert code == 0, err
    saved = json.loads((out / "best/task.json").read_text("utf-8"))
    assert saved["generate"] == {"max_length": 8, "num_beams": 5, "length_penalty": 0.6, "search": "palm"}
    assert saved["task"]["label_pad"] == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--network", "head=qa-beam"), "sst2 has no option 'head'"),
        (("--network", "layers=3"), "has no option 'layers'"),
        (("--network", "head"), "network: 'head' is not NAME=VALUE"),
        (("--loss", "smrt"), "no loss 'smrt' for a classification head"),
        (("--columns", "text=sentence"), "--columns is for your own files"),
        (("--languages", "en"), "sst2 is of one language"),
        (("--adam", "0.9,0.99"), "adam=0.9,0.99 does not work"),
        (("--generate", "num_beams=5,num_beams=6"), "'num_beams' comes twice"),
    ],
)
def test_mistakes(
    english: Path, sst2: Path, tmp_path: Path, finetune: Command, words: tuple[str, ...], said: str
) -> None:
    out = tmp_path / "run"
    code, _, err = finetune("--task", "sst2", "--model", english, "--data", sst2, "--out", out, *words)
    assert code == 2 and said in err and "Traceback" not in err
    assert not out.exists()


def test_mistakes_of_the_search(writer: Path, tmp_path: Path, finetune: Command) -> None:
    data = tmp_path / "lcsts"
    data.mkdir()
    for split in ("train", "dev"):
        (data / f"{split}.tsv").write_text("一篇文章\t摘要\n", "utf-8")
    words = ("--task", "lcsts", "--model", writer, "--data", data, "--out", tmp_path / "run")
    for given, said in (
        ("num_beam=5", "no option 'num_beam'"),
        ("num_beams=0", "num_beams=0 does not work"),
        ("search=palm", "search='palm' does not work.\nThis network has standard."),
    ):
        code, _, err = finetune(*words, "--generate", given)
        assert code == 2 and said in err
    code, _, err = finetune(*words, "--network", "keep_decoder_layers=3-4")
    assert code == 2 and "must name layers from 0 to 0" in err
    assert not (tmp_path / "run").exists()


def test_a_head_that_another_task_has() -> None:
    task = zoo.tasks.find("squad2")
    with pytest.raises(UsageError, match="head=tagging does not fit squad2"):
        network_options(FinetuneConfig(task="squad2", model="m", network="head=tagging"), task)


def test_columns(chinese: Path, tmp_path: Path, finetune: Command, predict: Command) -> None:
    data = tmp_path / "own"
    data.mkdir()
    rows = "".join(f"很好的电影{n}\t{n}\t{'p' if n % 2 else 'n'}\n" for n in range(16))
    for split in ("train", "dev"):
        (data / f"{split}.tsv").write_text("body\tnumber\tkind\n" + rows, "utf-8")
    out = tmp_path / "run"
    words = ("--task", "classification", "--model", chinese, "--data", data, "--out", out, "--max-steps", "1")
    code, _, err = finetune(*words)
    assert code == 2 and "Which column" in err and "--columns text=body,label=number" in err
    code, _, err = finetune(*words, "--columns", "text=body,label=stars")
    assert code == 2 and "has no column 'stars' for label" in err
    assert not out.exists()
    assert finetune(*words, "--columns", "text=body,label=kind")[0] == 0
    assert record(out)["task"]["labels"] == ["n", "p"]
    assert predict(out, "--data", data, "--split", "dev", "--out", tmp_path / "answers")[0] == 0


def test_xquad_is_picked_on_squad(english: Path, tmp_path: Path, finetune: Command) -> None:
    """The test languages are never looked at before the best checkpoint is known."""
    data = tmp_path / "xquad"
    data.mkdir()
    for name in ("squad/train-v1.1", "squad/dev-v1.1", "xquad/xquad.en", "xquad/xquad.de"):
        shutil.copy(DATA / f"{name}.json", data)
    out = tmp_path / "run"
    words = ("--task", "xquad", "--model", english, "--data", data, "--out", out, "--max-steps", "1")
    code, _, err = finetune(*words, "--languages", "en,de", "--batch-size", "8", "--max-length", "64")
    assert code == 0, err
    found = record(out)
    assert list(found["data"]["dev"]["files"]) == [str(data / "dev-v1.1.json")]
    assert set(found["results"]["test"]["scores"]) == {"en", "de", "average", "transfer gap"}
