"""Models as folders for one engine, outputs and score checked. `zoo export --help`."""
