"""Reads files from strangers within bounds, and writes files without replacing anything of theirs."""

from zoo.files.digests import git_blob_name, sha256, sha256_of
from zoo.files.disk import explained, lock, parents, real_folder
from zoo.files.manifest import manifest
from zoo.files.names import is_name, user_path
from zoo.files.quoting import clean, printable, quote
from zoo.files.reading import (
    Fields,
    JsonObject,
    open_regular,
    parse_json,
    read_bytes,
    read_json,
    read_object,
    read_text,
)
from zoo.files.temporary import remove_leftovers
from zoo.files.writing import (
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
    "JsonObject",
    "clean",
    "explained",
    "git_blob_name",
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
    "remove_leftovers",
    "scratch",
    "sha256",
    "sha256_of",
    "user_path",
    "write_file",
    "write_json",
]
