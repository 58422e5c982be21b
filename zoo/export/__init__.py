"""Models as folders for one engine, outputs and score checked. `python -m zoo.export --help`."""
