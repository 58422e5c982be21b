"""The beam search that PALM's and PALM 2.0's published scores were made with."""

from __future__ import annotations

import numpy as np

from zoo.models.common.generation.cache import Session
from zoo.models.common.generation.options import Generated, Options
from zoo.models.common.generation.search import Beams, Finished


def published_search(session: Session, start: np.ndarray, eos: int, pad: int, options: Options) -> Generated:
    """Runs beams by the rule that PALM was published with; `generate(search="palm")`.

    N candidates, not 2N. A hypothesis that ends is stored and goes on past its end, until the best one ends, or the
    length is reached; then all are stored. A result is cut at its first end token. The score of a hypothesis is its
    sum of log-probabilities over ((5 + length) / 6)**length_penalty (Wu et al. 2016, equation 14).
    """
    beams = Beams(session, start, eos, options)
    count, limit = options.num_beams, options.max_length
    stored: list[list[tuple[float, np.ndarray]]] = [[] for _ in start]
    texts = np.arange(len(start))  # those whose best hypothesis has not ended
    while len(texts):
        sums, tokens, parents = beams.extend(count, count)
        length = beams.length + 1
        ends = (tokens == eos) | (length == limit)
        over = ends[:, 0].copy()
        sequences = beams.joined(tokens, parents)[:, :, beams.start :]
        scores = sums / np.float32(((5 + length) / 6) ** options.length_penalty)
        for row, place in zip(*np.nonzero(ends | over[:, None]), strict=True):
            stored[texts[row]].append((float(scores[row, place]), sequences[row, place]))
        texts = texts[~over]
        if len(texts):
            beams.go(sums, tokens, parents, ~over)
    finished = Finished(len(start), options.num_return_sequences, pad, limit)
    for text, found in enumerate(stored):
        ranked = sorted(found, key=lambda pair: -pair[0])
        for place, (score, tokens) in enumerate(ranked[: options.num_return_sequences]):
            length = int(np.argmax(tokens == eos)) + 1 if (tokens == eos).any() else len(tokens)
            finished.scores[text, place], finished.lengths[text, place] = score, length
            finished.sequences[text, place, :length] = tokens[:length]
    return finished.result(options.num_return_sequences)
