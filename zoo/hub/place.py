"""A source of files: what it has, what of that is on this machine, and how the rest gets here."""

from __future__ import annotations

import logging
import re
from pathlib import Path

from zoo import env
from zoo.cards import Source
from zoo.errors import HubError
from zoo.hub import PlannedFile
from zoo.hub.files import NoWeights, RemoteFile, WrongDigest, choose, remove, verify
from zoo.hub.http import Unreachable, check_disk

log = logging.getLogger("zoo")
COMMIT = re.compile(r"[0-9a-f]{40}")


class Place:
    """A source that is made of single files. A subclass says what there is, what is here, and fetches one."""

    commit = ""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.name = source.id

    def listing(self) -> dict[str, RemoteFile]:
        """Every file of the source, by name; also settles `self.commit` (asks the network)."""
        raise NotImplementedError

    def local(self) -> dict[str, RemoteFile]:
        """What of it is on this machine; also settles `self.commit` (never asks the network)."""
        raise NotImplementedError

    def path(self, name: str) -> Path:
        """Where a file is or will be."""
        return self.folder() / name

    def folder(self) -> Path:
        """The folder that holds the files."""
        raise NotImplementedError

    def fetch(self, file: RemoteFile) -> Path:
        """Downloads one file, complete and with the right digest."""
        raise NotImplementedError

    def snapshot(self, kind: str) -> tuple[Path, str]:
        """Folder and commit, with every file of that kind present and checked."""
        if env.offline():
            return self._from_here(kind)
        # A commit cannot move: what is here is what the hub has.
        if COMMIT.fullmatch(self.source.revision) and (found := self._perhaps_here(kind)):
            return found
        try:
            files = self.listing()
        except Unreachable as error:
            if found := self._perhaps_here(kind):
                log.warning("%s The copy of %s on this machine is used.", error.message, self.name)
                return found
            raise
        wanted = choose(files, kind, self.name, lambda n: self.have(files[n]), self.source.files)
        missing = [files[n] for n in wanted if not self.path(n).exists()]
        check_disk(self.folder(), sum(f.size for f in missing))
        for name in wanted:
            self.have(files[name])
        return self.folder(), self.commit

    def have(self, file: RemoteFile) -> Path:
        """One file, fetched if needed and checked against the announced and the pinned digest."""
        fresh = not self.path(file.name).exists()
        path = self.fetch(file) if fresh else self.path(file.name)
        try:
            for digest in {file.sha256 or self.announced(path), self.source.sha256.get(file.name, "")} - {""}:
                verify(path, digest, self.name)
        except WrongDigest:
            if fresh:
                remove(path)
            raise
        return path

    def announced(self, path: Path) -> str:
        """The digest that came with a file whose listing had none."""
        return ""

    def _perhaps_here(self, kind: str) -> tuple[Path, str] | None:
        try:
            return self._from_here(kind)
        except HubError:
            return None

    def _from_here(self, kind: str) -> tuple[Path, str]:
        files = self.local()
        if not files:
            raise Unreachable(f"{self.name} is not on this machine.")
        try:
            wanted = choose(files, kind, self.name, self.path, self.source.files)
        except NoWeights:
            raise Unreachable(f"Only a part of {self.name} is on this machine.") from None
        for name in wanted:
            verify(self.path(name), self.source.sha256.get(name, ""), self.name)
        return self.folder(), self.commit

    def plan(self) -> list[PlannedFile]:
        """What `snapshot("weights")` needs."""
        files = self.local() if env.offline() else self.listing()
        wanted = choose(files, "weights", self.name, lambda n: self.have(files[n]), self.source.files)
        return [PlannedFile(n, files[n].size, self.path(n).exists()) for n in wanted]
