"""Small weight files of every format, and what torch reads from them."""

from __future__ import annotations

import argparse
import collections
import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

Tensors = dict[str, torch.Tensor]


def tensors(legacy: bool = False) -> Tensors:
    """One of everything a weight file holds."""
    torch.manual_seed(7)
    big = torch.randn(6, 8)
    found = {
        "plain": torch.randn(3, 4),
        "half": torch.randn(5).half(),
        "bfloat16": torch.randn(2, 3).bfloat16(),
        "double": torch.randn(4).double(),
        "big": big,
        "tied": big,
        "transposed": big.t(),
        "strided": big[1:5:2, ::3],
        "row": big[2],
        "broadcast": torch.randn(1, 3).expand(4, 3),
        "permuted": torch.randn(2, 3, 4).permute(2, 0, 1),
        "half_transposed": torch.randn(3, 2).half().t(),
        "position_ids": torch.arange(10).expand((1, -1)),
        "int32": torch.arange(3, dtype=torch.int32),
        "int16": torch.arange(3, dtype=torch.int16),
        "int8": torch.arange(-1, 2, dtype=torch.int8),
        "mask": torch.ones(2, 2, dtype=torch.uint8),
        "flags": torch.tensor([True, False, True]),
        "scalar": torch.tensor(3.5),
        "version": torch.tensor([3.0]),
        "empty": torch.zeros(0, 4),
        "parameter": torch.nn.Parameter(torch.randn(2, 2)),
    }
    return found if legacy else {**found, "uint16": torch.arange(4).to(torch.uint16)}


def as_numpy(tensor: torch.Tensor) -> np.ndarray:
    """The array `Checkpoint.read` should give."""
    tensor = tensor.detach()
    return tensor.view(torch.int16).numpy().view(np.uint16) if tensor.dtype == torch.bfloat16 else tensor.numpy()


def torch_file(path: Path, content: Any = None, legacy: bool = False, protocol: int = 2) -> Path:
    """What torch.save writes."""
    content = collections.OrderedDict(tensors(legacy)) if content is None else content
    torch.save(content, path, _use_new_zipfile_serialization=not legacy, pickle_protocol=protocol)
    return path


def fairseq(legacy: bool = False) -> dict[str, Any]:
    """What fairseq saves: arguments, model, optimizer."""
    args = argparse.Namespace(
        arch="veco_large", layers=24, lr=[0.1], adam_betas="(0.9, 0.999)", tpu=False, seed=None
    )
    return {
        "args": args,
        "model": collections.OrderedDict(tensors(legacy)),
        "optimizer_history": [{"num_updates": 3, "best_loss": np.float64(2.5)}],
        "extra_state": {"train_iterator": {"epoch": 2}, "device": torch.device("cpu"), "size": torch.Size([2])},
        "last_optimizer_state": {
            "state": {0: {"step": 3, "exp_avg": torch.zeros(2)}},
            "param_groups": [{"lr": 0.1}],
        },
    }


def safetensors_file(path: Path, header: Any = None, data: bytes = b"", raw: bytes | None = None) -> Path:
    """A file from a header and data, well-formed or not."""
    text = raw if raw is not None else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def pdparams_file(path: Path, protocol: int = 4) -> Path:
    """What paddle.save pickles of a state dict: arrays, and the table of parameter names."""
    arrays: dict[str, Any] = {
        name: np.ascontiguousarray(as_numpy(t)) for name, t in tensors(True).items() if t.dtype != torch.bfloat16
    }
    arrays["fortran"] = np.asfortranarray(np.arange(6, dtype="f4").reshape(2, 3))
    arrays["long"] = np.arange(40_000, dtype="f4")
    arrays["named"] = ("linear_0.w_0", np.arange(3, dtype="f4"))
    arrays["StructuredToParameterName@@"] = {name: f"p_{name}" for name in arrays}
    path.write_bytes(pickle.dumps(arrays, protocol))
    return path


def legacy_with(content: Any, dump: Callable[[Any], bytes] = lambda x: pickle.dumps(x, 2)) -> bytes:
    """A legacy torch file whose state dict is any pickle."""
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    out = io.BytesIO()
    for part in (0x1950A86A20F9469CFC6C, 1001, system):
        out.write(pickle.dumps(part, 2))
    out.write(content if isinstance(content, bytes) else dump(content))
    out.write(pickle.dumps([], 2))
    return out.getvalue()


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def as_zip(path: Path, content: bytes) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", content)


def as_legacy(path: Path, content: bytes) -> None:
    path.write_bytes(legacy_with(content))


def as_pdparams(path: Path, content: bytes) -> None:
    path.write_bytes(content)


CARRIERS = {"zip": as_zip, "legacy": as_legacy, "pdparams": as_pdparams}
Carrier = Callable[[Path, bytes], None]
