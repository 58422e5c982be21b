"""Models that every test of jobs shares."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.map import small
from tests.tiny_models import reviewer_folder


@pytest.fixture(scope="session")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small.embedder(tmp_path_factory.mktemp("map"))


@pytest.fixture(scope="session")
def reviewer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that puts texts into two classes."""
    folder = tmp_path_factory.mktemp("map")
    return reviewer_folder(folder / "model", folder / "data", rows=20)
