"""Published checkpoints in, Paddle folders out, each with a certificate. `python -m zoo.convert --help`."""
