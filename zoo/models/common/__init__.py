"""Holds the blocks that more than one family uses.

Legend of shapes, used everywhere below: B batch, T tokens, D hidden, H heads, K head size (D = H x K),
F feed-forward, V vocabulary, C classes, N choices.
"""
