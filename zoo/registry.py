"""Finds cards, families and architectures by a name or a config.json. Imports no framework."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from importlib import import_module

from zoo.cards import Architecture, Card, Family
from zoo.errors import ConfigError, NotYetError, UnknownModelError
from zoo.files import clean, quote
from zoo.models import FAMILIES


@lru_cache(maxsize=1)
def families() -> tuple[Family, ...]:
    """Gives every family, in the order of `zoo.models.FAMILIES`."""
    return tuple(import_module(f"zoo.models.{name}").FAMILY for name in FAMILIES)


def architectures() -> tuple[Architecture, ...]:
    """Gives every class name that a family runs."""
    return tuple(architecture for one in families() for architecture in one.architectures)


def with_head(architecture: Architecture, task: str | None) -> Architecture:
    """Gives upstream's name of the same network with this head; the name itself where upstream has none."""
    if architecture.task == task:
        return architecture
    known = [a for a in architectures() if a.module == architecture.module]
    stems = [a.name.removesuffix("Model") for a in known if a.task is None]
    stem = next((s for s in stems if architecture.name.startswith(s)), architecture.name)
    wanted = None if task == "embedding" else task
    # The last one: BertForMaskedLM and not BertForPreTraining, whose file has more than the head.
    found = (a for a in reversed(known) if a.name.startswith(stem) and a.task == wanted)
    return next(found, architecture)


@lru_cache(maxsize=1)
def _by_key() -> dict[str, Card]:
    """Gives the cards by name and alias in lower case. A spelling that two cards claim is a mistake of ours."""
    cards: dict[str, Card] = {}
    for family in families():
        for card in family.cards:
            for key in (card.name, *card.aliases):
                if cards.setdefault(key.lower(), card) is not card:
                    raise AssertionError(f"two cards are called '{key}'")
    return cards


def list_models(pattern: str = "*") -> list[str]:
    """Gives the names of the cards that match a wildcard pattern, in the order of the families.

    Args:
        pattern: as a shell reads it ("funnel*", "*large*"), any case. Matched against the name, the part of the
            name after its organisation, the aliases and the family.
    """
    wanted = pattern.lower()
    return [c.name for f in families() for c in f.cards if any(fnmatchcase(k, wanted) for k in _spellings(c))]


def _spellings(card: Card) -> list[str]:
    names = (card.name, *card.aliases)
    return [n.lower() for n in (*names, *(n.rpartition("/")[2] for n in names), card.family)]


def find(name: str) -> Card:
    """Gives the card with this name or alias, any case.

    Raises:
        UnknownModelError: no card has it; the message names the nearest ones.
    """
    card = lookup(name)
    if card is None:
        raise UnknownModelError(f"{quote(name)} is not a model of the zoo.", suggest(name))
    return card


info = find


def lookup(name: str) -> Card | None:
    """Gives what `find` does, but None when there is no such card."""
    return _by_key().get(name.lower())


def suggest(name: str) -> str:
    """Gives the sentence that follows a name nobody knows."""
    near = nearest(name)
    did_you_mean = f"Did you mean {' or '.join(repr(n) for n in near)}? " if near else ""
    return f"{did_you_mean}See `python -m zoo list`. A folder is written './{clean(name)}'."


def nearest(name: str, count: int = 2) -> list[str]:
    """Gives the names of the cards that are spelled almost like `name`."""
    from difflib import get_close_matches

    keys = {key: card.name for key, card in _by_key().items()}
    keys |= {key.rpartition("/")[2]: card.name for key, card in _by_key().items()}
    found = get_close_matches(name.lower(), keys, n=8, cutoff=0.75)
    return list(dict.fromkeys(keys[k] for k in found))[:count]


def family(name: str) -> Family:
    """Gives the family with this name.

    Raises:
        UnknownModelError: there is none.
    """
    for one in families():
        if one.name == name.lower():
            return one
    raise UnknownModelError(f"{quote(name)} is not a family of the zoo.", f"Families: {', '.join(FAMILIES)}.")


def require_ready(family: Family, name: str = "") -> None:
    """Stops before anything is downloaded for a family whose models cannot be run yet.

    Raises:
        NotYetError: the family is listed only.
    """
    if family.not_yet:
        ready = ", ".join(f.name for f in families() if not f.not_yet)
        raise NotYetError(
            f"{name or family.title} cannot be run: {family.not_yet}",
            f"Families that can be loaded today: {ready}.",
        )


def family_of(config: Mapping[str, object]) -> tuple[Family, Architecture]:
    """Gives who runs a config.json: by the zoo's own mark, else by `architectures`, else by `model_type`.

    A class name that no family has is an error even when `model_type` is known: some files carry the model type
    of another network, and the class is what the weights were saved from.

    Raises:
        ConfigError: no family knows the architecture, or the file names none.
        NotYetError: the family is listed, but its models cannot be run yet.
    """
    mark = config.get("zoo")
    classes = config.get("architectures")
    named = [mark.get("architecture")] if isinstance(mark, Mapping) else []
    named = named or (list(classes) if isinstance(classes, list | tuple) else [])
    if named:
        found = _by_class(named, mark.get("family") if isinstance(mark, Mapping) else None)
    else:
        found = _by_model_type(config)
    if found is None:
        given = f"architecture {quote(named[0])}" if named else f"model_type {quote(config.get('model_type'))}"
        known = ", ".join(f.title for f in families() if not f.not_yet)
        raise ConfigError(
            f"config.json names the {given}, which no family of the zoo runs.",
            f"The zoo runs the encoders of {known}, and BERT, RoBERTa and CamemBERT, which are the same networks.",
        )
    require_ready(found[0])
    return found


def fairseq(arch: object) -> Architecture:
    """Gives who runs a checkpoint of fairseq, by the `--arch` among its training options.

    Raises:
        ConfigError: no family knows it.
    """
    known = {name: a for one in families() for a in one.architectures for name in a.fairseq}
    if not isinstance(arch, str) or arch not in known:
        raise ConfigError(
            f"The checkpoint is fairseq's, of the architecture {quote(arch)}, which the zoo does not read.",
            f"It reads {', '.join(known)}; of other models the form that transformers wrote, with a config.json.",
        )
    return known[arch]


def _by_class(named: list[object], home: object) -> tuple[Family, Architecture] | None:
    """Gives the architecture of a class; `home` is the family that a converted folder is marked with."""
    for one in families():
        for architecture in one.architectures:
            if architecture.name in named:
                return next((f for f in families() if f.name == home), one), architecture
    return None


def _by_model_type(config: Mapping[str, object]) -> tuple[Family, Architecture] | None:
    model_type = config.get("model_type")
    for one in families():
        if model_type in one.model_types:
            if marked := next((a for a in one.architectures if a.keys and config.keys() >= set(a.keys)), None):
                return one, marked
            bare = [a for a in one.architectures if a.task is None]
            wanted = str(model_type).replace("-", "") + "model"
            return one, next((a for a in bare if a.name.lower() == wanted), bare[0])
    return None
