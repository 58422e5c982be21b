"""Describes how another library writes a network: class names, keys, and what its config.json leaves out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from zoo.checkpoint.keymap import KeyMap


@dataclass(frozen=True)
class Dialect:
    """PaddleNLP's way to write one network; a family's keymap module lists them as `PADDLENLP`.

    Attributes:
        stem: start of its class names ("XLMRoberta").
        model_type: as its config.json has it.
        keymap: its keys; a Linear lies as in Paddle, [in, out].
        heads: task -> end of the class name.
        bare: transformers' class -> end of the class name, for bare networks that are not called "Model".
        defaults: sizes that it assumes where a config.json leaves them out, and transformers does not.
        unsaid: what its config.json is written without.
        activations: values of hidden_act that it runs.
        aliases: keys of tied tensors that a masked language model's file has too.
        pretraining: class of a masked language model whose file has the head of sentence order too.
    """

    stem: str
    model_type: str
    keymap: KeyMap
    heads: Mapping[str, str]
    bare: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, object] = field(default_factory=dict)
    unsaid: tuple[str, ...] = ()
    activations: tuple[str, ...] = ("gelu", "relu")
    aliases: tuple[str, ...] = ()
    pretraining: str = ""
