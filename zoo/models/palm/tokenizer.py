"""The tokenizer of PALM: WordPiece, [CLS] text [SEP]; a [SEP] that a text spells out stays the special token."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from zoo.models.palm.config import Config
from zoo.tokenization import Tokenizer, load_tokenizer
from zoo.tokenization.writing import WritingTokenizer

LAST_ID = 21126  # the published evaluation reads every id above as [UNK], also the last word of vocab.txt


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
    rows = min(config.longest, read.max_length or config.longest)
    return PalmTokenizer(read.engine, read.layout, read.specials, rows, read.files)
