"""How fast a model runs here, by engine and precision, beside other libraries. `zoo bench --help`."""
