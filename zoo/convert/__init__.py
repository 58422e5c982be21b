"""Published checkpoints in, Paddle folders out, each with a certificate. `zoo convert --help`."""
