"""The flags of `FinetuneConfig`, and values by the types of its fields, with sentences for wrong ones."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from zoo.errors import UsageError, did_you_mean
from zoo.files import quote
from zoo.finetune import elsewhere
from zoo.finetune.config import FIELD_NAMES, FinetuneConfig

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser


@lru_cache(maxsize=1)
def flags() -> ArgumentParser:
    """The flags of `FinetuneConfig`: a parser that jsonargparse makes from the dataclass and its docstring."""
    from jsonargparse import ArgumentParser

    made = ArgumentParser(exit_on_error=False)
    made.add_class_arguments(FinetuneConfig)
    return made


def checked(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Values by the types of `FinetuneConfig`.

    Args:
        values: from a recipe or from Python.
        where: what to name in errors.

    Raises:
        UsageError: a name that is no field, or a value of a wrong kind.
    """
    import argparse

    for name in values:
        if name not in FIELD_NAMES:
            hint = elsewhere.hint(name) or did_you_mean(name, FIELD_NAMES)
            raise UsageError(f"{where}: there is no option {quote(name)}.", hint)
    values = {n: str(v) if n == "lora" and type(v) is int else v for n, v in values.items()}  # a rank alone
    try:
        return flags().parse_object(values, defaults=False).as_dict()
    except argparse.ArgumentError:
        for name, value in values.items():
            _check(name, value, where)
        raise


def _check(name: str, value: object, where: str) -> None:
    """Raises UsageError when one value is of a wrong kind."""
    import argparse

    try:
        flags().parse_object({name: value}, defaults=False)
    except argparse.ArgumentError:
        raise UsageError(f"{where}: {wrong(name, value)}", elsewhere.in_python(value_hint(name, value))) from None


def choices(name: str) -> tuple[str, ...]:
    """What an option may be; empty when it is not a choice."""
    hint = get_type_hints(FinetuneConfig)[name]
    return tuple(map(str, get_args(hint)))


def value_hint(name: str, value: object) -> str:
    """Gives the sentence on what to type instead of a wrong value; "" where nothing is near."""
    return elsewhere.value_hint(name, value) or did_you_mean(quote(value).strip("'"), choices(name))


def wrong(name: str, value: object) -> str:
    """The sentence for a value of a wrong kind."""
    kinds = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
    hint = get_type_hints(FinetuneConfig)[name]
    wanted = f"one of {', '.join(choices(name))}" if choices(name) else kinds[hint]
    return f"{name}={quote(value)} is not {wanted}."
