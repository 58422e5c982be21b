"""Small folders as sentence-transformers writes them, and what it would make of them, in torch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from conversion import sentences
from tests.models.peers import torch_model

PACKAGE = "sentence_transformers.models"
OLD = sentences.OLD
WIDTH = 24
Content = dict[str, Any]
PROMPTS = {"prompts": {"query": "a b ", "none": None}, "default_prompt_name": "query"}


def write(file: Path, content: Any) -> None:
    """Writes JSON, and the folders above it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content), "utf-8")


def pooling(*modes: str, **more: Any) -> Content:
    """A pooling's config.json as release 6 writes it."""
    return {"embedding_dimension": WIDTH, "pooling_mode": list(modes) if len(modes) > 1 else modes[0], **more}


def old_pooling(*modes: str) -> Content:
    """The same as release 2 writes it."""
    return {"word_embedding_dimension": WIDTH, **{field: mode in modes for mode, field in OLD.items()}}


def dense(inputs: int, outputs: int, activation: str = "activation.Tanh", **more: Any) -> Content:
    """A Dense's config.json."""
    sizes = {"in_features": inputs, "out_features": outputs, "bias": True}
    return {**sizes, "activation_function": f"torch.nn.modules.{activation}", **more}


def folder(
    place: Path,
    modules: Sequence[tuple[str, str, Content | None]],
    settings: Content | None = None,
    texts: Content | None = None,
    family: str = "structbert",
    pickled: bool = False,
) -> nn.Module:
    """Writes a model: its network, its modules (kind, path, config.json) with random weights, and the other files.

    Args:
        settings: config_sentence_transformers.json. texts: sentence_bert_config.json.
        pickled: the weights of a Dense are a pytorch_model.bin.

    Returns:
        The network, of transformers.
    """
    peer = torch_model(family, None)
    peer.save_pretrained(place)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijABCDEFGHIJ", *(f"w{n}" for n in range(25))]
    (place / "vocab.txt").write_text("\n".join(words) + "\n")
    write(place / "tokenizer_config.json", {"tokenizer_class": "BertTokenizer", "do_lower_case": False})
    entries = [("Transformer", "", None), *modules]
    listed = [
        {"idx": n, "name": str(n), "path": p, "type": f"{PACKAGE}.{k}"} for n, (k, p, _) in enumerate(entries)
    ]
    write(place / "modules.json", listed)
    for name, content in (("config_sentence_transformers.json", settings), ("sentence_bert_config.json", texts)):
        if content is not None:
            write(place / name, content)
    for kind, path, config in modules:
        if config is not None:
            write(place / path / "config.json", config)
        if state := _state(kind, config or {}):
            _write_state(place / path, state, pickled)
    return peer


def _state(kind: str, config: Content) -> dict[str, Tensor]:
    if kind == "LayerNorm":
        return {f"norm.{name}": torch.randn(config["dimension"]) for name in ("weight", "bias")}
    if kind != "Dense":
        return {}
    shape = config["out_features"], config["in_features"]
    state = {"linear.weight": torch.randn(shape) / 4, "linear.bias": torch.randn(shape[0])}
    if config.get("use_residual") and shape[0] != shape[1]:
        state["residual.weight"] = torch.randn(shape)
    return {name: tensor for name, tensor in state.items() if config["bias"] or name != "linear.bias"}


def _write_state(place: Path, state: dict[str, Tensor], pickled: bool) -> None:
    place.mkdir(parents=True, exist_ok=True)
    if pickled:
        torch.save(state, place / "pytorch_model.bin")
    else:
        from safetensors.torch import save_file

        save_file(state, place / "model.safetensors")


@torch.no_grad()
def vectors(place: Path, peer: nn.Module, ids: Tensor, mask: Tensor, prompt: int = 0) -> Tensor:
    """What sentence-transformers makes of a folder, text by text, without padding. prompt: tokens it may skip."""
    states = [peer(row[seen.bool()][None]).last_hidden_state[0] for row, seen in zip(ids, mask, strict=True)]
    return sentences.vectors(place, states, prompt)


NORMALIZE = ("Normalize", "2_Normalize", None)
MEAN = ("Pooling", "1_Pooling", pooling("mean"))
CLS = ("Pooling", "1_Pooling", pooling("cls"))
FORMS: dict[str, list[tuple[str, str, dict[str, Any] | None]]] = {
    **{mode: [("Pooling", "1_Pooling", pooling(mode))] for mode in OLD},
    **{f"{mode} of release 2": [("Pooling", "1_Pooling", old_pooling(mode)), NORMALIZE] for mode in OLD},
    "two of release 2": [("Pooling", "1_Pooling", old_pooling("mean", "cls"))],
    "all in another order": [("Pooling", "1_Pooling", pooling("lasttoken", "mean", "cls", "max", "mean"))],
    "no mode": [("Pooling", "1_Pooling", {"word_embedding_dimension": WIDTH})],
    "another folder": [("Pooling", "parts/pooler", pooling("cls")), ("Normalize", "end", None)],
    "dense": [MEAN, ("Dense", "2_Dense", dense(WIDTH, 10)), ("Normalize", "3_Normalize", None)],
    "dense, dense": [CLS, ("Dense", "a", dense(24, 9, "activation.GELU", bias=False)), ("Dense", "b", dense(9, 5))],
    "dense behind normalize": [MEAN, NORMALIZE, ("Dense", "3_Dense", dense(WIDTH, 7, "linear.Identity"))],
    "dense of two poolings": [("Pooling", "1", pooling("max", "cls")), ("Dense", "2", dense(48, 6))],
    "residual": [MEAN, ("Dense", "2_Dense", dense(WIDTH, WIDTH, use_residual=True))],
    "residual of another width": [MEAN, ("Dense", "2_Dense", dense(WIDTH, 8, use_residual=True))],
    "layer norm": [CLS, ("LayerNorm", "2_LayerNorm", {"dimension": WIDTH}), ("Dropout", "3", {"dropout": 0.5})],
    "normalize before there is a vector": [("Normalize", "1_Normalize", None), ("Pooling", "2", pooling("mean"))],
}
