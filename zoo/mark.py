"""The "zoo" object in config.json of a folder that the zoo wrote: who runs it, and which head its weights have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from zoo.errors import ConfigError
from zoo.files import Fields, quote

KEY = "zoo"
FORMAT = 1
OPTION_TYPES = (str, int, float, type(None))


@dataclass(frozen=True)
class Mark:
    """What the zoo notes of a network that it wrote.

    Attributes:
        family: folder below zoo/models.
        architecture: upstream's class of the network with its head.
        task: the head; None for the bare network.
        options: arguments of the head.
    """

    family: str
    architecture: str
    task: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, config: Mapping[str, Any], source: str = "config.json") -> Mark | None:
        """Gives the mark in a config.json; None where there is none.

        Raises:
            ConfigError: it is damaged, or of a format that this zoo does not read.
        """
        if KEY not in config:
            return None
        about = Fields(config, source, ConfigError).below(KEY)
        if (format := about.whole("format", FORMAT)) != FORMAT:
            raise ConfigError(f"{about.source} is of format {format}; this zoo reads {FORMAT}.", "Update the zoo.")
        family, architecture = about.text("family", "", 200), about.text("architecture", "", 200)
        if not family or not architecture:
            raise ConfigError(f"{about.source} names no family or no architecture.", "Convert the model again.")
        options = about.object("options", {})
        for name, value in options.items():
            if not (name.isidentifier() and isinstance(value, OPTION_TYPES)):
                raise ConfigError(f"{about.source} has the option {quote(name)} of its head, which no head has.")
        return cls(family, architecture, about.text("task", None, 200), options)

    def content(self) -> dict[str, Any]:
        """Gives the object as it is written."""
        written = {"format": FORMAT, "family": self.family, "architecture": self.architecture, "task": self.task}
        return {**written, "options": dict(self.options)} if self.options else written

    def put(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Gives a config.json with this mark."""
        return {**config, KEY: self.content()}
