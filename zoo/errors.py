"""Defines the errors of the zoo: each says what was given, why it does not work, what to type instead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from numbers import Integral


class ZooError(Exception):
    """An error that a user can act on; the commands print it in one paragraph and exit with `exit_code`.

    Args:
        message: what was given and why it does not work.
        hint: what to type instead; printed on a line of its own.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class UsageError(ZooError):
    """An argument that no model or file could make right."""

    exit_code = 2


class UnknownModelError(ZooError):
    """A name that is neither in the registry nor a folder nor a repository."""

    exit_code = 2


class NotYetError(ZooError):
    """A checkpoint or option that the zoo lists and cannot run yet."""


class HubError(ZooError):
    """A file that could not be had: missing, offline, cut off or with a wrong checksum."""


class CheckpointError(ZooError):
    """A weight file that is damaged, unsafe or not what its name says. Names file and tensor."""


class DiskError(ZooError):
    """A file that could not be written or read: the disk is full, or a file is not to be had."""


class KeyRuleError(ZooError):
    """A key without a rule, or a target that is filled twice, never, or with a wrong shape."""


class ParityError(ZooError):
    """A conversion whose numbers differ from the original's by more than its tolerance."""

    exit_code = 3


class GuardError(ZooError):
    """An export whose numbers or whose score differ from the model's by more than was allowed.

    Attributes:
        report: what was measured until then, JSON.
    """

    exit_code = 3
    report: dict[str, object] | None = None


class ConfigError(ZooError):
    """A config.json or argument that describes a network the zoo does not implement."""


class InputError(ZooError):
    """Data for a model that it cannot take; names the item."""


class WorkerError(ZooError):
    """A process or machine that was to work for this one: not started, lost, or met an error that it reports."""


class TrainingError(ZooError):
    """A training run that went wrong: a loss or gradient that is no number. Names update, rows and layer."""


def did_you_mean(name: str, known: Iterable[str] | Mapping[str, str]) -> str:
    """Returns the sentence that follows a misspelt name; empty when nothing is spelled almost like it.

    Args:
        name: what was typed.
        known: the names that there are; of a mapping the values are shown.

    Example:
        >>> did_you_mean("exprot", ["export", "predict"])
        "Did you mean 'export'?"
    """
    from difflib import get_close_matches

    shown = known if isinstance(known, Mapping) else {one: one for one in known}
    found = get_close_matches(name[:80], shown, n=2, cutoff=0.6)
    return f"Did you mean {' or '.join(repr(shown[one]) for one in found)}?" if found else ""


def whole(name: str, value: object, least: int = 1) -> int:
    """Gives an argument that is a whole number.

    Raises:
        UsageError: it is none, or too small.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise UsageError(f"{name}={value!r} does not work.", f"A whole number from {least} on.")
    return int(value)


DISTRIBUTION_NAME = "paddle-model-zoo"


def to_install(extra: str) -> str:
    """Gives the hint where the libraries of an extra are missing: pip with their names.

    The zoo itself is on no index, so its own name would not do; its metadata say what an extra holds.
    """
    import sys
    from importlib.metadata import PackageNotFoundError, requires

    try:
        rows = [row.partition(";") for row in requires(DISTRIBUTION_NAME) or ()]
    except PackageNotFoundError:
        rows = []
    old = '"3.13"' if sys.version_info >= (3, 13) else "none"  # extras have one limit on Python's version
    names = [name.strip() for name, _, when in rows if f'extra == "{extra}"' in when and old not in when]
    if not names:
        return f"pip install '.[{extra}]' in the folder of the zoo's source."
    return f"pip install {' '.join(repr(name) for name in names)}"
