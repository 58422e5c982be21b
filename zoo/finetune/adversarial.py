"""StructBERT's second loss: the answer must not move when the words move a little (Jiang et al. 2020, SMART).

The published classes add it to the loss of every head with single labels while they are trained, for GLUE and CLUE
too. It costs three forward passes instead of one; as each draws its own dropout, part of it is R-Drop's.
Legend of shapes: B texts, T tokens, D hidden, C classes, N choices.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import paddle
from paddle import Tensor, nn
from paddle.nn import functional as F

from zoo.errors import UsageError
from zoo.models.common.base import TaskModel
from zoo.models.common.outputs import Output

Distance = Callable[[Output, Output], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Smart:
    """A loss of (model, batch); the defaults are the published ones.

    The word embeddings get noise, then a step along the gradient of the distance between the answers, of a length
    that is the largest element's for every text, cut to `bound` around the noisy point. The distance that is left
    is added to the plain loss.

    Attributes:
        step: of a text's largest gradient element (upstream: adv_grad_factor).
        noise: standard deviation (sigma).
        bound: largest move of an element by the step (adv_bound, twice sigma).
    """

    step: float = 5e-5
    noise: float = 5e-6
    bound: float = 1e-5

    def __call__(self, model: TaskModel, batch: Mapping[str, Tensor], noise: Tensor | None = None) -> Tensor:
        """The loss of a batch; the plain one in eval mode, for regression and for several labels per text.

        Words are given as embeddings, so networks that read positions off the padding (XLM-R) want it on the right.

        Args:
            model: an encoder with the head of classification, multiple-choice, tagging or qa.
            batch: arguments of the model, with `labels`.
            noise: [B, T, D] ([B, N, T, D] for multiple-choice), instead of drawing it.

        Raises:
            UsageError: another head.
        """
        distance = _distance(model, batch.get("attention_mask"))
        plain = model(**batch)
        if not model.training or not _single_labels(model, plain, batch["labels"]):
            return plain.loss
        others = {name: value for name, value in batch.items() if name not in ("input_ids", "labels")}
        words = model.encoder.embeddings.word(batch["input_ids"])
        near = words + (paddle.randn(words.shape, words.dtype) * self.noise if noise is None else noise)
        near.stop_gradient = False  # also where the embeddings are frozen
        moved, _ = distance(_fixed(plain), model(inputs_embeds=near, **others))
        slope = slope_of(moved, near, model)
        largest = slope.abs().amax(axis=[-2, -1], keepdim=True)  # [B, 1, 1]
        if bool(largest.isnan().any()):
            return plain.loss
        # Without a slope there is no direction; the original divides by zero.
        slope = slope / paddle.where(largest == 0, paddle.ones_like(largest), largest)
        far = near + (self.step * slope).clip(-self.bound, self.bound)
        _, added = distance(plain, model(inputs_embeds=far, **others))
        return plain.loss + added


def slope_of(value: Tensor, x: Tensor, model: nn.Layer) -> Tensor:
    """The gradient of a scalar with respect to x alone, for another graph to use; no parameter keeps one.

    The layers' own are asked for as well: paddle 3.3.1 gives a wrong gradient of a LayerNorm's input without its
    weight's, and what `fast` computes gives all of them or none.
    """
    layers = (layer for layer in model.sublayers() if isinstance(layer, nn.LayerNorm | nn.Linear))
    own = [p for layer in layers for p in layer.parameters(include_sublayers=False) if not p.stop_gradient]
    return paddle.grad(value, [x, *own], retain_graph=True, allow_unused=True)[0]


def _fixed(output: Output) -> Output:
    """The same answers as numbers, through which no gradient flows."""
    names = ("logits", "start_logits", "end_logits")
    held = {name: getattr(output, name) for name in names}
    return replace(output, **{name: value.detach() for name, value in held.items() if value is not None})


def symmetric_divergence(one: Tensor, other: Tensor, mask: Tensor | None = None) -> Tensor:
    """KL(one, other) + KL(other, one) of the softmax over the last axis, mean over it and over all before it.

    Args:
        one, other: logits [..., C].
        mask: [...], 0 for what does not count; where nothing counts the divergence is 0.
    """
    first, second = F.softmax(one), F.softmax(other)
    apart = (first - second) * (_log(one) - _log(other))  # both divergences at once
    if mask is None:
        return apart.mean()
    counted = mask.astype(apart.dtype)
    return (apart.sum(-1) * counted).sum() / counted.sum().clip(min=1.0) / one.shape[-1]


def _log(logits: Tensor) -> Tensor:
    return logits - paddle.logsumexp(logits, axis=-1, keepdim=True)


def _distance(model: TaskModel, mask: Tensor | None) -> Distance:
    """Of two outputs: what the step climbs, and what is added to the loss. They differ for qa, as published."""
    if model.task in ("classification", "multiple-choice"):
        return lambda a, b: _twice(symmetric_divergence(a.logits, b.logits))
    if model.task == "tagging":
        return lambda a, b: _twice(symmetric_divergence(a.logits, b.logits, mask))
    if model.task == "qa":
        return _places
    raise UsageError(
        f"The adversarial loss has no meaning for the head '{model.task}'.",
        "It goes with classification, multiple-choice, tagging and qa.",
    )


def _twice(value: Tensor) -> tuple[Tensor, Tensor]:
    return value, value


def _places(a: Output, b: Output) -> tuple[Tensor, Tensor]:
    """Start and end: their mean, and their sum."""
    total = symmetric_divergence(a.start_logits, b.start_logits) + symmetric_divergence(a.end_logits, b.end_logits)
    return total / 2, total


def _single_labels(model: TaskModel, output: Output, labels: Tensor) -> bool:
    if model.task != "classification":
        return True
    kind = model.config.problem_type
    if kind is not None:
        return kind == "single_label_classification"
    return output.logits.shape[-1] > 1 and labels.dtype in (paddle.int32, paddle.int64)
