"""Generates with an encoder-decoder (greedy, beams, sampling), the same for every network and engine.

Legend of shapes: B texts, S source tokens, N hypotheses of a text, T tokens generated, P slots of the cache,
V vocabulary, k candidates.
"""

from zoo.models.common.generation.cache import EagerEngine
from zoo.models.common.generation.call import Ids, generate, search_of
from zoo.models.common.generation.options import STANDARD_SEARCH, Generated, Options
from zoo.models.common.generation.search import Search, beam_search

__all__ = [
    "STANDARD_SEARCH",
    "EagerEngine",
    "Generated",
    "Ids",
    "Options",
    "Search",
    "beam_search",
    "generate",
    "search_of",
]
