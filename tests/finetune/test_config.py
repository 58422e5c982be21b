"""The configuration: flags, recipes and defaults come together, and mistakes are named."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from zoo import tasks
from zoo.errors import UsageError, ZooError
from zoo.finetune.config import DEFAULTS, FIELD_NAMES, FinetuneConfig
from zoo.finetune.recipes import SUITES, Recipe, parse, read, recipes, settle

ROOT = Path(__file__).resolve().parents[2]
Command = Callable[..., tuple[int, str, str]]


def test_fewer_than_fifty_options() -> None:
    assert len(FIELD_NAMES) + len(("show", "resume")) < 50


def test_every_field_is_explained(finetune: Command) -> None:
    code, out, _ = finetune("--help")
    assert code == 0
    for name in FIELD_NAMES:
        assert f"--{name} " in out
    assert all(f"\n        {name}: " in (FinetuneConfig.__doc__ or "") for name in FIELD_NAMES)


def test_help_is_quick_and_imports_no_framework() -> None:
    """Counted in modules, as a clock is of no use on a busy machine: numpy alone has 150, paddle 3,000."""
    code = """
import sys
from zoo.finetune.__main__ import main
try:
    main(["--help"])
except SystemExit:
    pass
print([m for m in ("paddle", "numpy", "torch", "rich", "matplotlib") if m in sys.modules], file=sys.stderr)
print(len(sys.modules), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    frameworks, modules = done.stderr.splitlines()[-2:]
    assert frameworks == "[]" and int(modules) < 320


def test_flag_over_recipe_over_default() -> None:
    settled = settle({"task": "squad2", "lr": 1e-5})
    assert settled.recipe is not None and settled.recipe.name == "funnel-xlarge-squad2"
    config, sources = settled.config, settled.sources
    assert (config.lr, sources["lr"]) == (1e-5, "flag")
    assert (config.batch_size, sources["batch_size"]) == (48, "recipe funnel-xlarge-squad2")
    assert (config.clip, sources["clip"]) == (1.0, "default")
    assert config.model == "funnel-transformer/xlarge"


def test_show(finetune: Command) -> None:
    code, out, _ = finetune("--task", "squad2", "--batch-size", "8", "--show")
    assert code == 0
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert lines["batch_size"].split()[1:] == ["8", "flag"]
    assert "recipe funnel-xlarge-squad2" in lines["lr"]
    assert "published: f1 90.4 on dev" in out


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "Say what to learn"),
        ({"task": "squad2", "lrr": 1}, "no option 'lrr'(.|\n)*Did you mean 'lr'"),
        ({"task": "squad2", "lr": "much"}, "lr='much' is not a number"),
        ({"task": "squad2", "batch_size": 1.5}, "batch_size=1.5 is not a whole number"),
        ({"task": "squad2", "schedule": "liner"}, "'liner' is not one of linear(.|\n)*Did you mean 'linear'"),
        ({"task": "squad2", "lr": -1}, "lr=-1 does not work: it must be from 0 to 1"),
        ({"task": "squad2", "lr": float("nan")}, "lr=nan does not work"),
        ({"task": "squad2", "batch_size": 0}, "batch_size=0 does not work: it must be 1 or more"),
        ({"task": "stsb"}, "no flagship recipe for the task stsb: say --model"),
        ({"recipe": "funnel-xlarge-squa2"}, "not a recipe(.|\n)*Did you mean 'funnel-xlarge-squad2'"),
        ({"recipe": "nowhere.toml"}, "nowhere.toml cannot be read"),
    ],
)
def test_mistakes(given: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        settle(given)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--tsk", "sst2"), "no option --tsk"),
        (("--task", "sst2", "--lr", "x"), "--lr='x' is not a number"),
        (("--task", "sst2", "--technique", "ful"), "Did you mean 'full'"),
        (("--task", "sst3", "--model", "m", "--data", "."), "There is no task 'sst3'.\nDid you mean sst2"),
        (("--task", "sst2", "--model", "no-such", "--data", "."), "has no 'train.tsv', which sst2 needs"),
        (("--task", "sst2", "--data", "nowhere"), "--data: there is no 'nowhere'"),
        (("--task", "sst2", "--trackers", "mlfow"), "'mlfow' is not one of aim"),
    ],
)
def test_mistakes_on_the_command_line(
    finetune: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = finetune(*words)
    assert code != 0 and out == ""
    assert err.startswith("error: ") and said in err and "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_settings_of_python_and_of_the_flags_are_the_same() -> None:
    config = FinetuneConfig(task="sst2", model="m", lr=1e-4)
    assert json.loads(json.dumps(config.to_dict())) == {**DEFAULTS, "task": "sst2", "model": "m", "lr": 1e-4}


def test_a_recipe_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('[settings]\ntask = "sst2"\nmodel = "minilm"\nlr = 1e-4\n', "utf-8")
    settled = settle({"recipe": str(file)})
    assert (settled.config.lr, settled.sources["lr"]) == (1e-4, "recipe mine")
    with pytest.raises(UsageError, match="'sets' is not one of flagship, settings, published"):
        parse("[sets]\n", "x")
    with pytest.raises(UsageError, match=r"\[\[published\]\] lacks split, source"):
        parse('[[published]]\nmetric = "f1"\nscore = 1.0\n', "x")
    with pytest.raises(UsageError, match="is not TOML"):
        parse("= 1", "x")


def test_the_recipe_of_a_model() -> None:
    assert settle({"task": "xnli", "model": "xlmr-base"}).recipe == read("xlmr-base-xnli")
    assert settle({"task": "sst2", "model": "all-MiniLM-L6-v2"}).recipe is None


# --- every recipe of the zoo ---


@pytest.mark.parametrize("recipe", recipes(), ids=lambda recipe: recipe.name)
def test_recipe(recipe: Recipe) -> None:
    """It is a configuration, for a task that exists, and what was published is a metric of that task."""
    from zoo import registry

    if recipe.task not in SUITES:
        settled = settle({"recipe": recipe.name})
        assert settled.config.task and settled.config.model
    text = (ROOT / "zoo" / "recipes" / f"{recipe.name}.toml").read_text("utf-8")
    assert text.startswith(_command(recipe))
    if "bert-base-chinese" not in recipe.model and "rbt6" not in recipe.model:
        assert registry.lookup(recipe.model) is not None
    assert recipe.published, "a recipe is there for a published score"
    special = {"tagging": ("f1-lenient",), **dict.fromkeys(SUITES, ("average",))}
    metrics = special.get(recipe.task) or tasks.find(recipe.task).metrics
    for published in recipe.published:
        assert 0 < published.score <= 100 and published.source
        assert published.split in ("dev", "test", "not stated")
        assert published.metric in metrics or not published.comparable
        assert published.comparable or published.note
        if published.languages:
            mean = sum(published.languages.values()) / len(published.languages)
            assert published.score == pytest.approx(mean, abs=0.006)


def _command(recipe: Recipe) -> str:
    """The line that a recipe's file begins with."""
    how = f"--model {recipe.model}" if recipe.task in SUITES else f"--recipe {recipe.name}"
    return f"# zoo finetune --task {recipe.task} {how}\n"


def test_one_flagship_for_a_task() -> None:
    flagships = [recipe.task for recipe in recipes() if recipe.flagship]
    assert len(flagships) == len(set(flagships))
    assert set(flagships) >= {"squad2", "squad", "xnli", "qnli", "mnli", "cluener", "tatoeba", "xquad", "lcsts"}


def test_the_published_numbers_of_the_seeds_are_there() -> None:
    found = {(r.task, p.metric, p.score) for r in recipes() for p in r.published}
    for row in (
        ("squad2", "f1", 90.118), ("squad2", "exact", 87.215), ("squad", "f1", 94.726),
        ("qnli", "accuracy", 95.149), ("mnli", "accuracy", 86.62), ("sst2", "accuracy", 93.0),
        ("tnews", "accuracy", 61.34), ("cluewsc", "accuracy", 87.5), ("cluener", "f1-lenient", 77.98),
        ("xnli", "accuracy", 79.9), ("xquad", "f1", 77.5), ("tatoeba", "x->en", 75.1),
        ("dureader-qg", "bleu-4", 39.82), ("lcsts", "rouge-l", 32.93), ("peoples-daily", "f1-lenient", 76.579),
    ):  # fmt: skip
        assert row in found


def test_errors_are_the_zoos() -> None:
    assert issubclass(UsageError, ZooError)
