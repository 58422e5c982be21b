"""Reads and writes tensors in files, without torch and without knowledge of models. See `open_checkpoint`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.checkpoint.apply import backward, forward
    from zoo.checkpoint.archive import extract
    from zoo.checkpoint.dtypes import check_finite, narrow, widen, widened
    from zoo.checkpoint.pdparams import write_pdparams
    from zoo.checkpoint.reader import Checkpoint, open_checkpoint
    from zoo.checkpoint.safetensors_file import write_safetensors
    from zoo.checkpoint.streaming import StreamReport, stream, target_infos
    from zoo.checkpoint.torch_writer import write_torch

__all__ = [
    "Checkpoint",
    "StreamReport",
    "backward",
    "check_finite",
    "extract",
    "forward",
    "narrow",
    "open_checkpoint",
    "stream",
    "target_infos",
    "widen",
    "widened",
    "write_pdparams",
    "write_safetensors",
    "write_torch",
]

_HOMES = {
    "apply": ("backward", "forward"),
    "archive": ("extract",),
    "dtypes": ("check_finite", "narrow", "widen", "widened"),
    "pdparams": ("write_pdparams",),
    "reader": ("Checkpoint", "open_checkpoint"),
    "safetensors_file": ("write_safetensors",),
    "streaming": ("StreamReport", "stream", "target_infos"),
    "torch_writer": ("write_torch",),
}


def __getattr__(name: str) -> Any:
    """Imports on first use: the key tables need `zoo.checkpoint.rules` and must not pay for numpy."""
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"zoo.checkpoint.{home}"), name)
    raise AttributeError(f"module 'zoo.checkpoint' has no attribute '{name}'")
