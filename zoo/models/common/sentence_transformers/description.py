"""Reads what a model of sentence-transformers is from the files of its folder, and writes it back to them.

A folder of the zoo holds these files in the layout that sentence-transformers has, so that reading is one thing.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from zoo.checkpoint.weight_files import MODULE_WEIGHT_FILES, TOKEN_OUTPUT_FILES
from zoo.errors import ConfigError, NotYetError, UsageError
from zoo.files import Fields, JsonObject, quote, read_json, read_object
from zoo.models.common.sentence_transformers import files
from zoo.models.common.sentence_transformers.files import (
    MODULES_FILE,
    POOLING_FIELDS,
    SENTENCE_EMBEDDING,
    SETTINGS_FILE,
    SIMILARITY_NAMES,
    TOKEN_EMBEDDINGS,
    WIDTH_FIELDS,
    is_there,
    listed,
)
from zoo.models.common.sentence_transformers.weight_parts import has_token_outputs, token_widths

log = logging.getLogger("zoo")

MODULES_PACKAGE = "sentence_transformers.models"  # the name of the modules' package that every release reads


@dataclass(frozen=True)
class Module:
    """A step from the states of the tokens to the vector of the text.

    Attributes:
        kind: a name of `files.MODULE_READERS`: "Pooling", "Dense", ...
        path: its folder within the model's; may be empty for a kind without files.
        options: arguments of the layer of that kind in layers.py.
    """

    kind: str
    path: str
    options: JsonObject


@dataclass(frozen=True)
class SentenceModel:
    """The steps from texts and the states of their tokens to vectors, and how vectors are compared.

    Attributes:
        documents: name within the folder -> content, of the files that say all this.
        modules: those behind the network, in the order they run.
        prompts: name -> what stands before each text.
        default_prompt: name of the prompt that is used when nobody names one; None for none.
        similarity: one of "cosine", "dot", "euclidean", "manhattan".
        truncate_dim: how many numbers of a vector are kept; None for all.
    """

    documents: JsonObject
    modules: tuple[Module, ...]
    prompts: Mapping[str, str] = field(default_factory=dict)
    default_prompt: str | None = None
    similarity: str = SIMILARITY_NAMES[0]
    truncate_dim: int | None = None

    @classmethod
    def read(cls, folder: Path) -> SentenceModel:
        """Reads the files of a folder for which `is_sentence_folder` holds.

        Raises:
            NotYetError: a module, or a setting of one, that the zoo does not have; names it.
            CheckpointError: a file is damaged or missing.
        """
        if not is_there(folder / MODULES_FILE):  # FlagEmbedding writes none
            log.warning("%s has no %s: the vectors are the first token's, of length 1.", folder, MODULES_FILE)
            return cls.plain("cls", True, token_widths(folder)[1])
        documents: JsonObject = {MODULES_FILE: read_json(folder / MODULES_FILE)}
        if is_there(folder / SETTINGS_FILE):
            documents[SETTINGS_FILE] = read_object(folder / SETTINGS_FILE)
        for entry in listed(documents[MODULES_FILE], folder / MODULES_FILE)[1:]:
            name = f"{entry['path']}/config.json"
            if entry["path"] and (entry["kind"] == "Pooling" or is_there(folder / name)):
                documents[name] = read_object(folder / name)
        files.check_transformer(files.transformer(folder))
        return cls.of(documents, folder)

    @classmethod
    def of(cls, documents: JsonObject, folder: Path = Path()) -> SentenceModel:
        """Understands the content of the files. `folder` is named in messages. Raises as `read`."""
        source = quote(str(folder / MODULES_FILE), 200)
        modules = []
        for entry in listed(documents[MODULES_FILE], folder / MODULES_FILE)[1:]:
            kind, path = entry["kind"], entry["path"]
            if kind not in files.MODULE_READERS:
                raise NotYetError(
                    f"{source} has the module {quote(path)} of the type {quote(entry['type'])}; the embedding head "
                    f"has {', '.join(files.MODULE_READERS)}.",
                    "task='encoder' gives the network without its modules.",
                )
            name = f"{path}/config.json"
            given = Fields(documents.get(name, {}), quote(str(folder / name), 200))
            modules.append(Module(kind, path, files.MODULE_READERS[kind](given)))
        if not any(module.kind == "Pooling" for module in modules):
            raise NotYetError(f"{source} has no Pooling module, so it gives no vector per text.")
        told = Fields(documents.get(SETTINGS_FILE, {}), quote(str(folder / SETTINGS_FILE), 200))
        return cls(documents, tuple(modules), **files.settings(told))

    @classmethod
    def plain(cls, pooling: str, normalize: bool, width: int) -> SentenceModel:
        """Describes one pooling of states of `width` numbers, and perhaps the division by the vector's length.

        Raises:
            UsageError: no such pooling.
        """
        kinds = ("Transformer", "Pooling", *(("Normalize",) if normalize else ()))
        entries = [_entry(n, kind) for n, kind in enumerate(kinds)]
        return cls.of({MODULES_FILE: entries, f"{entries[1]['path']}/config.json": _pooled(pooling, width)})

    @classmethod
    def settled(
        cls,
        width: int,
        pooling: str | None = None,
        normalize: bool | None = None,
        sentence: SentenceModel | None = None,
    ) -> SentenceModel:
        """Gives what a head is made of: the folder's steps, with another pooling or normalisation if asked for.

        Args:
            width: of the states.
            pooling, normalize: None for the folder's; the mean, of length 1, where there is neither.
            sentence: what the folder's files say; None where they say nothing.

        Raises:
            UsageError: no such pooling.
        """
        return (sentence or cls.plain(pooling or "mean", normalize is not False, width)).changed(pooling, normalize)

    def changed(self, pooling: str | None, normalize: bool | None) -> SentenceModel:
        """Gives the same with another pooling, or with or without normalisation at its end; None: as is.

        Raises:
            UsageError: no such pooling.
        """
        if pooling is None and normalize is None:
            return self
        documents = dict(self.documents)
        entries = [dict(entry) for entry in documents[MODULES_FILE]]
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
        return SentenceModel.of({**documents, MODULES_FILE: entries})

    def with_prompts(self, prompts: Mapping[str, str]) -> SentenceModel:
        """Gives the same with prompts that its files lack; itself where they have some of their own."""
        if not prompts or any(self.prompts.values()):
            return self
        told = {**self.documents.get(SETTINGS_FILE, {}), "prompts": dict(prompts)}
        return SentenceModel.of({**self.documents, SETTINGS_FILE: told})

    def write(self, folder: Path) -> None:
        """Writes the files, in sentence-transformers' layout; the weights of modules are the head's to write."""
        for name, content in self.documents.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")

    def prompt(self, name: str | None = None, text: str | None = None) -> str:
        """Gives what stands before each text: `text`, else the prompt of that name, else the default one.

        Args:
            name: of the model's prompts.
            text: one of these names, or what stands before the texts itself, such as "query: ".

        Raises:
            UsageError: there is no prompt of that name; a bare word is taken for one.
        """
        if text is not None:
            if not isinstance(text, str):
                raise UsageError(f"prompt={quote(text)} is not a text.")
            if name is not None:
                log.warning("prompt and prompt_name are both given; the prompt is taken.")
            if text not in self.prompts and not text.isidentifier():
                return text
            name = text
        if name is None:
            return self.prompts.get(self.default_prompt or "", "")
        if name not in self.prompts:
            known = ", ".join(map(quote, self.prompts)) or "none"
            hint = f'The model has {known}; prompt= takes any text, such as "query: ".'
            raise UsageError(f"There is no prompt {quote(name)}.", hint)
        return self.prompts[name]

    def first_of(self, names: Sequence[str]) -> str | None:
        """Gives the first of some names that has a prompt; None for the default."""
        return next((name for name in names if name in self.prompts), None)

    @property
    def unused(self) -> list[str]:
        """Gives the names of prompts, where none of them stands before a text that nobody names one for."""
        return [] if self.default_prompt else [name for name, text in self.prompts.items() if text]

    @property
    def skips_prompt(self) -> bool:
        """Tells whether a pooling leaves the tokens of a prompt out."""
        return any(m.kind == "Pooling" and not m.options["include_prompt"] for m in self.modules)


def _entry(number: int, kind: str) -> JsonObject:
    path = f"{number}_{kind}" if number else ""
    return {"idx": number, "name": str(number), "path": path, "type": f"{MODULES_PACKAGE}.{kind}"}


def _pooled(mode: str, width: int) -> JsonObject:
    """Gives a pooling's config.json, with the fields that every release reads."""
    if mode not in POOLING_FIELDS:
        raise UsageError(f"pooling={quote(mode)} is not one of {', '.join(POOLING_FIELDS)}.")
    return {WIDTH_FIELDS[0]: width, **{field: name == mode for name, field in POOLING_FIELDS.items()}}


