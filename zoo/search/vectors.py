"""Reads the vectors of a corpus: arrays, .npy files of any size, several of them, or what a generator makes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from zoo.errors import InputError
from zoo.files import quote

BLOCK_ROWS = 8192  # vectors of a block

Part = np.ndarray | str | os.PathLike[str]  # vectors [M, D], or the .npy file that has them
Corpus = Part | Iterable[Part]  # an iterable may also give vectors [D], one by one


def blocks(corpus: Corpus, rows: int = BLOCK_ROWS) -> Iterator[np.ndarray]:
    """Gives the vectors of a corpus in blocks [B, D], in their order; files are mapped, not read whole.

    Raises:
        InputError: a file or an array that has no vectors; names it.
    """
    for part in _parts(corpus, rows):
        for start in range(0, len(opened(part)), rows):
            yield opened(part)[start : start + rows]  # mapped anew: earlier pages of a file leave the memory


def take(corpus: Corpus, rows: np.ndarray) -> np.ndarray:
    """Gives some vectors of a corpus: [N, D] of row numbers [N].

    Raises:
        InputError: there are not so many; or as `blocks`.
    """
    made: np.ndarray | None = None
    first = 0
    for part in _parts(corpus):
        array = opened(part)
        here = (rows >= first) & (rows < first + len(array))
        if here.any():
            picked = array[rows[here] - first]
            made = np.zeros((len(rows), array.shape[1]), array.dtype) if made is None else made
            if picked.shape[1] != made.shape[1]:
                raise InputError(f"Vectors have {made.shape[1]} and {picked.shape[1]} numbers.")
            made[here] = picked
        first += len(array)
    if made is None or rows.max() >= first:
        raise InputError(f"There are {first} vectors, fewer than the corpus has.", "Give as many, in its order.")
    return made


def opened(part: Part) -> np.ndarray:
    """Gives the array [M, D] of a part; that of a file is mapped.

    Raises:
        InputError: it is no such array.
    """
    if isinstance(part, np.ndarray):
        array, name = part, "An array"
    else:
        name = quote(os.fspath(part), 200)
        if not os.path.isfile(part):
            raise InputError(f"There is no file {name}.", "Give the .npy file of the vectors.")
        try:
            array = np.load(part, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError, SyntaxError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or "it is no .npy file of numbers"
            raise InputError(f"{name} cannot be read: {reason}.", "Vectors are kept by np.save.") from None
    if not isinstance(array, np.ndarray) or array.ndim != 2 or array.dtype.kind not in "fiu":
        about = f"{array.dtype} {list(array.shape)}" if isinstance(array, np.ndarray) else "an archive"
        raise InputError(f"{name} has no vectors: {about}.", "Give [M, D], of float32 or of codes.")
    return array


def _parts(corpus: Corpus, rows: int = BLOCK_ROWS) -> Iterator[Part]:
    """Gives arrays and files; single vectors are gathered."""
    if isinstance(corpus, np.ndarray | str | os.PathLike):
        yield corpus
        return
    if not isinstance(corpus, Iterable):
        raise InputError(f"A {type(corpus).__name__} is no corpus.", "Give an array [M, D], or .npy files.")
    held: list[np.ndarray] = []
    for part in corpus:
        if isinstance(part, np.ndarray) and part.ndim == 1:
            held.append(part)
            if len(held) == rows:
                yield _stacked(held)
                held = []
            continue
        if held:
            yield _stacked(held)
            held = []
        if not isinstance(part, np.ndarray | str | os.PathLike):
            raise InputError(f"A {type(part).__name__} is no vector.", "Give arrays, or .npy files.")
        yield part
    if held:
        yield _stacked(held)


def _stacked(vectors: Sequence[np.ndarray]) -> np.ndarray:
    if len(widths := {len(v) for v in vectors}) > 1:
        raise InputError(f"Vectors have {' and '.join(map(str, sorted(widths)))} numbers.", "Give one width.")
    return np.stack(vectors)
