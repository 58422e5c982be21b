"""certificate.json: where the weights come from, what was done to them, what was proven. Standard library only."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from zoo.checkpoint.keymap import KeyMap
from zoo.checkpoint.rules import Plan, TensorInfo
from zoo.errors import CheckpointError
from zoo.files import Fields, is_name, quote, read_object, sha256

CERTIFICATE_FILE = "certificate.json"
T = TypeVar("T")
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
        trimming: of a folder of `zoo trim`: sizes before and after, and what was compared.
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
    trimming: Mapping[str, object] = field(default_factory=dict)
    format: int = field(default=FORMAT)

    @property
    def verified(self) -> bool:
        return self.parity != NOT_VERIFIED

    def write(self, folder: Path) -> None:
        content = dataclasses.asdict(self)
        if not self.trimming:
            del content["trimming"]
        text = json.dumps(content, indent=2, ensure_ascii=False)
        (folder / CERTIFICATE_FILE).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Certificate | None:
        """The certificate of a folder; None where there is none.

        Raises:
            CheckpointError: the file is not a certificate of this version of the zoo.
        """
        path = folder / CERTIFICATE_FILE
        if not path.is_file():
            return None
        about = Fields(read_object(path), quote(str(path), 200))
        try:
            return _read(about)
        except CheckpointError as error:
            raise CheckpointError(
                f"{quote(str(path), 200)} is not a certificate that this version can read: {error.message}",
                "Delete the folder and convert again.",
            ) from None


def _read(about: Fields) -> Certificate:
    """Gives a certificate's fields, each of the kind that it must be."""
    files = [Fields(file, about.source) for file in _must(about.items("files", None, dict), "files")]
    counts, weights, source = about.below("coverage"), about.below("weights"), about.below("source")
    form = ["form"] if "form" in source else []  # whose names the source's file has, where they are not torch's
    parity = about.content.get("parity")
    return Certificate(
        name=_text(about, "name"),
        family=_text(about, "family"),
        architecture=_text(about, "architecture"),
        task=about.text("task", None),
        source={name: _text(source, name) for name in ("kind", "id", "revision", *form)},
        files=tuple(FileStamp(_name(file), _size(file, "size"), _text(file, "sha256")) for file in files),
        rules=_text(about, "rules"),
        coverage=Coverage(
            upstream_keys=_size(counts, "upstream_keys"),
            tensors=_size(counts, "tensors"),
            operations=_counts(counts, "operations"),
            unused=tuple(_must(counts.items("unused", None, str), "unused")),
            dropped=_texts(counts, "dropped"),
            widened=_counts(counts, "widened"),
        ),
        weights=Written(_name(weights), _size(weights, "size")),
        checks=tuple(_must(about.items("checks", None, str), "checks")),
        versions=_texts(about, "versions"),
        date=_text(about, "date"),
        notes=tuple(_must(about.items("notes", None, str), "notes")),
        parity=parity if isinstance(parity, dict) else _must(about.text("parity", None), "parity"),
        trimming=about.object("trimming", {}),
        format=about.whole("format", FORMAT),
    )


def _must(value: T | None, name: str) -> T:
    if value is None:
        raise CheckpointError(f"it has no {name}.")
    return value


def _text(about: Fields, name: str) -> str:
    text = _must(about.text(name, None, 1_000), name)
    if not text.isprintable():
        raise CheckpointError(f"its {name} is {quote(text)}.")
    return text


def _size(about: Fields, name: str) -> int:
    return _must(about.whole(name, None, 0, 1 << 60), name)


def _name(about: Fields) -> str:
    """Gives the name of a file, which may lie in a sub-folder but nowhere else."""
    name = _text(about, "name")
    if not all(map(is_name, name.split("/"))):
        raise CheckpointError(f"it names the file {quote(name)}, which is none of a model's folder.")
    return name


def _texts(about: Fields, name: str) -> dict[str, str]:
    found = _must(about.object(name, None), name)
    if not all(isinstance(value, str) for value in found.values()):
        raise CheckpointError(f"its {name} holds something else than texts.")
    return found


def _counts(about: Fields, name: str) -> dict[str, int]:
    found = _must(about.object(name, None), name)
    if not all(type(value) is int for value in found.values()):
        raise CheckpointError(f"its {name} holds something else than numbers.")
    return found


def stamp(path: Path) -> FileStamp:
    """Size and SHA-256 of a file."""
    return FileStamp(path.name, path.stat().st_size, sha256(path))


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
