"""Reads what a folder of sentence-transformers says of texts: how long, and in which case."""

from __future__ import annotations

from pathlib import Path

from zoo.models.common.sentence_transformers.files import text_rules
from zoo.tokenization import Tokenizer
from zoo.tokenization.lowering import LoweringEngine


def fitted(tokenizer: Tokenizer, folder: Path, rows: int) -> Tokenizer:
    """Gives a tokenizer the longest row of its model and, where the folder says so, texts in lower case.

    What sentence_bert_config.json says of the length stands above what the tokenizer's own files say.

    Args:
        rows: longest row that the network has positions for.

    Raises:
        CheckpointError: a damaged file.
    """
    longest, lower = text_rules(folder)
    said = tokenizer.max_length if longest is None else longest
    tokenizer.max_length = rows if said is None else min(rows, said)
    if lower:
        tokenizer.engine = LoweringEngine(
            tokenizer.engine, {*tokenizer.specials.values(), *tokenizer.engine.special}
        )
    return tokenizer
