"""The files of a repository on the small hub, and what a hub says of them: sizes, hashes, the commit."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

LARGE = (".safetensors", ".bin", ".pt", ".pdparams", ".model")  # kept as LFS: announced by their sha256


@dataclass(frozen=True)
class Entry:
    """One file of a repository."""

    name: str
    path: Path
    large: bool = False

    @property
    def size(self) -> int:
        return self.path.stat().st_size

    @property
    def sha256(self) -> str:
        return _sha256(self.path, self.path.stat().st_mtime_ns, self.size)

    @property
    def blob(self) -> str:
        """Git's name of the content."""
        if self.large:  # stands in for the blob of a pointer file
            return hashlib.sha1(self.sha256.encode()).hexdigest()
        content = self.path.read_bytes()
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@lru_cache(maxsize=4096)
def _sha256(path: Path, changed: int, size: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def entries(folder: Path) -> Iterator[Entry]:
    """The files of a repository, sorted."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        yield Entry(path.relative_to(folder).as_posix(), path, path.suffix in LARGE)


def commit(folder: Path) -> str:
    """A commit name that changes with the content; a folder `<name>@<40 digits>` is that commit."""
    if named := re.fullmatch(r".*@([0-9a-f]{40})", folder.name):
        return named[1]
    return hashlib.sha1("".join(f"{e.name} {e.sha256}\n" for e in entries(folder)).encode()).hexdigest()
