"""Checks the commits, digests and file names that a server sends, before any of them becomes a path."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from zoo.errors import HubError
from zoo.files import quote

COMMIT_PATTERN = re.compile(r"[0-9a-f]{40}")
DIGEST_PATTERN = re.compile(r"[0-9a-f]{64}|[0-9a-f]{40}")  # sha256, or git's name of a blob
MAX_PART_BYTES, MAX_NAME_BYTES = 200, 1000  # a file's name, and it with its folders
FORBIDDEN_CHARACTERS = set('\\:*?"<>|')  # what Windows reads as a drive, a stream, a folder or a pattern
DISTRUST_HINT = "Do not use this server: only a broken or a hostile one says so."


def commit(text: str, where: str) -> str:
    """Gives a commit that a server named back.

    Raises:
        HubError: it is anything else than 40 hexadecimal digits.
    """
    if not COMMIT_PATTERN.fullmatch(text):
        raise HubError(
            f"{where} names the commit {quote(text)}, which is none: a commit has 40 digits.", DISTRUST_HINT
        )
    return text


def digest(text: str) -> str:
    """Gives the sha256 or the blob name in an ETag or a listing; "" for anything else."""
    found = text.strip().removeprefix("W/").strip('"').lower()
    return found if DIGEST_PATTERN.fullmatch(found) else ""


def leads_out(name: str) -> bool:
    """Tells whether a relative name, joined to a folder, could be somewhere else than in it."""
    return name.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", name)


def usable(name: str) -> bool:
    """Tells whether a relative name is one file below a folder, on every system."""
    parts = name.split("/")
    try:
        sizes = [len(part.encode("utf-8")) for part in parts]
    except UnicodeEncodeError:  # half a character
        return False
    return (
        not leads_out(name)
        and all(part not in ("", ".") and part == part.rstrip(". ") for part in parts)
        and max(sizes) <= MAX_PART_BYTES
        and sum(sizes) + len(sizes) <= MAX_NAME_BYTES
        and not any(c in FORBIDDEN_CHARACTERS or unicodedata.category(c) in ("Cc", "Cf") for c in name)
    )


def check_files(names: Iterable[str], where: str) -> None:
    """Looks at the names of the files that are to be fetched.

    Raises:
        HubError: one is no usable name, or two of them are the same file on some systems.
    """
    seen: dict[str, str] = {}
    for name in names:
        if not usable(name):
            raise HubError(f"{where} lists the file {quote(name)}, which no file can be called.", DISTRUST_HINT)
        key = unicodedata.normalize("NFC", name).casefold()
        if key in seen:
            raise HubError(f"{where} lists {quote(seen[key])} and {quote(name)}: one file on many systems.")
        seen[key] = name
    folders = {key.rsplit("/", n)[0] for key in seen for n in range(1, key.count("/") + 1)}
    if both := sorted(folders & set(seen)):
        raise HubError(f"{where} lists {quote(seen[both[0]])} as a file and as a folder.")
