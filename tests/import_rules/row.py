"""One row of the table of imports, and names that many rows share."""

from __future__ import annotations

from dataclasses import dataclass

LIGHT = (
    "zoo.familiar zoo.lazy zoo.version zoo.errors zoo.cards zoo.published zoo.mark zoo.files zoo.signals"
    " zoo.processes"
)
FRAMEWORKS = "paddle numpy"


@dataclass(frozen=True)
class Row:
    """What the files of a pattern may import beside the standard library.

    Attributes:
        files: pattern of paths; the first row that matches a file counts.
        packages: top-level names of other distributions.
        parts: modules of this repository, with everything below them. `{here}` is the file's own folder.
    """

    files: str
    packages: str = ""
    parts: str = ""
