"""Reads PaddleNLP's key tables and config files beside torch's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module

from zoo import registry
from zoo.cards import Architecture
from zoo.checkpoint.dialect import Dialect
from zoo.checkpoint.keymap import KeyMap
from zoo.errors import ConfigError, KeyRuleError
from zoo.files import JsonObject, quote

TORCH, PADDLENLP = "torch", "paddlenlp"  # who wrote a file
LEGACY_CONFIG_FILE = "model_config.json"  # up to 2.4: the arguments of the class and of the network in it
VERSION_KEY = "paddlenlp_version"
RENAMED_KEYS = {"num_classes": "num_labels", "dropout": "classifier_dropout"}
_MAX_NESTING = 8  # objects within objects; PaddleNLP nests two


def dialects(module: str) -> tuple[Dialect, ...]:
    """Gives PaddleNLP's ways to write the networks of a family's package ("zoo.models.xlmr"), or none."""
    found: tuple[Dialect, ...] = getattr(import_module(f"{module}.keymap"), "PADDLENLP", ())
    return found


def dialect_of(module: str, architecture: str) -> Dialect | None:
    """Gives the dialect of a class name; a class that PaddleNLP does not have is written as the family's first."""
    known = dialects(module)
    return next((d for d in known if architecture.startswith(d.stem)), known[0] if known else None)


def table(architecture: Architecture, form: str = TORCH) -> KeyMap:
    """Gives the key table of an architecture's files as torch or PaddleNLP has them.

    Raises:
        KeyRuleError: PaddleNLP has no such network.
    """
    if form == TORCH:
        found: KeyMap = import_module(f"{architecture.module}.keymap").KEYMAP
        return found
    dialect = dialect_of(architecture.module, architecture.name)
    if dialect is None:
        raise KeyRuleError(
            f"The file is PaddleNLP's, which has no network like {architecture.name}: nothing says how its Linear "
            "layers lie.",
            "Give the file that torch wrote.",
        )
    return dialect.keymap


def is_paddlenlp(content: JsonObject) -> bool:
    """Tells whether PaddleNLP wrote a config.json, or it names a class that only PaddleNLP has."""
    said = bool({VERSION_KEY, "init_class", "init_args"} & content.keys())
    return said or any(d.pretraining and _class(content) == d.stem + d.pretraining for d in _all())


def _class(content: JsonObject) -> str:
    """Gives the class that `architectures` names; empty where it names none."""
    named = content.get("architectures")
    return named[0] if isinstance(named, list) and named and isinstance(named[0], str) else ""


def translated(content: JsonObject) -> JsonObject:
    """Gives a config.json of PaddleNLP as transformers would have written it, with the sizes it leaves out.

    Raises:
        ConfigError: arguments without a name, or a pooler that is none of the zoo's.
    """
    flat = _flat(content)
    if made := flat.pop("init_class", None):
        flat.setdefault("architectures", [made])
    for old, new in RENAMED_KEYS.items():
        value = flat.pop(old, None)
        if value is not None and flat.get(new) is None:
            flat[new] = value
    if flat.get("pool_act", "tanh") != "tanh":
        raise ConfigError(f"PaddleNLP's config has pool_act={quote(flat['pool_act'])}; the zoo's pooler has tanh.")
    name = _class(flat)
    dialect = next((d for d in _all() if name.startswith(d.stem)), None)
    if dialect is None:
        return flat
    if dialect.pretraining and name == dialect.stem + dialect.pretraining:
        flat["architectures"] = [f"{dialect.stem}ForPreTraining"]
    return {**dialect.defaults, "model_type": dialect.model_type, **flat}


def _all() -> Iterator[Dialect]:
    modules = dict.fromkeys(a.module for family in registry.families() for a in family.architectures)
    for module in modules:
        yield from dialects(module)


def _flat(content: JsonObject, depth: int = _MAX_NESTING) -> JsonObject:
    """Gives the arguments of a class and, where it leaves them out, those of the network that it was given."""
    flat = {key: value for key, value in content.items() if key != "init_args"}
    arguments = content.get("init_args") or []
    if not isinstance(arguments, list) or not all(isinstance(inner, Mapping) for inner in arguments) or not depth:
        raise ConfigError(
            f"'{LEGACY_CONFIG_FILE}' has init_args={quote(arguments)}, which are not all arguments with a name.",
            "Save the model again with PaddleNLP 2.5 or later; it writes config.json.",
        )
    for inner in arguments:
        for key, value in _flat(inner, depth - 1).items():
            if key not in ("init_class", "architectures"):
                flat.setdefault(key, value)
    if "init_class" not in flat and "architectures" not in flat:
        named = (inner.get("init_class") for inner in arguments)
        flat["init_class"] = next((name for name in named if name), None)
    return flat
