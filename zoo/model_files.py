"""From a name or a folder to what the files say: where they are, which head they have, what answers need of them.

Imports no framework: layers and weights are `zoo.outline`'s and `zoo.loading`'s.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from zoo import hub
from zoo.cards import Card
from zoo.checkpoint import open_checkpoint
from zoo.keys import Source
from zoo.model_folder import ModelFolder
from zoo.models.common.config import ModelConfig
from zoo.models.common.sentence_transformers.description import SentenceModel, is_sentence_folder
from zoo.models.common.sentence_transformers.weight_parts import has_token_outputs, token_widths, warn_of_one
from zoo.models.common.tokenizers import tokenizer_of
from zoo.tokenization import Tokenizer

TASKS = (
    "mlm",
    "classification",
    "tagging",
    "qa",
    "multiple-choice",
    "embedding",
    "discriminator",
    "qa-beam",
    "generation",
)


@dataclass
class Description:
    """What answers are made with beside a network's outputs; a loaded `Model` has the same attributes.

    Attributes:
        config: sizes and labels.
        task: the head; None for the bare encoder.
        sentence: prompts and similarity, of the head "embedding".
    """

    folder: Path
    module: str
    config: ModelConfig
    task: str | None
    sentence: SentenceModel | None

    @classmethod
    def of(cls, about: ModelFolder, card: Card | None = None) -> Description:
        """Understands a folder's config.json, and the other files where they say something.

        Raises:
            ConfigError, CheckpointError, NotYetError: a file that is damaged, or describes what the zoo has not.
        """
        config, sentence = about.config, None
        if about.task == "embedding":
            options = options_of(about, about.task, card)
            given = {name: options.get(name) for name in ("pooling", "normalize", "sentence")}
            sentence = SentenceModel.settled(config.hidden_size, **given)
        return cls(about.path, about.architecture.module, config, about.task, sentence)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """As `Model.tokenizer`."""
        return tokenizer_of(self.module, self.folder, self.config)


def find(name_or_path: str | os.PathLike[str], revision: str | None = None) -> tuple[Path, Card | None]:
    """Gives the folder of a model, and its card; a copy that was converted before comes first.

    Fetches the files where they are not there.

    Raises:
        UnknownModelError, HubError: no such model, or its files cannot be had.
    """
    asked = hub.refer(name_or_path, revision)
    if asked.folder is None:
        converted = hub.model_dir(f"{asked.name}@{asked.revision}" if asked.revision else asked.name)
        if (converted / "config.json").is_file():
            return converted, asked.card
    found = hub.resolve(name_or_path, revision)
    return found.path, found.card


def saved_head(
    name_or_path: str | os.PathLike[str], revision: str | None = None, among: Sequence[str] = ()
) -> str | None:
    """Gives the head that a model's files were saved with; None for a bare encoder. Fetches the files.

    Args:
        among: heads that would do. One of them is given where the files have it, even if they have another one or
            config.json names another class.

    Raises:
        ZooError: as `zoo.load`, of the name, config.json and the weights.
    """
    about = ModelFolder.read(find(name_or_path, revision)[0])
    with open_checkpoint(about.path) as checkpoint:
        source = about.source(checkpoint)
    if about.task in among and about.task in source.heads:
        return about.task
    found = next((task for task in among if task in source.heads), None)
    return found or ("embedding" if embeds(about) else source.saved())


def settled_head(
    task: str | None, about: ModelFolder, options: dict[str, Any], source: Source, card: Card | None
) -> tuple[str | None, str | None, dict[str, Any]]:
    """Gives the head to load, the head the files have, and the first one's arguments.

    Raises:
        UsageError: none was asked for and the files' could be several.
    """
    if task is None:
        own = "embedding" if embeds(about) else source.saved()
        task = None if own == "mlm" and not source.is_saved else own
    else:
        own = about.task if task in source.heads else source.nearest()
    if task == "encoder":
        task = None
    return task, own, {**options_of(about, task, card), **options}


def embeds(about: ModelFolder) -> bool:
    """Tells whether a folder is one of sentence-transformers, whose config.json knows nothing of its head."""
    bare = about.task is None or (not about.mark and about.task == "mlm")
    return bare and is_sentence_folder(about.path)


def options_of(about: ModelFolder, task: str | None, card: Card | None = None) -> dict[str, Any]:
    """Gives the arguments of a head that the folder has for it; a card may know prompts that the files lack."""
    stored = dict(about.options) if task == about.task else {}
    if task == "embedding" and is_sentence_folder(about.path):
        # Older conversions also said in config.json what these files say of the pooling.
        sentence = SentenceModel.read(about.path).with_prompts(card.prompts if card else {})
        stored = {k: v for k, v in stored.items() if k in ("layer", "colbert")} | {"sentence": sentence}
        if has_token_outputs(about.path):
            stored["colbert"] = token_widths(about.path)[0]
        warn_of_one(about.path)
    return stored
