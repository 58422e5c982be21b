"""Finds the folder on this machine that a model's name means; the only package that talks to a hub.

A name is one of
    ./folder, /folder, ~/folder     a folder, converted or as upstream publishes it, or that of a finished run
    xlm-roberta-base                a card of the zoo, by name or alias
    BAAI/bge-m3, BAAI/bge-m3@rev    a repository of the Hugging Face Hub, or of the mirror in $HF_ENDPOINT
    modelscope:iic/name[@rev]       a repository of ModelScope
    hub:name[@rev]                  as without `hub:`, but never a folder that happens to have this name

A card may be published in several places; they are tried in the order of the card. Weights come as safetensors
where there is a choice, every file is checked against the digest that its source announces and against those that
the card pins, and an interrupted download goes on where it stopped. Nothing that a server names becomes a path
before it was looked at (`zoo.hub.names`), and no server is waited for longer than `zoo.hub.meter` says.
"""

from __future__ import annotations

import logging
import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from zoo import env, registry
from zoo.cards import Card, Source
from zoo.errors import HubError, UnknownModelError
from zoo.files import quote, user_path
from zoo.files.run_model import BEST, RUN_FILE, best_model
from zoo.hub.names import usable
from zoo.hub.transport import Missing, Unreachable

log = logging.getLogger("zoo")

REPOSITORY_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")
UNPACKING = {**dict.fromkeys((".tar", ".tar.gz", ".tgz"), "tar -xf"), ".zip": "unzip"}  # ending -> what to type
FOLDER_MARKS = ("./", "../", "/", "~", ".\\", "..\\")


@dataclass(frozen=True)
class Snapshot:
    """The files of a model on this machine.

    Attributes:
        path: folder with config.json, tokenizer and weights.
        name: the card's name, the repository id, or the folder as it was typed.
        card: None for a folder or a repository that the zoo has no card of.
        source: where the files came from; None for a folder.
        revision: the commit, empty when the source has none.
    """

    path: Path
    name: str
    card: Card | None
    source: Source | None
    revision: str


@dataclass(frozen=True)
class PlannedFile:
    """A line of a dry run: `size` is in bytes, 0 when the source does not say."""

    name: str
    size: int
    cached: bool


@dataclass(frozen=True)
class Reference:
    """The meaning of a name, before anything is fetched: a folder, or the sources to try."""

    name: str
    folder: Path | None
    card: Card | None
    sources: tuple[Source, ...]
    revision: str


def cache_dir() -> Path:
    """Gives the folder where the zoo keeps its files: $ZOO_HOME or ~/.cache/zoo."""
    return env.home()


def model_dir(name: str) -> Path:
    """Gives the folder of a converted model: `<cache_dir>/models/<org--name>`."""
    return cache_dir() / "models" / folder_name(name)


def folder_name(name: str) -> str:
    """Gives a model's name as one folder name: "org/name@rev" -> "org--name@rev"."""
    return re.sub(r"[^\w.@-]", "--", name.removeprefix("hub:"))


def refer(name: str | os.PathLike[str], revision: str | None = None) -> Reference:
    """Reads a name; nothing is fetched.

    Raises:
        UnknownModelError: it is a folder that is not there, it could be two things, or nothing at all.
    """
    text = os.fspath(name)
    if not text:
        raise UnknownModelError("An empty name means no model.", registry.suggest("name"))
    if not isinstance(name, str) or text.startswith(FOLDER_MARKS) or text in (".", ".."):
        return _folder(text, revision)
    explicit = text.startswith(("hub:", "modelscope:"))
    kind, _, rest = text.partition(":") if explicit else ("hub", "", text)
    rest, at, pinned = rest.partition("@")
    if at and revision and pinned != revision:
        raise UnknownModelError(f"'{text}' and revision='{revision}' contradict each other.", "Give one of them.")
    revision = revision or pinned
    if revision and not usable(revision):
        raise UnknownModelError(
            f"{quote(revision)} cannot be a revision of '{rest}'.", "Give a branch, a tag or a commit."
        )
    card = registry.lookup(rest) if kind == "hub" else None
    if not explicit and _is_dir(Path(text)):
        if card is None:
            return _folder(text, revision)
        raise UnknownModelError(
            f"'{text}' is a folder here and also a model of the zoo.",
            f"For the folder type './{text}', for the model 'hub:{text}'.",
        )
    if card is not None:
        return Reference(card.name, None, card, _sources(card, revision), revision)
    if not explicit and os.path.isfile(text):
        raise _is_file(text)
    if not _repository(rest) or (at and not pinned):
        raise UnknownModelError(
            f"'{text}' is not a model of the zoo and cannot be one of a hub.", registry.suggest(rest)
        )
    shown = rest if kind == "hub" else f"{kind}:{rest}"
    return Reference(shown, None, None, (Source(kind, rest, revision),), revision)


def _repository(text: str) -> bool:
    return REPOSITORY_NAME.fullmatch(text) is not None and usable(text)


