"""Searches: one token after the other (greedy, draws), and beams by the common rule.

A family may have a rule of its own, made of `Beams` and `Finished`; see `Seq2Seq.SEARCHES`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import paddle
from paddle import Tensor

from zoo.models.common.generation.cache import Session
from zoo.models.common.generation.options import Generated, Options
from zoo.models.common.generation.scoring import (
    Candidates,
    apply_rules,
    array_of,
    best,
    draw,
    logsumexp,
)

UNUSED_SCORE = np.float32(-1e9)
Stream = Callable[[np.ndarray], None]
# Of a session, start tokens [B, n], the end token, the padding token and the options.
Search = Callable[[Session, np.ndarray, int, int, Options], Generated]


def generate_tokens(
    session: Session, start: np.ndarray, eos: int, pad: int, options: Options, stream: Stream | None
) -> Generated:
    """Runs greedy search or draws. start: [B, n]. stream: gets the tokens [B x N] of each step.

    A text whose N sequences have ended is decoded no further.
    """
    batch, count = len(start), options.num_return_sequences
    texts = np.repeat(np.arange(batch), count)
    streams = [np.random.default_rng([options.seed, n // count, n % count]) for n in range(batch * count)]
    history, total = start[texts], np.zeros(batch * count, np.float32)
    ended, lengths = np.zeros(batch * count, bool), np.zeros(batch * count, np.int64)
    rows = np.arange(batch * count)  # the sequences of the texts that go on
    logits = session.start(start)
    if count > 1:
        logits = paddle.index_select(logits, paddle.to_tensor(texts))  # [B x N, V]
    for step in range(options.max_length):
        norms = logsumexp(array_of(logits))
        raw = logits.clone() if options.repetition_penalty != 1 or options.min_length else logits
        ruled = apply_rules(logits, history[rows], step, eos, options, np.zeros_like(norms))
        if options.do_sample:
            drawn = zip(ruled.numpy(), rows, strict=True)
            found = np.array([draw(scores, options, streams[row].random()) for scores, row in drawn])
        else:
            found = ruled.argmax(-1).numpy()
        chosen = paddle.take_along_axis(raw, paddle.to_tensor(found[:, None]), 1).numpy()[:, 0]
        total[rows] += np.where(ended[rows], 0, chosen - norms)
        tokens = np.full(batch * count, pad)
        tokens[rows] = np.where(ended[rows], pad, found)
        lengths += ~ended
        ended |= tokens == eos
        history = np.concatenate([history, tokens[:, None]], axis=1)
        if stream is not None:
            stream(tokens)
        if ended.all() or step + 1 == options.max_length:
            break
        over = ended[rows].reshape(-1, count).all(axis=1)
        if over.any():
            session.keep(np.flatnonzero(~over))
            rows = rows.reshape(-1, count)[~over].reshape(-1)
        stay = np.tile(np.arange(count) if step else np.zeros(count, np.int64), (len(rows) // count, 1))
        logits = session.step(tokens[rows].reshape(-1, count), stay)
    scores = total / lengths.astype(np.float32) ** options.length_penalty
    return Generated(history[:, start.shape[1] :], scores.astype(np.float32), lengths)


class Beams:
    """The running hypotheses of the texts that go on, and the step that both rules share.

    Attributes:
        history: [B, N, start + T] tokens.
        scores: [B, N] sums of log-probabilities; copies of one hypothesis have UNUSED_SCORE but the first.
    """

    def __init__(self, session: Session, start: np.ndarray, eos: int, options: Options) -> None:
        self.session = session
        self.eos = eos
        self.options = options
        self.count = options.num_beams
        self.start = start.shape[1]
        self.history = np.repeat(start[:, None], self.count, axis=1)
        self.scores = np.full((len(start), self.count), UNUSED_SCORE)
        self.scores[:, 0] = 0
        self.logits = session.start(start)

    @property
    def length(self) -> int:
        """Gives the number T of generated tokens."""
        return self.history.shape[2] - self.start

    def extend(self, k: int, each: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Gives the k best continuations of a text, from the `each` best of each hypothesis.

        Returns:
            Sums of log-probabilities, tokens and places of the parents, [B, k] each, the best first.
        """
        found = self._candidates(self.logits, each)
        batch = len(self.history)
        sums = self.scores[:, :, None] + found.values.reshape(batch, -1, found.values.shape[1])
        ids = np.broadcast_to(found.ids.reshape(batch, -1, found.ids.shape[1]), sums.shape)
        flat = sums.reshape(batch, -1)
        order = np.argsort(-flat, axis=1, kind="stable")[:, :k]
        take = np.take_along_axis
        parents = order // sums.shape[2] if self.length else order * 0
        return take(flat, order, 1), take(ids.reshape(batch, -1), order, 1), parents

    def go(self, scores: np.ndarray, tokens: np.ndarray, parents: np.ndarray, still: np.ndarray) -> None:
        """Continues with N hypotheses, [B, N] each, of the texts that are not over: still, [B] bool."""
        self.history = self.joined(tokens, parents)[still]
        self.scores = scores[still]
        if not still.all():
            self.session.keep(np.flatnonzero(still))
        self.logits = self.session.step(tokens[still], parents[still])

    def joined(self, tokens: np.ndarray, parents: np.ndarray) -> np.ndarray:
        """Gives histories with a token more, [B, k, start + T + 1], of tokens and parents [B, k] each."""
        kept = np.take_along_axis(self.history, parents[:, :, None], axis=1)
        return np.concatenate([kept, tokens[:, :, None]], axis=2)

    def _candidates(self, logits: Tensor, k: int) -> Candidates:
        """Gives candidates of logits: [B, V] at the first step (one hypothesis a text), then [B x N, V]."""
        total = logsumexp(array_of(logits))
        history = self.history[:, : len(logits) // len(self.history)].reshape(len(logits), -1)
        return best(array_of(apply_rules(logits, history, self.length, self.eos, self.options, total)), k, total)


class Finished:
    """The best finished hypotheses of every text. scores: [B, N]. sequences: [B, N, max_length]."""

    def __init__(self, batch: int, count: int, pad: int, length: int) -> None:
        self.scores = np.full((batch, count), UNUSED_SCORE)
        self.sequences = np.full((batch, count, length), pad, np.int64)
        self.lengths = np.zeros((batch, count), np.int64)

    @property
    def full(self) -> np.ndarray:
        """Tells for each text, [B], whether all N are there."""
        return np.asarray((self.lengths > 0).all(axis=1))

    def merge(self, texts: np.ndarray, scores: np.ndarray, sequences: np.ndarray, which: np.ndarray) -> None:
        """Takes in what is better, of texts [b]. scores, which: [b, k]. sequences: [b, k, T]."""
        count, length = self.scores.shape[1], sequences.shape[2]
        before = self.sequences[texts]
        padded = np.pad(sequences, ((0, 0), (0, 0), (0, before.shape[2] - length)))
        padded[:, :, length:] = before[:, :1, length:]  # nothing is longer: these are padding
        scores = np.concatenate([self.scores[texts], np.where(which, scores, UNUSED_SCORE)], axis=1)
        lengths = np.concatenate([self.lengths[texts], np.where(which, length, 0)], axis=1)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :count]
        self.scores[texts] = np.take_along_axis(scores, order, 1)
        self.lengths[texts] = np.take_along_axis(lengths, order, 1)
        everything = np.concatenate([before, padded], axis=1)
        self.sequences[texts] = np.take_along_axis(everything, order[:, :, None], 1)

    def result(self, count: int) -> Generated:
        """Gives the best `count` of each text."""
        lengths = self.lengths[:, :count].reshape(-1)
        sequences = self.sequences[:, :count, : max(int(lengths.max()), 1)]
        return Generated(
            sequences.reshape(len(lengths), -1), self.scores[:, :count].reshape(-1).astype(np.float32), lengths
        )