def check_widths(sentence: SentenceModel, width: int) -> int:
    """Gives the width of the vectors, from that of the states.

    Raises:
        ConfigError: a module takes another width than it gets, or stands before there is a vector.
    """
    widths = {TOKEN_EMBEDDINGS: width}
    for module in sentence.modules:
        options = module.options
        source: str = TOKEN_EMBEDDINGS if module.kind == "Pooling" else options.get("source", SENTENCE_EMBEDDING)
        target: str = SENTENCE_EMBEDDING if module.kind == "Pooling" else options.get("target", source)
        if source not in widths:
            if module.kind == "Normalize":
                continue
            raise ConfigError(
                f"The module {quote(module.path)} stands before the pooling, where there is no vector."
            )
        asked = options.get("inputs", options.get("width")) or widths[source]
        if asked != widths[source]:
            message = f"The module {quote(module.path)} is of {asked} numbers and gets {widths[source]}."
            if module.kind != "Pooling":
                raise ConfigError(message, "Do config.json and modules.json belong together?")
            log.warning("%s That changes nothing.", message)  # its width says nothing but how many come out
        factor = len(options["modes"]) if module.kind == "Pooling" else 1
        widths[target] = options.get("outputs", widths[source]) * factor
    return widths[SENTENCE_EMBEDDING]


