"""Defines one item of a data set."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar


@dataclass(frozen=True)
class Example:
    """One item of a data set; families add what is asked and what is right.

    Attributes:
        id: as the data set numbers it; the line of the file where it does not.
        language: code for data sets of several languages, else empty.
    """

    id: str
    language: str = field(default="", kw_only=True)


E = TypeVar("E", bound=Example)  # what a family asks
P = TypeVar("P")  # what it answers
