"""Records that the zoo wrote and a stranger may have changed: certificate, run, metrics, task, export, recipe."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.faults.documents import packed
from benchmarks.faults.files_of_strangers import READERS, write
from zoo.convert.certificate import Certificate
from zoo.errors import CheckpointError, UsageError, ZooError
from zoo.finetune import checkpoints, recipes
from zoo.finetune import run_folder as disk
from zoo.inference.deployed import deploy, read_settings

READS: dict[str, Callable[[Path], object]] = {
    "certificate.json": lambda file: Certificate.read(file.parent),
    "run.json": disk.read_run,
    "metrics.jsonl": disk.read_metrics,
    "state.json": lambda file: checkpoints.about(file.parent),
    "task.json": lambda file: (disk.read_task(file.parent), read_settings(file.parent)),
    "export.json": lambda file: deploy(file.parent),
    "recipe.toml": lambda file: recipes.read(str(file)),
}
KINDS = {"certificate.json": "certificate", "task.json": "task", "export.json": "export", "recipe.toml": "recipe"}


def placed(place: Path, name: str) -> Path:
    """A folder with a valid file of that name."""
    folder = place / "model"
    write(READERS[KINDS.get(name, "run")].seeds()[0], folder)
    return folder / name


def refused(file: Path) -> str:
    with pytest.raises(ZooError) as caught:
        READS[file.name](file)
    text = str(caught.value)
    assert text.replace("\n", "").isprintable() and len(text) < 1_000
    return caught.value.message


@pytest.mark.parametrize("name", [name for name in READS if name not in ("metrics.jsonl", "recipe.toml")])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"5",
        b"[" * 100_000,
        b'{"a": NaN}',
        b'{"a": "\\ud800"}',
        b"\xff\xfe",
        b'{"a": 1' + b"0" * 5_000 + b"}",
    ],
    ids=lambda raw: ascii(raw[:8]),
)
def test_documents(tmp_path: Path, name: str, content: bytes) -> None:
    file = placed(tmp_path, name)
    file.write_bytes(content)
    refused(file)


@pytest.mark.parametrize("kind", ["pipe", "device"])
@pytest.mark.parametrize("name", [name for name in READS if name != "state.json"])
def test_what_is_no_file_is_not_waited_for(tmp_path: Path, name: str, kind: str) -> None:
    """Some readers pass over what is no file, as if there were none."""
    file = placed(tmp_path, name)
    file.unlink()
    os.mkfifo(file) if kind == "pipe" else file.symlink_to("/dev/zero")
    try:
        READS[name](file)
    except ZooError as error:
        assert str(error).replace("\n", "").isprintable()


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("certificate.json", "files", 5),
        ("certificate.json", "files", [5]),
        ("certificate.json", "files.0.size", "7"),
        ("certificate.json", "files.0.name", "../../x"),
        ("certificate.json", "weights", None),
        ("certificate.json", "weights.name", "\x1b[31m"),
        ("certificate.json", "source", {}),
        ("certificate.json", "source.id", 5),
        ("certificate.json", "coverage", []),
        ("certificate.json", "coverage.dropped", {"a": 1}),
        ("certificate.json", "coverage.operations", {"copy": "3"}),
        ("certificate.json", "checks", "abc"),
        ("certificate.json", "parity", 5),
        ("certificate.json", "name", "\u202e"),
        ("run.json", "config", 5),
        ("run.json", "config", None),
        ("run.json", "results", [1]),
        ("run.json", "results", None),
        ("run.json", "results.dev", 5),
        ("run.json", "results.dev.scores", {"all": 5}),
        ("run.json", "results.dev.scores.all", {"accuracy": "50"}),
        ("run.json", "results.dev.metric", "another"),
        ("run.json", "notes", "abc"),
        ("run.json", "best_update", -1),
        ("run.json", "format", "\x1b[31m"),
        ("state.json", "settings", 5),
        ("state.json", "update", "3"),
        ("task.json", "task", 5),
        ("task.json", "task", None),
        ("task.json", "task.family", ["a"]),
        ("task.json", "task.family", "\u202e\x1b[31m"),
        ("task.json", "task.labels", 5),
        ("task.json", "task.labels", [["a"]]),
        ("task.json", "task.max_length", 10**9),
        ("task.json", "task.name", {}),
        ("task.json", "task.hub", 5),
        ("task.json", "generate", [1]),
        ("task.json", "max_length", "128"),
        ("task.json", "format", 2),
        ("export.json", "inputs", 5),
        ("export.json", "inputs", [5]),
        ("export.json", "engine", {}),
        ("export.json", "engine", "\x1b[31m"),
        ("export.json", "sha256", []),
        ("export.json", "sha256", {"../x": "0"}),
        ("export.json", "sha256", {"x" * 5_000: "0"}),
        ("export.json", "sha256", {"a\0b": "0"}),
        ("export.json", "task", [1]),
    ],
)
def test_kinds(tmp_path: Path, name: str, path: str, value: object) -> None:
    file = placed(tmp_path, name)
    content: Any = json.loads(file.read_bytes())
    place = content
    *way, last = path.split(".")
    for key in way:
        place = place[int(key) if key.isdigit() else key]
    place[last] = value
    file.write_bytes(packed(content))
    refused(file)


@pytest.mark.parametrize("name", [name for name in READS if name.endswith(".json")])
def test_the_valid_ones_are_read(tmp_path: Path, name: str) -> None:
    file = placed(tmp_path, name)
    if name == "export.json":
        assert "is not the file that was exported" in refused(file)
    else:
        READS[name](file)


def test_a_certificate_is_what_was_written(tmp_path: Path) -> None:
    file = placed(tmp_path, "certificate.json")
    found = Certificate.read(file.parent)
    assert found is not None
    (again := tmp_path / "again").mkdir()
    found.write(again)
    assert Certificate.read(again) == found
    assert json.loads((again / file.name).read_text()) == json.loads(file.read_text())
    assert Certificate.read(tmp_path) is None


@pytest.mark.parametrize("line", ["[]", "5", '{"kind": "update"}', '{"kind": "update", "update": -1, "loss": 1}',
                                  '{"kind": "update", "update": 1, "loss": "x"}', '{"kind": 5, "update": 1}',
                                  '{"kind": "evaluation", "update": 1, "scores": 5}'])  # fmt: skip
def test_lines_of_metrics(tmp_path: Path, line: str) -> None:
    good = '{"kind": "update", "update": 1, "loss": 0.5}\n'
    (tmp_path / "metrics.jsonl").write_text(good + line + "\n")
    assert "line 2" in refused(tmp_path / "metrics.jsonl")
    (tmp_path / "metrics.jsonl").write_text(good + '{"kind": "upd')  # a kill cut it off
    assert len(disk.read_metrics(tmp_path / "metrics.jsonl")) == 1


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 50_000, "settings = 5", "published = 5", "published = [5]", '"\\u202e\\u001b[31m" = 1',
        "[settings]\nlr = nan", "[settings]\nlr = inf", "[settings]\nepochs = [[1]]", '[settings]\n"\\u001b" = 1',
        f"[settings]\n{'k' * 100_000} = 1", f'[settings]\nschedule = "{"x" * 100_000}"', "flagship = 5",
        '[[published]]\nmetric = 5\nscore = "a"\nsplit = 1\nsource = 2', "\x00", "a = 1" + "0" * 5_000,
        "#" * (2 << 20),
        '[[published]]\nmetric = "a"\nscore = nan\nsplit = "dev"\nsource = "b"',
    ],
    ids=lambda text: ascii(text[:20]),
)  # fmt: skip
def test_recipes(tmp_path: Path, text: str) -> None:
    (tmp_path / "recipe.toml").write_text(text)
    with pytest.raises(UsageError) as caught:
        found = recipes.read(str(tmp_path / "recipe.toml"))
        recipes.settle({"recipe": str(tmp_path / "recipe.toml")})
        raise AssertionError(found)
    assert str(caught.value).replace("\n", "").isprintable() and len(str(caught.value)) < 1_500


def test_an_export_whose_folder_has_a_run_of_another_kind(tmp_path: Path) -> None:
    file = placed(tmp_path, "export.json")
    with pytest.raises(CheckpointError, match=r"'graph\.xml' in .* is not the file"):
        deploy(file.parent)
