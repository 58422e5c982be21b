"""Tests of whole published data sets and vocabularies, which the repository does not hold."""
