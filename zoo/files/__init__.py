"""Files: what strangers wrote is read within bounds, and what we write never replaces anything of theirs."""

from zoo.files.disk import explained, lock, parents, real_folder
from zoo.files.names import is_name, user_path
from zoo.files.quoting import clean, printable, quote
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
from zoo.files.writing import (
    manifest,
    new_file,
    probe,
    probe_file,
    publish,
    remove,
    scratch,
    write_file,
    write_json,
)

__all__ = [
    "Fields",
    "clean",
    "explained",
    "is_name",
    "lock",
    "manifest",
    "new_file",
    "open_regular",
    "parents",
    "parse_json",
    "printable",
    "probe",
    "probe_file",
    "publish",
    "quote",
    "read_bytes",
    "read_json",
    "read_object",
    "read_text",
    "real_folder",
    "remove",
    "scratch",
    "sha256",
    "user_path",
    "write_file",
    "write_json",
]
