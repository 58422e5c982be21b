"""fairseq's checkpoint folder as its code writes and reads it: model.pt, dict.txt and sentencepiece.bpe.model.

Written from fairseq's file format and the shape of transformers' BART, whose tensors have fairseq's names behind
`model.`; the zoo's readers and key tables are not used here.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import sentencepiece
import torch

FILE = "model.pt"
LANGUAGES = ("[de]", "[en]", "[fr]")
SPECIALS = ("<s>", "<pad>", "</s>", "<unk>")
NOT_STORED = ("model.shared.weight", "lm_head.weight", "final_logits_bias")


def stored(model: torch.nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """The tensors that fairseq saves of the network that a BART computes. Works on the meta device."""
    tensors = model.state_dict()
    device = next(model.parameters()).device
    for side in ("encoder", "decoder"):
        yield f"{side}.version", torch.full((1,), 3.0, device=device)
        for name, tensor in tensors.items():
            if name.startswith(f"model.{side}."):
                yield name.removeprefix("model."), tensor
    yield "decoder.output_projection.weight", tensors["model.shared.weight"]


def save(path: Path, tensors: Mapping[str, torch.Tensor], config: Mapping[str, Any], arch: str) -> None:
    """Writes model.pt: the training options, the tensors, and a little of what a trainer leaves."""
    options = argparse.Namespace(
        arch=arch,
        task="translation_from_pretrained_bart",
        activation_fn="gelu",
        dropout=config.get("dropout", 0.1),
        attention_dropout=config.get("attention_dropout", 0.0),
        activation_dropout=0.0,
        no_scale_embedding=False,
        encoder_normalize_before=False,
        decoder_normalize_before=False,
        encoder_layers=config["encoder_layers"],
        decoder_layers=24,  # as of the pre-trained network, also where fewer were kept
        encoder_attention_heads=config["encoder_attention_heads"],
        decoder_attention_heads=config["decoder_attention_heads"],
        max_source_positions=config["max_position_embeddings"],
        lr=[1e-4],
    )
    content = {
        "args": options,
        "model": dict(tensors),
        "optimizer_history": [{"num_updates": 100000, "optimizer_name": "FairseqAdam"}],
        "extra_state": {"train_iterator": {"epoch": 1}},
        "last_optimizer_state": None,
    }
    torch.save(content, path, _use_new_zipfile_serialization=False)


def read(path: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """The options and the tensors of a model.pt, read by torch."""
    with torch.serialization.safe_globals([argparse.Namespace]):
        content = torch.load(path, map_location="cpu", weights_only=True)
    return vars(content["args"]), content["model"]


def bart_config(path: Path) -> dict[str, Any]:
    """The configuration of the BART that computes a model.pt."""
    options, tensors = read(path)
    words, hidden = tensors["encoder.embed_tokens.weight"].shape
    found = {f"{side}_layers": sum(k.startswith(f"{side}.") and k.endswith(".fc1.bias") for k in tensors)
             for side in ("encoder", "decoder")}  # fmt: skip
    for side in ("encoder", "decoder"):
        found[f"{side}_ffn_dim"] = len(tensors[f"{side}.layers.0.fc1.bias"])
        found[f"{side}_attention_heads"] = options[f"{side}_attention_heads"]
    return {
        **found,
        "vocab_size": words,
        "d_model": hidden,
        "max_position_embeddings": len(tensors["encoder.embed_positions.weight"]) - 2,
        "activation_function": options["activation_fn"],
        "scale_embedding": not options["no_scale_embedding"],
        "pad_token_id": SPECIALS.index("<pad>"),
    }


def write_dictionary(folder: Path, vocab_size: int) -> None:
    """dict.txt for a table of `vocab_size` words, the last of which is <mask>: pieces, languages, fillers."""
    model = sentencepiece.SentencePieceProcessor(model_file=str(folder / "sentencepiece.bpe.model"))
    room = vocab_size - len(SPECIALS) - 1 - len(LANGUAGES)
    pieces = [model.id_to_piece(n) for n in range(3, model.get_piece_size())][:room]
    words = [*pieces, *LANGUAGES, *(f"madeupword{n:04}" for n in range(room - len(pieces)))]
    text = "".join(f"{word} {len(words) - n}\n" for n, word in enumerate(words))
    (folder / "dict.txt").write_text(text, encoding="utf-8")


def encode(folder: Path, texts: list[str], language: str) -> list[list[int]]:
    """Ids of source texts: the model's pieces, looked up in the dictionary, then the end and the language."""
    model = sentencepiece.SentencePieceProcessor(model_file=str(folder / "sentencepiece.bpe.model"))
    lines = (folder / "dict.txt").read_text(encoding="utf-8").rstrip("\n").split("\n")  # a word may be U+0085
    ids = {word: n for n, word in enumerate([*SPECIALS, *(line[: line.rfind(" ")] for line in lines)])}
    unknown, end = ids["<unk>"], [ids["</s>"], ids[f"[{language}]"]]
    return [[ids.get(piece, unknown) for piece in model.encode(text, out_type=str)] + end for text in texts]
