"""Compares a trimmed model with the whole one: the same ids up to their new numbers, the same states bit by bit."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import paddle

from zoo.batching import BATCH_TOKENS, by_length, windows
from zoo.errors import ParityError
from zoo.files import quote
from zoo.loading import load
from zoo.models.common.base import Model
from zoo.tokenization import Tokenizer
from zoo.trim.corpus import Line
from zoo.trim.pieces import PieceRules
from zoo.trim.vocabulary import Renaming


@dataclass
class Counts:
    """What was compared.

    Attributes:
        texts: that were held out.
        kept: of them, those whose pieces are all kept; each has equal ids and states, or there is no result.
        tokens: of the kept texts, special ones included, whose states are equal.
        pieces_before, pieces_after: of all texts, by the whole and by the trimmed vocabulary.
        unknown_before, unknown_after: texts with an unknown token.
    """

    texts: int = 0
    kept: int = 0
    tokens: int = 0
    pieces_before: int = 0
    pieces_after: int = 0
    unknown_before: int = 0
    unknown_after: int = 0


def open_encoder(folder: Path) -> Model:
    """Loads the network of a folder without its head, which has no part in the comparison."""
    log = logging.getLogger("zoo")
    before = log.level
    log.setLevel(logging.ERROR)  # that a head is not read is no news for the user here
    try:
        return load(folder, task="encoder")
    finally:
        log.setLevel(before)


class Comparison:
    """The whole and the trimmed model, side by side.

    Args:
        whole, trimmed: encoders in eval mode, float32, with their tokenizers.
        renaming: old ids -> new ones.
        rules: of the whole model's tokenizer.

    Raises:
        ParityError: the trimmed tokenizer has other tokens than those that are kept.
    """

    def __init__(self, whole: Model, trimmed: Model, renaming: Renaming, rules: PieceRules) -> None:
        self.whole, self.trimmed, self.renaming, self.rules = whole, trimmed, renaming, rules
        tokens = trimmed.tokenizer.engine.tokens
        if tokens != renaming.tokens:
            both = zip(tokens, renaming.tokens, strict=False)
            n = next((n for n, (a, b) in enumerate(both) if a != b), min(len(tokens), len(renaming.tokens)))
            raise ParityError(
                f"The trimmed tokenizer reads other tokens than were written, from id {n} on "
                f"({len(tokens):,} and {len(renaming.tokens):,} in all); nothing was published.",
                "Do the tokenizer's files in the model's folder belong together?",
            )

    def run(self, lines: Iterable[Line], rest: IO[str], progress: Callable[[int], None]) -> Counts:
        """Compares texts, and lists those that lack pieces.

        Args:
            lines: the texts.
            rest: gets a line of JSON for each text that lacks pieces: file, line, the pieces.
            progress: called with the number of texts just compared.

        Raises:
            ParityError: a text whose pieces are all kept gets other ids or other states; names its place.
        """
        counts = Counts()
        for window in windows(lines):
            texts = [line.text for line in window]
            before, after = (model.tokenizer.engine.encode(texts, False) for model in (self.whole, self.trimmed))
            old, new = [row.ids for row in before], [row.ids for row in after]
            counts.texts += len(window)
            counts.pieces_before += sum(map(len, old))
            counts.pieces_after += sum(map(len, new))
            counts.unknown_before += _with_unknown(old, self.whole.tokenizer)
            counts.unknown_after += _with_unknown(new, self.trimmed.tokenizer)
            kept = []
            for n, needed in enumerate(self.rules.needed(texts, before)):
                missing = needed[self.renaming.new[needed] < 0]
                if len(missing):
                    rest.write(self._record(window[n], missing))
                    continue
                self._check_ids(old[n], new[n], window[n])
                kept.append(window[n])
            counts.kept += len(kept)
            progress(len(window) - len(kept))
            for tokens, rows in self._check_states(kept):
                counts.tokens += tokens
                progress(rows)
        return counts

    def _record(self, line: Line, missing: np.ndarray) -> str:
        pieces = [self.whole.tokenizer.engine.tokens[i] for i in missing]
        record = {"file": str(line.file), "line": line.number, "missing": pieces}
        return json.dumps(record, ensure_ascii=False) + "\n"

    def _check_ids(self, old: np.ndarray, new: np.ndarray, line: Line) -> None:
        if not np.array_equal(self.renaming.new[old], new):
            raise _difference(line, "other ids")

    def _check_states(self, lines: Sequence[Line]) -> Iterator[tuple[int, int]]:
        """Compares batches; gives the tokens and texts of each."""
        rows = self.whole.tokenizer([line.text for line in lines], padding=False, return_tensors="np")
        for batch in by_length([len(row) for row in rows["input_ids"]], BATCH_TOKENS):
            texts = [lines[n].text for n in batch]
            old, new = (m.tokenizer(texts, return_tensors="np") for m in (self.whole, self.trimmed))
            renamed = {**old, "input_ids": self.renaming.new[old["input_ids"]]}
            first, second = _states(self.whole, old), _states(self.trimmed, new)
            for n, number in enumerate(batch):
                if any(not np.array_equal(renamed[name][n], new[name][n]) for name in renamed):
                    raise _difference(lines[number], "other ids")
                if first[n].tobytes() != second[n].tobytes():
                    far = float(np.abs(first[n] - second[n]).max())
                    raise _difference(lines[number], f"states that differ by up to {far:.1e}")
            yield int(old["attention_mask"].sum()), len(batch)


def _states(model: Model, batch: dict[str, np.ndarray]) -> np.ndarray:
    """Gives the last hidden states, float32 [B, T, D]."""
    with paddle.no_grad():
        states: Any = model(**{name: paddle.to_tensor(array) for name, array in batch.items()})
    found: np.ndarray = states.last_hidden_state.numpy()
    return found


def _with_unknown(rows: Sequence[np.ndarray], tokenizer: Tokenizer) -> int:
    return sum(bool(np.any(row == tokenizer.unk_token_id)) for row in rows)


def _difference(line: Line, what: str) -> ParityError:
    return ParityError(
        f"Line {line.number} of {quote(str(line.file), 200)} keeps all its pieces and gets {what} from the trimmed "
        "model; nothing was published.",
        "Use the model as it is.",
    )
