"""The tokenizer of XLM-RoBERTa and InfoXLM: SentencePiece."""

from __future__ import annotations

from pathlib import Path

from zoo.errors import CheckpointError
from zoo.files import quote
from zoo.models.common.sentence_transformers.texts import fitted
from zoo.models.xlmr.config import Config
from zoo.tokenization import Tokenizer, load_tokenizer
from zoo.tokenization.dictionary import read_dictionary
from zoo.tokenization.load import DICTIONARY_FILE
from zoo.tokenization.sentence import FIRST_TOKENS, MASK_TOKEN


def load(folder: Path, config: Config) -> Tokenizer:
    """The tokenizer of a folder; rows are no longer than the network's positions allow.

    Raises:
        CheckpointError: the folder has no tokenizer, or a damaged one, or fairseq's dictionary gives other ids.
    """
    tokenizer = load_tokenizer(folder, "sentencepiece")
    if (folder / DICTIONARY_FILE).is_file():
        _check_dictionary(folder / DICTIONARY_FILE, tokenizer.engine.tokens)
    return fitted(tokenizer, folder, config.longest)


def _check_dictionary(file: Path, tokens: list[str]) -> None:
    """Raises CheckpointError unless fairseq numbers the pieces as the SentencePiece model does, and so we do."""
    expected = [*FIRST_TOKENS, *read_dictionary(file), MASK_TOKEN]
    found = tokens[: len(expected)]
    if found != expected:
        at = next(
            (n for n, pair in enumerate(zip(expected, found, strict=False)) if pair[0] != pair[1]), len(found)
        )
        given = quote(found[at]) if at < len(found) else "nothing"
        raise CheckpointError(
            f"'{file}' gives the id {at} to {quote(expected[at])}, where the SentencePiece model has {given}.",
            "Are both files of this model? XLM-R's dictionary has the pieces in the order of its model.",
        )
