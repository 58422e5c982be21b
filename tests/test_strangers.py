"""Files from strangers: every reader reads them or refuses them in a sentence, in seconds and in little memory.

The whole is `python -m benchmarks.faults.mutations 500000`; here is a part of it.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from benchmarks.faults import readers
from benchmarks.faults.files_of_strangers import READERS, write
from benchmarks.faults.hostile_files import Hostile, hostile_files
from benchmarks.faults.hostile_pickles import growing, in_zip
from benchmarks.faults.mutations import Outcomes, attempt, mutations, try_hostile

ALL = tuple(hostile_files(heavy=False))
PART = 6  # one hostile file of so many is tried here
CHANGED = {"sentence": 25, "tokenizer": 100, "archive": 100}  # changed files; 200 of the others


def assert_right(found: Outcomes) -> None:
    assert not found.wrong, "\n".join(found.wrong)


def test_the_valid_files_are_read(tmp_path: Path) -> None:
    for name, reader in READERS.items():
        for number, files in enumerate(reader.seeds()):
            folder = tmp_path / f"{name}-{number}" / "model"
            write(files, folder)
            assert attempt(reader.read, folder) == ("ok", ""), name


@pytest.mark.parametrize("reader", READERS)
def test_changed_files(reader: str) -> None:
    found = mutations(reader, CHANGED.get(reader, 200))
    assert_right(found)
    assert found.counts["refused"]


def test_there_are_enough_hostile_files() -> None:
    assert len({one.name for one in ALL}) > 620 and {one.reader for one in ALL} == set(READERS)


@pytest.mark.parametrize("reader", READERS)
def test_hostile_files(reader: str) -> None:
    found = Outcomes()
    mine = [one for one in ALL if one.reader == reader]
    for one in mine[:: PART if len(mine) > 100 else 1]:
        outcome, why = try_hostile(one)
        found.add(outcome, one.name, why)
    assert_right(found)


@pytest.mark.parametrize("name", growing())
def test_small_pickles_that_grow(name: str) -> None:
    pickled = in_zip(growing()[name])
    one = Hostile("weights", name, lambda folder, trace: write({"pytorch_model.bin": pickled}, folder))
    assert try_hostile(one) == ("refused", "")


def test_every_size_of_a_config_has_a_range() -> None:
    """A number without one would be built, whatever it is."""
    from importlib import import_module

    from zoo import registry

    for module in {a.module for family in registry.families() for a in family.architectures}:
        config = import_module(f"{module}.config").Config
        numbers = {f.name for f in fields(config) if type(f.default) in (int, float)}
        assert numbers - {"layer_norm_eps"} <= config.RANGES.keys(), module


def test_a_file_that_ends_its_process_is_counted_and_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = [
        CompletedProcess([], 1, '["ok", "a", ""]\n["refused", "b", ""]\n', "Timeout (0:01:10)!\nThread"),
        CompletedProcess([], -11, "", "Segmentation fault"),
        CompletedProcess([], 0, 'noise\n["ok", "c", ""]\n', ""),
        CompletedProcess([], 1, "", "ModuleNotFoundError: No module named 'zoo.x'"),
    ]
    passed_over: list[int] = []

    def process(tree: Path, kind: str, name: str, first: int, share: float) -> CompletedProcess[str]:
        passed_over.append(first)
        return ended.pop(0)

    monkeypatch.setattr(readers, "_process", process)
    found = readers._hostile("config", 1.0, Path())
    assert found == {"config": {"ok": 2, "refused": 1, "slow": 1, "process died": 1}} and passed_over == [0, 3, 4]
    with pytest.raises(RuntimeError, match=r"zoo\.x"):
        readers._hostile("config", 1.0, Path())
