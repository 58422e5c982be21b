"""Writes a folder that looks like a published one, with random weights.

`python -m conversion.random_snapshot NAME --out DIR`. Key names, shapes, element types, aliases and file format are
those of the published file; only the numbers are random. Conversions are proven on these where the real file cannot
be had: a network that agrees with the original on random weights, at true size, on every output and gradient,
computes the same function.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file

from conversion import fairseq, flag_embedding
from conversion.reference import Reference, build, reference_of
from conversion.texts import SENTENCES
from conversion.upstream import Upstream, upstream_of
from zoo import registry
from zoo.cards import Card

ASSETS = Path(__file__).resolve().parents[2] / "shared" / "assets"
Tensors = dict[str, torch.Tensor]
ENCODER_SIZES = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "max_position_embeddings",
    "type_vocab_size",
    "layer_norm_eps",
)


def upstream_key(reference: Reference, form: Upstream, name: str) -> str:
    """How the published file spells a parameter of the transformers class."""
    if form.old_spelling:
        for ours, theirs in reference.spellings:
            if name.endswith(ours):
                name = name.removesuffix(ours) + theirs
    return form.prefix + name


def stored(reference: Reference, form: Upstream, model: torch.nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """The tensors of a model as the published file stores them. Works on the meta device."""
    if form.format == "fairseq":
        yield from fairseq.stored(model)
        return
    aliases = getattr(model, "_tied_weights_keys", None) or {}
    halved = {f"{n}.weight" for n, m in model.named_modules() if isinstance(m, torch.nn.Linear)} - set(aliases)
    base = "" if type(model).__name__.endswith("Model") else reference.base
    for name, tensor in model.state_dict().items():
        if name in aliases and form.format == "safetensors":
            continue
        if form.half_linears and name in halved:
            tensor = tensor.half()
        yield upstream_key(reference, form, name), tensor
    if form.buffers:
        for name in reference.buffers:
            rows = model.config.max_position_embeddings
            device = next(model.parameters()).device
            yield base + name.removeprefix(reference.base), torch.arange(rows, device=device)[None]


@torch.no_grad()
def randomise(model: torch.nn.Module, seed: int) -> None:
    """Weights that keep a deep network's activations sane and hide no fault.

    Norms are not one, biases and the padding row are not zero.
    """
    torch.manual_seed(seed)
    for module in model.modules():
        for leaf, parameter in module.named_parameters(recurse=False):
            if isinstance(module, torch.nn.Linear) and leaf == "weight":
                parameter.normal_(0, 0.64 / module.in_features**0.5)
            elif isinstance(module, torch.nn.LayerNorm) and leaf == "weight":
                parameter.normal_(1, 0.05)
            elif isinstance(module, torch.nn.Embedding):
                parameter.normal_(0, 0.05)
            else:
                parameter.normal_(0, 0.02)
    model.tie_weights()  # type: ignore[operator]


def header(card: Card) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Key -> element type and shape of a card's published file, from the transformers class at its true size."""
    reference, form = reference_of(card.family, card.architecture), upstream_of(card)
    with torch.device("meta"):
        model = build(reference, card.architecture, {**reference.published, **card.config})
        return {k: (_dtype(t), tuple(t.shape)) for k, t in stored(reference, form, model)}


def _dtype(tensor: torch.Tensor) -> str:
    names = {
        torch.float32: "F32",
        torch.float16: "F16",
        torch.bfloat16: "BF16",
        torch.int64: "I64",
        torch.uint8: "U8",
    }
    return names[tensor.dtype]


