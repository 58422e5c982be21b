"""certificate.json: where the weights come from, what was done to them, what was proven. Standard library only."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from zoo.checkpoint.rules import KeyMap, Plan, TensorInfo
from zoo.errors import CheckpointError

NAME = "certificate.json"
NOT_VERIFIED = "not verified"
FORMAT = 1


@dataclass(frozen=True)
class FileStamp:
    """A file as it was: name, size in bytes, SHA-256."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Written:
    """The weight file of a conversion: name and size in bytes."""

    name: str
    size: int


@dataclass(frozen=True)
class Coverage:
    """What the key table did: how many tensors by each operation, and every dropped key with its reason."""

    upstream_keys: int
    tensors: int
    operations: Mapping[str, int]
    unused: tuple[str, ...]
    dropped: Mapping[str, str]
    widened: Mapping[str, int]


@dataclass(frozen=True)
class Certificate:
    """What a converted folder says about itself.

    Attributes:
        source: kind, id and revision, as in the card; a local folder has kind "folder".
        files: every source file that was read, as it was.
        rules: version of the key table (see `rules_version`).
        weights: the file that was written.
        checks: what was checked during the conversion, in words.
        parity: figures of the comparison with the original (see conversion/verify.py), or "not verified".
    """

    name: str
    family: str
    architecture: str
    task: str | None
    source: Mapping[str, str]
    files: tuple[FileStamp, ...]
    rules: str
    coverage: Coverage
    weights: Written
    checks: tuple[str, ...]
    versions: Mapping[str, str]
    date: str
    notes: tuple[str, ...] = ()
    parity: Mapping[str, object] | str = NOT_VERIFIED
    format: int = field(default=FORMAT)

    @property
    def verified(self) -> bool:
        return self.parity != NOT_VERIFIED

    def write(self, folder: Path) -> None:
        text = json.dumps(dataclasses.asdict(self), indent=2, ensure_ascii=False)
        (folder / NAME).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Certificate | None:
        """The certificate of a folder; None where there is none.

        Raises:
            CheckpointError: the file is not a certificate of this version of the zoo.
        """
        path = folder / NAME
        if not path.is_file():
            return None
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            coverage = data["coverage"]
            return cls(
                **data
                | {
                    "files": tuple(FileStamp(**f) for f in data["files"]),
                    "coverage": Coverage(**coverage | {"unused": tuple(coverage["unused"])}),
                    "weights": Written(**data["weights"]),
                    "checks": tuple(data["checks"]),
                    "notes": tuple(data["notes"]),
                }
            )
        except (ValueError, TypeError, KeyError) as error:
            raise CheckpointError(
                f"'{path}' is not a certificate that this version can read ({error!r}).",
                "Delete the folder and convert again.",
            ) from error


def stamp(path: Path) -> FileStamp:
    """Size and SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return FileStamp(path.name, path.stat().st_size, digest.hexdigest())


def rules_version(keymap: KeyMap) -> str:
    """Changes when, and only when, the key table or the format of the folder changes."""
    table = repr((FORMAT, keymap.rules, keymap.base, keymap.wrappers, keymap.spellings))
    return hashlib.sha256(table.encode()).hexdigest()[:16]


def coverage(plan: Plan, infos: Mapping[str, TensorInfo]) -> Coverage:
    """Counts a plan."""
    targets = [t for step in plan.steps if step.rule.op != "tie" for t in step.targets]
    widened = Counter(i.dtype for i in infos.values() if i.dtype in ("F16", "BF16", "F64"))
    return Coverage(
        upstream_keys=len(infos),
        tensors=len(targets),
        operations=dict(Counter(step.rule.op for step in plan.steps)),
        unused=tuple(t for t in targets if t.startswith("unused.")),
        dropped=dict(plan.dropped),
        widened=dict(widened),
    )


def same_files(now: Iterable[FileStamp], then: Iterable[FileStamp]) -> bool:
    """Whether two lists of files have equal names, sizes and digests, in any order."""
    return set(now) == set(then)
