"""Checks file names that come from outside, and reads the paths that a user types."""

from __future__ import annotations

import os
from pathlib import Path

MAX_NAME_BYTES = 255  # as Linux, macOS and Windows allow


def is_name(value: object) -> bool:
    """Tells whether a value is the name of a file in a folder: printable, no path, short enough for every system.

    >>> is_name("model-00001-of-00002.safetensors"), is_name("../../.profile"), is_name("a\\0b")
    (True, False, False)
    """
    return (
        isinstance(value, str)
        and 0 < len(value) <= MAX_NAME_BYTES
        and value not in (".", "..")
        and value.isprintable()
        and not any(sign in value for sign in "/\\:")
        and len(value.encode()) <= MAX_NAME_BYTES
    )


def user_path(text: str | os.PathLike[str]) -> Path:
    """Gives the path that a user typed, with his home for a leading "~".

    What is no name, or names a user who is not there, stays as it is: whoever opens it says that it is not there.
    """
    try:
        return Path(os.path.expanduser(text))
    except ValueError:  # a zero byte
        return Path(text)
