"""Hard negatives: for each anchor the texts that a model takes for its positive and that are not."""
