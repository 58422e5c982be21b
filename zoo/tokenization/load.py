"""From the files of a folder to a tokenizer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from zoo.errors import CheckpointError, UsageError
from zoo.tokenization.fast import from_json, readable, wordpiece
from zoo.tokenization.layout import BERT, ROBERTA, Layout
from zoo.tokenization.sentence import SentencePiece
from zoo.tokenization.tokenizer import Tokenizer

FILES = (
    "vocab.txt",
    "sentencepiece.bpe.model",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
)
BERT_TOKENS = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
XLMR_TOKENS = {
    "pad": "<pad>", "unk": "<unk>", "cls": "<s>", "sep": "</s>", "mask": "<mask>", "bos": "<s>", "eos": "</s>"
}  # fmt: skip
FUNNEL_TOKENS = {
    "pad": "<pad>", "unk": "<unk>", "cls": "<cls>", "sep": "<sep>", "mask": "<mask>", "bos": "<s>", "eos": "</s>"
}  # fmt: skip
NO_LIMIT = 10**6  # tokenizer_config.json writes "no limit" as 1e30


def load_tokenizer(
    folder: Path,
    kind: str | None = None,
    *,
    layout: Layout | None = None,
    specials: dict[str, str] | None = None,
    max_length: int | None = None,
    lower: bool = True,
) -> Tokenizer:
    """Builds the tokenizer of a model's folder.

    vocab.txt and sentencepiece.bpe.model are what a model was trained with, so they come before tokenizer.json,
    which other programs may have rewritten.

    Args:
        folder: holds vocab.txt, sentencepiece.bpe.model or tokenizer.json.
        kind: "wordpiece", "sentencepiece" or "json"; None takes what the folder has. Without its own file each
            falls back to tokenizer.json.
        layout: where special tokens go; BERT's for WordPiece, RoBERTa's for SentencePiece.
        specials: role -> token, where the family's names differ from the usual ones.
        max_length: longest row of the model; the file's own limit when None.
        lower: lower-casing where tokenizer_config.json does not say.

    Raises:
        CheckpointError: a file is missing or damaged.
    """
    folder = Path(folder)
    options = _options(folder)
    has = {
        kind: folder / name
        for kind, name in {
            "wordpiece": "vocab.txt",
            "sentencepiece": "sentencepiece.bpe.model",
            "json": "tokenizer.json",
        }.items()
        if (folder / name).is_file()
    }
    if kind not in (None, "wordpiece", "sentencepiece", "json"):
        raise UsageError(f"There is no tokenizer kind '{kind}'.", "One of wordpiece, sentencepiece, json.")
    found = (
        next((k for k in (kind, "sentencepiece", "wordpiece", "json") if k in has), None)
        if kind is None
        else (kind if kind in has else "json")
    )
    if found not in has:
        raise CheckpointError(
            f"'{folder}' has no tokenizer: none of vocab.txt, sentencepiece.bpe.model, tokenizer.json.",
            "Copy the model's tokenizer file into the folder.",
        )
    if max_length is None and (options.get("model_max_length") or NO_LIMIT) < NO_LIMIT:
        max_length = int(options["model_max_length"])
    files = [folder / name for name in FILES if (folder / name).is_file()]
    if found == "sentencepiece":
        engine: Any = SentencePiece(has["sentencepiece"].read_bytes(), has["sentencepiece"])
        return Tokenizer(engine, layout or ROBERTA, {**XLMR_TOKENS, **(specials or {})}, max_length, files)
    if found == "wordpiece":
        tokens = {**BERT_TOKENS, **(specials or {})}
        with readable(has["wordpiece"]):
            vocab = read_vocab(has["wordpiece"])
            engine = wordpiece(
                vocab,
                [t for t in tokens.values() if t in vocab],
                tokens["unk"],
                bool(options.get("do_lower_case", lower)),
                options.get("strip_accents"),
                options.get("tokenize_chinese_chars", True),
            )
        return Tokenizer(engine, layout or BERT, tokens, max_length, files)
    engine = from_json(has["json"])
    usual = XLMR_TOKENS if kind == "sentencepiece" or "<s>" in engine.vocab else BERT_TOKENS
    return Tokenizer(
        engine,
        layout or (ROBERTA if usual is XLMR_TOKENS else BERT),
        {**usual, **(specials or {})},
        max_length,
        files,
    )


def _options(folder: Path) -> dict[str, Any]:
    file = folder / "tokenizer_config.json"
    if not file.is_file():
        return {}
    try:
        options = json.loads(file.read_text("utf-8"))
    except ValueError as error:
        raise CheckpointError(f"'{file}' is not JSON: {error}", "Download it again.") from error
    if not isinstance(options, dict):
        raise CheckpointError(f"'{file}' is not a JSON object.", "Download it again.")
    return options


def read_vocab(file: Path) -> dict[str, int]:
    """Line number of each token of a vocab.txt."""
    lines = file.read_text("utf-8").split("\n")
    if lines and not lines[-1]:
        lines.pop()
    return {line.rstrip("\r"): n for n, line in enumerate(lines)}
