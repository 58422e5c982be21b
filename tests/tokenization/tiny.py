"""Small tokenizers, trained on a few lines when a test runs, in the files that upstream's classes are read from."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import sentencepiece
import tokenizers

from zoo.tokenization.added import AddedToken
from zoo.tokenization.proto import charmap_of

LINES = [
    "the cat sat on the mat tag tags",
    "hello world, hello [en] there",
    "naïve café TAG tAg_",
    "x[en]y  [en]  z",
    "kg ㎏ kilo",
    "left  <l> right",
    "one<r>  two",
    "word wordy aword word!",
    "中文 文字 ok",
    "Ünïcode UP down",
    "a <mask> b [MASK] c",
    "İstanbul “tag” (tag) tag-tag",
    "",
    "  lead",
    "tagtag tag w1 w_ w",
]
# One of every flag; some are in the vocabularies already, some are not.
ADDED = (
    AddedToken("tag"),
    AddedToken("[en]", special=True, normalized=False),
    AddedToken("TAG", normalized=False),
    AddedToken("<l>", lstrip=True, normalized=False),
    AddedToken("<r>", rstrip=True),
    AddedToken("word", single_word=True),
    AddedToken("café", single_word=True),
    AddedToken("kg"),
    AddedToken("ok", single_word=True, lstrip=True, rstrip=True),
)


def write_json(file: Path, content: Any) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, ensure_ascii=False), "utf-8")
    return file.parent


def bert(folder: Path, lower: bool = True) -> Path:
    """vocab.txt."""
    folder.mkdir(parents=True)
    made = tokenizers.BertWordPieceTokenizer(lowercase=lower)
    made.train_from_iterator(LINES * 3, vocab_size=130, min_frequency=1, show_progress=False)
    made.save_model(str(folder))
    return write_json(
        folder / "tokenizer_config.json", {"do_lower_case": lower, "tokenizer_class": "BertTokenizer"}
    )


def funnel(folder: Path) -> Path:
    """vocab.txt with other special tokens."""
    text = (bert(folder) / "vocab.txt").read_text("utf-8")
    for token in ("PAD", "UNK", "CLS", "SEP"):
        text = text.replace(f"[{token}]", f"<{token.lower()}>")
    (folder / "vocab.txt").write_text(text.replace("[MASK]", "<mask>\n<s>\n</s>"), "utf-8")
    return write_json(folder / "tokenizer_config.json", {"tokenizer_class": "FunnelTokenizer"})


def xlmr(folder: Path) -> Path:
    """sentencepiece.bpe.model."""
    folder.mkdir(parents=True)
    with (folder / "sentencepiece.bpe.model").open("wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(LINES * 20),
            model_writer=file,
            vocab_size=90,
            hard_vocab_limit=False,
            minloglevel=2,
        )
    return folder


def xlmr_document(folder: Path) -> Path:
    """tokenizer.json of the same, and nothing else."""
    model = xlmr(folder) / "sentencepiece.bpe.model"
    made = sentencepiece.SentencePieceProcessor(model_file=str(model))
    pieces = [[made.id_to_piece(i), made.get_score(i)] for i in range(3, made.get_piece_size())]
    special = [[token, 0.0] for token in ("<s>", "<pad>", "</s>", "<unk>")]
    charmap = base64.b64encode(charmap_of(model.read_bytes())).decode()
    model.unlink()
    document = {
        "version": "1.0",
        "added_tokens": [],
        "normalizer": {"type": "Precompiled", "precompiled_charsmap": charmap},
        "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True},
        "model": {"type": "Unigram", "unk_id": 3, "vocab": [*special, *pieces, ["<mask>", 0.0]]},
    }
    return write_json(folder / "tokenizer.json", document)


def roberta(folder: Path, prefix: bool = False) -> Path:
    """vocab.json and merges.txt."""
    folder.mkdir(parents=True)
    made = tokenizers.ByteLevelBPETokenizer()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    made.train_from_iterator(LINES * 3, 330, show_progress=False, special_tokens=special)
    made.save_model(str(folder))
    return write_json(
        folder / "tokenizer_config.json", {"add_prefix_space": prefix, "tokenizer_class": "RobertaTokenizer"}
    )


def flags(token: AddedToken) -> dict[str, Any]:
    """As the files spell them."""
    return {k: v for k, v in vars(token).items() if k != "id"}


def with_document(folder: Path, tokens: tuple[AddedToken, ...]) -> Path:
    """Writes a tokenizer.json beside a vocab.txt, as upstream does: the same vocabulary, and added tokens."""
    inner = tokenizers.BertWordPieceTokenizer(str(folder / "vocab.txt"), lowercase=True)
    inner._tokenizer.add_tokens([token.token for token in tokens])
    inner.save(str(folder / "tokenizer.json"))
    return folder
