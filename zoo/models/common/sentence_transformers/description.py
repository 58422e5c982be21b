"""What a model of sentence-transformers is, read from the files of its folder and written back to them.

A folder of the zoo holds these files in the layout that sentence-transformers has, so that reading is one thing.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.checkpoint.weight_files import MODULE_WEIGHT_FILES
from zoo.errors import NotYetError, UsageError
from zoo.files import Fields, quote, read_json, read_object
from zoo.models.common.sentence_transformers import files
from zoo.models.common.sentence_transformers.files import (
    MODULES,
    POOLINGS,
    SETTINGS,
    SIMILARITIES,
    WIDTHS,
    is_there,
    listed,
)

log = logging.getLogger("zoo")

PACKAGE = "sentence_transformers.models"  # the name of the modules' package that every release reads


@dataclass(frozen=True)
class Module:
    """A step from the states of the tokens to the vector of the text.

    Attributes:
        kind: a name of `files.KINDS`: "Pooling", "Dense", ...
        path: its folder within the model's; may be empty for a kind without files.
        options: arguments of the layer of that kind in layers.py.
    """

    kind: str
    path: str
    options: Mapping[str, Any]


@dataclass(frozen=True)
class SentenceModel:
    """What turns texts and the states of their tokens into vectors, and how vectors are compared.

    Attributes:
        documents: name within the folder -> content, of the files that say all this.
        modules: those behind the network, in the order they run.
        prompts: name -> what stands before each text.
        default_prompt: name of the prompt that is used when nobody names one; None for none.
        similarity: one of "cosine", "dot", "euclidean", "manhattan".
        truncate_dim: how many numbers of a vector are kept; None for all.
    """

    documents: Mapping[str, Any]
    modules: tuple[Module, ...]
    prompts: Mapping[str, str] = field(default_factory=dict)
    default_prompt: str | None = None
    similarity: str = SIMILARITIES[0]
    truncate_dim: int | None = None

    @classmethod
    def read(cls, folder: Path) -> SentenceModel:
        """Reads the files of a folder for which `is_sentence_folder` holds.

        Raises:
            NotYetError: a module, or a setting of one, that the zoo does not have; names it.
            CheckpointError: a file is damaged or missing.
        """
        documents: dict[str, Any] = {MODULES: read_json(folder / MODULES)}
        if is_there(folder / SETTINGS):
            documents[SETTINGS] = read_object(folder / SETTINGS)
        for entry in listed(documents[MODULES], folder / MODULES)[1:]:
            name = f"{entry['path']}/config.json"
            if entry["path"] and (entry["kind"] == "Pooling" or is_there(folder / name)):
                documents[name] = read_object(folder / name)
        files.check_transformer(files.transformer(folder))
        return cls.of(documents, folder)

    @classmethod
    def of(cls, documents: Mapping[str, Any], folder: Path = Path()) -> SentenceModel:
        """Understands the content of the files. `folder` is named in messages. Raises as `read`."""
        source = quote(str(folder / MODULES), 200)
        modules = []
        for entry in listed(documents[MODULES], folder / MODULES)[1:]:
            kind, path = entry["kind"], entry["path"]
            if kind not in files.KINDS:
                raise NotYetError(
                    f"{source} has the module {quote(path)} of the type {quote(entry['type'])}; the embedding head "
                    f"has {', '.join(files.KINDS)}.",
                    "task='encoder' gives the network without its modules.",
                )
            name = f"{path}/config.json"
            given = Fields(documents.get(name, {}), quote(str(folder / name), 200))
            modules.append(Module(kind, path, files.KINDS[kind](given)))
        if not any(module.kind == "Pooling" for module in modules):
            raise NotYetError(f"{source} has no Pooling module, so it gives no vector per text.")
        told = Fields(documents.get(SETTINGS, {}), quote(str(folder / SETTINGS), 200))
        return cls(documents, tuple(modules), **files.settings(told))

    @classmethod
    def plain(cls, pooling: str, normalize: bool, width: int) -> SentenceModel:
        """Describes one pooling of states of `width` numbers, and perhaps the division by the vector's length.

        Raises:
            UsageError: no such pooling.
        """
        kinds = ("Transformer", "Pooling", *(("Normalize",) if normalize else ()))
        entries = [_entry(n, kind) for n, kind in enumerate(kinds)]
        return cls.of({MODULES: entries, f"{entries[1]['path']}/config.json": _pooled(pooling, width)})

    def changed(self, pooling: str | None, normalize: bool | None) -> SentenceModel:
        """The same with another pooling, and with or without the division by the length at its end; None: as it is.

        Raises:
            UsageError: no such pooling.
        """
        if pooling is None and normalize is None:
            return self
        documents = dict(self.documents)
        entries = [dict(entry) for entry in documents[MODULES]]
        if pooling is not None:
            module = next(m for m in self.modules if m.kind == "Pooling")
            documents[f"{module.path}/config.json"] = {
                **_pooled(pooling, module.options["width"]),
                "include_prompt": module.options["include_prompt"],
            }
        if normalize is False:
            entries = [e for e in entries if not e["type"].endswith(".Normalize")]
        elif normalize and self.modules[-1].kind != "Normalize":
            entries.append(_entry(len(entries), "Normalize"))
        return SentenceModel.of({**documents, MODULES: entries})

    def write(self, folder: Path) -> None:
        """Writes the files, in sentence-transformers' layout; the weights of modules are the head's to write."""
        for name, content in self.documents.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")

    def prompt(self, name: str | None = None, text: str | None = None) -> str:
        """What stands before each text: `text`, else the prompt of that name, else the default one, else nothing.

        Raises:
            UsageError: there is no prompt of that name.
        """
        if text is not None:
            if not isinstance(text, str):
                raise UsageError(f"prompt={quote(text)} is not a text.")
            if name is not None:
                log.warning("prompt and prompt_name are both given; the prompt is taken.")
            return text
        if name is None:
            return self.prompts.get(self.default_prompt or "", "")
        if name not in self.prompts:
            known = ", ".join(map(quote, self.prompts)) or "none"
            raise UsageError(
                f"There is no prompt {quote(name)}.", f"The model has {known}; prompt= takes any text."
            )
        return self.prompts[name]

    def first_of(self, names: Sequence[str]) -> str | None:
        """The first of some names that has a prompt; None for the default."""
        return next((name for name in names if name in self.prompts), None)

    @property
    def skips_prompt(self) -> bool:
        """Whether a pooling leaves the tokens of a prompt out."""
        return any(m.kind == "Pooling" and not m.options["include_prompt"] for m in self.modules)


def _entry(number: int, kind: str) -> dict[str, Any]:
    path = f"{number}_{kind}" if number else ""
    return {"idx": number, "name": str(number), "path": path, "type": f"{PACKAGE}.{kind}"}


def _pooled(mode: str, width: int) -> dict[str, Any]:
    """A pooling's config.json, with the fields that every release reads."""
    if mode not in POOLINGS:
        raise UsageError(f"pooling={quote(mode)} is not one of {', '.join(POOLINGS)}.")
    return {WIDTHS[0]: width, **{field: name == mode for name, field in POOLINGS.items()}}