def _folder(text: str, revision: str | None) -> Reference:
    path = user_path(text)
    if revision:
        raise UnknownModelError(
            f"'{text}' is a folder; it has no revision '{revision}'.", "Leave the revision out."
        )
    if _is_dir(path):
        return Reference(text, _model_in(path), None, (), "")
    if _is_dir(path.parent) and os.path.isfile(path):
        raise _is_file(text)
    raise UnknownModelError(
        f"There is no folder '{text}'.", "A model of the zoo or of the Hub is written without './'."
    )


def _is_file(text: str) -> UnknownModelError:
    """Makes the error for the name of a file: a model is a folder."""
    path = user_path(text)
    tool = next((tool for ending, tool in UNPACKING.items() if path.name.lower().endswith(ending)), "")
    if tool:
        return UnknownModelError(
            f"{quote(text, 200)} is an archive.",
            f"Unpack it: {tool} {shlex.quote(str(path))}; then give the folder that comes out.",
        )
    folder = str(path.parent) if path.is_absolute() or not path.parent.name else f"./{path.parent}"
    return UnknownModelError(
        f"{quote(text, 200)} is a file.", f"Give the folder that it is in: {quote(folder, 200)}."
    )


def _model_in(folder: Path) -> Path:
    """Gives the folder of the model: best/ of a run's folder, else the folder itself.

    Raises:
        UnknownModelError: the run has no model yet.
    """
    if not (folder / RUN_FILE).is_file() or (folder / "config.json").is_file():
        return folder
    best = best_model(folder)
    if not (best / "config.json").is_file():
        raise UnknownModelError(
            f"'{folder}' is the folder of a run that has no model yet: there is no {BEST}/config.json.",
            "Let it finish: zoo finetune --resume RUN.",
        )
    return best


def _is_dir(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # a name that is too long, or no name at all
        return False


def _sources(card: Card, revision: str) -> tuple[Source, ...]:
    """Gives a card's sources; with a revision only those that have revisions."""
    if not revision:
        return card.sources
    kept = tuple(Source(s.kind, s.id, revision, s.files) for s in card.sources if s.kind in ("hub", "modelscope"))
    if not kept:
        raise UnknownModelError(f"{card.name} is published without revisions, so '@{revision}' cannot be had.")
    return kept


def resolve(name: str | os.PathLike[str], revision: str | None = None, files: str = "weights") -> Snapshot:
    """Gives the folder of a model on this machine; downloads what is missing.

    Args:
        name: see the top of this module.
        revision: branch, tag or commit; "name@revision" means the same.
        files: "weights" for everything, "config" for everything but the weights.

    Raises:
        UnknownModelError: the name means nothing.
        HubError: the files could not be had; says what to do.
    """
    asked = refer(name, revision)
    if asked.folder is not None:
        return Snapshot(asked.folder, asked.name, None, None, "")
    from zoo.hub.sources import place_of

    failures: list[HubError] = []
    for source in asked.sources:
        try:
            path, commit = place_of(source).snapshot(files)
            return Snapshot(path, asked.name, asked.card, source, commit)
        except HubError as error:
            failures.append(error)
            if source is not asked.sources[-1] and not env.offline():
                log.warning("%s The next source is tried.", error.message)
    raise _explain(asked, failures)


def plan(name: str | os.PathLike[str], revision: str | None = None) -> list[PlannedFile]:
    """Gives what `resolve` would fetch, and what is here already.

    Raises:
        UnknownModelError, HubError: as `resolve`.
    """
    asked = refer(name, revision)
    if asked.folder is not None:
        return []
    from zoo.hub.sources import place_of

    failures: list[HubError] = []
    for source in asked.sources:
        try:
            return place_of(source).plan()
        except HubError as error:
            failures.append(error)
    raise _explain(asked, failures)


def _explain(asked: Reference, failures: list[HubError]) -> HubError | UnknownModelError:
    """Makes one error of those of every source."""
    if asked.card is not None and not failures:
        return HubError(f"{asked.name} has no address that a program can fetch.", asked.card.checked)
    typed = f"{asked.name}@{asked.revision}" if asked.revision else asked.name
    unknown = asked.card is None and registry.nearest(asked.name)
    if unknown and isinstance(failures[0], Missing):
        return UnknownModelError(failures[0].message, registry.suggest(asked.name))
    if env.offline() and all(isinstance(f, Unreachable) for f in failures):
        switch = next(n for n in env.OFFLINE_VARIABLES if env.flag(n))
        partly = next((f.message for f in failures if "part" in f.message), f"{typed} is not on this machine.")
        elsewhere = f"On a connected machine: zoo convert {typed} --out DIR. Copy DIR here; zoo.load('./DIR')."
        return Unreachable(
            f"{partly[:-1]}, and {switch} is set.", registry.suggest(asked.name) if unknown else elsewhere
        )
    if len(failures) == 1:
        return failures[0]
    listed = "".join(f"\n  {s.kind}: {f.message}" for s, f in zip(asked.sources, failures, strict=True))
    hints = dict.fromkeys(f.hint for f in failures if f.hint)
    return HubError(f"{typed} could not be had from any of its {len(failures)} sources:{listed}", " ".join(hints))
