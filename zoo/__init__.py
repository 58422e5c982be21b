"""Pretrained models for PaddlePaddle whose conversion is proven. Importing it does not import paddle."""

from __future__ import annotations

from zoo.lazy import attach
from zoo.version import __version__

TYPE_CHECKING = False  # type checkers know the name; importing it from typing would triple the time of this module
if TYPE_CHECKING:
    from zoo.inference.pipelines import pipeline as pipeline
    from zoo.loading import load as load
    from zoo.map.work import map_files as map_files
    from zoo.registry import info as info
    from zoo.registry import list_models as list_models

__all__ = ["__version__", "info", "list_models", "load", "map_files", "pipeline"]

_HOMES = {
    "info": "zoo.registry",
    "list_models": "zoo.registry",
    "load": "zoo.loading",
    "map_files": "zoo.map.work",
    "pipeline": "zoo.inference.pipelines",
}


__getattr__, __dir__ = attach(__name__, _HOMES)
