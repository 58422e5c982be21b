"""A model's folder, understood: what its config.json says, which family runs it, and the zoo's mark if any."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from zoo import configs, mark, registry
from zoo.cards import Architecture, Family
from zoo.checkpoint import Checkpoint
from zoo.keys import Source
from zoo.mark import Mark

if TYPE_CHECKING:
    from zoo.models.common.base import Model
    from zoo.models.common.config import ModelConfig


@dataclass(frozen=True)
class ModelFolder:
    """Who runs the network of a folder, and with which sizes.

    Attributes:
        path: the folder.
        content: config.json, or what stands for it; see `zoo.configs`.
        mark: None for an upstream folder.
    """

    path: Path
    content: Mapping[str, Any]
    family: Family
    architecture: Architecture
    mark: Mark | None

    @classmethod
    def read(cls, path: Path) -> ModelFolder:
        """Reads a folder's config.json.

        Raises:
            ConfigError: there is none, it is damaged, or no family runs its network.
        """
        return cls.of(path, configs.read(path))

    @classmethod
    def of(cls, path: Path, content: Mapping[str, Any]) -> ModelFolder:
        """Gives a folder whose config.json has this content.

        Raises:
            ConfigError: no family runs its network.
        """
        family, architecture = registry.family_of(content)
        return cls(path, content, family, architecture, Mark.of(content))

    @cached_property
    def config(self) -> ModelConfig:
        """The sizes, checked.

        Raises:
            ConfigError: config.json describes a network the zoo does not implement.
        """
        named = {"architectures": [self.architecture.name]} if self.mark else {}  # the class that was found
        made: ModelConfig = self.module("config").Config.from_dict({**self.content, **named})
        return made

    @property
    def upstream_config(self) -> dict[str, Any]:
        """config.json as it was published."""
        return {key: value for key, value in self.content.items() if key != mark.KEY}

    @property
    def task(self) -> str | None:
        """The head that config.json names."""
        return self.mark.task if self.mark else self.architecture.task

    @property
    def options(self) -> Mapping[str, Any]:
        """Arguments of that head."""
        return self.mark.options if self.mark else {}

    def module(self, name: str) -> ModuleType:
        """Gives config, model, keymap or tokenizer of the architecture."""
        return import_module(f"{self.architecture.module}.{name}")

    @property
    def build(self) -> Callable[..., Model]:
        """The architecture's `build`."""
        return self.module("model").build

    def source(self, checkpoint: Checkpoint) -> Source:
        """Gives the folder's weight file by its keys."""
        if self.mark:
            return Source.converted(checkpoint, self.mark, self.architecture)
        return Source.upstream(checkpoint, self.content, self.architecture)

    def with_head(self, task: str | None) -> ModelFolder:
        """Gives the same with the class that has this head; a family may look at it ("has a decoder")."""
        architecture = self.architecture if task is None else registry.with_head(self.architecture, task)
        if architecture is self.architecture:
            return self
        content = {**self.content, "architectures": [architecture.name]}
        return replace(self, architecture=architecture, content=content)
