"""What is asked of a model before it is loaded: its pipeline, and what its files are."""

from __future__ import annotations

import os
from pathlib import Path

from zoo import model_files
from zoo.errors import UsageError
from zoo.files import Fields, quote, read_object, sha256, sha256_of
from zoo.inference.deployed import EXPORT_FILE, model_folder
from zoo.inference.pipelines import PIPELINES, kind_of

PASSED_OVER = (".md", ".html", ".png")  # files of a folder that no answer depends on


def folder_of(model: str) -> Path:
    """Gives the folder of a model's files; fetches them where they are not on this machine.

    Raises:
        ZooError: there is no such model, or its files cannot be had.
    """
    folder = model_folder(model)
    return folder if folder.is_dir() else model_files.find(model)[0]


def settled(model: str | os.PathLike[str]) -> str:
    """Gives a model's name as another process can use it: a folder becomes absolute."""
    folder = model_folder(model)
    return os.path.abspath(folder) if folder.is_dir() else os.fspath(model)


def pipeline_for(model: str) -> str:
    """Gives the pipeline of the head that a model was saved with.

    Raises:
        UsageError: it has none, or one without a pipeline.
    """
    file = folder_of(model) / EXPORT_FILE
    if file.is_file():
        head = Fields(read_object(file, error=UsageError), quote(str(file), 200), UsageError).text(
            "task", None, 100
        )
    else:
        head = model_files.saved_head(model)
    found = next((name for name in PIPELINES if head and head in kind_of(name)[1].heads), None)
    if found is None:
        raise UsageError(
            f"{quote(model, 200)} has {f'the head {head}, of no pipeline' if head else 'no head'}.",
            "Name a pipeline, such as --task embeddings.",
        )
    return found


def digest_of(model: str) -> str:
    """Gives a digest of the names and contents of a model's files."""
    folder = folder_of(model)
    found = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    lines = (
        f"{path.as_posix()} {sha256(folder / path)}\n".encode()
        for path in found
        if not path.name.startswith(".") and path.suffix not in PASSED_OVER
    )
    return sha256_of(lines)
