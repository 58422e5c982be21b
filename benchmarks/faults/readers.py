"""Trials inside a process: hostile files, mutated files, broken hubs."""

from __future__ import annotations

from pathlib import Path

KINDS: tuple[str, ...] = ()


def rows(kind: str, tree: Path, label: str, mutations: int, share: float) -> list[dict[str, object]]:
    """A row per reader or misbehaviour."""
    raise NotImplementedError(kind)
