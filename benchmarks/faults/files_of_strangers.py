"""The kinds of files that the zoo reads from others, with what makes valid ones and what reads them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.faults import documents, weight_files
from benchmarks.faults.documents import Files


@dataclass(frozen=True)
class Reader:
    """A kind of file.

    Attributes:
        seeds: makes valid folders.
        read: reads a folder as the zoo does; raises what the zoo raises.
        changed: names of the files that strangers write; the others of a seed are only needed beside them.
        share: of all mutations; readers that are slow get fewer.
    """

    seeds: Callable[[], list[Files]]
    read: Callable[[Path], object]
    changed: Callable[[str], bool] = lambda name: True
    share: float = 1.0


READERS: dict[str, Reader] = {
    "config": Reader(documents.configs, documents.read_config),
    "certificate": Reader(documents.certificates, documents.read_certificate),
    "run": Reader(documents.runs, documents.read_run),
    "task": Reader(documents.tasks, documents.read_task),
    "export": Reader(documents.exports, documents.read_export, lambda name: name != "graph.xml"),
    "recipe": Reader(documents.recipes, documents.read_recipe, share=0.3),
    "tokenizer": Reader(
        documents.tokenizers, documents.read_tokenizer, lambda name: name != "config.json", share=0.5
    ),
    "weights": Reader(weight_files.weights, weight_files.read_weights, share=1.5),
    "archive": Reader(weight_files.archives, weight_files.read_archive),
    "sentence": Reader(weight_files.sentences, weight_files.read_model, share=0.05),
}


def write(files: Files, folder: Path) -> None:
    """Makes the folder of a seed."""
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
