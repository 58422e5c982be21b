"""Describes how another library writes a network: class names, keys, and what its config.json leaves out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
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


@dataclass(frozen=True)
class Spelling:
    """How another library spells the keys of a key table.

    Attributes:
        mark: a part of keys that only its files have.
        names: pattern of a whole key -> the names that replace it; several are equal parts along the first axis,
            and none means that it is left out. The first pattern that matches counts; other keys stay.
        zeros: key that its files lack and that is zero -> a key of the same width, which it gets one row of.
    """

    mark: str
    names: tuple[tuple[str, tuple[str, ...]], ...]
    zeros: Mapping[str, str] = field(default_factory=dict)

    def fits(self, keys: Iterable[str]) -> bool:
        """Tells whether the other library wrote the file with these keys."""
        return any(self.mark in key for key in keys)

    def of(self, key: str) -> tuple[str, ...]:
        """Gives the names of the parts of a key."""
        for pattern, names in self.names:
            if found := re.fullmatch(pattern, key):
                return tuple(found.expand(name) for name in names)
        return (key,)
