"""What the zoo knows about a checkpoint and a family: strings and numbers only, standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from zoo.published import Score, of_model

# How transformers ends the class names of an encoder -> the head; families with others have their own table.
ENCODER_HEADS: Mapping[str, str | None] = {
    "Model": None,
    "ForMaskedLM": "mlm",
    "ForSequenceClassification": "classification",
    "ForTokenClassification": "tagging",
    "ForQuestionAnswering": "qa",
    "ForMultipleChoice": "multiple-choice",
}

E5_PROMPTS = {"query": "query: ", "passage": "passage: "}  # in the README of E5's models, of several families


@dataclass(frozen=True)
class Source:
    """One place a checkpoint is published.

    Attributes:
        kind: "hub" (a Hugging Face repository), "modelscope", "archive" (a URL), "package" (an installed
            Python package that carries the files).
        id: repository id, URL, or "distribution:folder/inside".
        revision: pinned commit; empty when no commit is known to us.
        files: the files a conversion needs, where they differ from the family's usual ones.
        sha256: file name -> digest, for the files whose digest is known.
        size: bytes of the weight file, 0 when unknown.
    """

    kind: str
    id: str
    revision: str = ""
    files: tuple[str, ...] = ()
    sha256: Mapping[str, str] = field(default_factory=dict)
    size: int = 0


@dataclass(frozen=True)
class Card:
    """One published checkpoint.

    Attributes:
        name: what a user types; the Hub id where there is one.
        family: folder below zoo/models.
        architecture: class name as config.json's `architectures` spells it.
        config: the sizes, under config.json's own names.
        parameters: number of distinct weights (tied ones counted once), 0 when unknown.
        languages: BCP-47 codes, or a count such as "100 languages".
        sources: in the order in which they are tried.
        heads: tasks whose weights the files hold (without those a user can add fresh).
        checked: what has been proven, in a sentence; says what has not.
        prompts: name -> what its publisher says must stand before each text, where its files do not hold it.
    """

    name: str
    family: str
    architecture: str
    config: Mapping[str, object]
    parameters: int
    languages: str
    licence: str
    sources: tuple[Source, ...]
    heads: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    checked: str = ""
    prompts: Mapping[str, str] = field(default_factory=dict)

    @property
    def scores(self) -> tuple[Score, ...]:
        """Gives the published scores of this checkpoint."""
        return of_model(self.name)


@dataclass(frozen=True)
class Architecture:
    """How a class name of a config.json is run.

    Attributes:
        name: as config.json's `architectures` spells it, such as "XLMRobertaForTokenClassification".
        module: dotted package that holds `config`, `model`, `keymap` and `tokenizer`.
        task: the head the name implies; None for the bare network.
        keys: what only its config.json has, where one `model_type` stands for two networks and no class is named.
        fairseq: what fairseq's own checkpoints call it (`--arch`); they have no config.json.
        fairseq_keys: starts of names of tensors, each of which tells these checkpoints from others, where `--arch`
            does not.
    """

    name: str
    module: str
    task: str | None = None
    keys: tuple[str, ...] = ()
    fairseq: tuple[str, ...] = ()
    fairseq_keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class Family:
    """One folder below zoo/models.

    Attributes:
        model_types: config.json's `model_type` values it answers to when `architectures` is absent.
        transformers_types: model_type -> the one under which transformers runs the same network.
        weight_files: names that its publishers give to weight files, beside the usual ones.
        wrapper_keys: what a torch file of theirs has the state dict under, beside the usual ones.
    """

    name: str
    title: str
    paper: str
    architectures: tuple[Architecture, ...]
    model_types: tuple[str, ...]
    cards: tuple[Card, ...]
    transformers_types: Mapping[str, str] = field(default_factory=dict)
    weight_files: tuple[str, ...] = ()
    wrapper_keys: tuple[str, ...] = ()
