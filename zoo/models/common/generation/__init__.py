"""Generates with an encoder-decoder (greedy, beams, sampling), the same for every network and engine.

Legend of shapes: B texts, S source tokens, N hypotheses of a text, T tokens generated, P slots of the cache,
V vocabulary, k candidates.
"""

from typing import TYPE_CHECKING

from zoo.lazy import attach

if TYPE_CHECKING:
    from zoo.models.common.generation.cache import EagerEngine as EagerEngine
    from zoo.models.common.generation.call import Ids as Ids
    from zoo.models.common.generation.call import generate as generate
    from zoo.models.common.generation.call import search_of as search_of
    from zoo.models.common.generation.options import STANDARD_SEARCH as STANDARD_SEARCH
    from zoo.models.common.generation.options import Generated as Generated
    from zoo.models.common.generation.options import Options as Options
    from zoo.models.common.generation.search import Search as Search
    from zoo.models.common.generation.search import beam_search as beam_search

_PARTS = {
    "cache": ("EagerEngine",),
    "call": ("Ids", "generate", "search_of"),
    "options": ("STANDARD_SEARCH", "Generated", "Options"),
    "search": ("Search", "beam_search"),
}
# What only reads the options needs no paddle.
__getattr__, __dir__ = attach(
    __name__, {name: f"{__name__}.{part}" for part, names in _PARTS.items() for name in names}
)
