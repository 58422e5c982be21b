"""Models of sentence-transformers: what their files say, the head that computes it, `encode` and `search`.

Legend of shapes: B texts, T tokens, D numbers of a state or a vector, N texts, M documents.
"""
