"""Checks the texts of an encoder-decoder's tokenizer: none may be empty, and what is cut off is said."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from zoo.errors import InputError
from zoo.tokenization.options import Batch
from zoo.tokenization.texts import listed
from zoo.tokenization.tokenizer import Tokenizer

log = logging.getLogger("zoo")


class WritingTokenizer(Tokenizer):
    """A tokenizer for a network that writes: no text may be empty, and what is cut off is said.

    Rows longer than the network's table of positions are cut, with a warning; an empty text is an error. Everything
    else is as for every tokenizer.
    """

    def _arrays(self, text: Any, *arguments: Any, **options: Any) -> Batch:
        """Encodes as every tokenizer does.

        Raises:
            InputError: an empty text, too; names the item.
        """
        words = bool(options.get("is_split_into_words"))
        for n, item in enumerate(listed(text, words)):
            if not (item.strip() if isinstance(item, str) else item):
                raise InputError(f"Item {n} is an empty text: there is nothing to write from.", "Leave it out.")
        batch = super()._arrays(text, *arguments, **options)
        if options.get("max_length") is None and options.get("truncation", True) and "stride" not in options:
            self._say_what_is_cut(batch, text, *arguments, **options)
        return batch

    def _say_what_is_cut(self, batch: Batch, *arguments: Any, **options: Any) -> None:
        lengths = [int(np.sum(row)) for row in batch["attention_mask"]]
        if self.max_length is None or max(lengths, default=0) < self.max_length:
            return
        whole = super()._arrays(*arguments, **{**options, "truncation": False, "padding": False})
        cut = sum(len(row) > self.max_length for row in whole["input_ids"])
        if cut:
            log.warning("%d of %d texts are cut to %d tokens, the longest row", cut, len(lengths), self.max_length)
