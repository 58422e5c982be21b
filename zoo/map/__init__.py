"""Answers for any number of rows, in parts, on one machine or on a Ray cluster. `zoo map --help`."""