def write(
    card: Card,
    out: Path,
    seed: int = 0,
    config: Mapping[str, object] | None = None,
    architecture: str = "",
    form: Upstream | None = None,
) -> Path:
    """Writes the folder.

    Args:
        config: values that replace the card's, to make the network small.
        architecture: another class name, to have another head.
        form: another file format than the published one.
    """
    architecture, form = architecture or card.architecture, form or upstream_of(card)
    reference = reference_of(card.family, architecture)
    values = {
        **reference.published,
        **card.config,
        **form.config,
        **(config or {}),
        "architectures": [architecture],
    }
    model = build(reference, architecture, values)
    randomise(model, seed)
    tensors = dict(stored(reference, form, model))
    out.mkdir(parents=True, exist_ok=True)
    if form.format == "fairseq":
        fairseq.save(out / form.file, tensors, values, "veco_large")
    elif form.format == "safetensors":
        save_file({k: t.contiguous() for k, t in tensors.items()}, out / form.file, metadata={"format": "pt"})
    else:
        torch.save(tensors, out / form.file, _use_new_zipfile_serialization=form.format == "torch-zip")
    write_tokenizer(card, out, int(values["vocab_size"]))  # type: ignore[call-overload]
    if form.format == "fairseq":
        fairseq.write_dictionary(out, int(values["vocab_size"]))  # type: ignore[call-overload]
        return out
    if "encoder_pth" in values:  # the encoder's sizes are in a folder of their own
        encoder = {name: values.pop(name) for name in ENCODER_SIZES}
        (out / str(values["encoder_pth"])).mkdir(exist_ok=True)
        text = json.dumps({"architectures": ["BertModel"], "model_type": "bert", **encoder}, indent=2)
        (out / str(values["encoder_pth"]) / "config.json").write_text(text + "\n", encoding="utf-8")
    (out / "config.json").write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    if form.token_outputs:
        flag_embedding.write(out, model.config.hidden_size, model.config.max_position_embeddings - 2)
    return out


def write_tokenizer(card: Card, out: Path, vocab_size: int) -> None:
    """The published tokenizer where it is at hand and has this size, else a small one of this size."""
    sentencepiece = reference_of(card.family).token_types == 1
    name = "sentencepiece.bpe.model" if sentencepiece else "vocab.txt"
    # PALM's table of words is padded to 21504 rows.
    folders = {250002: "xlm-roberta-base", 30522: "bert-base-uncased"}
    folder = (folders | dict.fromkeys((21128, 21504), "bert-base-chinese")).get(vocab_size)
    asset = ASSETS / (folder or "-") / ("sentencepiece.bpe.rebuilt.model" if sentencepiece else name)
    if folder and asset.is_file():
        shutil.copyfile(asset, out / name)
        _rename_specials(out / name, reference_of(card.family).special_tokens)
    elif sentencepiece:
        _train_sentencepiece(out / name, vocab_size)
    else:
        _list_wordpieces(out / name, vocab_size)
        _rename_specials(out / name, reference_of(card.family).special_tokens)


def _rename_specials(path: Path, names: Mapping[str, str]) -> None:
    if names:
        lines = path.read_text(encoding="utf-8").split("\n")
        path.write_text("\n".join(names.get(line, line) for line in lines), encoding="utf-8")


def _train_sentencepiece(path: Path, vocab_size: int) -> None:
    import sentencepiece

    with path.open("wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(SENTENCES * 4),
            model_writer=file,
            vocab_size=vocab_size - 2,
            model_type="unigram",
            hard_vocab_limit=False,
            minloglevel=2,
        )


def _list_wordpieces(path: Path, vocab_size: int) -> None:
    letters = sorted({c for s in SENTENCES for c in s.lower() if not c.isspace()})
    pieces = ["[PAD]", *(f"[unused{n}]" for n in range(99)), "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces += [piece for letter in letters for piece in (letter, f"##{letter}")]
    pieces = [*pieces, *(f"[unused{n}]" for n in range(99, vocab_size))][:vocab_size]
    path.write_text("\n".join(pieces) + "\n", encoding="utf-8")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m conversion.random_snapshot", description=__doc__)
    parser.add_argument("name", help="a card's name, see `zoo list`")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--config", type=json.loads, default={}, help="values in place of the card's, as JSON")
    parser.add_argument("--architecture", default="", help="another class name, to have another head")
    arguments = parser.parse_args(argv)
    card = registry.info(arguments.name)
    write(card, arguments.out, arguments.seed, arguments.config, arguments.architecture)
    print(f"{arguments.out}: {card.name}, random weights (seed {arguments.seed})")


if __name__ == "__main__":
    main()
