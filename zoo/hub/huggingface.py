"""Repositories of the Hugging Face Hub and its mirrors, by huggingface_hub, in its own cache."""

from __future__ import annotations

import errno
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zoo import env
from zoo.errors import HubError
from zoo.hub.files import RemoteFile
from zoo.hub.http import Broken, Missing, Unreachable, with_retries
from zoo.hub.place import Place

# Newer versions of huggingface_hub try again by themselves, older ones do not.
CLIENT_TRIES = 3
# What requests, httpx and urllib3 call a connection that broke, and what they say when there never was one.
BROKEN = {
    "ChunkedEncodingError",
    "ConnectionError",
    "IncompleteRead",
    "OSError",
    "ProtocolError",
    "ReadError",
    "ReadTimeout",
    "RemoteProtocolError",
}
REFUSED = ("refused", "resolve", "Name or service", "unreachable", "NewConnectionError")


class HubPlace(Place):
    """One repository, at the branch, tag or commit of its source."""

    @property
    def _root(self) -> Path:
        return env.hub_cache() / f"models--{self.name.replace('/', '--')}"

    def folder(self) -> Path:
        return self._root / "snapshots" / self.commit

    def listing(self) -> dict[str, RemoteFile]:
        info = with_retries(self._info, f"{self.name} on {env.hub_endpoint()}", CLIENT_TRIES)
        self.commit = info.sha or ""
        files = {}
        for entry in info.siblings or ():
            lfs: Any = entry.lfs or {}
            digest = lfs.get("sha256", "") if isinstance(lfs, dict) else getattr(lfs, "sha256", "")
            files[entry.rfilename] = RemoteFile(entry.rfilename, entry.size or 0, digest or "")
        return files

    def _info(self) -> Any:
        from huggingface_hub import HfApi

        with self._errors():
            api = HfApi(endpoint=env.hub_endpoint(), library_name="paddle-model-zoo")
            return api.model_info(self.name, revision=self.source.revision or "main", files_metadata=True)

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
        path = with_retries(lambda: self._download(file), f"{file.name} of {self.name}", CLIENT_TRIES)
        self._remember_branch()
        return path

    def _download(self, file: RemoteFile) -> Path:
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
        return Path(path)

    def announced(self, path: Path) -> str:
        """The cache names a large file by its ETag, which is its sha256."""
        blob = path.resolve().name
        return blob if re.fullmatch(r"[0-9a-f]{64}", blob) else ""

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


def _unexpected(error: BaseException, shown: str) -> Exception:
    """A failure of whichever HTTP client huggingface_hub uses; `Broken` if another try may help."""
    if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
        return HubError("The disk is full.", "Free some space, or set HF_HOME.")
    if getattr(error, "errno", None) in (errno.EACCES, errno.EPERM, errno.EROFS):
        return HubError(f"{env.hub_cache()} cannot be written to.", "Set HF_HOME to a folder of yours.")
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403):
        return Missing(f"{shown} may not be read ({status}).", "Log in: `hf auth login`, or set HF_TOKEN.")
    if status in (408, 429) or (status or 0) >= 500:
        return Broken(f"the server answered {status}")
    if status:
        return Unreachable(f"{shown}: the server answered {status}.", "Is HF_ENDPOINT a hub?")
    reason = str(error).strip().split("\n")[0][:200] or type(error).__name__
    reason = re.sub(r"hf_\w{8,}", "hf_***", reason)
    if type(error).__name__ in BROKEN and not any(word in reason for word in REFUSED):
        return Broken(reason)
    return Unreachable(
        f"{shown} could not be fetched: {reason.rstrip('.')}.",
        "Is this machine connected? A mirror is set with HF_ENDPOINT.",
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
