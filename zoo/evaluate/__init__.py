"""Scores of a finished run, and of models that learned nothing of a data set. `zoo evaluate --help`."""
