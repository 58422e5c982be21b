"""Names the weight files that the zoo reads, for the folder of a model and for a repository of a hub."""

from __future__ import annotations

# The first of these that is there is taken: safetensors before pickles, one file before shards.
WEIGHT_FILES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "palm_model.pt",
    "model.pt",
    "model_state.pdparams",
    "model_state.pdparams.index.json",
)
WEIGHT_SUFFIXES = (".safetensors", ".bin", ".pt", ".pth", ".pdparams")
MODULE_WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")  # of a module of sentence-transformers
