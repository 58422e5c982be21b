"""How fast a model runs here, by engine and precision, beside other libraries. `python -m zoo.bench --help`."""
