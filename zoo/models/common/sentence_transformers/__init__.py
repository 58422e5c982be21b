"""Reads and runs models of sentence-transformers: their files, the head that computes them, `encode`, `search`.

Legend of shapes: B texts, T tokens, D numbers of a state or a vector, N texts, M documents.
"""
