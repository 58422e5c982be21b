"""What vectors of texts and rankings of passages learn from: in-batch negatives, CoSENT, Matryoshka, teachers.

Formulas and defaults are those of sentence-transformers, release 6. Legend: B rows, S texts, D numbers of a vector.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import paddle
from paddle import Tensor
from paddle.nn import functional as F

from zoo.errors import UsageError, did_you_mean
from zoo.files import quote
from zoo.finetune.config import pairs
from zoo.finetune.losses import Objective, Tensors
from zoo.finetune.mini_batches import computed
from zoo.models.common.base import Model
from zoo.models.common.losses import cross_entropy

LOWEST = -1e12  # of a difference that does not count in a sum of exponentials
OF_TASK: Mapping[str, tuple[str, ...]] = {  # what is learned -> losses, the usual one first
    "pairs": ("multiple-negatives",),
    "scored pairs": ("cosent",),
    "rerank": ("bce", "softmax"),
    "pairs of a teacher's vectors": ("mse",),
    "triplets of a teacher's scores": ("margin-mse",),
    "rerank of a teacher's scores": ("mse",),
}


@dataclass(frozen=True)
class TextLoss:
    """A loss and its options.

    Attributes:
        name: of OF_TASK.
        scale: factor on cosines, 1 / temperature.
        mini_batch: texts that are in memory together; 0 for the whole batch. See `mini_batches`.
        dims: the loss is the sum over the first so many numbers of the vectors (Matryoshka, arXiv 2205.13147), "+"
            between them; empty for all numbers alone.
    """

    name: str
    scale: float = 20.0
    mini_batch: int = 0
    dims: tuple[int, ...] = ()


def text_loss(text: str, learned: str) -> TextLoss:
    """Reads the option `loss` of a task: a name, or NAME=VALUE divided by commas, or both.

    Args:
        text: such as "multiple-negatives,mini_batch=32,dims=384+128".
        learned: a key of OF_TASK.

    Raises:
        UsageError: a loss that does not go with the task, no such option, or a value that does not work.
    """
    names = OF_TASK[learned]
    first, _, rest = text.partition(",")
    name, options = (names[0], text) if "=" in first or not first else (first.strip(), rest)
    if name not in names:
        known = {n for each in OF_TASK.values() for n in each}
        hint = f"It has {', '.join(names)}." if name in known else did_you_mean(name, names)
        raise UsageError(f"There is no loss {quote(name)} for {learned}.", hint or f"It has {', '.join(names)}.")
    found = pairs(options, "loss")
    allowed = OPTIONS[name]
    for option in found:
        if option not in allowed:
            raise UsageError(f"loss: {name} has no option {quote(option)}.", f"It has {', '.join(allowed)}.")
    if "dims" in found:
        found["dims"] = _dims(found["dims"])
    if (size := found.get("mini_batch", 1)) is True or not isinstance(size, int) or size < 1:
        raise UsageError(f"loss: mini_batch={quote(size)} does not work.", "A whole number from 1 on.")
    scale = found.get("scale", 1.0)
    if isinstance(scale, bool) or not isinstance(scale, int | float) or not 0 < scale < 1e6:
        raise UsageError(f"loss: scale={quote(scale)} does not work.", "A number above 0, such as 20.")
    return TextLoss(name, **found)


def _dims(value: Any) -> tuple[int, ...]:
    parts = str(value).split("+")
    if not all(part.isdecimal() and 0 < int(part) <= 1 << 16 for part in parts):
        raise UsageError(f"loss: dims={quote(value)} does not work.", "Such as dims=384+256+128.")
    return tuple(dict.fromkeys(int(part) for part in parts))


OPTIONS: Mapping[str, tuple[str, ...]] = {
    "multiple-negatives": tuple(f.name for f in fields(TextLoss))[1:],
    "cosent": tuple(f.name for f in fields(TextLoss))[1:],
    "mse": ("mini_batch",),
    "margin-mse": ("mini_batch",),
    "bce": (),
    "softmax": ("mini_batch",),
}


def objective(loss: TextLoss, field: str, width: int = 0) -> Objective:
    """Gives the objective over batches of `Groups`.

    Args:
        loss: whose name is a key of LOSSES.
        field: of the output that is learned, "embeddings" or "logits".
        width: of the model's vectors; what is looked at of them must be there.

    Raises:
        UsageError: `dims` asks for more numbers than a vector has.
    """
    if loss.dims and max(loss.dims) > width:
        raise UsageError(f"loss: dims={max(loss.dims)}, and a vector has {width} numbers.", "Give fewer.")
    compute, count = LOSSES[loss.name]

    def whole(model: Model, batch: Tensors) -> Tensor:
        made = computed(model, batch, field, loss.mini_batch)
        return paddle.add_n([compute(made[:, :width], batch, loss) for width in loss.dims or made.shape[1:]])

    return Objective(whole, count)


def multiple_negatives(vectors: Tensor, batch: Tensors, loss: TextLoss) -> Tensor:
    """Cross entropy of each anchor's cosines with all positives and negatives of the batch [S - B], times `scale`.

    vectors: [S, D]: B anchors, their positives, and then the negatives.
    """
    vectors = F.normalize(vectors, axis=-1)
    rows = len(batch["labels"])
    scores = paddle.matmul(vectors[:rows], vectors[rows:], transpose_y=True) * loss.scale  # [B, S - B]
    return cross_entropy(scores, paddle.arange(rows))


def cosent(vectors: Tensor, batch: Tensors, loss: TextLoss) -> Tensor:
    """log(1 + the sum of e^(s_i - s_j) over all i and j with a smaller label of i); s are cosines times `scale`.

    vectors: [2 B, D]; labels: [B].
    """
    vectors = F.normalize(vectors, axis=-1)
    labels = batch["labels"]
    scores = (vectors[: len(labels)] * vectors[len(labels) :]).sum(axis=-1) * loss.scale  # [B]
    apart = scores.unsqueeze(1) - scores.unsqueeze(0)  # [B, B], s_i - s_j
    counts = (labels.unsqueeze(1) < labels.unsqueeze(0)).astype(apart.dtype)
    return paddle.logsumexp(paddle.concat([paddle.zeros([1]), (apart + (1 - counts) * LOWEST).reshape([-1])]))


def squares_of_teacher(made: Tensor, batch: Tensors, loss: TextLoss) -> Tensor:
    """The mean squared difference of vectors [S, D], or of logits [S, 1], and the labels, the teacher's."""
    return F.mse_loss(made, batch["labels"].reshape(made.shape))


