"""Defines and checks the options of a call of generate, and what it returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from zoo.errors import UsageError

STANDARD_SEARCH = "standard"
EARLY_STOPPING_VALUES = (False, True, "never")


@dataclass(frozen=True)
class Generated:
    """The generated sequences; the n results of a text follow each other, the best first.

    Attributes:
        sequences: [B x n, T] int64 without the start tokens, with the end token, then padding.
        scores: [B x n] float32. For beam search the score that the search ranks by. Else the sum of the
            log-probabilities that the network gives to the tokens, divided by length**length_penalty.
        lengths: [B x n] int64, tokens of each sequence that are not padding.
    """

    sequences: np.ndarray
    scores: np.ndarray
    lengths: np.ndarray


@dataclass(frozen=True)
class Options:
    """The options of a search. Lengths count generated tokens: the end token is one, start tokens are none.

    Attributes:
        max_length: longest result.
        min_length: shortest result; the end token cannot come earlier.
        num_beams: hypotheses of a text; 1 for greedy search.
        length_penalty: a hypothesis' score is its sum of log-probabilities over length**length_penalty; a search of
            the network's own may count otherwise.
        num_return_sequences: results per text: the best of the beams, or so many draws.
        do_sample: draw each token instead of taking the likeliest.
        temperature: divides the scores before drawing.
        top_k: draw from the k likeliest tokens only; 0 for all.
        top_p: draw from the likeliest tokens that together have this probability (Holtzman et al. 2020).
        seed: of the draws. Each text and draw has a stream of its own: what stands beside it changes nothing.
        repetition_penalty: divides positive and multiplies negative scores of tokens that were there already
            (Keskar et al. 2019, section 4.1); 1 for none.
        no_repeat_ngram_size: no n tokens come twice in a row of the same order; 0 for no such rule.
        early_stopping: True: a text ends with num_beams finished hypotheses. False: when the best running one,
            at its length, is below them. "never": when no longer one can come above them.
        search: "standard", or the name of a search that the network has of its own (`Seq2Seq.SEARCHES`).
    """

    max_length: int
    min_length: int = 0
    num_beams: int = 1
    length_penalty: float = 1.0
    num_return_sequences: int = 1
    do_sample: bool = False
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int = 0
    repetition_penalty: float = 1.0
    no_repeat_ngram_size: int = 0
    early_stopping: bool | str = False
    search: str = STANDARD_SEARCH

    def __post_init__(self) -> None:
        for name, (holds, wanted) in OPTION_CHECKS.items():
            if not holds(self):
                raise UsageError(f"{name}={getattr(self, name)!r} does not work.", wanted)

    @property
    def beams(self) -> bool:
        """Tells whether hypotheses of a text compete."""
        return self.num_beams > 1 or self.search != STANDARD_SEARCH


def _count(name: str, least: int) -> Callable[[Options], bool]:
    def holds(options: Options) -> bool:
        value = getattr(options, name)
        return isinstance(value, int) and not isinstance(value, bool) and value >= least

    return holds


def _results_fit(options: Options) -> bool:
    return _count("num_return_sequences", 1)(options) and (
        options.do_sample or options.num_return_sequences <= options.num_beams
    )


# What must hold, in this order, and what to type instead.
OPTION_CHECKS: dict[str, tuple[Callable[[Options], bool], str]] = {
    "search": (lambda o: isinstance(o.search, str), f"A name, such as {STANDARD_SEARCH}."),
    "num_beams": (_count("num_beams", 1), "A whole number from 1 (greedy search)."),
    "max_length": (_count("max_length", 1), "A whole number from 1."),
    "min_length": (
        lambda o: _count("min_length", 0)(o) and o.min_length <= o.max_length,
        "A whole number from 0 to max_length.",
    ),
    "num_return_sequences": (_results_fit, "From 1 to num_beams; more only with do_sample=True."),
    "do_sample": (lambda o: not (o.do_sample and o.beams), "Draw with num_beams=1 and search='standard'."),
    "temperature": (lambda o: o.temperature > 0, "A number above 0; without do_sample for always the likeliest."),
    "top_k": (_count("top_k", 0), "A whole number, 0 for all tokens."),
    "top_p": (lambda o: 0 < o.top_p <= 1, "A share above 0, up to 1 for all tokens."),
    "seed": (_count("seed", 0), "A whole number from 0."),
    "repetition_penalty": (lambda o: o.repetition_penalty > 0, "A number above 0; 1 for none."),
    "no_repeat_ngram_size": (_count("no_repeat_ngram_size", 0), "A whole number, 0 for no such rule."),
    "early_stopping": (lambda o: o.early_stopping in EARLY_STOPPING_VALUES, "True, False or 'never'."),
}