def is_sentence_folder(folder: Path) -> bool:
    """True for a folder whose modules make a vector of a text: a SentenceTransformer, no other kind of model.

    Raises:
        CheckpointError: config_sentence_transformers.json is damaged.
    """
    if not is_there(folder / MODULES):
        return False
    file = folder / SETTINGS
    given = Fields(read_object(file) if is_there(file) else {}, quote(str(file), 200))
    kind = given.text("model_type", None)
    if kind not in (None, "SentenceTransformer"):
        log.warning("%s: model_type is %s; the modules of such a model are not used.", given.source, quote(kind))
        return False
    return True


def files_of(folder: Path) -> list[str]:
    """Names, within a folder, of its files that are sentence-transformers' own, the modules' weights among them.

    Raises:
        CheckpointError, NotYetError: modules.json is damaged, or not what the zoo reads.
    """
    names = [MODULES, SETTINGS, *files.TEXTS]
    if is_sentence_folder(folder):
        for entry in listed(read_json(folder / MODULES), folder / MODULES)[1:]:
            weights = [
                name for name in MODULE_WEIGHT_FILES if entry["path"] and (folder / entry["path"] / name).is_file()
            ]
            names += [f"{entry['path']}/{name}" for name in ("config.json", *weights[:1]) if entry["path"]]
    return [name for name in names if (folder / name).is_file()]