def beam_search(session: Session, start: np.ndarray, eos: int, pad: int, options: Options) -> Generated:
    """Runs beams by the rule of transformers' generate: 2N candidates, so that N remain if others end."""
    beams = Beams(session, start, eos, options)
    count, limit, power = options.num_beams, options.max_length, options.length_penalty
    finished = Finished(len(start), count, pad, limit)
    texts = np.arange(len(start))  # those that may still find something better
    while len(texts):
        sums, tokens, parents = beams.extend(2 * count, 2 * count)
        length = beams.length + 1
        ends = (tokens == eos) | (length == limit)
        accepted = ends & (np.arange(ends.shape[1]) < count)
        sequences = beams.joined(tokens, parents)[:, :, beams.start :]
        finished.merge(texts, sums / np.float32(length**power), sequences, accepted)
        running = np.where(ends, sums + UNUSED_SCORE, sums)
        order = np.argsort(-running, axis=1, kind="stable")[:, :count]
        scores, tokens, parents = (np.take_along_axis(a, order, 1) for a in (running, tokens, parents))
        reach = limit if options.early_stopping == "never" and power > 0 else length
        hope = scores[:, 0] / np.float32(reach**power)
        still = ~finished.full[texts]
        if options.early_stopping is not True:
            still |= hope > finished.scores[texts].min(axis=1)
        texts = texts[still] if length < limit else texts[:0]
        if len(texts):
            beams.go(scores, tokens, parents, still)
    return finished.result(options.num_return_sequences)
