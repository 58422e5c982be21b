"""Hints name what exists."""

from __future__ import annotations

import importlib.metadata

import pytest

from zoo import errors


def test_a_missing_extra_is_named_by_its_libraries() -> None:
    """The zoo is on no index: its own name would be another's package, or none."""
    for extra, library in (("data", "datasets"), ("finetune", "seqeval"), ("int8", "nncf"), ("verify", "torch==")):
        hint = errors.to_install(extra)
        assert hint.startswith("pip install '") and library in hint and errors.DISTRIBUTION_NAME not in hint


def test_without_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "requires", gone)
    assert errors.to_install("data") == "pip install '.[data]' in the folder of the zoo's source."
