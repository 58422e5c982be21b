"""The command `zoo`: every verb, its help, its exit codes, and how options may be written."""

from __future__ import annotations

import argparse
import configparser
import json
import re
import subprocess
import sys
from importlib import import_module
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

import zoo
from zoo import arguments
from zoo.__main__ import VERBS, main
from zoo.errors import UsageError
from zoo.finetune import elsewhere
from zoo.finetune.config import FIELD_NAMES

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("paddle", "numpy", "torch", "transformers", "huggingface_hub", "safetensors", "rich", "tokenizers")
SCRIPT = "import sys\nfrom {module} import {attr}\nsys.exit({attr}())\n"  # as pip writes it


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The console script that setup.cfg promises."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    name, value = setup["options.entry_points"]["console_scripts"].strip().split(" = ")
    entry = EntryPoint(name, value, "console_scripts")
    file = tmp_path_factory.mktemp("bin") / name
    file.write_text(SCRIPT.format(module=entry.module, attr=entry.attr), "utf-8")
    return file


def run(*words: object) -> subprocess.CompletedProcess[str]:
    """Python with these words, in the checkout."""
    command = [sys.executable, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120)


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of `zoo` in this process."""
    try:
        code = main(words)
    except SystemExit as stop:
        code = int(stop.code or 0)
    return code, *capsys.readouterr()


def test_help_shows_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys, "--help")
    assert code == 0 and "examples:" in out and "exit codes:" in out
    for verb, about in VERBS.items():
        assert re.search(rf"^  {verb} +{re.escape(about.help)}$", out, re.M)
    assert max(map(len, out.split("examples:")[0].splitlines())) <= 80


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "--version") == (0, f"zoo {zoo.__version__}\n", "")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "usage: zoo VERB"),
        (("exprot", "x"), "error: zoo has no command 'exprot'.\nDid you mean 'export'?"),
        (("nothing-like-it",), "One of list, info, doctor, convert"),
        (("--verison",), "There is no option --verison.\nDid you mean '--version'?"),
        (
            ("export", "x", "--out", "y", "--presicion", "int8"),
            "no option --presicion.\nDid you mean '--precision'?",
        ),
        (("bench", "x", "--nothing-like-it"), "no option --nothing-like-it.\nzoo bench --help shows all."),
        (("convert", "x", "--dry"), "There is no option --dry."),
        (("predict",), "the following arguments are required: RUN"),
        (("evaluate",), "No model is named"),
        (("info", "no-such-model"), "'no-such-model' is not a model of the zoo."),
        (("convert", "no-such-*"), "'no-such-*' matches no model of the zoo."),
    ],
)
def test_what_makes_no_sense_ends_with_2(
    words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = said(capsys, *words)
    assert code == 2 and out == "" and message in err


def test_a_wrong_option_beside_json_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = said(capsys, "list", "--json", "--famly", "xlmr")
    error = json.loads(out)["error"]
    assert (code, err, error["hint"]) == (2, "", "Did you mean '--family'?")


def test_the_script_is_the_command(script: Path) -> None:
    done = run(script, "list", "palm*", "--json")
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)) == 8
    assert run(script, "info", "no-such-model").returncode == 2


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("-m", "zoo.export"), "python -m zoo.export"),
        (("-m", "zoo.finetune"), "python -m zoo.finetune"),
        (("-m", "zoo.evaluate"), "python -m zoo.evaluate"),
        (("-m", "zoo", "export"), "python -m zoo export"),
    ],
)
def test_help_says_how_the_command_was_called(words: tuple[str, ...], name: str) -> None:
    done = run(*words, "--help")
    assert done.returncode == 0 and done.stdout.startswith(f"usage: {name} ")


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_every_verb(verb: str, script: Path) -> None:
    """By the script, without a framework."""
    done = run("-X", "importtime", script, verb, "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: zoo {verb} ")
    assert "examples:" in done.stdout and "exit codes:" in done.stdout and "python -m zoo" not in done.stdout
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "zoo" in imported and not imported & set(HEAVY)


# Dashes and underscores


def parsers() -> dict[str, argparse.ArgumentParser]:
    """The parsers of the verbs that show theirs."""
    modules = {verb: import_module(about.module) for verb, about in VERBS.items()}
    return {verb: module.parser() for verb, module in modules.items() if hasattr(module, "parser")}


def test_every_option_may_be_written_both_ways() -> None:
    checked = 0
    for made in parsers().values():
        for flag in (flag for action in made._actions for flag in action.option_strings if flag.startswith("--")):
            for other in ("--" + flag[2:].replace("-", "_"), "--" + flag[2:].replace("_", "-")):
                assert arguments.spelled([other, f"{other}=a-b_c"], made) == [flag, f"{flag}=a-b_c"]
                checked += 1
    assert checked > 100


def test_values_stay_as_they_are() -> None:
    made = argparse.ArgumentParser()
    made.add_argument("--dry-run")
    words = ["a_b", "--dry_run", "a_b", "-x_y", "--", "--dry_run"]
    assert arguments.spelled(words, made) == ["a_b", "--dry-run", "a_b", "-x_y", "--", "--dry_run"]


def test_both_ways_on_the_command_line(capsys: pytest.CaptureFixture[str], minilm_snapshot: Path) -> None:
    plans = [said(capsys, "convert", "minilm", flag, "--json") for flag in ("--dry-run", "--dry_run")]
    models = [json.loads(out)["models"] for _, out, _ in plans]
    assert plans[0][0] == 0 and models[0] == models[1]
    shown = [
        said(capsys, "finetune", "--task", "squad2", flag, "--show") for flag in ("--lr=1e-4", "--layer_decay=1")
    ]
    assert [code for code, _, _ in shown] == [0, 0]
    assert said(capsys, "finetune", "--task", "squad2", "--layer-decay=1", "--show") == shown[1]


# Names of other libraries


def test_options_of_other_libraries_name_ours() -> None:
    ours = {*FIELD_NAMES, "resume", "out"}
    for name, here in elsewhere.OPTIONS.items():
        assert name not in ours and "-" not in name
        assert set(re.findall(r"--(\w+)", here)) <= ours, name


@pytest.mark.parametrize("flag", ["--learning_rate", "--learning-rate", "--learning_rate=3e-5"])
def test_a_foreign_name_is_answered_with_ours(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = said(capsys, "finetune", "--task", "squad2", flag, "3e-5")
    name = flag.partition("=")[0]
    assert (code, out, err) == (2, "", f"error: There is no option {name}.\nHere it is --lr.\n")


def test_the_kinds_for_own_files_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys, "finetune", "--task", "list")
    assert code == 0
    for kind in ("classification", "regression", "tagging", "qa", "text2text"):
        assert re.search(rf"^{kind} +", out, re.M)
    assert "question, context, answers" in out


def test_spelled_raises_for_python_callers() -> None:
    with pytest.raises(UsageError, match="no option --nothing"):
        arguments.spelled(["--nothing"], argparse.ArgumentParser())
