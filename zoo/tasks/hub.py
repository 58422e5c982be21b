"""Reads a data set on the Hugging Face Hub, through the `datasets` library (extra `data`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from zoo.errors import HubError, UsageError, to_install
from zoo.tasks.rows import Row

HUB_SPLITS = {"dev": "validation"}
PARQUET_REVISION = "refs/convert/parquet"  # the Hub's own conversion, for repositories that still hold a script


@dataclass(frozen=True)
class Hub:
    """The place on the Hub where a data set is published.

    Attributes:
        id: repository.
        config: its part; `{language}` stands for a code.
        splits: split -> its name there, where it is not the same ("dev" is "validation").
        columns: name there -> name in the published files, where it is not the same.
        revision: branch, or the Hub's own parquet conversion.
        learned: another data set, whose `learned_splits` belong to this one's test.
    """

    id: str
    config: str = ""
    splits: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    revision: str = ""
    learned: str = ""
    learned_splits: tuple[str, ...] = ("train", "dev")

    def by_language(self, split: str) -> bool:
        """Tells whether each language is a config of its own."""
        return "{language}" in self.config and not self.is_learned(split)

    def is_learned(self, split: str) -> bool:
        """Tells whether a split is that of the other data set."""
        return bool(self.learned) and split in self.learned_splits


def hub_rows(hub: Hub, split: str, language: str = "") -> Iterator[Row]:
    """Reads the rows of a split, streamed; class numbers come as the names that the data set gives them.

    Raises:
        UsageError: the `datasets` library is not installed.
        HubError: the data set cannot be had.
    """
    try:
        import datasets
    except ImportError:
        raise UsageError(
            "Data from the Hub needs the `datasets` library.",
            to_install("data"),
        ) from None
    if hub.is_learned(split):
        hub = Hub(hub.learned)
    name = hub.config.replace("{language}", language) or None
    there = hub.splits.get(split, HUB_SPLITS.get(split, split))
    try:
        data = datasets.load_dataset(hub.id, name, split=there, streaming=True, revision=hub.revision or None)
        features = data.features or {}
        for n, values in enumerate(data, 1):
            yield Row(f"{hub.id}/{name or 'default'}/{there}", n, _renamed(values, hub.columns, features), "row")
    except (OSError, ValueError, RuntimeError) as error:
        raise HubError(
            f"The split '{there}' of {hub.id} cannot be read: {error}", "Download the files and give --data DIR."
        ) from error


def _renamed(values: Mapping[str, Any], columns: Mapping[str, str], features: Mapping[str, Any]) -> dict[str, Any]:
    return {columns.get(name, name): _named(value, features.get(name)) for name, value in values.items()}


def _named(value: Any, feature: Any) -> Any:
    """Gives names for class numbers, also in lists; -1 means that there is no label."""
    inner = getattr(feature, "feature", None)
    if isinstance(value, list) and inner is not None and hasattr(inner, "int2str"):
        return [inner.int2str(v) for v in value]
    if not hasattr(feature, "int2str") or not isinstance(value, int):
        return value
    return None if value < 0 else feature.int2str(value)
