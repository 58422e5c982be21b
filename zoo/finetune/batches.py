"""Rows into batches: padding, length groups for training, a token budget for evaluation, shares for each process.

A row is a mapping of names to arrays, as the forward call takes them, without the batch dimension and without
padding: input_ids [T] (multiple-choice: a list of N arrays), token_type_ids [T], decoder_input_ids [N],
labels (a number, [T], [2], ...). `attention_mask` is made here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from zoo.errors import InputError
from zoo.models.common.base import Model

Row = Mapping[str, Any]
Batch = dict[str, np.ndarray]
IGNORED = -100
SOURCE = ("input_ids", "token_type_ids", "position_ids", "attention_mask")
TARGET = ("decoder_input_ids",)
LABELS_OF = {"tagging": "source", "mlm": "source", "discriminator": "source", "generation": "target"}
GROUP = 50  # batches that are sorted by length together


@dataclass(frozen=True)
class Padding:
    """How rows of different lengths become one array.

    A length is rounded up to `multiple` after `spare` slots were added. For Funnel these are 2^(blocks - 1) and one
    less: from there on more padding does not change what it gives for real tokens, so that batches of any
    composition, and padding to the largest length, all give the same numbers.

    Attributes:
        multiple, spare: the rule of lengths.
        ids: what to fill input_ids (and decoder_input_ids) with.
        labels: whether labels follow the "source", the "target" or are one per "row".
        left: pad on the left.
    """

    ids: int = 0
    multiple: int = 1
    spare: int = 0
    labels: str = "row"

    def length(self, longest: int) -> int:
        """The length that rows of up to `longest` tokens are padded to."""
        return -(-(longest + self.spare) // self.multiple) * self.multiple


def padding_of(model: Model) -> Padding:
    """The rule of a model: its family's lengths, its padding id, where its head's labels go."""
    blocks = getattr(model.config, "block_sizes", None)  # Funnel
    step = 2 ** (len(blocks) - 1) if blocks else 1
    labels = LABELS_OF.get(model.task or "generation", "row")
    return Padding(model.config.pad_token_id or 0, step, step - 1, labels)


def length_of(row: Row) -> int:
    """Tokens of a row: of its source and its target; of all choices of a multiple-choice row."""
    ids = row["input_ids"]
    source = sum(map(len, ids)) if len(ids) and np.ndim(ids[0]) else len(ids)
    return source + len(row.get("decoder_input_ids", ()))


def collate(rows: Sequence[Row], padding: Padding, lengths: tuple[int, int] | None = None) -> Batch:
    """Arrays [B, ...] of rows, padded at their ends.

    Args:
        rows: at least one; all with the same names.
        padding: the rule.
        lengths: of source and target, at least; when several processes must pad alike.

    Returns:
        int64 ids and mask, labels int64 or float32.

    Raises:
        InputError: no rows, rows with different names, or a sequence that does not fit its ids; names the row.
    """
    if not rows:
        raise InputError("A batch needs at least one row.")
    source, target = longest(rows)
    if lengths is not None:
        source, target = max(source, lengths[0]), max(target, lengths[1])
    widths = {"source": padding.length(source), "target": target}
    batch: Batch = {}
    names = [name for name in rows[0] if name != "attention_mask"]
    for name in names:
        try:
            values = [row[name] for row in rows]
        except KeyError:
            raise InputError(f"Some rows have '{name}' and others have not.") from None
        kind = "source" if name in SOURCE else "target" if name in TARGET else "row"
        if name == "labels":
            kind = padding.labels
        if kind == "row":
            batch[name] = _stacked(name, values)
            continue
        fill = {"input_ids": padding.ids, "decoder_input_ids": padding.ids, "labels": IGNORED}.get(name, 0)
        batch[name] = _padded(name, values, widths[kind], fill)
    batch["attention_mask"] = _padded(
        "attention_mask", [_ones(row["input_ids"]) for row in rows], widths["source"], 0
    )
    return batch


def longest(rows: Sequence[Row]) -> tuple[int, int]:
    """Tokens of the longest source and target among rows."""
    sources = (len(part) for row in rows for part in _parts(row["input_ids"]))
    return max(sources), max(len(row.get("decoder_input_ids", ())) for row in rows)


def _parts(ids: Any) -> Sequence[Any]:
    """The choices of a multiple-choice row, or the one text."""
    return ids if len(ids) and np.ndim(ids[0]) else [ids]


def _ones(ids: Any) -> Any:
    return [np.ones(len(part), np.int64) for part in ids] if np.ndim(ids[0]) else np.ones(len(ids), np.int64)


def _padded(name: str, values: Sequence[Any], width: int, fill: int) -> np.ndarray:
    """[B, width], or [B, N, width] for rows of N choices."""
    choices = len(values[0]) if np.ndim(values[0][0]) else 0
    parts = [part for value in values for part in (value if choices else [value])]
    whole = np.full((len(parts), width), fill, np.int64)
    for n, part in enumerate(parts):
        if len(part) > width:
            raise InputError(f"'{name}' of a row has {len(part)} entries for at most {width} tokens.")
        whole[n, : len(part)] = part
    if not choices:
        return whole
    if len(parts) != choices * len(values):
        raise InputError("Rows of one data set must have the same number of choices.")
    return whole.reshape(len(values), choices, width)


def _stacked(name: str, values: Sequence[Any]) -> np.ndarray:
    try:
        whole = np.asarray(values)
    except ValueError:
        raise InputError(f"'{name}' has another shape in each row.") from None
    return whole.astype(np.float32 if whole.dtype.kind == "f" else np.int64)


class TrainBatches:
    """The order of the training rows: a function of seed and place, so there is no state to lose.

    Every epoch is shuffled; with `grouped`, rows of like length come together: 50 batches at a time are sorted by
    length, and the batches are shuffled again. The last batch of an epoch may be smaller.

    Args:
        lengths: tokens of each row.
        batch_size: rows of a micro-batch, over all processes.
        seed: of the order.
        grouped: by length.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int, grouped: bool = True) -> None:
        if not len(lengths):
            raise InputError("There are no rows to train on.")
        self.lengths = np.asarray(lengths)
        self.batch_size = batch_size
        self.seed = seed
        self.grouped = grouped
        self._epoch: tuple[int, list[np.ndarray]] = (-1, [])

    def __len__(self) -> int:
        """Batches of an epoch."""
        return -(-len(self.lengths) // self.batch_size)

    def __getitem__(self, number: int) -> np.ndarray:
        """Row numbers of batch `number`, counted from the first batch of the first epoch on, without end."""
        epoch, place = divmod(number, len(self))
        if self._epoch[0] != epoch:
            self._epoch = (epoch, self._shuffled(epoch))
        return self._epoch[1][place]

    def _shuffled(self, epoch: int) -> list[np.ndarray]:
        random = np.random.Generator(np.random.PCG64(np.random.SeedSequence([self.seed, epoch])))
        order = random.permutation(len(self.lengths))
        size = self.batch_size
        if not self.grouped:
            return [order[at : at + size] for at in range(0, len(order), size)]
        batches = []
        for at in range(0, len(order), GROUP * size):
            group = order[at : at + GROUP * size]
            group = group[np.argsort(-self.lengths[group], kind="stable")]
            batches += [group[k : k + size] for k in range(0, len(group), size)]
        short = [b for b in batches if len(b) < size]
        full = [b for b in batches if len(b) == size]
        return [*(full[k] for k in random.permutation(len(full))), *short]


def share(rows: np.ndarray, rank: int, world: int) -> np.ndarray:
    """The rows of a batch that one of `world` processes takes: like lengths for each, none twice."""
    return rows[rank::world]


def eval_batches(
    lengths: Sequence[int], padding: Padding, budget: int = 4096, most: int = 64, rank: int = 0, world: int = 1
) -> Iterator[np.ndarray]:
    """Row numbers of batches for evaluation: every row once, longest first, at most `budget` padded tokens each.

    Args:
        lengths: tokens of each row.
        padding: the rule of lengths.
        budget: padded tokens; a longer row is a batch of its own.
        most: rows of a batch.
        rank, world: this process takes every world-th batch; all of them together have each row once.
    """
    order = np.argsort(-np.asarray(lengths), kind="stable")
    at = number = 0
    while at < len(order):
        width = padding.length(int(lengths[order[at]]))
        size = max(1, min(most, budget // width))
        if number % world == rank:
            yield order[at : at + size]
        at += size
        number += 1
