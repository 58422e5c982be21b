"""zoo trim: what is listed, the files of the new folder, what takes it, what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import zoo
from tests import vocabularies
from tests.tiny_models import LIKE_XLMR, build, loud, network
from tests.tokenization import tiny as tokenizers
from tests.trim.small import MAKERS, corpus, model, states, tensors, trim
from zoo.convert.__main__ import main as convert
from zoo.convert.plan import current
from zoo.models.common.base import Origin
from zoo.tasks import find
from zoo.tokenization import load_tokenizer
from zoo.trim.__main__ import main
from zoo.trim.pieces import PieceRules
from zoo.trim.scripts import Scripts


def test_what_is_not_kept_is_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = model(tmp_path / "whole", vocabularies.english)
    done = trim(
        source, tmp_path / "small", ["a good film", "bad"], ["bad film", "", "a good elephant", "film"], capsys
    )
    assert done["held_out"]["kept"] == 2 and done["held_out"]["texts"] == 3
    listed = [json.loads(line) for line in (tmp_path / "small/uncovered.jsonl").read_text("utf-8").splitlines()]
    assert listed == [{"file": str(tmp_path / "small.held.txt"), "line": 3, "missing": ["elephant"]}]
    # Its letters are there, so it is cut into them and not unknown.
    small = zoo.load(tmp_path / "small").tokenizer
    assert "".join(small.tokenize("elephant")).replace("##", "") == "elephant"
    assert done["held_out"]["unknown_after"] == 0


def test_the_characters_of_languages_stay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = model(tmp_path / "whole", vocabularies.multilingual)
    held_out = ["Привет, мир", "世界", "the cat"]
    without = trim(source, tmp_path / "without", ["the cat"], held_out, capsys)
    found = trim(source, tmp_path / "small", ["the cat"], held_out, capsys, "ru, zh")
    assert without["languages"] == [] and without["held_out"]["unknown_after"] == 2
    assert found["languages"] == ["ru", "zh"]
    assert found["held_out"]["unknown_after"] == found["held_out"]["unknown_before"]
    whole, small = (set(zoo.load(folder).tokenizer.engine.tokens) for folder in (source, tmp_path / "small"))
    assert {token for token in whole if len(token) == 1 and "а" <= token <= "я"} <= small
    assert not {"ก", "あ", "א"} & small and {"ก", "あ", "א"} & whole


@pytest.mark.parametrize(
    ("languages", "inside", "outside"),
    [
        (["en"], "aé ̈!€".replace(" ", ""), "жあ中1"),
        (["ja"], "あアー語々、", "한ж"),
        (["hi", "ko"], "क१ि한।", "ক中"),
        ([], "", "a!中"),
    ],
)
def test_characters_of_a_language(languages: list[str], inside: str, outside: str) -> None:
    scripts = Scripts(languages)
    assert [c for c in inside if not scripts.has(c)] == [] and [c for c in outside if scripts.has(c)] == []


def test_the_languages_of_every_task_are_known() -> None:
    codes = {code for name in ("xnli", "xquad", "mlqa", "pawsx", "panx", "udpos") for code in find(name).languages}
    assert len(codes) > 30
    Scripts(codes)


def test_that_nothing_was_compared_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = model(tmp_path / "whole", vocabularies.english)
    words = [str(corpus(tmp_path / f"{word}.txt", [word])) for word in ("film", "elephant")]
    given = [str(source), "--corpus", words[0], "--held-out", words[1], "--out", str(tmp_path / "small")]
    assert main(given) == 0
    assert "note: no held-out text keeps all its pieces" in capsys.readouterr().err


def test_every_tenth_text_is_held_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = model(tmp_path / "whole", vocabularies.letters)
    file = corpus(tmp_path / "corpus.txt", ["abc def"] * 25)
    assert main([str(source), "--corpus", str(file), "--out", str(tmp_path / "small")]) == 0
    assert "2 held-out texts; 2 (100.0%)" in capsys.readouterr().out


def test_ids_in_every_file_are_new(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = model(
        tmp_path / "whole", lambda folder: tokenizers.with_document(tokenizers.bert(folder), tokenizers.ADDED)
    )
    config = json.loads((source / "config.json").read_text("utf-8"))
    mask = zoo.load(source).tokenizer.mask_token_id
    (source / "config.json").write_text(json.dumps({**config, "mask_token_id": mask, "eos_token_id": [3, None]}))
    decoder = {str(mask): {"content": "[MASK]", "special": True}}
    content = {"added_tokens_decoder": decoder, "do_lower_case": True, "tokenizer_class": "BertTokenizer"}
    content["mask_token"] = "[MASK]"
    (source / "tokenizer_config.json").write_text(json.dumps(content), "utf-8")
    trim(source, tmp_path / "small", ["the cat", "tag"], ["the cat"], capsys)
    small = zoo.load(tmp_path / "small").tokenizer
    new = json.loads((tmp_path / "small/config.json").read_text("utf-8"))
    assert new["mask_token_id"] == small.mask_token_id and new["eos_token_id"] == [3, None]
    assert new["vocab_size"] == small.vocab_size
    read = json.loads((tmp_path / "small/tokenizer_config.json").read_text("utf-8"))
    assert read["added_tokens_decoder"] == {str(small.mask_token_id): decoder[str(mask)]}
    document = json.loads((tmp_path / "small/tokenizer.json").read_text("utf-8"))
    assert all(small.engine.vocab[token["content"]] == token["id"] for token in document["added_tokens"])
    assert {"[en]", "tag", "TAG"} <= set(small.engine.tokens)
    lines = (tmp_path / "small/vocab.txt").read_text("utf-8").splitlines()
    assert lines == small.engine.tokens[: len(lines)]


@pytest.mark.torch
@pytest.mark.parametrize("maker", ["sentencepiece", "both", "wordpiece", "with added tokens"])
def test_the_torch_folder_opens_in_transformers(
    maker: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    source = model(tmp_path / "whole", MAKERS[maker])
    texts = ["Hello world, more words.", "1234 kg!", "hello"]
    assert convert([str(source), "--to", "torch", "--out", str(tmp_path / "whole-torch")]) == 0
    capsys.readouterr()
    trim(tmp_path / "whole-torch", tmp_path / "small", texts, texts, capsys)  # converted on the way
    assert convert([str(tmp_path / "small"), "--to", "torch", "--out", str(tmp_path / "small-torch")]) == 0
    stem = "XLMRoberta" if maker in ("sentencepiece", "both") else "Bert"
    small = zoo.load(tmp_path / "small")
    batch = small.tokenizer(texts, return_tensors="np")
    ids = {"small": batch["input_ids"]}
    ids["whole"] = zoo.load(source).tokenizer(texts, return_tensors="np")["input_ids"]
    found = {}
    for name, rows in ids.items():
        peer = getattr(transformers, f"{stem}ForMaskedLM").from_pretrained(tmp_path / f"{name}-torch").eval()
        assert peer.get_input_embeddings().weight.shape[0] == peer.config.vocab_size
        inputs = {"input_ids": torch.from_numpy(rows), "attention_mask": torch.from_numpy(batch["attention_mask"])}
        with torch.no_grad():
            found[name] = peer(**inputs, output_hidden_states=True).hidden_states[-1].numpy()
    assert np.array_equal(found["whole"], found["small"])
    assert np.abs(found["small"] - states(small, texts)).max() < 1e-5
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / "small-torch")(texts, padding=True)
    assert theirs["input_ids"] == batch["input_ids"].tolist()
    certificate = json.loads((tmp_path / "small-torch/certificate.json").read_text("utf-8"))
    assert certificate["trimming"]["pieces"]["after"] == small.config.vocab_size


def test_a_finished_run_stays_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = model(tmp_path / "whole", vocabularies.letters, "classification")
    (source / "task.json").write_text("{}", "utf-8")
    trim(source, tmp_path / "small", ["abc"], ["cab"], capsys)
    assert (tmp_path / "small/task.json").read_text("utf-8") == "{}"
    assert zoo.load(tmp_path / "small").task == "classification"
    trim(source, tmp_path / "small", ["abc", "xyz"], ["cab"], capsys)  # an earlier result is replaced
    assert current(tmp_path / "small", verify=False) is None  # and no conversion takes it for its own


def test_a_difference_publishes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = model(tmp_path / "whole", vocabularies.letters)
    file = corpus(tmp_path / "corpus.txt", ["abc"] * 10)
    monkeypatch.setattr(PieceRules, "needed", lambda self, texts, encoded=None: [np.array([1])] * len(texts))
    monkeypatch.setattr(PieceRules, "spelling", lambda self, ids, scripts: set())
    assert main([str(source), "--corpus", str(file), "--out", str(tmp_path / "small")]) == 3
    assert "Line 10 of" in capsys.readouterr().err and not (tmp_path / "small").exists()


def test_states_that_differ_publish_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from zoo.trim import network as rows

    source = model(tmp_path / "whole", vocabularies.letters)
    file = corpus(tmp_path / "corpus.txt", ["abc"] * 10)
    honest = rows.write_weights
    monkeypatch.setattr(rows, "write_weights", lambda c, o, a, kept, p: honest(c, o, a, kept[::-1], p))
    assert main([str(source), "--corpus", str(file), "--out", str(tmp_path / "small")]) == 3
    assert "states that differ by" in capsys.readouterr().err and not (tmp_path / "small").exists()


@pytest.mark.parametrize(("family", "stem"), [("infoxlm", "XLMRoberta"), ("veco", "Veco")])
def test_families_of_the_same_network(
    family: str, stem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = tokenizers.xlmr(tmp_path / "files")
    made = loud(build("xlmr", "mlm", {**LIKE_XLMR, "vocab_size": load_tokenizer(files).vocab_size}, 1))
    made.origin = Origin(family, f"{stem}ForMaskedLM", "zoo.models.xlmr", files, None)
    made.save(tmp_path / "whole")
    done = trim(tmp_path / "whole", tmp_path / "small", ["the cat sat"], ["the cat"], capsys)
    assert done["held_out"]["kept"] == 1
    small = zoo.load(tmp_path / "small", task="mlm")
    assert small.origin is not None and small.origin.family == family
    assert small.config.vocab_size == done["pieces"]["after"] < done["pieces"]["before"]


def test_refusals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = model(tmp_path / "whole", vocabularies.letters)
    good = corpus(tmp_path / "good.txt", ["abc"] * 10)
    few = corpus(tmp_path / "few.txt", ["abc"] * 9)
    packed, long = tmp_path / "packed.gz", corpus(tmp_path / "long.txt", ["a" * (1 << 20)])
    packed.write_bytes(b"\x1f\x8b\x08")
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    (stranger / "mine.txt").write_text("mine", "utf-8")
    writer = network(tmp_path / "writer/model", "letters", "palm")
    bytes_bpe = tmp_path / "bytes"
    shutil.copytree(source, bytes_bpe)
    (bytes_bpe / "vocab.json").write_text("{}", "utf-8")
    out = tmp_path / "out"
    cases: list[tuple[Path, Path, Path, int, str]] = [
        (source, tmp_path / "none.txt", out, 1, "There is no file"),
        (source, few, out, 1, "The corpus has 9 texts, and 0 to compare on"),
        (source, packed, out, 1, "Line 1 of"),
        (source, long, out, 1, "has more than 1,048,576 bytes"),
        (source, good, source, 2, "holds files that are not of a trimmed model"),
        (source, good, stranger, 2, "holds files that are not of a trimmed model"),
        (source, good, good, 2, "is a file"),
        (tmp_path / "nothing", good, out, 2, "nothing"),
        (writer, good, out, 1, "writes texts"),
        (bytes_bpe, good, out, 1, "merged from others"),
    ]
    for folder, file, target, code, said in cases:
        assert main([str(folder), "--corpus", str(file), "--out", str(target)]) == code, said
        assert said in capsys.readouterr().err
        assert not out.exists()
    assert [path.name for path in stranger.iterdir()] == ["mine.txt"]
    assert main([str(source), "--corpus", str(good), "--out", str(out), "--languages", "zh,klingon"]) == 2
    assert "The language 'klingon' is not known here" in capsys.readouterr().err


def test_rows_of_nobody_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from zoo.checkpoint import write_safetensors
    from zoo.checkpoint.rules import TensorInfo

    source = model(tmp_path / "whole", vocabularies.letters)
    arrays = tensors(source)
    size = arrays["mlm.bias"].shape[0]
    arrays["unused.upstream.counts"] = np.zeros((size,), np.float32)
    infos = [TensorInfo(name, "F32", array.shape) for name, array in arrays.items()]
    (source / "model.safetensors").unlink()
    write_safetensors(source / "model.safetensors", infos, iter(arrays.values()), {})
    file = corpus(tmp_path / "corpus.txt", ["abc"] * 10)
    assert main([str(source), "--corpus", str(file), "--out", str(tmp_path / "small")]) == 1
    assert "'unused.upstream.counts'" in capsys.readouterr().err
