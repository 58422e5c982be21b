"""The networks of the tests: of every family, random, of a few thousand weights; alone, and as folders with words.

    tiny, batch         any family and head, in eval mode, and ids for it: for engines, caches and exports
    learner             a BERT with dropout: for training; learner_folder writes it with a vocabulary of 25 words
    reviewer            a BERT or Funnel whose every layer counts; reviewer_folder writes one that answers SST-2
    network             the folder of any family with a vocabulary of a useful size (tests.vocabularies)
    models_of_the_hub   what README's snippets load, under the names that the Hub has them

Networks of torch, which these are compared with: tests/models/peers.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import paddle

from tests import vocabularies
from tests.tokenization import tiny as tokenizers
from zoo import hub, tasks
from zoo.models.common.base import Model, Origin
from zoo.tokenization import load_tokenizer

Sizes = dict[str, Any]


def build(family: str, head: str | None, sizes: Sizes, seed: int, pooler: bool = False, **options: Any) -> Model:
    """A network of a family with its first weights. pooler: with one, though it has no head. options: its own."""
    paddle.seed(seed)
    module = f"zoo.models.{family}"
    config = import_module(f"{module}.config").Config.from_dict(sizes)
    return import_module(f"{module}.model").build(config, head, **({"pooler": True} if pooler else {}), **options)


def loud(model: Model) -> Model:
    """The network in eval mode, with weights of which none is zero or one."""
    for parameter in model.parameters():
        parameter.set_value(parameter + paddle.randn(parameter.shape) * 0.2)
    return model.eval()


def write(folder: Path, model: Model, family: str, architecture: str, source: Path) -> Path:
    """Writes the folder of a converted model, with the tokenizer's files in `source`."""
    model.origin = Origin(family, architecture, f"zoo.models.{family}", source, None)
    folder.parent.mkdir(parents=True, exist_ok=True)
    model.save(folder)
    return folder


# --- any family and head ---

WORDS = 50
BERT: Sizes = {"vocab_size": WORDS, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3}
BERT |= {"intermediate_size": 40, "max_position_embeddings": 140, "type_vocab_size": 2}
FUNNEL: Sizes = {
    "vocab_size": WORDS,
    "block_sizes": [1, 2, 1],
    "d_model": 24,
    "n_head": 3,
    "d_head": 8,
    "d_inner": 40,
}
SIZES: dict[str, Sizes] = {
    "structbert": BERT,
    "xlmr": {**BERT, "type_vocab_size": 1},
    "palm": {**BERT, "dec_hidden_layers": 2},
    "funnel": {**FUNNEL, "architectures": ["FunnelModel"]},
    "funnel-factorized": {**FUNNEL, "architectures": ["FunnelModel"], "attention_type": "factorized"},
    "funnel-base": {**FUNNEL, "architectures": ["FunnelBaseModel"]},
}
HEADS = (None, "mlm", "classification", "tagging", "qa", "multiple-choice", "embedding")
FUNNEL_HEADS = (None, "mlm", "tagging", "qa", "qa-beam", "discriminator")
CASES = [
    *(("structbert", head) for head in HEADS),
    *(("xlmr", head) for head in HEADS),
    ("palm", "mlm"),
    *(("funnel", head) for head in FUNNEL_HEADS),
    *(("funnel-factorized", head) for head in ("qa", "classification")),
    *(("funnel-base", head) for head in (None, "classification", "multiple-choice")),
]


def tiny(family: str = "structbert", task: str | None = "classification", seed: int = 3, **changes: Any) -> Model:
    """A network of SIZES in eval mode, in which no weight is zero or one."""
    return loud(build(family.partition("-")[0], task, {**SIZES[family], **changes}, seed))


