"""The command line: names, the dry run, exit codes, JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.convert.conftest import ROOT, Make, start, tree
from zoo import registry

XLMR = "FacebookAI/xlm-roberta-base"
MINILM = "sentence-transformers/all-MiniLM-L6-v2"


def test_help_says_the_exit_codes() -> None:
    done = subprocess.run([sys.executable, "-m", "zoo.convert", "--help"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == ""
    assert all(f"\n  {code} " in done.stdout for code in (0, 1, 2, 3, 130))


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 2, "--all"),
        (("minilm", "--all"), 2, "not both"),
        (("zz*",), 2, "matches no model"),
        (("./nowhere",), 2, "no folder"),
        (("minilm", "--jobs", "0"), 2, "above 0"),
        (("minilm", "--to", "onnx"), 2, "zoo export MODEL --to onnx"),
        (("minilm", "--to", "tf"), 2, "invalid choice"),
    ],
)
def test_wrong_command_lines(arguments: tuple[str, ...], code: int, words: str, command) -> None:  # type: ignore[no-untyped-def]
    found, _, err = command(*arguments)
    assert (found, words in err) == (code, True), err


def test_json_errors_are_json(command) -> None:  # type: ignore[no-untyped-def]
    code, out, err = command("zz*", "--json")
    assert code == 2 and err == "" and json.loads(out)["error"]["type"] == "UnknownModelError"


def test_folder_needs_out(snapshot: Make, command) -> None:  # type: ignore[no-untyped-def]
    code, _, err = command(snapshot(XLMR))
    assert code == 2 and "--out" in err


def test_one_target_for_two_is_refused(snapshot: Make, tmp_path: Path, command) -> None:  # type: ignore[no-untyped-def]
    code, _, err = command(snapshot(XLMR), snapshot("structbert-en-large"), "--out", tmp_path)
    assert code == 2 and "both be written" in err


def test_dry_run_writes_nothing_and_imports_no_framework(minilm_snapshot: Path, tmp_path: Path) -> None:
    watch = (
        "import atexit, sys\n"
        "heavy = ('paddle', 'torch', 'numpy')\n"
        "atexit.register(lambda: print([m for m in heavy if m in sys.modules], file=sys.stderr))"
    )
    process = start("minilm", "--dry-run", before=watch)
    out, err = process.communicate()
    assert process.returncode == 0 and err == "[]\n", err
    assert "90.9 MB" in out and "to do" in out
    assert not Path(os.environ["ZOO_HOME"]).exists()


def test_dry_run_of_what_is_done(minilm_snapshot: Path, command) -> None:  # type: ignore[no-untyped-def]
    assert command("minilm")[0] == 0
    plan = json.loads(command("minilm", "--dry-run", "--json")[1])["models"][0]
    assert (plan["state"], plan["fetch"], plan["disk"], plan["licence"]) == ("done", 0, 0, "Apache-2.0")
    plan = json.loads(command("minilm", "--dry-run", "--verify", "--json")[1])["models"][0]
    assert plan["state"] == "to do"


def test_default_target_is_where_load_looks(minilm_snapshot: Path, command) -> None:  # type: ignore[no-untyped-def]
    import zoo

    assert command("minilm")[0] == 0
    model = zoo.load("minilm")
    assert Path(os.environ["ZOO_HOME"]) in Path(model.origin.folder).parents
    assert model.task == "embedding"


def test_dry_run_of_all_counts_what_has_an_address(command) -> None:  # type: ignore[no-untyped-def]
    code, out, _ = command("--all", "--dry-run", "--json")
    plan = json.loads(out)
    ready = [c.name for f in registry.families() for c in f.cards if c.sources]
    assert [m["name"] for m in plan["models"]] == ready
    unreachable = {m["name"] for m in plan["models"] if m["error"]}
    assert code == 1 and XLMR in unreachable and MINILM not in unreachable  # no network here, but the package


def test_dry_run_offline(command, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    """Of files that are not here the plan is the card's, and says what to do; without a card nothing is known."""
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    code, out, _ = command(XLMR, "org/other", "--dry-run")
    assert code == 1 and f"{XLMR} is not on this machine, and ZOO_OFFLINE is set. The sizes are those of" in out
    assert f"On a connected machine: zoo convert {XLMR} --out DIR." in out and "278,295,186 parameters" in out
    assert "org/other is not on this machine, and ZOO_OFFLINE is set. Its sizes are not known" in out
    card, other = json.loads(command(XLMR, "org/other", "--dry-run", "--json")[1])["models"]
    assert card["hint"] and card["memory"] > 2e9 and (other["fetch"], other["memory"], other["disk"]) == (0, 0, 0)


def test_sizes_unlike_the_card_are_said(snapshot: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    from dataclasses import replace

    from zoo.convert.to_paddle import different_from_card

    card = replace(registry.info(XLMR), config={"hidden_size": 768, "vocab_size": 400})
    said = different_from_card({"hidden_size": 32, "vocab_size": 400}, card)
    assert len(said) == 1 and "hidden_size=32" in said[0] and "768" in said[0]


def test_several_models_in_processes(snapshot: Make, tmp_path: Path) -> None:
    names = [f"{name}-copy" for name in ("one", "two")]
    for name in names:
        (tmp_path / "in" / name).mkdir(parents=True)
        for file, content in tree(snapshot(XLMR)).items():
            (tmp_path / "in" / name / file).write_bytes(content)
    (tmp_path / "in" / "two-copy" / "model.safetensors").write_bytes(b"not weights")
    folders = [tmp_path / "in" / name for name in names]
    process = start(*folders, "--out", tmp_path / "out", "--jobs", "2", "--json")
    out, err = process.communicate()
    rows = json.loads(out)["models"]
    assert [r["status"] for r in rows] == ["converted", "failed"] and process.returncode == 1, (err, rows)
    assert (tmp_path / "out" / "one-copy" / "model.safetensors").is_file()
    assert not (tmp_path / "out" / "two-copy").exists()
