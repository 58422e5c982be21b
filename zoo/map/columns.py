"""Which columns of a file make an item of a pipeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zoo.errors import UsageError
from zoo.files import clean, quote
from zoo.tasks.user_files import COLUMN_NAMES, OPTIONAL_ROLES, PAIR_COLUMNS, TEXT_COLUMNS

SINGLE = {"text": TEXT_COLUMNS}
ROLES: Mapping[str, Mapping[str, str]] = {  # pipeline -> role -> what its column may be called
    "classification": {"text": TEXT_COLUMNS, "pair": PAIR_COLUMNS},
    "ner": SINGLE,
    "qa": {role: COLUMN_NAMES["qa"][role] for role in ("question", "context")},
    "fill-mask": SINGLE,
    "embeddings": SINGLE,
    "zero-shot": SINGLE,
    "text2text": {"text": COLUMN_NAMES["text2text"]["source"]},
}


def roles_of(task: str) -> Mapping[str, str]:
    """Gives the roles of a pipeline's columns.

    Raises:
        UsageError: it is a pipeline of the user's own.
    """
    if task not in ROLES:
        raise UsageError(
            f"The items of the pipeline {quote(task)} are in no columns.", f"One of {', '.join(ROLES)}."
        )
    return ROLES[task]


def find_columns(file: str, header: Sequence[str], task: str, given: Mapping[str, str]) -> dict[str, str]:
    """Finds out which column is what: as given, or by its name.

    Args:
        file: as messages name it.
        header: its columns.
        task: a pipeline.
        given: role -> column.

    Returns:
        Role -> column, in the order of an item's parts.

    Raises:
        UsageError: a role that the pipeline has not, a column that the file has not, or one that is not found.
    """
    roles, held = roles_of(task), clean(", ".join(header), 200)
    if unknown := set(given) - set(roles):
        raise UsageError(f"{task} has no column '{clean(min(unknown))}'.", f"It has {', '.join(roles)}.")
    found = dict(given)
    for role, column in given.items():
        if column not in header:
            raise UsageError(f"{quote(file, 200)} has no column {quote(column)} for {role}. It has: {held}.")
    for role, usual in roles.items():
        free = [column for column in header if column not in found.values()]
        guess = next((c for name in usual.split() for c in free if c.lower() == name), None)
        if role not in found and guess:
            found[role] = guess
    missing = [role for role in roles if role not in found and role not in OPTIONAL_ROLES]
    if not found and len(missing) == 1 and len(header) == 1:
        return {missing[0]: header[0]}
    if missing:
        raise UsageError(
            f"Which column of {quote(file, 200)} is the {' and which the '.join(missing)}? It has: {held}.",
            f"Name it: --columns {','.join(f'{role}=...' for role in missing)}; by its number without a header.",
        )
    return {role: found[role] for role in roles if role in found}


def item_of(values: Sequence[Any]) -> Any:
    """Makes an item of its parts, in their order."""
    return values[0] if len(values) == 1 else tuple(values)
