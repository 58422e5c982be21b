"""`zoo ui`: one local page to browse models, runs and published numbers, and to try a pipeline on a text."""
