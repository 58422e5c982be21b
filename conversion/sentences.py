"""What sentence-transformers makes of the states of a text's tokens, in torch, by the files of its folder alone."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

# Mode -> its field in older files, in the order in which several are joined.
OLD = {
    "cls": "pooling_mode_cls_token",
    "max": "pooling_mode_max_tokens",
    "mean": "pooling_mode_mean_tokens",
    "mean_sqrt_len_tokens": "pooling_mode_mean_sqrt_len_tokens",
    "weightedmean": "pooling_mode_weightedmean_tokens",
    "lasttoken": "pooling_mode_lasttoken",
}
Content = dict[str, Any]


@torch.no_grad()
def vectors(folder: Path, states: Iterable[Tensor], prompt: int = 0) -> Tensor:
    """One vector per text: [B, D].

    Args:
        folder: has modules.json and the modules' folders.
        states: of each text those of its own tokens, [n, D].
        prompt: tokens at the start that a pooling may leave out.
    """
    entries = json.loads((folder / "modules.json").read_text("utf-8"))[1:]
    rows = []
    for tokens in states:
        known = {"token_embeddings": tokens}
        for entry in entries:
            file = folder / entry["path"] / "config.json"
            config = json.loads(file.read_text("utf-8")) if entry["path"] and file.is_file() else {}
            known = _step(entry["type"].rpartition(".")[2], config, folder / entry["path"], known, prompt)
        rows.append(known["sentence_embedding"])
    return torch.stack(rows)


def _step(kind: str, config: Content, place: Path, known: dict[str, Tensor], prompt: int) -> dict[str, Tensor]:
    source = config.get("module_input_name", "sentence_embedding")
    if kind == "Pooling":
        first = 0 if config.get("include_prompt", True) else prompt
        return {**known, "sentence_embedding": _pooled(config, known["token_embeddings"], first)}
    if source not in known:
        return known
    x = known[source]
    if kind == "Dense":
        state = _state(place, x)
        name = config["activation_function"].rpartition(".")[2]
        y = getattr(nn, name)()(nn.functional.linear(x, state["linear.weight"], state.get("linear.bias")))
        if config.get("use_residual"):
            y = y + (x @ state["residual.weight"].T if "residual.weight" in state else x)
        return {**known, source: y}
    if kind == "LayerNorm":
        state = _state(place, x)
        y = nn.functional.layer_norm(x, x.shape[-1:], state["norm.weight"], state["norm.bias"])
        return {**known, source: y}
    return {**known, source: nn.functional.normalize(x, dim=-1)} if kind == "Normalize" else known


def _pooled(config: Content, tokens: Tensor, first: int) -> Tensor:
    named = config.get("pooling_mode") or [mode for mode, field in OLD.items() if config.get(field)] or ["mean"]
    kept, places = tokens[first:], torch.arange(1, len(tokens) + 1)[first:, None].to(tokens.dtype)
    made = {
        "cls": kept[0],
        "max": kept.max(0).values,
        "mean": kept.mean(0),
        "mean_sqrt_len_tokens": kept.sum(0) / math.sqrt(len(kept)),
        "weightedmean": (kept * places).sum(0) / places.sum(),
        "lasttoken": kept[-1],
    }
    return torch.cat([made[mode] for mode in ([named] if isinstance(named, str) else named)])


def _state(place: Path, like: Tensor) -> dict[str, Tensor]:
    file = place / "model.safetensors"
    found = load_file(file) if file.is_file() else torch.load(place / "pytorch_model.bin", weights_only=True)
    return {name: tensor.to(like.dtype) for name, tensor in found.items()}