def margins_of_teacher(vectors: Tensor, batch: Tensors, loss: TextLoss) -> Tensor:
    """The mean squared difference of margins (arXiv 2010.02666): products with the anchor, positive minus negative.

    vectors: [S, D]: B anchors, B positives, negatives. labels: [S], the teacher's score of anchor and text.
    """
    row, labels = batch["row"], batch["labels"]
    rows = int(row.max()) + 1
    scores = (paddle.gather(vectors[:rows], row) * vectors).sum(axis=-1)  # [S], by each text's anchor
    positives = row[2 * rows :] + rows
    ours = paddle.gather(scores, positives) - scores[2 * rows :]
    return F.mse_loss(ours, paddle.gather(labels, positives) - labels[2 * rows :])


def softmax(logits: Tensor, batch: Tensors, loss: TextLoss) -> Tensor:
    """Cross entropy over the passages of each query; the target is its labels divided by their sum.

    A query without a label above 0 does not count. logits: [S, 1]; labels: [S].
    """
    row, labels, scores = batch["row"], batch["labels"], logits[:, 0]
    rows = int(row.max()) + 1
    own = F.one_hot(row, rows).T  # [B, S]
    each = paddle.logsumexp(scores.unsqueeze(0) + (1 - own) * LOWEST, axis=1)  # [B]
    gains = paddle.matmul(own, labels.unsqueeze(1)).squeeze(1)
    losses = paddle.gather(each, row) - scores  # [S]
    counts = (gains > 0).astype(scores.dtype).sum().clip(min=1.0)
    return (losses * labels / paddle.gather(gains.clip(min=1e-12), row)).sum() / counts


def _rows(batch: Mapping[str, np.ndarray]) -> float:
    return float(batch["row"].max()) + 1


def _negatives(batch: Mapping[str, np.ndarray]) -> float:
    return len(batch["row"]) - 2 * _rows(batch)


def _answered(batch: Mapping[str, np.ndarray]) -> float:
    return float(len(np.unique(batch["row"][batch["labels"] > 0])))


Compute = Callable[[Tensor, Tensors, TextLoss], Tensor]
Count = Callable[[Mapping[str, np.ndarray]], float]
LOSSES: Mapping[str, tuple[Compute, Count]] = {  # name -> how it is computed, and what it is a mean over
    "multiple-negatives": (multiple_negatives, _rows),
    "cosent": (cosent, _rows),
    "mse": (squares_of_teacher, lambda batch: float(len(batch["row"]))),
    "margin-mse": (margins_of_teacher, _negatives),
    "softmax": (softmax, _answered),
}
