"""The tokenizer of PALM: WordPiece, [CLS] text [SEP]; a [SEP] that a text spells out stays the special token."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import InputError
from zoo.models.palm.config import Config
from zoo.tokenization import Tokenizer, load_tokenizer
from zoo.tokenization.texts import listed

log = logging.getLogger("zoo")

LAST_ID = 21126  # the published evaluation reads every id above as [UNK], also the last word of vocab.txt


class WritingTokenizer(Tokenizer):
    """A tokenizer for a network that writes: there must be a text to write from, and what is cut off is said.

    Rows longer than the network's table of positions are cut, with a warning; an empty text is an error. Everything
    else is as for every tokenizer.
    """

    def __call__(self, text: Any, *arguments: Any, **options: Any) -> dict[str, Any]:
        """As `Tokenizer.__call__`.

        Raises:
            InputError: an empty text, too; names the item.
        """
        words = bool(options.get("is_split_into_words"))
        for n, item in enumerate(listed(text, words)):
            if not (item.strip() if isinstance(item, str) else item):
                raise InputError(f"Item {n} is an empty text: there is nothing to write from.", "Leave it out.")
        batch = super().__call__(text, *arguments, **options)
        if options.get("max_length") is None and options.get("truncation", True) and "stride" not in options:
            self._say_what_is_cut(batch, text, *arguments, **options)
        return batch

    def _say_what_is_cut(self, batch: dict[str, Any], *arguments: Any, **options: Any) -> None:
        lengths = [int(np.sum(row)) for row in batch["attention_mask"]]
        if self.max_length is None or max(lengths, default=0) < self.max_length:
            return
        whole = super().__call__(*arguments, **{**options, "truncation": False, "padding": False})
        cut = sum(len(row) > self.max_length for row in whole["input_ids"])
        if cut:
            log.warning("%d of %d texts are cut to %d tokens, the longest row", cut, len(lengths), self.max_length)


class PalmTokenizer(WritingTokenizer):
    """SOFA's PALM. Its `decode` is the published evaluation's, which the published scores were computed with."""

    def decode(self, ids: Sequence[int], skip_special_tokens: bool = True) -> str:
        """Text of ids [T]: up to the first [SEP], the pieces joined without spaces, [CLS] and [UNK] left out.

        Ids beyond vocab.txt, which pad the network's table of words, are read as [UNK].
        """
        last = min(LAST_ID, self.vocab_size - 1)
        known = [int(i) if 0 <= int(i) <= last else self.unk_token_id for i in np.asarray(ids).reshape(-1)]
        if not skip_special_tokens:
            return super().decode([i for i in known if i is not None], skip_special_tokens=False)
        end = known.index(self.sep_token_id) if self.sep_token_id in known else len(known)
        left_out = (self.cls_token_id, self.unk_token_id)
        pieces = self.convert_ids_to_tokens([i for i in known[:end] if i is not None and i not in left_out])
        return "".join(pieces).replace("##", "")


def load(folder: Path, config: Config) -> Tokenizer:
    """The tokenizer of a folder; rows are no longer than the network's positions allow.

    Raises:
        CheckpointError: the folder has no tokenizer, or a damaged one.
    """
    read = load_tokenizer(folder, "wordpiece")
    rows = min(config.max_position_embeddings, read.max_length or config.max_position_embeddings)
    return PalmTokenizer(read.engine, read.layout, read.specials, rows, read.files)
