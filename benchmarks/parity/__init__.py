"""Whether the zoo computes what the originals compute."""
