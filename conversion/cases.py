"""The inputs of a comparison: lengths one to the longest, unpadded, padded on either side, text and random ids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from conversion.reference import Reference
from conversion.texts import SENTENCES

LENGTHS = (1, 2, 7, 16, 128)
LONGEST = 2048  # tokens; the attention scores of 8192 take four gigabytes in every layer
PADDED = (16, 7, 2, 1)
CHOICES = 2


@dataclass(frozen=True)
class Case:
    """One batch.

    Attributes:
        inputs: input_ids and, where given, attention_mask and token_type_ids: int64, [B, T] ([B, N, T] for
            multiple-choice).
        labels: what the loss is computed from; None for a bare network. For qa a [B, 2] array of start and end.
        gradients: whether gradients are compared as well.
    """

    name: str
    inputs: Mapping[str, np.ndarray]
    labels: np.ndarray | None
    gradients: bool = False

    @property
    def real(self) -> np.ndarray:
        """Where real tokens are: bool, shape of input_ids."""
        mask = self.inputs.get("attention_mask")
        return np.ones(self.inputs["input_ids"].shape, bool) if mask is None else mask.astype(bool)


class CaseMaker:
    """Makes the batches of one comparison; the same seed gives the same ones."""

    def __init__(self, reference: Reference, config: Mapping[str, object], task: str | None, seed: int = 0) -> None:
        self.reference = reference
        self.task = task
        self.rng = np.random.default_rng(seed)
        self.vocab = int(config["vocab_size"])  # type: ignore[call-overload]
        self.pad = int(config.get("pad_token_id") or 0)  # type: ignore[call-overload]
        rows = int(config["max_position_embeddings"]) - reference.reserved_positions  # type: ignore[call-overload]
        self.longest = min(rows, LONGEST)
        table = config.get("id2label")
        self.classes = len(table) if isinstance(table, Mapping) else 2

    def all(self, text_ids: list[list[int]]) -> list[Case]:
        """Every case: `text_ids` are the ids of the sentences of conversion/texts.py."""
        shortest = self.reference.shortest
        lengths = sorted({*(max(n, shortest) for n in LENGTHS if n < self.longest), self.longest})
        unpadded = [self.random(f"length {n}", [n], gradients=n == min(16, self.longest)) for n in lengths]
        rows = [min(n, self.longest) for n in PADDED]
        padded = [
            self.random(f"padded {side}", rows, side, gradients=True) for side in self.reference.padding_sides
        ]
        rows_of_text = [ids[: self.longest] for ids in text_ids if max(ids) < self.vocab]
        texts = [self.case("text", rows_of_text[:12], "right")] if rows_of_text else []
        return [*unpadded, *padded, *texts]

    def random(self, name: str, lengths: list[int], side: str = "", gradients: bool = False) -> Case:
        """A batch of random ids without special ones; no mask when `side` is empty."""
        free = np.setdiff1d(np.arange(self.vocab), self.reference.special_ids)
        return self.case(name, [list(self.rng.choice(free, n)) for n in lengths], side, gradients)

    def case(self, name: str, rows: list[list[int]], side: str = "", gradients: bool = False) -> Case:
        """Pads rows of ids into a batch, with segment ids where the family has them, and labels for the task."""
        if self.task == "multiple-choice":
            rows = [row for row in rows for _ in range(CHOICES)]
        width = max(map(len, rows))
        ids = np.full((len(rows), width), self.pad, np.int64)
        mask = np.zeros_like(ids)
        for n, row in enumerate(rows):
            where = slice(width - len(row), None) if side == "left" else slice(0, len(row))
            ids[n, where], mask[n, where] = row, 1
        inputs = {"input_ids": ids}
        if side:
            inputs["attention_mask"] = mask
        if self.reference.token_types > 1:
            inputs["token_type_ids"] = self.rng.integers(0, self.reference.token_types, ids.shape) * mask
        labels = self.labels(ids, mask)
        if self.task == "generation":  # targets without padding, shorter than padded texts
            shape = (len(rows), width if mask.all() else max(1, width // 2))
            free = np.setdiff1d(np.arange(self.vocab), self.reference.special_ids)
            inputs["decoder_input_ids"] = self.rng.choice(free, shape)
            labels = np.where(self.rng.random(shape) < 1 / 3, -100, self.rng.choice(free, shape))
            labels[0, 0] = free[0]
        if self.task == "multiple-choice":
            inputs = {k: v.reshape(-1, CHOICES, width) for k, v in inputs.items()}
        return Case(name, inputs, labels, gradients)

    def labels(self, ids: np.ndarray, mask: np.ndarray) -> np.ndarray | None:
        """Labels that reach every part of a head; about a third of the token labels are -100."""
        rows = len(ids)
        ignored = (mask == 0) | (self.rng.random(ids.shape) < 1 / 3)
        ignored[0, mask[0].argmax()] = False
        match self.task:
            case "mlm":
                return np.where(ignored, -100, ids)
            case "tagging":
                return np.where(ignored, -100, self.rng.integers(0, self.classes, ids.shape))
            case "discriminator":
                return self.rng.integers(0, 2, ids.shape)
            case "classification":
                one = self.classes == 1  # a number to come near to
                return self.rng.random(rows, np.float32) if one else self.rng.integers(0, self.classes, rows)
            case "multiple-choice":
                return self.rng.integers(0, CHOICES, rows // CHOICES)
            case "qa":
                first = mask.argmax(1)
                return np.stack([first, first + mask.sum(1) - 1], 1)
        return None


def lines(limit: int = 400) -> list[str]:
    """Lines for the tokenizer comparison: the embedded sentences, and pieces and joins of them."""
    halves = [s[: len(s) // 2] for s in SENTENCES] + [s[len(s) // 2 :] for s in SENTENCES]
    joined = [f"{a} {b}" for a in SENTENCES for b in SENTENCES]
    return [line for line in (*SENTENCES, *halves, *joined) if line.strip()][:limit]  # PALM refuses empty ones