def is_sentence_folder(folder: Path) -> bool:
    """Tells whether a folder's files make a vector of a text: a SentenceTransformer's modules, or FlagEmbedding's.

    Raises:
        CheckpointError: config_sentence_transformers.json is damaged.
    """
    if not is_there(folder / MODULES_FILE):
        return has_token_outputs(folder)
    file = folder / SETTINGS_FILE
    given = Fields(read_object(file) if is_there(file) else {}, quote(str(file), 200))
    kind = given.text("model_type", None)
    if kind not in (None, "SentenceTransformer"):
        log.warning("%s: model_type is %s; the modules of such a model are not used.", given.source, quote(kind))
        return False
    return True


def files_of(folder: Path) -> list[str]:
    """Gives the names, within a folder, of the files of sentence-transformers and FlagEmbedding, weights included.

    Raises:
        CheckpointError, NotYetError: modules.json is damaged, or not what the zoo reads.
    """
    names = [MODULES_FILE, SETTINGS_FILE, *files.TEXT_FILES]
    if is_there(folder / MODULES_FILE) and is_sentence_folder(folder):
        for entry in listed(read_json(folder / MODULES_FILE), folder / MODULES_FILE)[1:]:
            weights = [
                name for name in MODULE_WEIGHT_FILES if entry["path"] and (folder / entry["path"] / name).is_file()
            ]
            names += [f"{entry['path']}/{name}" for name in ("config.json", *weights[:1]) if entry["path"]]
    names += TOKEN_OUTPUT_FILES.values() if has_token_outputs(folder) else ()
    return [name for name in names if (folder / name).is_file()]
