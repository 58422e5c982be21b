"""Files: what strangers wrote is read within bounds, and what we write never replaces anything of theirs."""

from zoo.files.names import is_name
from zoo.files.quoting import clean, quote
from zoo.files.reading import (
    Fields,
    open_regular,
    parse_json,
    read_bytes,
    read_json,
    read_object,
    read_text,
    sha256,
)

__all__ = [
    "Fields",
    "clean",
    "is_name",
    "open_regular",
    "parse_json",
    "quote",
    "read_bytes",
    "read_json",
    "read_object",
    "read_text",
    "sha256",
]
