"""Finds the piece of a tokenized sentence that speaks for each word."""

from __future__ import annotations

import numpy as np


def owners(sample: np.ndarray, starts: np.ndarray, words: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Gives the piece that speaks for each word.

    Args:
        sample: [N], the sentence of each row.
        starts: [N + 1], where each row begins.
        words: [total], the word of each piece, -1 for special tokens.
        offsets: [total, 2], characters of its word that a piece covers.

    Returns:
        [total] int32: the word's number at one piece per word, -1 elsewhere. The piece is the word's first one that
        covers a character, in the row where it is furthest from both ends.
    """
    lengths = np.diff(starts)
    rows = np.repeat(np.arange(len(lengths)), lengths)
    place = np.arange(len(words)) - starts[rows]
    margin = np.minimum(place, lengths[rows] - 1 - place)
    empty = offsets[:, 0] == offsets[:, 1]
    pieces = np.flatnonzero(words >= 0)
    order = np.lexsort((pieces, empty[pieces], words[pieces], rows[pieces]))
    firsts = _first_of(pieces[order], words, rows)  # of each word in each row
    sentences = sample[rows]
    order = np.lexsort((-margin[firsts], offsets[firsts, 0], empty[firsts], words[firsts], sentences[firsts]))
    chosen = _first_of(firsts[order], words, sentences)
    out = np.full(len(words), -1, np.int32)
    out[chosen] = words[chosen]
    return out


def _first_of(sorted_pieces: np.ndarray, *keys: np.ndarray) -> np.ndarray:
    """Gives, of sorted pieces, the first with each combination of keys."""
    change = np.ones(len(sorted_pieces), bool)
    if len(sorted_pieces) > 1:
        change[1:] = np.any([np.diff(key[sorted_pieces]) != 0 for key in keys], axis=0)
    return sorted_pieces[change]
