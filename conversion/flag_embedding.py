"""BGE M3's three outputs in torch, by FlagEmbedding's definition, and files in the form of the published ones.

FlagEmbedding/finetune/embedder/encoder_only/m3/modeling.py defines them: two Linear layers on the last states. It
pads texts on the right.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

FILES = ("sparse_linear", "colbert_linear")
MODULES = ("Transformer", "Pooling", "Normalize")


class M3(nn.Module):
    """An encoder of transformers and the two layers.

    Args:
        folder: has sparse_linear.pt and colbert_linear.pt.
    """

    def __init__(self, encoder: nn.Module, folder: Path) -> None:
        super().__init__()
        self.encoder = encoder
        self.sparse_linear, self.colbert_linear = (_linear(folder / f"{name}.pt") for name in FILES)

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None, **options: Any) -> dict[str, Any]:
        """Gives the states and embeddings [B, D], token_weights [B, T], token_vectors [B, T, C].

        The first token has no vector there; here it has one of zeros, so that both have T.
        """
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        out = self.encoder(input_ids=input_ids, attention_mask=mask, **options)
        states = out.last_hidden_state
        seen = mask.to(states.dtype)
        vectors = F.normalize(self.colbert_linear(states[:, 1:]) * seen[:, 1:, None], dim=-1)
        return {
            "last_hidden_state": states,
            "hidden_states": out.hidden_states,
            "embeddings": F.normalize(states[:, 0], dim=-1),
            "token_weights": torch.relu(self.sparse_linear(states)).squeeze(-1) * seen,
            "token_vectors": F.pad(vectors, (0, 0, 1, 0)),
        }


def _linear(file: Path) -> nn.Linear:
    state = torch.load(file, weights_only=True)
    outputs, inputs = state["weight"].shape
    layer = nn.Linear(inputs, outputs)
    layer.load_state_dict(state)
    return layer


def there(folder: Path) -> bool:
    """Whether a folder is of this form."""
    return all((folder / f"{name}.pt").is_file() for name in FILES)


def our_name(name: str) -> str:
    """Our name of a parameter of one of the two layers, as "embedding.tokens.sparse.weight"; "" for others."""
    layer, _, leaf = name.partition(".")
    return f"embedding.tokens.{layer.removesuffix('_linear')}.{leaf}" if layer in FILES else ""


def write(folder: Path, width: int, longest: int) -> None:
    """Writes what lies beside bge-m3's network, with random weights: two files of float16, and the modules."""
    for name, outputs in zip(FILES, (1, width), strict=True):
        state = {"weight": torch.randn(outputs, width) / width**0.5, "bias": torch.randn(outputs) * 0.1}
        torch.save({key: tensor.half() for key, tensor in state.items()}, folder / f"{name}.pt")
    for file, content in _documents(width, longest):
        (folder / file).parent.mkdir(exist_ok=True)
        (folder / file).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _documents(width: int, longest: int) -> Iterator[tuple[str, Any]]:
    entries = [(n, f"{n}_{kind}" if n else "", kind) for n, kind in enumerate(MODULES)]
    package = "sentence_transformers.models"
    yield (
        "modules.json",
        [{"idx": n, "name": str(n), "path": path, "type": f"{package}.{kind}"} for n, path, kind in entries],
    )
    pooling = {f"pooling_mode_{mode}": mode == "cls_token" for mode in ("cls_token", "mean_tokens", "max_tokens")}
    yield "1_Pooling/config.json", {"word_embedding_dimension": width, **pooling}
    yield "sentence_bert_config.json", {"max_seq_length": longest, "do_lower_case": False}


# What FlagEmbedding makes of the outputs of one text, and scores of two; all tokens are real.


def lexical_weights(ids: list[int], weights: list[float], unused: set[int]) -> dict[str, float]:
    """Gives the largest weight of each id that is above 0; the ids are texts there."""
    found: dict[str, float] = {}
    for token, weight in zip(ids, weights, strict=True):
        if token not in unused and weight > 0:
            found[str(token)] = max(weight, found.get(str(token), 0.0))
    return found


def lexical_score(one: dict[str, float], other: dict[str, float]) -> float:
    """Gives the sum of the products of the weights of common ids."""
    return sum(weight * other[token] for token, weight in one.items() if token in other)


def colbert_score(query: Tensor, passage: Tensor) -> float:
    """Gives the mean over a query's vectors [n, C] of the best product with a passage's [m, C]."""
    return float(torch.einsum("in,jn->ij", query, passage).max(-1).values.sum() / len(query))


def mixed(dense: float, sparse: float, colbert: float, weights: tuple[float, float, float]) -> dict[str, float]:
    """Gives `compute_score`'s five scores; weights are of dense, sparse, colbert."""
    first, second, third = weights
    both = dense * first + sparse * second
    return {
        "dense": dense,
        "sparse": sparse,
        "colbert": colbert,
        "sparse+dense": both / (first + second),
        "colbert+sparse+dense": (both + colbert * third) / (first + second + third),
    }
