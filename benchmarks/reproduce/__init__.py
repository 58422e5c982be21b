"""Measures published numbers with the commands of `zoo`, and says which of them are reproduced."""
