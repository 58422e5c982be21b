"""Keeps rows of token ids of unequal length flat, and pads them only when they become a batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from zoo.tokenization import Tokenizer

IGNORED_LABEL = -100  # a label that does not count
TARGET_COLUMNS = ("decoder_input_ids", "labels")  # columns of a decoder, as long as the target


@dataclass(frozen=True)
class Ragged:
    """N rows of unequal length in one array.

    Attributes:
        values: [total, ...], all rows one after the other.
        starts: [N + 1], where each row begins; the last is the total.
    """

    values: np.ndarray
    starts: np.ndarray

    @classmethod
    def of(cls, rows: Sequence[Any], dtype: Any = np.int32) -> Ragged:
        """Makes one of a list of rows."""
        arrays = [np.asarray(row, dtype) for row in rows]
        starts = np.concatenate(([0], np.cumsum([len(a) for a in arrays], dtype=np.int64))).astype(np.int64)
        return cls(np.concatenate(arrays) if arrays else np.zeros(0, dtype), starts)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, n: int) -> np.ndarray:
        return self.values[self.starts[n] : self.starts[n + 1]]

    @property
    def lengths(self) -> np.ndarray:
        """Gives the lengths of the rows, [N]."""
        return np.diff(self.starts)

    def padded(self, rows: Sequence[int], width: int, pad: int) -> np.ndarray:
        """Gives rows [len(rows), width, ...] as int64, with `pad` after the end of each."""
        out = np.full((len(rows), width, *self.values.shape[1:]), pad, np.int64)
        for n, row in enumerate(rows):
            values = self[row]
            out[n, : len(values)] = values
        return out


Column = Ragged | np.ndarray


def token_columns(rows: Mapping[str, Sequence[Any]]) -> dict[str, Column]:
    """Gives the columns of a network's inputs, of what a tokenizer gave without padding."""
    return {name: Ragged.of(rows[name]) for name in ("input_ids", "token_type_ids") if name in rows}


@dataclass
class Features:
    """The inputs of a network, with what turns its outputs back into answers.

    N rows; a long example may have several, and an example has at least one.

    Attributes:
        columns: `input_ids`, for families that have them `token_type_ids`, and with gold answers `labels`:
            [N] integers or floats for classification, [N, 2] for qa, rows as long as input_ids for tagging.
            Generation: `decoder_input_ids` and `labels`, both as long as the target.
        sample: [N], the number of the example each row came from, counted from 0.
        notes: what `predictions` needs beside the outputs.
        pad_id: what pads ids.
        label_pad: what pads labels.
        target_width: decoder columns are padded at least to this many tokens.
        tokenizer: of generated ids, for tasks whose answers are such.
        lost: gold answers that truncation or alignment took away, by kind; they count as missed.
        choices: how many rows of ids each row has, one for each option of multiple-choice; 0 for a single one.
    """

    columns: dict[str, Column]
    sample: np.ndarray
    notes: dict[str, Column] = field(default_factory=dict)
    pad_id: int = 0
    lost: Counter[str] = field(default_factory=Counter)
    tokenizer: Tokenizer | None = None
    label_pad: int = IGNORED_LABEL
    target_width: int = 0
    choices: int = 0

    def __len__(self) -> int:
        return len(self.sample)

    @property
    def lengths(self) -> np.ndarray:
        """Gives the tokens of each row, special ones included, [N]; of several options those of the longest."""
        lengths = self._ids.lengths
        return lengths.reshape(-1, self.choices).max(axis=1) if self.choices else lengths

    @property
    def _ids(self) -> Ragged:
        ids = self.columns["input_ids"]
        assert isinstance(ids, Ragged)
        return ids

    def batch(self, rows: Sequence[int] | np.ndarray, width: int = 0) -> dict[str, np.ndarray]:
        """Gives some rows, padded on the right to the longest of them.

        Args:
            rows: their numbers, [B].
            width: pads at least to this many tokens (a fixed width is part of some recipes).

        Returns:
            Every column as int64 [B, T] (labels of regression: float32 [B]), and attention_mask [B, T]. Decoder
            columns have a width of their own. With `choices` all but the labels are [B, choices, T].
        """
        if self.choices:
            return self._choice_batch(rows, width)
        rows = [int(n) for n in rows]
        wide = max(_longest(self._ids, rows), width)
        targets = TARGET_COLUMNS if TARGET_COLUMNS[0] in self.columns else ()
        out: dict[str, np.ndarray] = {}
        for name, column in self.columns.items():
            if isinstance(column, np.ndarray):
                out[name] = column[rows]
                continue
            own = max(_longest(column, rows), self.target_width) if name in targets else wide
            pad = self.label_pad if name == "labels" else self.pad_id if name.endswith("input_ids") else 0
            out[name] = column.padded(rows, own, pad)
        lengths = self.lengths[rows]
        out["attention_mask"] = (np.arange(wide) < lengths[:, None]).astype(np.int64)
        return out

    def _choice_batch(self, rows: Sequence[int] | np.ndarray, width: int) -> dict[str, np.ndarray]:
        """Gives the rows of ids of all options as a batch, and divides it by question."""
        count = self.choices
        inner: dict[str, Column] = {n: column for n, column in self.columns.items() if isinstance(column, Ragged)}
        flat = (np.asarray(rows, np.int64)[:, None] * count + np.arange(count)).reshape(-1)
        batch = Features(inner, np.arange(len(self._ids)), pad_id=self.pad_id).batch(flat, width)
        out = {name: array.reshape(-1, count, array.shape[-1]) for name, array in batch.items()}
        return {**out, **{n: c[np.asarray(rows)] for n, c in self.columns.items() if isinstance(c, np.ndarray)}}


def _longest(column: Ragged, rows: list[int]) -> int:
    return max((int(column.starts[n + 1] - column.starts[n]) for n in rows), default=0)


def join(parts: Iterable[Features]) -> Features:
    """Gives the features of several runs of examples, one after the other."""
    parts = list(parts)
    examples, samples = 0, []
    for part in parts:
        samples.append(part.sample + examples)
        examples += int(part.sample[-1]) + 1 if len(part) else 0
    lost: Counter[str] = Counter()
    for part in parts:
        lost.update(part.lost)
    return Features(
        _join([p.columns for p in parts]),
        np.concatenate(samples),
        _join([p.notes for p in parts]),
        parts[0].pad_id,
        lost,
        parts[0].tokenizer,
        parts[0].label_pad,
        parts[0].target_width,
        parts[0].choices,
    )


def _join(tables: Sequence[Mapping[str, Column]]) -> dict[str, Column]:
    """Gives one table of several, without columns that some lack (labels, where rows have no gold answer)."""
    out: dict[str, Column] = {}
    for name, first in tables[0].items():
        if not all(name in table for table in tables):
            continue
        columns: list[Any] = [t[name] for t in tables]
        if isinstance(first, np.ndarray):
            out[name] = np.concatenate(columns)
            continue
        lengths = np.concatenate([c.lengths for c in columns])
        starts = np.concatenate(([0], np.cumsum(lengths)))
        out[name] = Ragged(np.concatenate([c.values for c in columns]), starts)
    return out
