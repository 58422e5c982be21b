"""`zoo.pipeline`: a task and a model, text in, answers out."""

from __future__ import annotations

import os
from importlib import import_module
from inspect import signature
from typing import TYPE_CHECKING, Any

from zoo import terminal
from zoo.errors import UsageError, did_you_mean
from zoo.files import quote

if TYPE_CHECKING:
    from zoo.inference.deployed import Deployed
    from zoo.inference.pipelines.base import Pipeline
    from zoo.models.common.base import Model

PACKAGE = "zoo.inference.pipelines"
PIPELINES: dict[str, str | type[Pipeline]] = {
    "classification": f"{PACKAGE}.classification:TextClassification",
    "ner": f"{PACKAGE}.ner:Ner",
    "qa": f"{PACKAGE}.qa:QuestionAnswering",
    "fill-mask": f"{PACKAGE}.fill_mask:FillMask",
    "embeddings": f"{PACKAGE}.embeddings:Embeddings",
    "zero-shot": f"{PACKAGE}.zero_shot:ZeroShot",
    "rerank": f"{PACKAGE}.rerank:Rerank",
    "text2text": f"{PACKAGE}.text2text:Text2Text",
}
# What transformers calls them, and the zoo's names of heads.
ALIASES = {
    "text-classification": "classification",
    "sentiment-analysis": "classification",
    "token-classification": "ner",
    "tagging": "ner",
    "question-answering": "qa",
    "mlm": "fill-mask",
    "feature-extraction": "embeddings",
    "embedding": "embeddings",
    "zero-shot-classification": "zero-shot",
    "text-ranking": "rerank",
    **dict.fromkeys(("text2text-generation", "generation", "summarization", "translation"), "text2text"),
    "sentence-similarity": "embeddings",
    "named-entity-recognition": "ner",
}
FREE_HEAD = "embedding"  # the one head without parameters: any encoder can have it


def register(name: str, pipeline: type[Pipeline]) -> None:
    """Makes a pipeline of one's own known to `zoo.pipeline`.

    Raises:
        UsageError: the name is taken.
    """
    if name in ALIASES or PIPELINES.get(name, pipeline) is not pipeline:
        raise UsageError(f"There is a pipeline '{name}' already.", "Register yours by another name.")
    PIPELINES[name] = pipeline


def kind_of(task: str) -> tuple[str, type[Pipeline]]:
    """Gives a pipeline's own name and its class.

    Raises:
        UsageError: there is no such pipeline.
    """
    name = ALIASES.get(task, task)
    found = PIPELINES.get(name)
    if found is None:
        near = did_you_mean(task, (*PIPELINES, *ALIASES)) or f"One of {', '.join(PIPELINES)}."
        raise UsageError(f"There is no pipeline {quote(task)}.", near)
    if isinstance(found, str):
        module, attribute = found.split(":")
        found = getattr(import_module(module), attribute)
    assert not isinstance(found, str)
    return name, found


def pipeline(
    task: str,
    model: str | os.PathLike[str] | Model | Deployed,
    engine: str = "auto",
    precision: str = "auto",
    **options: Any,
) -> Pipeline:
    """A pipeline of a task; see docs/pipelines.md. Says on stderr, in one line, what runs it.

    Args:
        task: a name of PIPELINES or ALIASES, such as "classification".
        model: a name, a folder (of `zoo.load`, of a finetuning run, of `zoo export`), a model of
            `zoo.load`, or what `zoo.inference.deployed.deploy` made of one, which several pipelines may share.
        engine, precision: see `zoo.inference.engines.choose`.
        options: of every call, such as top_k.

    Raises:
        UsageError: no such pipeline or option, or the model has another head.
        ZooError: what `zoo.load` says.

    Example:
        >>> import zoo
        >>> embed = zoo.pipeline("embeddings", "all-MiniLM-L6-v2")
        >>> vectors = embed(["A cat sits on the mat.", "Shares fell."])
        >>> len(vectors), vectors[0].shape
        (2, (384,))
    """
    name, found = kind_of(task)
    from zoo.inference.deployed import Deployed, deploy
    from zoo.inference.engines import check_names

    if isinstance(model, Deployed):
        if (engine, precision) != ("auto", "auto"):
            raise UsageError("The network is deployed already.", "Say engine and precision to `deploy`.")
        _check_head(name, found.heads, model.task, model.name)
        return found(model, **options)
    its_own = signature(found.__init__).parameters  # of a registered class
    found.known({name: value for name, value in options.items() if name not in its_own})
    check_names(engine, precision)
    deployed = deploy(model, _head(name, found.heads, model), engine, precision)
    _check_head(name, found.heads, deployed.task, deployed.name)
    made = found(deployed, **options)
    terminal.note(deployed.summary)
    return made


def _head(task: str, heads: tuple[str, ...], model: str | os.PathLike[str] | Model) -> str | None:
    """The head to load: one that was saved, so that no answer comes from weights that were never trained."""
    from zoo.inference.deployed import EXPORT_FILE, model_folder
    from zoo.model_files import saved_head

    if not heads or not isinstance(model, str | os.PathLike) or (model_folder(model) / EXPORT_FILE).is_file():
        return None  # the one it has
    folder = model_folder(model)
    head = FREE_HEAD if FREE_HEAD in heads else saved_head(folder if folder.is_dir() else model, among=heads)
    _check_head(task, heads, head, str(model))
    return head


def _check_head(task: str, heads: tuple[str, ...], head: str | None, name: str) -> None:
    """Raises UsageError for a head that a pipeline cannot work with."""
    if heads and head not in heads:
        raise UsageError(
            f"The pipeline '{task}' needs the head {' or '.join(heads)}; {name} has {head or 'none'}.",
            "Give a model that was trained for it, such as the folder of a run of `zoo finetune`.",
        )