def batch(rows: int, length: int, task: str | None = None) -> dict[str, np.ndarray]:
    """Ids; rows after the first end in padding; the second half is of type 1. [B, 2, T] for multiple-choice."""
    ids = np.random.default_rng(rows * 1000 + length).integers(5, WORDS, (rows, length))
    mask, types = np.ones_like(ids), np.zeros_like(ids)
    types[:, length // 2 :] = 1
    for row in range(1, rows):
        mask[row, -min(row, length - 1) :] = 0
    arrays = {"input_ids": ids * mask + (1 - mask), "attention_mask": mask, "token_type_ids": types}
    return {k: np.stack([v, v[::-1]], 1) for k, v in arrays.items()} if task == "multiple-choice" else arrays


# --- for training ---

LEARNER: Sizes = {"vocab_size": 64, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
LEARNER |= {"intermediate_size": 64, "max_position_embeddings": 64, "layer_norm_eps": 1e-12, "model_type": "bert"}


def learner(task: str | None = "classification", seed: int = 1, dropout: float = 0.1, **sizes: Any) -> Model:
    """A BERT with dropout and two classes, or three tags."""
    rates = {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
    labels = {"id2label": {str(n): f"L{n}" for n in range(3 if task == "tagging" else 2)}}
    return build("structbert", task, {**LEARNER, **rates, **labels, **sizes}, seed)


def learner_folder(folder: Path, **sizes: Any) -> Path:
    """Writes the learner, without a head; it knows the words of tests.finetune.small.small_data."""
    source = folder.parent / f"{folder.name}-words"
    source.mkdir(parents=True)
    digits = [f"{before}{n}" for before in ("", "##") for n in range(10)]
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "good", "bad", "film", "number", *digits]
    (source / "vocab.txt").write_text("\n".join(words) + "\n", "utf-8")
    return write(folder, learner(None, **sizes), "structbert", "BertModel", source)


# --- that answers SST-2 ---

SYLLABLES = [f"{a}{b}" for a in "bdfghklmnprst" for b in ("a", "e", "i", "o", "u")]
REVIEWERS: dict[str, tuple[str, tuple[str, ...], Sizes]] = {  # prefix of architectures, special tokens, sizes
    "structbert": (
        "Bert",
        ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
        {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
        | {"max_position_embeddings": 64, "model_type": "bert"},
    ),
    "funnel": (
        "Funnel",
        ("<pad>", "<unk>", "<cls>", "<sep>", "<mask>"),
        {"d_model": 32, "n_head": 2, "d_head": 16, "d_inner": 64, "block_sizes": [1, 2, 1]}
        | {"max_position_embeddings": 64, "model_type": "funnel"},
    ),
}
SUFFIX = {None: "Model", "classification": "ForSequenceClassification"}


def reviewer(source: Path, task: str | None = "classification", seed: int = 1, family: str = "structbert") -> Model:
    """The network, with its tokenizer in `source`; no weight is near zero, so every layer counts."""
    prefix, special, sizes = REVIEWERS[family]
    source.mkdir(parents=True, exist_ok=True)
    (source / "vocab.txt").write_text("\n".join([*special, *SYLLABLES]), "utf-8")
    labels = tasks.find("sst2").labels  # type: ignore[attr-defined]
    changes = {"architectures": [f"{prefix}Model"], "id2label": {str(n): label for n, label in enumerate(labels)}}
    sizes = {**sizes, **changes, "vocab_size": len(special) + len(SYLLABLES)}
    model = loud(build(family, task, sizes, seed, pooler=task is None))
    model.origin = Origin(family, prefix + SUFFIX.get(task, "Model"), f"zoo.models.{family}", source, None)
    return model


def reviewer_folder(folder: Path, data: Path, rows: int = 120, family: str = "structbert") -> Path:
    """A finetuned folder in `folder`, and SST-2's train.tsv and dev.tsv with what it answers in `data`.

    What float32 answers is the gold, so its accuracy is 100, and whatever a graph answers otherwise is a loss.
    """
    model = reviewer(folder.parent / "source", family=family)
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(SYLLABLES, random.integers(4, 30))) for _ in range(4 * rows)]
    # Of the head: half of the texts shall be positive.
    bias = next(parameter for parameter in reversed(model.parameters()) if parameter.shape == [2])
    bias.set_value(bias - paddle.to_tensor([0.0, float(np.median(np.diff(answers(model, texts))))]))
    gap = np.diff(answers(model, texts))[:, 0]
    clear = np.sort(np.argsort(-np.abs(gap))[: 2 * rows])  # not those that rounding decides
    lines = [f"{texts[n]}\t{int(gap[n] > 0)}" for n in clear]
    data.mkdir()
    for split, part in (("train", lines[:rows]), ("dev", lines[rows:])):
        (data / f"{split}.tsv").write_text("\n".join(["sentence\tlabel", *part]) + "\n", "utf-8")
    model.save(folder)
    task = {"format": 1, "task": tasks.find("sst2").to_dict(), "max_length": 40}
    (folder / "task.json").write_text(json.dumps(task), "utf-8")
    return folder


def answers(model: Model, texts: list[str]) -> np.ndarray:
    """Logits [B, 2] of the eager network."""
    with paddle.no_grad():
        return model(**model.tokenizer(texts, max_length=40)).logits.numpy()


# --- with a vocabulary of a useful size ---

ONE_LAYER: Sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
ONE_LAYER |= {"max_position_embeddings": 128, "type_vocab_size": 2}
BART: Sizes = {"model_type": "bart", "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2}
BART |= {"decoder_attention_heads": 2, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
PIECES = 1500  # in fairseq's dictionary, which are not all of the model's
BERT_LIKE = ("structbert", "BertModel", None, {**ONE_LAYER, "model_type": "bert"})
NETWORKS: dict[str, tuple[str, str, str | None, Sizes]] = {  # of a vocabulary, or of a name
    "letters": BERT_LIKE,
    "english": BERT_LIKE,
    "chinese": BERT_LIKE,
    "multilingual": (
        "veco",
        "VecoForConditionalGeneration",
        "generation",
        {**ONE_LAYER, **BART, "d_model": 32, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64},
    ),
    "funnel": (
        "funnel",
        "FunnelModel",
        None,
        {**ONE_LAYER, "model_type": "funnel", "d_model": 32, "d_head": 8, "n_head": 4, "d_inner": 64}
        | {"block_sizes": [1, 1], "num_decoder_layers": 1},
    ),
    "palm": (
        "palm",
        "PalmForConditionalGeneration",
        "generation",
        {**ONE_LAYER, "model_type": "palm", "dec_hidden_layers": 1, "type_vocab_size": 3},
    ),
}


def network(folder: Path, vocabulary: str, name: str = "", languages: tuple[str, ...] = (), **changes: Any) -> Path:
    """Writes a converted folder with random weights.

    Args:
        folder: to write.
        vocabulary: a function of tests.vocabularies.
        name: of NETWORKS; without it that of the vocabulary.
        languages: tokens in the dictionary of a translator, which has three layers in its decoder.
        changes: of its sizes.
    """
    family, architecture, task, sizes = NETWORKS[name or vocabulary]
    source = getattr(vocabularies, vocabulary)(folder.parent / "source")
    if vocabulary == "multilingual":
        words = _dictionary(source, load_tokenizer(source).engine.tokens[4 : 4 + PIECES], languages)
    else:
        words = (source / "vocab.txt").read_text("utf-8").count("\n")
    if family == "funnel":  # its special tokens have other names
        text = (source / "vocab.txt").read_text("utf-8")
        for token in ("PAD", "UNK", "CLS", "SEP", "MASK"):
            text = text.replace(f"[{token}]\n", f"<{token.lower()}>\n")
        (source / "vocab.txt").write_text(text, "utf-8")
    content = {**sizes, "vocab_size": words, "architectures": [architecture], **changes}
    content |= {"decoder_layers": 3} if languages else {}
    (source / "config.json").write_text(json.dumps(content), "utf-8")
    return write(folder, build(family, task, content, 1, pooler=True), family, architecture, source)


def _dictionary(source: Path, pieces: list[str], languages: tuple[str, ...]) -> int:
    """Writes fairseq's dictionary of pieces and languages; returns the number of words, with fairseq's four."""
    listed = [*pieces, *(f"[{language}]" for language in languages)]
    (source / "dict.txt").write_text("".join(f"{piece} 1\n" for piece in listed), "utf-8")
    return 4 + len(listed)


# --- of README ---


def _translator(folder: Path) -> Path:
    """XLM-R's pieces with fairseq's dictionary of them, for two languages."""
    _dictionary(tokenizers.xlmr(folder), load_tokenizer(folder).engine.tokens[4:-1], ("en", "de"))
    return folder


SMALLEST: Sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24}
SMALLEST |= {"max_position_embeddings": 128}
LIKE_XLMR: Sizes = {**SMALLEST, "type_vocab_size": 1, "pad_token_id": 1, "model_type": "xlm-roberta"}
LIKE_PALM: Sizes = {**SMALLEST, "type_vocab_size": 3, "dec_hidden_layers": 1, "model_type": "palm"}
LIKE_BART: Sizes = {**BART, "d_model": 16, "encoder_ffn_dim": 24, "decoder_ffn_dim": 24}
Stand = tuple[str, str, str | None, Sizes, Callable[[Path], Path]]
# What a snippet calls it: family, upstream's class, head, sizes, tokenizer.
OF_THE_HUB: dict[str, Stand] = {
    "FacebookAI/xlm-roberta-base": ("xlmr", "XLMRobertaModel", None, LIKE_XLMR, tokenizers.xlmr),
    "facebook/xlm-roberta-xl": (
        "xlmr_xl", "XLMRobertaXLModel", None, {**LIKE_XLMR, "model_type": "xlm-roberta-xl"}, tokenizers.xlmr,
    ),
    "BAAI/bge-m3": ("xlmr", "XLMRobertaModel", "embedding", LIKE_XLMR, tokenizers.xlmr),
    "deepset/xlm-roberta-base-squad2@main": (
        "xlmr", "XLMRobertaForQuestionAnswering", "qa", LIKE_XLMR, tokenizers.xlmr,
    ),
    "modelscope:iic/nlp_structbert_backbone_base_std": (
        "structbert", "BertModel", None, {**SMALLEST, "model_type": "bert"}, tokenizers.bert,
    ),
    "palm-zh-base": ("palm", "PalmForConditionalGeneration", "generation", LIKE_PALM, tokenizers.bert),
}  # fmt: skip
OF_A_FOLDER: dict[str, Stand] = {
    "veco-large": ("veco", "VecoForConditionalGeneration", "generation", LIKE_BART, _translator),
}


def models_of_the_hub(folder: Path) -> None:
    """Writes them: what has a name of the Hub where `zoo.load` keeps conversions, the others into the folder."""
    targets = {hub.model_dir(name): stand for name, stand in OF_THE_HUB.items()}
    targets |= {folder / name: stand for name, stand in OF_A_FOLDER.items()}
    for target, (family, architecture, head, sizes, make) in targets.items():
        source = make(folder / "sources" / target.name)
        words = load_tokenizer(source).vocab_size + 2 * (family == "veco")
        content = {**sizes, "vocab_size": words, "architectures": [architecture]}
        options = {"pooling": "cls", "colbert": 16} if head == "embedding" else {}
        write(target, build(family, head, content, 7, **options), family, architecture, source)
