"""The two networks of a comparison behind one face: outputs, gradients, and what every sub-layer saw and said."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import paddle
import torch

from conversion.cases import Case
from conversion.reference import base_model
from zoo.models.common.seq2seq import Seq2Seq

OUTPUTS = ("last_hidden_state", "pooler_output", "logits", "start_logits", "end_logits", "embeddings", "loss")
OUTPUTS = (*OUTPUTS, "token_weights", "token_vectors", "encoder_last_hidden_state")
# Of which a random projection is differentiated, beside the loss.
PROJECTED = ("last_hidden_state", "pooler_output", "embeddings", "token_weights", "token_vectors")
Arrays = dict[str, np.ndarray]
Call = tuple[np.ndarray, np.ndarray]


def cotangent(case: Case, name: str, shape: tuple[int, ...], real: np.ndarray) -> np.ndarray:
    """Fixed random weights of an output in the objective; nothing at padding, mean over the rest."""
    rng = np.random.default_rng(zlib.crc32(f"{case.name}/{name}".encode()))
    weights = rng.standard_normal(shape, np.float32)
    if name == "last_hidden_state" and shape[1] == real.shape[-1]:  # a pooled sequence has no padding to leave out
        weights *= real.reshape(-1, real.shape[-1])[..., None]
    return weights / np.float32(real.sum())


def objective(side: Any, case: Case, found: dict[str, Any], pooler: bool = True) -> Any:
    """The scalar that is differentiated: the loss, plus a random projection of the states and vectors."""
    total = found.get("loss")
    for name in PROJECTED:
        if name in found and (pooler or name != "pooler_output"):
            value = found[name]
            term = (value * side.tensor(cotangent(case, name, tuple(value.shape), case.real))).sum()
            total = term if total is None else total + term
    return total


@contextmanager
def wide() -> Iterator[None]:
    """`Tensor.float()` leaves float64 alone: Funnel's original calls it on its scores."""
    narrow = torch.Tensor.float

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        return tensor if tensor.dtype == torch.float64 else narrow(tensor)

    with patch.object(torch.Tensor, "float", keep):
        yield


