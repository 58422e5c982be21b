"""Finds cards, families and architectures by a name or a config.json. Imports no framework."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from importlib import import_module

from zoo.cards import Architecture, Card, Family
from zoo.errors import ConfigError, UnknownModelError
from zoo.files import clean, quote
from zoo.mark import Mark
from zoo.models import FAMILIES


@lru_cache(maxsize=1)
def families() -> tuple[Family, ...]:
    """Gives every family, in the order of `zoo.models.FAMILIES`.

    Example:
        >>> from zoo import registry
        >>> [family.name for family in registry.families()][:2]
        ['xlmr', 'xlmr_xl']
    """
    return tuple(import_module(f"zoo.models.{name}").FAMILY for name in FAMILIES)


def architectures() -> tuple[Architecture, ...]:
    """Gives every class name that a family runs.

    Example:
        >>> from zoo import registry
        >>> "BertForTokenClassification" in {known.name for known in registry.architectures()}
        True
    """
    return tuple(architecture for one in families() for architecture in one.architectures)


def with_head(architecture: Architecture, task: str | None) -> Architecture:
    """Gives what upstream calls the same network with this head; itself where upstream has no such class.

    Example:
        >>> from zoo import registry
        >>> _, bare = registry.family_of({"architectures": ["XLMRobertaModel"]})
        >>> registry.with_head(bare, "qa").name
        'XLMRobertaForQuestionAnswering'
    """
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

    Example:
        >>> import zoo
        >>> zoo.list_models("*infoxlm*")
        ['microsoft/infoxlm-base', 'microsoft/infoxlm-large']
    """
    wanted = pattern.lower()
    return [c.name for f in families() for c in f.cards if any(fnmatchcase(k, wanted) for k in _spellings(c))]


def _spellings(card: Card) -> list[str]:
    names = (card.name, *card.aliases)
    return [n.lower() for n in (*names, *(n.rpartition("/")[2] for n in names), card.family)]


def info(name: str) -> Card:
    """Gives the card with this name or alias, any case.

    Raises:
        UnknownModelError: no card has it; the message names the nearest ones.

    Example:
        >>> import zoo
        >>> card = zoo.info("xlm-roberta-base")
        >>> card.name, card.family, card.parameters
        ('FacebookAI/xlm-roberta-base', 'xlmr', 278295186)
    """
    card = lookup(name)
    if card is None:
        raise UnknownModelError(f"{quote(name)} is not a model of the zoo.", suggest(name))
    return card


def lookup(name: str) -> Card | None:
    """Gives the card as `info` does, but None when there is no such card.

    Example:
        >>> from zoo import registry
        >>> registry.lookup("no-such-model") is None
        True
    """
    return _by_key().get(name.lower())


def suggest(name: str) -> str:
    """Gives the sentence that follows a name nobody knows.

    Example:
        >>> from zoo import registry
        >>> registry.suggest("infoxlm-bas").split("?")[0]
        "Did you mean 'microsoft/infoxlm-base' or 'microsoft/infoxlm-large'"
    """
    near = nearest(name)
    did_you_mean = f"Did you mean {' or '.join(repr(n) for n in near)}? " if near else ""
    return f"{did_you_mean}See `zoo list`. A folder is written './{clean(name)}'."


def nearest(name: str, count: int = 2) -> list[str]:
    """Gives the names of at most `count` cards that are spelled almost like `name`, the likeliest first.

    Example:
        >>> from zoo import registry
        >>> registry.nearest("xlm-roberta-bas", 1)
        ['FacebookAI/xlm-roberta-base']
    """
    from difflib import get_close_matches

    keys = {key: card.name for key, card in _by_key().items()}
    keys |= {key.rpartition("/")[2]: card.name for key, card in _by_key().items()}
    found = get_close_matches(name.lower(), keys, n=8, cutoff=0.75)
    return list(dict.fromkeys(keys[k] for k in found))[:count]


def family(name: str) -> Family:
    """Gives the family with this name.

    Raises:
        UnknownModelError: there is none.

    Example:
        >>> from zoo import registry
        >>> registry.family("funnel").title
        'Funnel-Transformer'
    """
    for one in families():
        if one.name == name.lower():
            return one
    raise UnknownModelError(f"{quote(name)} is not a family of the zoo.", f"Families: {', '.join(FAMILIES)}.")


def family_of(config: Mapping[str, object]) -> tuple[Family, Architecture]:
    """Finds who runs a config.json: by the zoo's own mark, else by `architectures`, else by `model_type`.

    A class name that no family has is an error even when `model_type` is known: some files carry the model type
    of another network, and the class is what the weights were saved from.

    Raises:
        ConfigError: no family knows the architecture, or the file names none.

    Example:
        >>> from zoo import registry
        >>> family, architecture = registry.family_of({"architectures": ["XLMRobertaForTokenClassification"]})
        >>> family.name, architecture.task
        ('xlmr', 'tagging')
    """
    mark, classes = Mark.of(config), config.get("architectures")
    named: list[object] = list(classes) if isinstance(classes, list | tuple) else []
    named = [mark.architecture] if mark else named
    found = _by_class(named, mark.family if mark else None) if named else _by_model_type(config)
    if found is None:
        given = f"architecture {quote(named[0])}" if named else f"model_type {quote(config.get('model_type'))}"
        known = ", ".join(f.title for f in families())
        raise ConfigError(
            f"config.json names the {given}, which no family of the zoo runs.",
            f"The zoo runs the encoders of {known}, and BERT, RoBERTa and CamemBERT, which are the same networks.",
        )
    return found


def fairseq(arch: object, keys: Iterable[str] = ()) -> Architecture:
    """Finds who runs a checkpoint of fairseq, by the `--arch` among its training options or the names in it.

    Args:
        arch: the option.
        keys: names of its tensors.

    Raises:
        ConfigError: no family knows it.

    Example:
        >>> from zoo import registry
        >>> registry.fairseq("veco_large").task
        'generation'
    """
    known = {name: a for one in families() for a in one.architectures for name in a.fairseq}
    if not isinstance(arch, str) or arch not in known:
        by_key = {key: a for a in architectures() for key in a.fairseq_keys}
        if found := next((a for start, a in by_key.items() if any(k.startswith(start) for k in keys)), None):
            return found
        others = ", ".join(f.title for f in families() if any(a.fairseq_keys for a in f.architectures))
        raise ConfigError(
            f"The checkpoint is fairseq's, of the architecture {quote(arch)}, which the zoo does not read.",
            f"It reads {', '.join(known)} and {others}; of other models the form that transformers wrote, with a "
            "config.json.",
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
