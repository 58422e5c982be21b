"""Child-Tuning (Xu et al. 2021, arXiv 2109.05687): only a part of the network gets gradients.

ChildTuning-F draws the part anew at every step; ChildTuning-D keeps the weights with the most Fisher information.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import paddle
from paddle import Tensor, nn
from paddle.optimizer import AdamW

from zoo.errors import UsageError

TUNING_MODES = ("ChildTuning-F", "ChildTuning-D", None)
LAYER_NAME = re.compile(r"(^|\.)(layers|blocks)\.\d")


class ChildTuningAdamW(AdamW):
    """AdamW on masked gradients, with the arguments and the arithmetic of SOFA's optimiser of that name.

    Differs from paddle's AdamW as the original does from torch's: epsilon is added before the bias correction, and
    the decay multiplies the updated weight, masked ones too. Gradients are clipped before they are masked.

    Args:
        learning_rate: a number or a paddle scheduler.
        parameters: what is trained.
        betas, eps, weight_decay: Adam's; the decay is decoupled.
        correct_bias: without it this is BERT's own Adam.
        reserve_p: share of the gradient that stays; F divides by it.
        mode: "ChildTuning-F", "ChildTuning-D" (needs `set_gradient_mask`) or None for no mask.
        grad_clip: a paddle clip.
        apply_decay_param_fun: paddle's name of a parameter -> whether it is decayed; None for all.
    """

    def __init__(
        self,
        learning_rate: Any = 1e-3,
        parameters: Iterable[Tensor] | None = None,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        correct_bias: bool = True,
        reserve_p: float = 0.2,
        mode: str | None = "ChildTuning-F",
        grad_clip: Any = None,
        apply_decay_param_fun: Callable[[str], bool] | None = None,
    ) -> None:
        if mode not in TUNING_MODES:
            raise UsageError(f"mode={mode!r} is unknown.", "One of 'ChildTuning-F', 'ChildTuning-D', None.")
        if not 0.0 < reserve_p <= 1.0:
            raise UsageError(f"reserve_p={reserve_p} must be above 0 and at most 1.")
        parameters = None if parameters is None else list(parameters)
        super().__init__(learning_rate, betas[0], betas[1], eps, parameters, weight_decay=0.0)
        self.eps = eps
        self.decay = weight_decay
        self.correct_bias = correct_bias
        self.reserve_p = reserve_p
        self.mode = mode
        self.gradient_mask: dict[str, Tensor] = {}
        self._clip_first = grad_clip
        self._uncorrected = 1.0  # what takes the kernel's bias correction back
        self._decays = apply_decay_param_fun or (lambda name: True)

    def set_gradient_mask(self, mask: Mapping[str, Tensor]) -> None:
        """Gives ChildTuning-D its masks, by paddle's parameter names; parameters without one are not masked."""
        self.gradient_mask = {name: m.astype("float32") for name, m in mask.items()}

    @paddle.no_grad()
    def step(self) -> None:
        """Masks the gradients and updates the weights.

        Raises:
            UsageError: ChildTuning-D without masks.
        """
        if self.mode == "ChildTuning-D" and not self.gradient_mask:
            raise UsageError("ChildTuning-D has no mask.", "Call set_gradient_mask with what fisher_mask returns.")
        given: list[Any] = self._parameter_list
        trained = [p for p in given if p.grad is not None and not p.stop_gradient]
        if self._clip_first is not None:
            for p, grad in self._clip_first([(p, p.grad) for p in trained]):
                p.grad.set_value(grad)
        for p in trained:
            self._mask(p, p.grad)
        power1, power2 = self._powers(trained)
        self._epsilon = self.eps / math.sqrt(1.0 - power2)  # the kernel multiplies it by that root
        if not self.correct_bias:
            self._uncorrected = (1.0 - power1) / math.sqrt(1.0 - power2)
        super().step()
        for p in trained:
            if self.decay and self._decays(p.name):
                rate = float(self.get_lr()) * p.optimize_attr.get("learning_rate", 1.0)
                p.scale_(1.0 - rate * self.decay)

    def _create_param_lr(self, param_and_grad: Any) -> Tensor:
        rate = super()._create_param_lr(param_and_grad)
        return rate if self._uncorrected == 1.0 else rate * self._uncorrected

    def _mask(self, p: Tensor, grad: Tensor) -> None:
        if self.mode == "ChildTuning-F":
            keep = paddle.bernoulli(paddle.full(p.shape, self.reserve_p, "float32"))
            grad.multiply_((keep / self.reserve_p).astype(grad.dtype))
        elif self.mode == "ChildTuning-D" and p.name in self.gradient_mask:
            grad.multiply_(self.gradient_mask[p.name].astype(grad.dtype))

    def _powers(self, trained: list[Any]) -> tuple[float, float]:
        """beta1^t and beta2^t of the step t that comes now; the accumulators know it, also after a resume."""
        key1, key2 = self._beta1_pow_acc_str, self._beta2_pow_acc_str
        known = self._accumulators.get(key1, {})
        name = next((p.name for p in trained if p.name in known), None)
        if name is None:  # the first step
            return float(self._beta1), float(self._beta2)
        return known[name].item(), self._accumulators[key2][name].item()


def fisher_mask(
    model: nn.Layer,
    batches: Iterable[Mapping[str, Tensor]],
    loss: Callable[[nn.Layer, Mapping[str, Tensor]], Tensor],
    reserve_p: float = 0.2,
    max_grad_norm: float = 1.0,
) -> dict[str, Tensor]:
    """The mask of ChildTuning-D: which weights of the layers carry the most Fisher information.

    As in SOFA: the squared gradient of each batch's mean loss, each tensor clipped by its own norm, averaged over
    one pass; the top `reserve_p` of all entries stay. Embeddings, pooler and head are not masked. Dropout is on.

    Args:
        model: its gradients are cleared, its weights stay.
        batches: one pass over the training data.
        loss: mean loss of a batch.
        reserve_p: share that stays.
        max_grad_norm: of each tensor; 0 for no clipping.

    Returns:
        paddle's parameter name -> mask of 0 and 1, as `set_gradient_mask` takes it.
    """
    layers = {n: p for n, p in model.named_parameters() if LAYER_NAME.search(n) and not p.stop_gradient}
    if not layers:
        raise UsageError("ChildTuning-D masks the layers of an encoder, and this model trains none.")
    fisher = {name: np.zeros(p.shape, np.float32) for name, p in layers.items()}
    model.train()
    count = 0
    for batch in batches:
        loss(model, batch).backward()
        count += 1
        for name, p in layers.items():
            if p.grad is None:
                continue
            grad = p.grad.numpy()
            norm = float(np.sqrt(np.square(grad, dtype=np.float64).sum()))
            factor = min(1.0, max_grad_norm / (norm + 1e-6)) if max_grad_norm else 1.0
            fisher[name] += np.square(grad * factor)
        for p in model.parameters():
            p.clear_gradient(set_to_zero=False)
    for values in fisher.values():
        values /= max(count, 1)
    threshold = np.percentile(np.concatenate([v.reshape(-1) for v in fisher.values()]), (1 - reserve_p) * 100)
    return {layers[name].name: paddle.to_tensor((v >= threshold).astype(np.float32)) for name, v in fisher.items()}
