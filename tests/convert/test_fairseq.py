"""fairseq's archives of XLM-R: model.pt, dict.txt and sentencepiece.bpe.model, without a config.json."""

from __future__ import annotations

import argparse
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
import sentencepiece

import zoo
from tests.convert.conftest import config_of
from tests.tokenization import tiny
from zoo.checkpoint import extract
from zoo.errors import CheckpointError, ConfigError, KeyRuleError
from zoo.tokenization import load_tokenizer

pytestmark = pytest.mark.torch
SIZES: dict[str, Any] = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3}
SIZES |= {"intermediate_size": 40, "max_position_embeddings": 34, "type_vocab_size": 1, "layer_norm_eps": 1e-5}
Tensors = dict[str, Any]
Edit = Callable[[dict[str, Any]], None]
SENTENCES = ("Hello world!", "你好，世界", "नमस्ते दुनिया", "مرحبا بالعالم", "Bonjour le monde")  # of fairseq's README
TEXTS = ["Hello world!", "hello 1 word more", "凤凰"]


def original(words: int, large: bool = False, labels: int = 0) -> Any:
    """A random network of transformers, whose token types are zero as in files that were fairseq's."""
    import torch
    import transformers

    torch.manual_seed(5)
    stem = "XLMRobertaXL" if large else "XLMRoberta"
    config = getattr(transformers, f"{stem}Config")(vocab_size=words, num_labels=labels or 2, **SIZES)
    config._attn_implementation = "eager"
    head = "ForSequenceClassification" if labels else "ForMaskedLM"
    model = getattr(transformers, stem + head)(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
        model.roberta.embeddings.token_type_embeddings.weight.zero_()
    return model


def as_fairseq(model: Any, side: str, stacked: bool, norm: str) -> Tensors:
    """The tensors of a network as fairseq stores them, written from its code and not from the zoo's table."""
    import torch

    network, out = model.roberta, {}
    start = f"{side}.sentence_encoder"

    def put(name: str, module: Any) -> None:
        out.update({f"{name}.{leaf}": tensor for leaf, tensor in module.state_dict().items()})

    out[f"{start}.embed_tokens.weight"] = network.embeddings.word_embeddings.weight.data
    out[f"{start}.embed_positions.weight"] = network.embeddings.position_embeddings.weight.data
    large = hasattr(network.encoder, "LayerNorm")
    put(
        f"{start}.layer_norm" if large else f"{start}.{norm}",
        (network.encoder if large else network.embeddings).LayerNorm,
    )
    for n, layer in enumerate(network.encoder.layer):
        to, attention = f"{start}.layers.{n}", layer.attention.self
        parts = {"q": attention.query, "k": attention.key, "v": attention.value}
        if stacked:
            for leaf in ("weight", "bias"):
                out[f"{to}.self_attn.in_proj_{leaf}"] = torch.cat([getattr(p, leaf).data for p in parts.values()])
        else:
            for letter, module in parts.items():
                put(f"{to}.self_attn.{letter}_proj", module)
        put(f"{to}.self_attn.out_proj", layer.attention.output.dense)
        put(
            f"{to}.self_attn_layer_norm",
            layer.attention.self_attn_layer_norm if large else layer.attention.output.LayerNorm,
        )
        put(f"{to}.fc1", layer.intermediate.dense)
        put(f"{to}.fc2", layer.output.dense)
        put(f"{to}.final_layer_norm", layer.LayerNorm if large else layer.output.LayerNorm)
    if hasattr(model, "lm_head"):
        for part in ("dense", "layer_norm"):
            put(f"{side}.lm_head.{part}", getattr(model.lm_head, part))
        out[f"{side}.lm_head.weight"] = network.embeddings.word_embeddings.weight.data
        out[f"{side}.lm_head.bias"] = model.lm_head.bias.data
    else:
        put("classification_heads.mnli.dense", model.classifier.dense)
        put("classification_heads.mnli.out_proj", model.classifier.out_proj)
    out[f"{start}.version"] = torch.zeros(1)
    return out


def options(**changes: Any) -> argparse.Namespace:
    known = {"arch": "roberta_base", "encoder_attention_heads": 3, "activation_fn": "gelu", "dropout": 0.1}
    return argparse.Namespace(**{**known, **changes})


def write(folder: Path, tensors: Tensors, edit: Edit = lambda content: None, cfg: bool = False) -> Path:
    """Writes the folder of an archive around the words of a tiny SentencePiece model."""
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    content: dict[str, Any] = {"args": None, "cfg": {"model": options()}} if cfg else {"args": options()}
    content |= {"model": tensors, "extra_state": {"epoch": 1}}
    edit(content)
    torch.save(content, folder / "model.pt", _use_new_zipfile_serialization=cfg)
    return folder


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with XLM-R's kind of SentencePiece model and fairseq's dictionary of its pieces."""
    folder = tiny.xlmr(tmp_path_factory.mktemp("fairseq") / "words")
    pieces = load_tokenizer(folder).engine.tokens[4:-1]
    (folder / "dict.txt").write_text("".join(f"{piece} 1\n" for piece in pieces), "utf-8")
    return folder


def archive(folder: Path, words: Path, tensors: Tensors, **how: Any) -> Path:
    """The folder of an archive."""
    write(folder, tensors, **how)
    for name in ("dict.txt", "sentencepiece.bpe.model"):
        (folder / name).write_bytes((words / name).read_bytes())
    return folder


def count(words: Path) -> int:
    return load_tokenizer(words).vocab_size


def same(mine: Any, theirs: Any, tokenizer: Any) -> None:
    import torch

    batch = tokenizer(TEXTS, return_tensors="np")
    want = theirs(**{k: torch.from_numpy(v) for k, v in batch.items() if k != "token_type_ids"}).logits
    got = mine(**{k: paddle.to_tensor(v) for k, v in batch.items()}).logits.numpy()
    np.testing.assert_allclose(
        got, want.detach().numpy(), rtol=0, atol=1e-5 * max(1, float(want.detach().abs().max()))
    )


@pytest.mark.parametrize(
    ("large", "side", "stacked", "norm", "cfg"),
    [
        (False, "decoder", True, "emb_layer_norm", False),
        (False, "encoder", False, "layernorm_embedding", True),
        (False, "decoder", False, "emb_layer_norm", False),
        (True, "encoder", False, "", True),
    ],
)
def test_every_spelling(
    large: bool, side: str, stacked: bool, norm: str, cfg: bool, words: Path, tmp_path: Path, command: Any
) -> None:
    """Loaded as it is, converted, and written for transformers: the same numbers."""
    import transformers

    peer = original(count(words), large)
    folder = archive(tmp_path / "xlmr", words, as_fairseq(peer, side, stacked, norm), cfg=cfg)
    model = zoo.load(folder, task="mlm")
    same(model, peer, model.tokenizer)
    assert float(model.encoder.embeddings.token_type.weight.abs().max()) == 0
    code, _, err = command(folder, "--out", tmp_path / "paddle")
    assert code == 0, err
    same(zoo.load(tmp_path / "paddle", task="mlm"), peer, model.tokenizer)
    assert command(tmp_path / "paddle", "--out", tmp_path / "torch", "--to", "torch")[0] == 0
    name = config_of(tmp_path / "torch")["architectures"][0]
    again = getattr(transformers, name).from_pretrained(tmp_path / "torch", attn_implementation="eager").eval()
    for key, value in peer.state_dict().items():
        assert np.array_equal(again.state_dict()[key].numpy(), value.numpy()), key


def test_a_classification_head(words: Path, tmp_path: Path) -> None:
    peer = original(count(words), labels=3)
    model = zoo.load(archive(tmp_path / "mnli", words, as_fairseq(peer, "encoder", False, "emb_layer_norm")))
    assert model.task == "classification" and len(model.config.labels) == 3
    same(model, peer, model.tokenizer)


def test_the_archive_itself(words: Path, tmp_path: Path) -> None:
    """xlmr.base.tar.gz holds one folder; what leads out of it is refused, and nothing is left behind."""
    peer = original(count(words))
    folder = archive(tmp_path / "xlmr.base", words, as_fairseq(peer, "decoder", True, "emb_layer_norm"))
    with tarfile.open(tmp_path / "xlmr.base.tar.gz", "w:gz") as packed:
        packed.add(folder, "xlmr.base")
    extract(tmp_path / "xlmr.base.tar.gz", tmp_path / "unpacked")
    model = zoo.load(tmp_path / "unpacked" / "xlmr.base", task="mlm")
    same(model, peer, model.tokenizer)
    with tarfile.open(tmp_path / "bad.tar.gz", "w:gz") as packed:
        packed.add(folder / "dict.txt", "xlmr.base/../../dict.txt")
    with pytest.raises(CheckpointError, match="leads out"):
        extract(tmp_path / "bad.tar.gz", tmp_path / "bad")
    assert not list((tmp_path / "bad").iterdir())


def test_ids_are_fairseqs(words: Path, tmp_path: Path) -> None:
    """id = 4 + line of dict.txt; <s> text </s>, and two </s> between the texts of a pair."""
    peer = original(count(words))
    folder = archive(tmp_path / "ids", words, as_fairseq(peer, "decoder", True, "emb_layer_norm"))
    tokenizer = zoo.load(folder).tokenizer
    lines = [line.rpartition(" ")[0] for line in (folder / "dict.txt").read_text("utf-8").split("\n")[:-1]]
    ids = {word: n for n, word in enumerate(["<s>", "<pad>", "</s>", "<unk>", *lines, "<mask>"])}
    model = sentencepiece.SentencePieceProcessor(model_file=str(folder / "sentencepiece.bpe.model"))
    rows = [[ids.get(piece, 3) for piece in model.encode(text, out_type=str)] for text in SENTENCES]
    assert len({n for row in rows for n in row}) > 10
    for text, row in zip(SENTENCES, rows, strict=True):
        assert tokenizer(text, return_tensors="np")["input_ids"][0].tolist() == [0, *row, 2]
    pair = tokenizer(SENTENCES[0], SENTENCES[1], return_tensors="np")["input_ids"][0].tolist()
    assert pair == [0, *rows[0], 2, 2, *rows[1], 2]
    assert tokenizer.mask_token_id == ids["<mask>"]


def swapped(text: str) -> str:
    first, second, *rest = text.split("\n")
    return "\n".join([second, first, *rest])


@pytest.mark.parametrize("change", [swapped, lambda text: text + "more 1\n"])
def test_a_dictionary_of_another_model(change: Callable[[str], str], words: Path, tmp_path: Path) -> None:
    peer = original(count(words))
    folder = archive(tmp_path / "other", words, as_fairseq(peer, "decoder", True, "emb_layer_norm"))
    text = (folder / "dict.txt").read_text("utf-8")
    (folder / "dict.txt").write_text(change(text), "utf-8")
    with pytest.raises(CheckpointError, match="gives the id"):
        zoo.load(folder).tokenizer  # noqa: B018


def without_heads(content: dict[str, Any]) -> None:
    del content["args"].encoder_attention_heads


def relu(content: dict[str, Any]) -> None:
    content["args"].activation_fn = "relu"


def two_heads(content: dict[str, Any]) -> None:
    content["model"]["classification_heads.a.dense.bias"] = content["model"]["classification_heads.mnli.dense.bias"]


def uneven(content: dict[str, Any]) -> None:
    key = "decoder.sentence_encoder.layers.0.self_attn.in_proj_bias"
    content["model"][key] = content["model"][key][:-1]


def both(content: dict[str, Any]) -> None:
    bias = content["model"]["decoder.sentence_encoder.layers.0.fc1.bias"]
    content["model"]["encoder.sentence_encoder.layers.0.fc1.bias"] = bias


def more(content: dict[str, Any]) -> None:
    content["model"]["encoder.sentence_encoder.layers.0.adapter.bias"] = content["model"][
        "decoder.sentence_encoder.layers.0.fc1.bias"
    ]


def another(content: dict[str, Any]) -> None:
    content["args"].arch = "wav2vec"
    content["model"] = {"encoder.w": content["model"]["decoder.sentence_encoder.layers.0.fc1.bias"]}


@pytest.mark.parametrize(
    ("edit", "error", "words_of_it"),
    [
        (without_heads, ConfigError, "encoder_attention_heads"),
        (relu, ConfigError, "activation_fn"),
        (two_heads, ConfigError, "'mnli', 'a'"),
        (uneven, KeyRuleError, "no 3 equal parts"),
        (both, KeyRuleError, "same tensor"),
        (more, KeyRuleError, "adapter"),
        (another, ConfigError, "wav2vec"),
    ],
)
def test_what_is_refused(edit: Edit, error: type[Exception], words_of_it: str, words: Path, tmp_path: Path) -> None:
    peer = original(count(words), labels=3 if edit is two_heads else 0)
    tensors = as_fairseq(peer, "decoder", True, "emb_layer_norm")
    with pytest.raises(error, match=words_of_it):
        zoo.load(archive(tmp_path / "x", words, tensors, edit=edit))
