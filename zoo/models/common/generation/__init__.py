"""Generates with an encoder-decoder (greedy, beams, sampling), the same for every network and engine.

Legend of shapes: B texts, S source tokens, N hypotheses of a text, T tokens generated, P slots of the cache,
V vocabulary, k candidates.
"""

from zoo.models.common.generation.cache import EagerEngine
from zoo.models.common.generation.call import Ids, generate
from zoo.models.common.generation.options import Generated, Options

__all__ = ["EagerEngine", "Generated", "Ids", "Options", "generate"]
