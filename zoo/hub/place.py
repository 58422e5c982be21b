"""Defines a source of files: what it has, what of that is on this machine, and how the rest gets here."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from zoo import env
from zoo.cards import Source
from zoo.errors import DiskError, HubError, UsageError
from zoo.files import lock
from zoo.hub import PlannedFile
from zoo.hub.files import NoWeights, RemoteFile, WrongDigest, choose, disk_errors, remember, verify
from zoo.hub.http import check_disk
from zoo.hub.meter import Meter
from zoo.hub.names import COMMIT_PATTERN
from zoo.hub.transport import Unreachable

log = logging.getLogger("zoo")


class Place:
    """A source that is made of single files. A subclass says what there is, what is here, and fetches one."""

    commit = ""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.name = source.id
        self.meter = Meter()

    def listing(self) -> dict[str, RemoteFile]:
        """Gives every file of the source, by name; also settles `self.commit` (asks the network)."""
        raise NotImplementedError

    def local(self) -> dict[str, RemoteFile]:
        """Gives what of it is on this machine; also settles `self.commit` (never asks the network)."""
        raise NotImplementedError

    def path(self, name: str) -> Path:
        """Gives the place where a file is or will be."""
        return self.folder() / name

    def folder(self) -> Path:
        """Gives the folder that holds the files."""
        raise NotImplementedError

    def fetch(self, file: RemoteFile) -> Path:
        """Downloads one file; it is where `path` says only when it is complete and as announced."""
        raise NotImplementedError

    def finish(self) -> None:
        """Does what is left when every file is here."""

    def snapshot(self, kind: str) -> tuple[Path, str]:
        """Gives folder and commit, with every file of that kind present and checked."""
        if env.offline():
            return self._from_here(kind)
        # A commit cannot move: what is here is what the hub has.
        if COMMIT_PATTERN.fullmatch(self.source.revision) and (found := self._perhaps_here(kind)):
            return found
        try:
            files = self.listing()
        except Unreachable as error:
            if found := self._perhaps_here(kind):
                log.warning("%s The copy of %s on this machine is used.", error.message, self.name)
                return found
            raise
        wanted = choose(files, kind, self.name, lambda n: self.have(files[n]), self.source.files)
        missing = [files[n] for n in wanted if not self.path(n).is_file()]
        check_disk(self.folder(), sum(f.size or 0 for f in missing))
        for name in wanted:
            self.have(files[name])
        self.finish()
        return self.folder(), self.commit

    def have(self, file: RemoteFile) -> Path:
        """Gives one file, fetched if needed and checked against what was announced and pinned."""
        file, path = self._pinned(file), self.path(file.name)
        if path.is_file():
            verify(path, file, self.name)
            return path
        path = self.fetch(file)
        remember(path, file)
        return path

    def _pinned(self, file: RemoteFile) -> RemoteFile:
        """Gives the file with the digest that the card pins, if any."""
        pinned = self.source.sha256.get(file.name, "")
        if pinned and file.sha256 and pinned != file.sha256:
            raise WrongDigest(
                f"{file.name} of {self.name} is announced with sha256 {file.sha256}, but {pinned} is pinned.",
                "The file was replaced there since the zoo looked at it: do not use it.",
            )
        return replace(file, sha256=pinned or file.sha256)

    def _perhaps_here(self, kind: str) -> tuple[Path, str] | None:
        try:
            return self._from_here(kind)
        except HubError:
            return None

    def _from_here(self, kind: str) -> tuple[Path, str]:
        files, wanted = self._wanted_here(kind)
        for name in wanted:
            verify(self.path(name), self._pinned(files[name]), self.name)
        return self.folder(), self.commit

    def _wanted_here(self, kind: str) -> tuple[Mapping[str, RemoteFile], list[str]]:
        """Gives the files on this machine, and the names of those that are needed."""
        files = self.local()
        if not files:
            raise Unreachable(f"{self.name} is not on this machine.")
        try:
            return files, choose(files, kind, self.name, self.path, self.source.files)
        except NoWeights:
            raise Unreachable(f"Only a part of {self.name} is on this machine.") from None

    def plan(self) -> list[PlannedFile]:
        """Gives what `snapshot("weights")` needs."""
        if env.offline():
            files, wanted = self._wanted_here("weights")
        else:
            files = self.listing()
            wanted = choose(files, "weights", self.name, lambda n: self.have(files[n]), self.source.files)
        return [PlannedFile(n, files[n].size or 0, self.path(n).is_file()) for n in wanted]


def files_in(folder: Path) -> dict[str, RemoteFile]:
    """Gives every file below a folder."""
    if not folder.is_dir():
        return {}
    with disk_errors(folder):
        found = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
        return {name: RemoteFile(name, path.stat().st_size) for name, path in found.items()}


@contextmanager
def locked(target: Path) -> Iterator[None]:
    """Keeps other processes from downloading the same thing.

    Raises:
        HubError: another process is at it and does not end, or there can be no lock.
    """
    try:
        with lock(target):
            yield
    except (DiskError, UsageError) as error:
        raise HubError(error.message, "Set ZOO_HOME and HF_HOME to folders of yours with free space.") from None
