"""Smaller vocabularies for the texts of a corpus, with proof that nothing else changes. `zoo trim --help`."""
