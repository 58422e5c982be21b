"""Every command on the page beside five projects is one that its verb takes, and its words are counted."""

from __future__ import annotations

import shlex
from importlib import import_module

import pytest

from benchmarks import seeds
from zoo import registry
from zoo.__main__ import VERBS, main
from zoo.finetune.recipes import SUITES

COMMANDS = sorted({text for step in seeds.STEPS for text in (step.ours, step.trial) if text.startswith("zoo ")})


@pytest.mark.parametrize("typed", COMMANDS)
def test_is_parsed(typed: str, capsys: pytest.CaptureFixture[str]) -> None:
    _, verb, *words = shlex.split(typed)
    if verb == "info":
        assert registry.lookup(words[0])
        return
    if verb != "finetune":
        import_module(VERBS[verb].module).parser().parse_args(words)
        return
    models = models_of(words)
    if words[words.index("--task") + 1] in SUITES:
        assert words[words.index("--task") + 1] == "glue" and registry.lookup(models[0])
        return
    for model in models or [""]:
        alone = [word for word in words if word not in models]
        if model:
            alone.insert(alone.index("--model") + 1, model)
        assert main([verb, *alone, "--show"]) == 0, capsys.readouterr().err


def models_of(words: list[str]) -> list[str]:
    """What stands between --model and the next flag."""
    if "--model" not in words:
        return []
    behind = words[words.index("--model") + 1 :]
    return behind[: next((n for n, word in enumerate(behind) if word.startswith("--")), len(behind))]


def test_words_are_counted() -> None:
    assert seeds.words('zoo convert "funnel*" --out funnel') == 5
    assert "| together |  | 22 |" in seeds.steps("infoxlm")
    assert {step.project for step in seeds.STEPS} == set(seeds.PROJECTS)