class TorchSide:
    """The original. Tensors are named as torch names its parameters."""

    def __init__(self, model: torch.nn.Module, double: bool = False) -> None:
        self.model = model.double() if double else model
        self.dtype = torch.float64 if double else torch.float32

    def tensor(self, array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(array).to(self.dtype)

    def _forward(self, case: Case, with_head: bool) -> dict[str, Any]:
        inputs = {k: torch.from_numpy(v) for k, v in case.inputs.items()}
        pooled: list[torch.Tensor] = []
        encoder = base_model(self.model)
        hook = None
        if getattr(encoder, "pooler", None) is not None:
            hook = encoder.pooler.register_forward_hook(lambda _m, _i, out: pooled.append(out))  # type: ignore[union-attr]
        model = self.model if with_head else encoder
        labels = self._labels(case, model) if with_head else {}
        with wide():
            out = model(**inputs, **labels, output_hidden_states=True)  # type: ignore[misc]
        if hook is not None:
            hook.remove()
        found = {name: out[name] for name in OUTPUTS if name in out and out[name] is not None}
        if "prediction_logits" in out:
            found["logits"] = out["prediction_logits"]
        if "decoder_hidden_states" in out:
            found["last_hidden_state"] = out["decoder_hidden_states"][-1]
        else:
            found |= {f"hidden_states.{n}": h for n, h in enumerate(out["hidden_states"])}
            found.setdefault("last_hidden_state", out["hidden_states"][-1])
        if pooled:
            found["pooler_output"] = pooled[0]
        if case.labels is not None and with_head and "loss" not in found:
            flat = found["logits"].reshape(-1, found["logits"].shape[-1])
            found["loss"] = torch.nn.functional.cross_entropy(flat, torch.from_numpy(case.labels).reshape(-1))
        return found

    def _labels(self, case: Case, model: Any) -> dict[str, torch.Tensor]:
        if case.labels is None or type(model).__name__ == "BertForPreTraining":
            return {}
        labels = torch.from_numpy(case.labels)
        if type(model).__name__.endswith("ForQuestionAnswering"):
            return {"start_positions": labels[:, 0], "end_positions": labels[:, 1]}
        return {"labels": labels}

    @torch.no_grad()
    def outputs(self, case: Case, with_head: bool) -> Arrays:
        """Every output as a float array."""
        return {k: v.numpy() for k, v in self._forward(case, with_head).items()}

    def gradients(self, case: Case, with_head: bool, pooler: bool) -> Iterator[tuple[str, np.ndarray]]:
        """Every parameter's gradient of the objective, zeros where it has none."""
        self.model.zero_grad(set_to_none=True)
        objective(self, case, self._forward(case, with_head), pooler).backward()
        for name, parameter in self.model.named_parameters():
            grad = parameter.grad
            yield name, torch.zeros_like(parameter).numpy() if grad is None else grad.numpy()
        self.model.zero_grad(set_to_none=True)

    def leaves(self) -> list[str]:
        """Modules with parameters of their own."""
        return [n for n, m in self.model.named_modules() if n and list(m.parameters(recurse=False))]

    def trace(self, case: Case, names: list[str], with_head: bool) -> dict[str, Call]:
        """First input and output of the named modules, in the order in which they ran."""
        modules = dict(self.model.named_modules())
        return _trace(
            names,
            lambda name, note: modules[name].register_forward_hook(lambda _m, i, o: note(name, i, o)),
            lambda: self.outputs(case, with_head),
        )


class PaddleSide:
    """Ours. Tensors are named as on disk, so a bare encoder's have `encoder.` before them."""

    def __init__(self, model: Any, double: bool = False) -> None:
        self.model = model.to(dtype="float64") if double else model
        self.dtype = "float64" if double else "float32"
        self.prefix = model.prefix

    def tensor(self, array: np.ndarray) -> paddle.Tensor:
        return paddle.to_tensor(array).astype(self.dtype)

    def _forward(self, case: Case) -> dict[str, Any]:
        inputs = {k: paddle.to_tensor(v) for k, v in case.inputs.items()}
        if case.labels is not None and self.model.task:
            inputs["labels"] = paddle.to_tensor(case.labels)
        if isinstance(self.model, Seq2Seq):
            out = self.model(**inputs, loss="mean" if "mean" in self.model.LOSSES else None)
            return {name: getattr(out, name) for name in OUTPUTS if getattr(out, name) is not None}
        out = self.model(**inputs, output_hidden_states=True)
        found = {name: getattr(out, name) for name in OUTPUTS if getattr(out, name) is not None}
        return found | {f"hidden_states.{n}": h for n, h in enumerate(out.hidden_states)}

    def outputs(self, case: Case) -> Arrays:
        """Every output as a float array."""
        with paddle.no_grad():
            return {k: v.numpy() for k, v in self._forward(case).items()}

    def gradients(self, case: Case) -> Arrays:
        """Every parameter's gradient of the objective; a view, gone with the next call."""
        self.model.clear_gradients(set_to_zero=False)
        objective(self, case, self._forward(case)).backward()
        return {
            self.prefix + name: (np.zeros(p.shape, self.dtype) if p.grad is None else p.grad.numpy())
            for name, p in self.model.named_parameters()
        }

    def trace(self, case: Case, names: list[str]) -> dict[str, Call]:
        """First input and output of the named sub-layers, in the order in which they ran."""
        layers = {self.prefix + n: layer for n, layer in self.model.named_sublayers()}
        return _trace(
            [n for n in names if n in layers],
            lambda name, note: layers[name].register_forward_post_hook(lambda _m, i, o: note(name, i, o)),
            lambda: self.outputs(case),
        )

    def exchange(self, one: str, two: str) -> bool:
        """Exchanges the weights of two sub-layers; False, and nothing done, when they have other shapes."""
        layers = {self.prefix + n: layer for n, layer in self.model.named_sublayers()}
        mine, other = layers[one].state_dict(), layers[two].state_dict()
        if {n: t.shape for n, t in mine.items()} != {n: t.shape for n, t in other.items()}:
            return False
        kept = {n: t.numpy().copy() for n, t in mine.items()}
        for name, tensor in mine.items():
            tensor.set_value(other[name].numpy())
            other[name].set_value(kept[name])
        return True

    def parameter(self, name: str) -> np.ndarray | None:
        """A weight by its name on disk."""
        found = dict(self.model.named_parameters()).get(name.removeprefix(self.prefix))
        return None if found is None else found.numpy()


def _trace(names: list[str], hook: Callable[..., Any], run: Callable[[], Any]) -> dict[str, Call]:
    seen: dict[str, Call] = {}

    def note(name: str, inputs: Any, output: Any) -> None:
        first = inputs[0] if isinstance(inputs, tuple | list) and inputs else inputs
        if name not in seen and hasattr(first, "detach") and hasattr(output, "detach"):
            seen[name] = tuple(t.detach().numpy().copy() for t in (first, output))  # type: ignore[assignment]

    hooks = [hook(name, note) for name in names]
    try:
        run()
    finally:
        for one in hooks:
            one.remove()
    return seen


class Store:
    """Arrays of the original on disk, so that only one network is in memory at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: dict[str, dict[str, Path]] = {}

    def put(self, group: str, name: str, array: np.ndarray) -> None:
        table = self.names.setdefault(group, {})
        table[name] = self.folder / f"{len(self.names)}-{len(table)}.npy"
        np.save(table[name], array)

    def get(self, group: str, name: str) -> np.ndarray:
        return np.load(self.names[group][name], mmap_mode="r")
