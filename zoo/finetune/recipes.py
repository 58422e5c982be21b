"""Recipes: the settings for a task and a model, and the scores that were published for them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from zoo import familiar, published, registry
from zoo.errors import UsageError, did_you_mean
from zoo.files import Fields, clean, quote, read_text
from zoo.finetune.config import DEFAULTS, FinetuneConfig
from zoo.finetune.flags import checked

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SUITES = {  # tasks that are run together; GLUE without WNLI, as in the papers
    "glue": ("cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte"),
    "clue": ("afqmc", "tnews", "iflytek", "cmnli", "ocnli", "cluewsc", "csl"),
    "xtreme": ("xnli", "pawsx", "udpos", "panx", "xquad", "mlqa", "tydiqa-goldp", "tatoeba", "bucc"),
}
MAX_RECIPE = 1 << 20  # bytes
RECIPE_TABLES = ("flagship", "settings", "published")


@dataclass(frozen=True)
class Published:
    """A score that someone published.

    Attributes:
        metric: as the task names it.
        score: in percent; for several languages their mean.
        split: dev, test, or "not stated".
        source: where it was published.
        note: what a reader must know to compare with it.
        comparable: False for a number that stands beside ours without a verdict; `note` says why.
        languages: score of each.
    """

    metric: str
    score: float
    split: str
    source: str
    note: str = ""
    comparable: bool = True
    languages: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Recipe:
    """The content of one file of zoo/recipes.

    Attributes:
        name: of the file, without .toml.
        settings: fields of `FinetuneConfig`.
        flagship: the one that `--task` alone picks.
    """

    name: str
    settings: Mapping[str, Any]
    published: tuple[Published, ...] = ()
    flagship: bool = False

    @property
    def task(self) -> str:
        """The data set or kind of task."""
        return str(self.settings.get("task", ""))

    @property
    def model(self) -> str:
        """The card, folder or repository."""
        return str(self.settings.get("model", ""))


@dataclass(frozen=True)
class Settled:
    """A configuration, and where each of its values came from.

    Attributes:
        sources: field -> "default", "recipe NAME" or what the caller called it ("flag").
        recipe: None when the zoo has none for this task and model.
    """

    config: FinetuneConfig
    sources: Mapping[str, str]
    recipe: Recipe | None


def _check_task(name: str) -> None:
    """Raises UsageError for a name that is neither a task nor a kind of one; imported late, `--help` is instant."""
    from zoo import tasks
    from zoo.tasks.user_tasks import TASK_KINDS

    if name in SUITES:
        raise UsageError(f"{name} is several tasks, not one.", f"--task {name} --model MODEL runs them all.")
    kind = familiar.head_named(name)
    kind = familiar.KINDS.get(kind, kind)
    if kind in TASK_KINDS and name not in TASK_KINDS and name.lower() not in tasks.names():
        raise UsageError(
            f"There is no task {quote(name)}.",
            f"For your own files it is --task {kind}; `--task list` shows the data sets.",
        )
    if name not in TASK_KINDS:
        tasks.find(name)


def settle(given: Mapping[str, Any], by: str = "flag") -> Settled:
    """Defaults, under the recipe, under what was given.

    The recipe is the one that `given["recipe"]` names, or the zoo's for this task and model; without a model it is
    the task's flagship.

    Raises:
        UsageError: an unknown name, a value of a wrong kind or range, or no model to train.
    """
    given = checked(given, by)
    task, model = given.get("task", ""), given.get("model", "")
    if named := given.get("recipe", ""):
        recipe: Recipe | None = read(named)
    elif not task:
        raise UsageError("Say what to learn with --task.", "For example --task squad2. `--task list` shows all.")
    else:
        recipe = find(task, model)
    values = {**DEFAULTS, **(recipe.settings if recipe else {}), **given}
    sources = dict.fromkeys(DEFAULTS, "default")
    if recipe:
        sources |= dict.fromkeys(recipe.settings, f"recipe {recipe.name}")
        values["recipe"] = named or recipe.name
    sources |= dict.fromkeys(given, by)
    if not values["task"]:
        raise UsageError(f"Recipe {named} names no task.", "Say it with --task.")
    _check_task(values["task"])
    if not values["model"]:
        others = [r.model for r in recipes() if r.task == task]
        hint = f"The zoo has recipes for it with {', '.join(others)}." if others else "See `zoo list`."
        raise UsageError(f"There is no flagship recipe for the task {values['task']}: say --model.", hint)
    return Settled(FinetuneConfig(**values), sources, recipe)


def find(task: str, model: str = "") -> Recipe | None:
    """The zoo's recipe for a task: with a model the first one for it, else the flagship; None without one."""
    known = [recipe for recipe in recipes() if recipe.task == task]
    if not model:
        return next((recipe for recipe in known if recipe.flagship), None)
    same = [recipe for recipe in known if same_model(recipe.model, model)]
    return min(same, key=lambda recipe: (not recipe.flagship, len(recipe.name)), default=None)


