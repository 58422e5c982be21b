"""Names the weight files that the zoo reads, and what their tensors lie under: the usual ones and the families'."""

from __future__ import annotations

from zoo.registry import families

# The first of these that is there is taken: safetensors before pickles, one file before shards.
WEIGHT_FILES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    *(name for family in families() for name in family.weight_files),
    "model.pt",
    "model_state.pdparams",
    "model_state.pdparams.index.json",
)
WEIGHT_SUFFIXES = (".safetensors", ".bin", ".pt", ".pth", ".pdparams")
MODULE_WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")  # of a module of sentence-transformers
# FlagEmbedding's Linear layers for a weight and a vector of every token, beside the network's file.
TOKEN_OUTPUT_FILES = {"sparse": "sparse_linear.pt", "colbert": "colbert_linear.pt"}
# Under exactly one of these a torch file may have its state dict.
WRAPPER_KEYS = (
    "model",
    "state_dict",
    "module",
    "model_state_dict",
    *(key for family in families() for key in family.wrapper_keys),
)
