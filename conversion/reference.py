"""What a family's torch original is and how it is run: data per family (xlmr.py, structbert.py, ...), one loader.

The loader does not use the zoo's key tables or readers: torch reads the file, and keys are matched to the
transformers class by plain prefix and spelling changes. A fault in a key table cannot hide in both sides.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from conversion import fairseq
from zoo.errors import ConfigError

WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin", "palm_model.pt", "en_model", "ch_model", fairseq.FILE)


@dataclass(frozen=True)
class Tolerance:
    """What "equal" means.

    Attributes:
        output: largest absolute difference at real tokens; of logits and losses, relative to their largest value
            where that is above one.
        gradient: largest difference relative to the parameter's largest gradient. A gradient below `floor` times
            the network's largest one is compared with that instead: the true gradient of a key bias is zero, so its
            own size is rounding noise.
        exact: both of these in float64, where rounding cannot be the reason. What is over tolerance in float32 must
            pass this, which is ten thousand times stricter.
        rounding: a float32 difference beyond this is no rounding; it is not tried in float64.
    """

    output: float = 1e-5
    gradient: float = 1e-5
    floor: float = 1e-3
    exact: float = 1e-9
    rounding: float = 1e-3

    def doubled(self) -> Tolerance:
        """For the comparison in float64."""
        return replace(self, output=self.exact, gradient=self.exact, rounding=0)


@dataclass(frozen=True)
class Reference:
    """The torch original of a family.

    Attributes:
        config_class: transformers' configuration class.
        classes: architecture as config.json spells it -> transformers' class that computes the same.
        published: what the family's config.json files say beside the sizes (the defaults of transformers' classes
            are BERT's).
        base: prefix of the encoder in a class with a head.
        buffers: keys of old files that no class has any more -> how many positions they count.
        spellings: how upstream files spell the ends of some keys, as (transformers', upstream's).
        padding_sides: where padding may stand.
        token_types: how many segment ids exist (1: the input is left out).
        reserved_positions: rows of the position table that no token uses (padding index and those before it).
        special_ids: ids that random inputs leave out.
        shortest: the shortest batch that the original takes.
        filled: parameter of the class -> the upstream key that it is a copy of.
        constants: buffers of the class that a file may lack.
        module: what has the classes.
        special_tokens: how the family's vocab.txt spells BERT's special tokens.
    """

    family: str
    config_class: str
    classes: Mapping[str, str]
    published: Mapping[str, object]
    base: str
    buffers: tuple[str, ...] = ()
    spellings: tuple[tuple[str, str], ...] = ()
    padding_sides: tuple[str, ...] = ("right", "left")
    token_types: int = 1
    reserved_positions: int = 2
    special_ids: tuple[int, ...] = (0, 1, 2, 3)
    shortest: int = 1
    filled: Mapping[str, str] = field(default_factory=dict)
    constants: tuple[str, ...] = ()
    special_tokens: Mapping[str, str] = field(default_factory=dict)
    module: str = "transformers"
    tokenizer_class: str = ""
    tolerance: Tolerance = field(default=Tolerance())


def reference_of(family: str, architecture: str = "") -> Reference:
    """The reference of a family of the zoo; of the one among its networks that has this architecture."""
    module = import_module(f"conversion.{family}")
    several = getattr(module, "REFERENCES", ())
    return next((one for one in several if architecture in one.classes), module.REFERENCE)


def class_of(reference: Reference, architecture: str) -> type[torch.nn.Module]:
    """transformers' class for an architecture.

    Raises:
        ConfigError: the family's reference does not know it.
    """
    if architecture not in reference.classes:
        raise ConfigError(f"'{architecture}' has no torch reference in conversion/{reference.family}.py.")
    return getattr(import_module(reference.module), reference.classes[architecture])


def config_of(reference: Reference, config: Mapping[str, object], **extra: object) -> Any:
    """transformers' configuration from a config.json's own values."""
    plain = {k: v for k, v in config.items() if k not in ("dtype", "torch_dtype", "transformers_version", "zoo")}
    made = getattr(import_module(reference.module), reference.config_class)(**plain | extra)
    made._attn_implementation = "eager"
    return made


def build(reference: Reference, architecture: str, config: Mapping[str, object]) -> torch.nn.Module:
    """The torch network, in eval mode, with the weights of transformers' own initialisation."""
    return class_of(reference, architecture)(config_of(reference, config)).eval()


def weight_file(folder: Path) -> Path:
    """The weight file of an upstream folder."""
    for name in WEIGHT_FILES:
        if (folder / name).is_file():
            return folder / name
    raise ConfigError(f"'{folder}' has none of {', '.join(WEIGHT_FILES)}.")


def read_config(folder: Path) -> dict[str, Any]:
    """config.json of an upstream folder, or what fairseq's checkpoint says in its place."""
    file = folder / "config.json"
    if not file.is_file() and (folder / fairseq.FILE).is_file():
        return fairseq.bart_config(folder / fairseq.FILE)
    config = dict(json.loads(file.read_text(encoding="utf-8")))
    if "encoder_pth" in config:  # the encoder's sizes are in a folder of their own
        config = {**json.loads((folder / config["encoder_pth"] / "config.json").read_text("utf-8")), **config}
    return config


def read_tensors(folder: Path) -> dict[str, torch.Tensor]:
    """Every tensor of an upstream folder, read by torch."""
    path = weight_file(folder)
    if path.suffix == ".safetensors":
        return load_file(path)
    if path.name == fairseq.FILE:
        return fairseq.read(path)[1]
    return torch.load(path, map_location="cpu", weights_only=True)


def class_key(reference: Reference, key: str, known: Mapping[str, object]) -> str | None:
    """The name of an upstream key in the transformers class; None when the class has no such parameter."""
    key = key.removeprefix("module.")
    for ours, theirs in reference.spellings:
        if key.endswith(theirs):
            key = key.removesuffix(theirs) + ours
    for candidate in (key, reference.base + key, key.removeprefix(reference.base)):
        if candidate in known:
            return candidate
    return None


def load_original(reference: Reference, architecture: str, folder: Path) -> torch.nn.Module:
    """The torch original with the weights of an upstream folder, float32, eval mode.

    Raises:
        ConfigError: a parameter of the class is not in the file (aliases and an absent pooler excepted).
    """
    model = build(reference, architecture, read_config(folder))
    known = model.state_dict()
    tensors: dict[str, torch.Tensor] = {}
    read = read_tensors(folder)
    for key, value in read.items():
        if (name := class_key(reference, key, known)) is not None:
            tensors[name] = value
    tensors |= {name: read[key] for name, key in reference.filled.items() if key in read}
    if not any(".pooler." in f".{k}" for k in tensors) and (encoder := base_model(model)) is not None:
        encoder.pooler = None
    aliases = getattr(model, "_tied_weights_keys", None) or {}
    missing = set(model.state_dict()) - set(tensors) - set(aliases) - set(reference.constants)
    if missing:
        raise ConfigError(
            f"The torch original needs '{min(missing)}', which '{weight_file(folder)}' does not have."
        )
    model.load_state_dict(tensors, strict=False)
    model.tie_weights()
    return model.float()


def base_model(model: torch.nn.Module) -> torch.nn.Module | None:
    """The encoder inside a class with a head; the model itself when it is bare."""
    return getattr(model, "base_model", None)