def same_model(one: str, other: str) -> bool:
    """True for two spellings of one card or repository."""
    cards = [registry.lookup(name) for name in (one, other)]
    names = [card.name if card else name for card, name in zip(cards, (one, other), strict=True)]
    return names[0].lower() == names[1].lower()


@lru_cache(maxsize=1)
def recipes() -> tuple[Recipe, ...]:
    """Every recipe of the zoo, by name."""
    files = sorted(resources.files("zoo").joinpath("recipes").iterdir(), key=lambda file: file.name)
    names = [file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml")]
    texts = [file.read_text("utf-8") for file in files if file.name.endswith(".toml")]
    return tuple(_with_published(parse(text, name)) for text, name in zip(texts, names, strict=True))


def _with_published(recipe: Recipe) -> Recipe:
    """Adds the scores of zoo/published/papers.csv; an average of a suite stands beside those of its tasks."""
    rows = published.of_recipe(recipe.name)
    found = []
    for row in rows:
        if row.language:
            continue
        same = (row.metric, row.split, row.source)
        languages = {r.language: r.value for r in rows if r.language and (r.metric, r.split, r.source) == same}
        own = row.task == recipe.task
        metric, note = (row.metric, row.note) if own else (f"{row.task}-{row.metric}", f"{row.task}, not this task")
        found.append(Published(metric, row.value, row.split, row.source, note, own and row.comparable, languages))
    return replace(recipe, published=tuple(found))


def read(name: str) -> Recipe:
    """A recipe of the zoo by name, or a TOML file.

    Raises:
        UsageError: there is none, or the file is not a recipe.
    """
    names = {recipe.name: recipe for recipe in recipes()}
    if name in names:
        return names[name]
    file = Path(name)
    if not name.endswith(".toml") and not file.is_file():
        raise UsageError(
            f"{quote(name)} is not a recipe of the zoo.",
            did_you_mean(name, tuple(names)) or "A file's name ends in .toml.",
        )
    try:
        text = read_text(file, MAX_RECIPE, UsageError)
    except UsageError as error:
        raise UsageError(
            f"Recipe {clean(name, 200)} cannot be read: {error.message}",
            did_you_mean(name.removesuffix(".toml"), names),
        ) from None
    return parse(text, file.stem, name)


def parse(text: str, name: str, where: str = "") -> Recipe:
    """A recipe from the text of its file.

    Raises:
        UsageError: no TOML, an unknown key, or a value of a wrong kind; names the file.
    """
    where = f"recipe {clean(where or name, 200)}"
    try:
        content = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise UsageError(f"{where} is not TOML: {clean(str(error), 120)}.") from None
    for key in content:
        if key not in RECIPE_TABLES:
            raise UsageError(
                f"{where}: {quote(key)} is not one of {', '.join(RECIPE_TABLES)}.",
                "Options stand below [settings].",
            )
    about = Fields(content, where, UsageError)
    settings = checked(about.object("settings", {}), where)
    published = tuple(_published(entry, where) for entry in about.items("published", [], dict, 1_000))
    return Recipe(name, settings, published, about.flag("flagship", False))


def _published(entry: Mapping[str, Any], where: str) -> Published:
    known = tuple(f.name for f in fields(Published))
    for key in entry:
        if key not in known:
            raise UsageError(f"{where}: [[published]] has no {quote(key)}.", did_you_mean(key, known))
    missing = [key for key in ("metric", "score", "split", "source") if key not in entry]
    if missing:
        raise UsageError(f"{where}: [[published]] lacks {', '.join(missing)}.")
    about = Fields(entry, f"{where}: [[published]]", UsageError)
    for key in ("metric", "split", "source", "note"):
        about.text(key, "")
    about.flag("comparable", True)
    about.number("score", 0.0)
    languages = about.below("languages")
    for code in languages.content:
        languages.number(code, 0.0)
    return Published(**entry)
