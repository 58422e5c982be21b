"""Optimisers by our parameter names: decay groups, layer-wise learning rates, schedules, clipping."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import paddle
from paddle import nn
from paddle.optimizer import Adam, AdamW, Optimizer

from zoo.errors import UsageError
from zoo.finetune.child_tuning import ChildTuningAdamW

NO_DECAY = re.compile(r"(^|[._])(bias|norm|layer_?norm)([._]|$)", re.IGNORECASE)


@dataclass(frozen=True)
class OptimiserSettings:
    """What an optimiser is made of.

    Attributes:
        name: "adamw"; "adam" without any decay (the first InfoXLM port); "child-tuning-F" or "child-tuning-D".
        lr: at the top of the schedule.
        weight_decay: decoupled, AdamW's.
        decay_all: decay biases and norms too (Funnel's GLUE recipe); else neither.
        layer_decay: factor on the learning rate from each layer to the one below it; the head has 1.
        betas, eps: Adam's.
        reserve_p: share of the gradient that Child-Tuning keeps.
    """

    name: str = "adamw"
    lr: float = 2e-5
    weight_decay: float = 0.01
    decay_all: bool = False
    layer_decay: float = 1.0
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    reserve_p: float = 0.2


def decays(name: str) -> bool:
    """Whether a parameter of this name is decayed: everything but biases and the weights of norms."""
    return not NO_DECAY.search(name)


def depths(model: nn.Layer) -> dict[str, int]:
    """How many layers lie above each parameter: 0 for a head or pooler, most for the embeddings.

    Funnel's blocks and its decoder are counted in the order in which a text passes them; an encoder-decoder's
    decoder layers lie above all of its encoder's, and embeddings below both.

    Returns:
        Name -> count.
    """
    names = [name for name, _ in model.named_parameters()]
    places: dict[str, tuple[int, ...]] = {}
    for name in names:
        numbers = tuple(map(int, re.findall(r"\.(\d+)(?=\.)", f".{name}")))
        if numbers:
            places[name] = (int("decoder" in name.split(".")), *numbers)
    order = {place: rank for rank, place in enumerate(sorted(set(places.values())), start=1)}
    top = len(order) + 1
    made = {}
    for name in names:
        embeds = "embeddings" in name or "embedding" in name.split(".")
        made[name] = top - order[places[name]] if name in places else top if embeds else 0
    return made


def make_optimiser(model: nn.Layer, settings: OptimiserSettings) -> Optimizer:
    """An optimiser over the trainable parameters of a model; clips nothing, its learning rate is set by the loop.

    Paddle shows its decay filter names that it made up itself ("linear_0.b_0"); here the names of the model count.

    Raises:
        UsageError: no such optimiser, or nothing to train.
    """
    named = {name: p for name, p in model.named_parameters() if not p.stop_gradient}
    if not named:
        raise UsageError("Every parameter of this model is frozen: there is nothing to train.")
    if settings.layer_decay != 1.0:
        for name, depth in depths(model).items():
            if name in named:
                named[name].optimize_attr["learning_rate"] = settings.layer_decay**depth
    decayed = {p.name for name, p in named.items() if settings.decay_all or decays(name)}
    beta1, beta2 = settings.betas
    parameters = list(named.values())
    if settings.name == "adamw":
        return AdamW(
            settings.lr,
            beta1,
            beta2,
            settings.eps,
            parameters,
            weight_decay=settings.weight_decay,
            apply_decay_param_fun=decayed.__contains__,
        )
    if settings.name == "adam":
        return Adam(settings.lr, beta1, beta2, settings.eps, parameters)
    if settings.name in ("child-tuning-F", "child-tuning-D"):
        return ChildTuningAdamW(
            settings.lr,
            parameters,
            settings.betas,
            settings.eps,
            settings.weight_decay,
            reserve_p=settings.reserve_p,
            mode="ChildTuning-" + settings.name[-1],
            apply_decay_param_fun=decayed.__contains__,
        )
    raise UsageError(
        f"optimiser '{settings.name}' is unknown.", "One of adamw, adam, child-tuning-F, child-tuning-D."
    )


def _linear(step: int, warm: int, total: int) -> float:
    return max(0.0, (total - step) / max(1, total - warm))


def _cosine(step: int, warm: int, total: int) -> float:
    done = min(1.0, (step - warm) / max(1, total - warm))
    return 0.5 * (1.0 + math.cos(math.pi * done))


# Factor on the learning rate behind the warm-up: (updates done before this one, warm-up, updates in all) -> factor.
SCHEDULES: Mapping[str, Callable[[int, int, int], float]] = {
    "linear": _linear,
    "polynomial": lambda step, warm, total: _linear(step + 1, warm, total),  # fairseq counts from 1, power 1
    "cosine": _cosine,
    "constant": lambda step, warm, total: 1.0,
    "noam": lambda step, warm, total: (step + 1) ** -0.5,
}
FROM_ONE = ("polynomial", "noam")  # their warm-up starts at 1 / warm; the others' first update has the rate 0


def lr_factor(schedule: str, step: int, warmup: int, total: int) -> float:
    """The factor on the learning rate of one update.

    "linear", "cosine", "constant": as transformers has them (the first update of a warm-up has the factor 0).
    "polynomial": fairseq's with power 1. "noam": min(n^-0.5, n x warmup^-1.5), Vaswani et al. 2017, section 5.3,
    as PALM 2.0 uses it: the learning rate is the factor before it and there is no model size in it.

    Args:
        schedule: a name of SCHEDULES.
        step: updates done before this one.
        warmup: updates in which the factor rises.
        total: updates in all.

    Raises:
        UsageError: no such schedule.
    """
    if schedule not in SCHEDULES:
        raise UsageError(f"schedule '{schedule}' is unknown.", f"One of {', '.join(SCHEDULES)}.")
    n = step + 1 if schedule in FROM_ONE else step
    if n < warmup:
        return n * warmup**-1.5 if schedule == "noam" else n / warmup
    return SCHEDULES[schedule](step, warmup, total)


def gradient_norm(parameters: Iterable[paddle.Tensor]) -> float:
    """The Euclidean norm of all gradients together; inf or nan if one of them is."""
    return float(squared_norms(parameters).sum().sqrt())


def squared_norms(parameters: Iterable[paddle.Tensor]) -> paddle.Tensor:
    """[N] float32, the squared norm of each gradient; 0 where there is none."""
    none = paddle.zeros([1])
    squares = [none if p.grad is None else paddle._C_ops.squared_l2_norm(p.grad) for p in parameters]
    return paddle.concat(squares) if squares else none


@paddle.no_grad()
def clip(parameters: Iterable[paddle.Tensor], norm: float, largest: float) -> None:
    """Scales gradients of the given norm so that it is at most `largest`, as torch's clip_grad_norm_ does."""
    factor = largest / (norm + 1e-6)
    if factor < 1.0:
        for p in parameters:
            if p.grad is not None:
                p.grad.scale_(factor)
