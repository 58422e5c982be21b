"""The tokenizer of PALM 2.0: BERT's WordPiece; RoBERTa's where the folder has it as a tokenizer.json."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from zoo.models.palm.v2.config import Config
from zoo.tokenization import Tokenizer, load_tokenizer
from zoo.tokenization.writing import WritingTokenizer

CHINESE = "\u4e00-\u9fff\u3000-\u303f\uff00-\uffef"  # ideographs, and the signs that go with them
_BETWEEN = re.compile(f"(?<=[{CHINESE}]) +(?=[{CHINESE}])")


class Palm2Tokenizer(WritingTokenizer):
    """PALM 2.0. `decode` gives Chinese without spaces, as ModelScope's pipeline does."""

    def decode(self, ids: Sequence[int], skip_special_tokens: bool = True) -> str:
        """Text of ids [T]; without special tokens, [UNK] neither, no space between Chinese characters.

        Raises:
            InputError: an id is outside of the vocabulary.
        """
        flat = [int(i) for i in np.asarray(ids).reshape(-1)]
        if skip_special_tokens:
            flat = [i for i in flat if i != self.unk_token_id]
        return _BETWEEN.sub("", super().decode(flat, skip_special_tokens))


def load(folder: Path, config: Config) -> Tokenizer:
    """The tokenizer of a folder; rows are no longer than the encoder's positions allow.

    Raises:
        CheckpointError: the folder has no tokenizer, or a damaged one.
    """
    roberta = config.encoder == "roberta"
    read = load_tokenizer(folder, "bytes" if roberta else "wordpiece")
    rows = min(config.longest, read.max_length or config.longest)
    return Palm2Tokenizer(read.engine, read.layout, read.specials, rows, read.files)
