"""Codes of vectors: int8 and uint8 with a range for each dimension, and a bit for each; as sentence-transformers'.

Legend: W numbers of a code: D, or a byte for each 8 bits.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from zoo.errors import InputError, UsageError, did_you_mean
from zoo.files import quote
from zoo.search.vectors import Corpus, blocks

log = logging.getLogger("zoo")

Precision = Literal["float32", "int8", "uint8", "binary", "ubinary"]
PRECISIONS: tuple[str, ...] = get_args(Precision)
BITS = ("binary", "ubinary")
STEPS = 255  # of a range
SIGNED = 128  # what int8 and binary subtract from the unsigned codes
FEW_VECTORS = 100  # with fewer a range says little
TILE_ROWS = 32  # queries whose differing bits are counted together, within a processor's cache
_ONES = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(axis=1).astype(np.uint8)


def calibrate(embeddings: Corpus) -> np.ndarray:
    """Gives the least and the largest number of each dimension: the `ranges` of int8 and uint8 codes.

    Args:
        embeddings: vectors like those that are to be coded, float; the corpus itself, or some thousands of it.
            Files and generators are read in blocks.

    Returns:
        float32 [2, D].

    Raises:
        InputError: there is none, or one that is not finite.
        UsageError: there is one only.
    """
    made: np.ndarray | None = None
    count = 0
    for block in blocks(embeddings):
        if block.dtype.kind != "f":
            raise InputError(f"Vectors of {block.dtype} have no ranges.", "Calibrate with float vectors.")
        if len(block):
            both = (block.min(axis=0), block.max(axis=0))
            made = np.stack(both if made is None else (np.minimum(made[0], both[0]), np.maximum(made[1], both[1])))
        count += len(block)
    if made is None:
        raise InputError("There is no vector to calibrate with.", "Give some thousands.")
    if not np.isfinite(made).all():
        raise InputError("A vector has a number that is not finite.", "Leave it out.")
    if count == 1:
        raise UsageError("The numbers of one vector have no range.", "Calibrate with some thousands.")
    if count < FEW_VECTORS:
        log.warning("The ranges of int8 codes come from %d vectors; with some thousands they say more.", count)
    return made.astype(np.float32)


def quantize_embeddings(
    embeddings: np.ndarray,
    precision: Precision,
    ranges: np.ndarray | None = None,
    calibration_embeddings: Corpus | None = None,
) -> np.ndarray:
    """Gives vectors as codes, equal to those of sentence-transformers' function of this name.

    Args:
        embeddings: float [N, D].
        precision: "int8" and "uint8", 255 steps between the least and largest number of a dimension; "binary"
            (int8) and "ubinary" (uint8), whether a number is above 0, 8 to a byte; "float32".
        ranges: of `calibrate`, float32 [2, D], for int8 and uint8. Keep them: queries need the same.
        calibration_embeddings: vectors that give the ranges; the embeddings themselves where neither is given.

    Returns:
        [N, W].

    Raises:
        InputError: vectors that are none, or have codes already.
        UsageError: there is no such precision.
    """
    check_precision(precision)
    if not isinstance(embeddings, np.ndarray) or embeddings.ndim != 2 or embeddings.dtype.kind != "f":
        raise InputError("Codes are made of float vectors.", "Give an array [N, D] of float32.")
    if precision == "float32":
        return embeddings.astype(np.float32)
    if precision in BITS:
        bits = np.packbits(embeddings > 0, axis=-1)
        return bits if precision == "ubinary" else (bits ^ SIGNED).view(np.int8)
    if not len(embeddings):
        return np.zeros(embeddings.shape, precision)
    if ranges is None:
        ranges = calibrate(embeddings if calibration_embeddings is None else calibration_embeddings)
    starts, steps = _grid(ranges, embeddings.shape[1])
    with np.errstate(invalid="ignore"):
        codes = np.clip(np.floor((embeddings - starts) / np.where(steps == 0, 1, steps)), 0, STEPS)
    if not np.isfinite(codes).all():
        raise InputError("A vector has a number that is not finite.", "Leave it out.")
    return codes.astype(np.uint8) if precision == "uint8" else (codes - SIGNED).astype(np.int8)


@dataclass(frozen=True)
class Code:
    """How the vectors of a corpus are stored.

    Attributes:
        precision: of PRECISIONS.
        width: D, of the vectors before they were coded.
        keep: how many of these numbers are looked at.
        ranges: of int8 and uint8, [2, D].

    Raises:
        UsageError: no such precision, no ranges where some are needed, or a `keep` that does not work.
        InputError: ranges of another width.
    """

    precision: str
    width: int
    keep: int
    ranges: np.ndarray | None = None

    def __post_init__(self) -> None:
        check_precision(self.precision)
        if not 1 <= self.keep <= self.width:
            raise UsageError(f"truncate_dim={self.keep} does not work.", f"A whole number from 1 to {self.width}.")
        if self.of_bits and self.keep % 8 and self.keep < self.width:
            raise UsageError(f"truncate_dim={self.keep} does not work with bits.", "Give a multiple of 8.")
        if self.precision in ("int8", "uint8"):
            if self.ranges is None:
                raise UsageError(
                    f"{self.precision} codes mean nothing without their ranges.",
                    "ranges=calibrate(vectors), as they were coded with.",
                )
            _grid(self.ranges, self.width)

    @property
    def of_bits(self) -> bool:
        """Tells whether a code has a bit for each number."""
        return self.precision in BITS

    def codes(self, block: np.ndarray) -> np.ndarray:
        """Gives what is looked at of stored vectors [B, W]; bits as uint8.

        Raises:
            InputError: they are not stored so.
        """
        wanted = {"float32": "float", "binary": "int8", "ubinary": "uint8"}.get(self.precision, self.precision)
        bytes_of_bits = (self.width + 7) // 8
        if (block.dtype.kind == "f") != (wanted == "float") or wanted not in ("float", str(block.dtype)):
            hint = "corpus_precision says how they are stored: " + ", ".join(PRECISIONS)
            raise InputError(f"Vectors of {block.dtype} are not {self.precision}.", f"{hint}.")
        if block.shape[1] != (bytes_of_bits if self.of_bits else self.width):
            stored = f"{block.shape[1]} {'bytes' if self.of_bits else 'numbers'}"
            raise InputError(
                f"A query has {self.width} numbers, and the corpus {stored} of {self.precision}.",
                "Both must come from the same model.",
            )
        if not self.of_bits:
            return block[:, : self.keep]
        kept = block[:, : (self.keep + 7) // 8]
        return kept if self.precision == "ubinary" else kept.view(np.uint8) ^ np.uint8(SIGNED)

    def vectors(self, block: np.ndarray) -> np.ndarray:
        """Gives stored vectors [B, W] as float32 [B, keep]: a number in the middle of its step, a bit as 1 or -1.

        Raises:
            InputError: they are not stored so.
        """
        codes = self.codes(block)
        if self.precision == "float32":
            return codes.astype(np.float32, copy=False)
        if self.of_bits:
            return np.unpackbits(codes, axis=1, count=self.keep).astype(np.float32) * 2 - 1
        assert self.ranges is not None
        starts, steps = _grid(self.ranges[:, : self.keep], self.keep)
        middle = SIGNED + 0.5 if self.precision == "int8" else 0.5
        return codes.astype(np.float32) * steps + (starts + np.float32(middle) * steps)


def bit_similarities(a: np.ndarray, b: np.ndarray, width: int) -> np.ndarray:
    """Compares packed bits: the cosine of vectors of 1 and -1, which is 1 - 2 * (differing bits) / width.

    Args:
        a, b: uint8 [N, W] and [M, W].
        width: bits of a vector.

    Returns:
        float32 [N, M].
    """
    first, second = _words(a), np.ascontiguousarray(_words(b).T)
    made = np.zeros((len(a), len(b)), np.float32)
    for start in range(0, len(a), TILE_ROWS):
        tile = made[start : start + TILE_ROWS]
        for number, word in enumerate(second):
            tile += _ones(first[start : start + TILE_ROWS, number, None] ^ word)
    made *= -2 / width
    made += 1
    return made


def _words(bits: np.ndarray) -> np.ndarray:
    """Gives bytes [N, W] as uint64, filled with zeros."""
    padded = np.zeros((len(bits), -(-bits.shape[1] // 8) * 8), np.uint8)
    padded[:, : bits.shape[1]] = bits
    return padded.view(np.uint64)


def _ones(words: np.ndarray) -> np.ndarray:
    """Counts the bits of uint64 [N, M] that are 1."""
    if hasattr(np, "bitwise_count"):
        return np.bitwise_count(words)
    return _ONES[words.view(np.uint8).reshape(*words.shape, 8)].sum(axis=-1, dtype=np.uint8)  # numpy 1


def _grid(ranges: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Gives where the steps of each dimension start, and how long they are; 0 where a dimension is constant."""
    ranges = np.asarray(ranges)
    if ranges.shape != (2, width) or ranges.dtype.kind != "f":
        raise InputError(f"Ranges are {list(ranges.shape)}, not [2, {width}].", "Give those of `calibrate`.")
    ranges = ranges.astype(np.float32, copy=False)
    return ranges[0], (ranges[1] - ranges[0]) / STEPS


def check_precision(precision: str) -> None:
    """Raises UsageError for a name that is not of PRECISIONS."""
    if precision not in PRECISIONS:
        hint = did_you_mean(str(precision), PRECISIONS) or f"One of {', '.join(PRECISIONS)}."
        raise UsageError(f"The precision {quote(precision)} does not exist.", hint)
