"""Keeps forked children quiet that the `tokenizers` library would warn in, or start threads in."""

from __future__ import annotations

import os
from functools import cache

PARALLELISM_VARIABLE = "TOKENIZERS_PARALLELISM"
_unset: list[bool] = []  # whether the variable was to be taken away again, for each fork that is under way


@cache
def quiet_forks() -> None:
    """Lets children of this process use the library without threads; to be called before it uses some here."""
    os.register_at_fork(before=_before, after_in_parent=_after)


def _before() -> None:
    _unset.append(PARALLELISM_VARIABLE not in os.environ)
    os.environ.setdefault(PARALLELISM_VARIABLE, "false")


def _after() -> None:
    if _unset.pop():
        os.environ.pop(PARALLELISM_VARIABLE, None)
