"""Pretrained models for PaddlePaddle whose conversion is proven. Importing it does not import paddle."""

from __future__ import annotations

from importlib import import_module

from zoo.version import __version__

TYPE_CHECKING = False  # type checkers know the name; importing it from typing would triple the time of this module
if TYPE_CHECKING:
    from typing import Any

    from zoo.inference.pipelines import pipeline as pipeline
    from zoo.loading import load as load
    from zoo.registry import info as info
    from zoo.registry import list_models as list_models

__all__ = ["__version__", "info", "list_models", "load", "pipeline"]

_HOMES = {
    "info": "zoo.registry",
    "list_models": "zoo.registry",
    "load": "zoo.loading",
    "pipeline": "zoo.inference.pipelines",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'zoo' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
