"""LoRA (Hu et al. 2021, arXiv 2106.09685): a frozen network learns by low-rank updates of its linear layers."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from importlib import import_module
from pathlib import Path

import paddle
from paddle import Tensor, nn
from paddle.nn import functional as F
from paddle.nn.initializer import Constant, Uniform

from zoo import adapters
from zoo.errors import KeyRuleError, UsageError, did_you_mean
from zoo.files import quote
from zoo.finetune.config import pairs
from zoo.finetune.freezing import freeze_under
from zoo.models.common.base import Model, Origin
from zoo.models.common.seq2seq import Seq2Seq

log = logging.getLogger("zoo")


@dataclass(frozen=True)
class LoraSettings:
    """Which layers get an update, and of what kind.

    Attributes:
        rank: of the updates.
        alpha: they are scaled by alpha / rank; 0 for twice the rank.
        dropout: rate, on their input.
        targets: last parts of the names of linear layers; "+" between them.
    """

    rank: int = 8
    alpha: float = 0.0
    dropout: float = 0.0
    targets: str = "query+value"

    def __post_init__(self) -> None:
        """Raises UsageError for a value outside its range; names it."""
        ranges = {"rank": (1, adapters.MAX_RANK), "alpha": (0.0, 1e6), "dropout": (0.0, 0.999)}
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            kind = int if name == "rank" else (int, float)
            if isinstance(value, bool) or not isinstance(value, kind) or not low <= value <= high:
                whole = "a whole number" if name == "rank" else "a number"
                raise UsageError(f"lora: {name}={quote(value)} must be {whole} from {low:g} to {high:g}.")

    @property
    def scale(self) -> float:
        """The factor on A B."""
        return self.alpha / self.rank if self.alpha else 2.0

    @property
    def names(self) -> list[str]:
        """`targets`, divided."""
        return [name for name in str(self.targets).split("+") if name]


def lora_settings(text: str) -> LoraSettings:
    """Reads the option `lora`: a rank, or NAME=VALUE divided by commas, or both.

    Raises:
        UsageError: an option that there is not, or a value that does not work.
    """
    first, _, rest = text.partition(",")
    found = pairs(text if "=" in first else f"rank={first},{rest}", "lora")
    known = [f.name for f in fields(LoraSettings)]
    for name in found:
        if name not in known:
            others = {"r": "rank", "lora_alpha": "alpha", "lora_dropout": "dropout", "target_modules": "targets"}
            hint = f"{others[name]}=" if name in others else did_you_mean(name, known)
            raise UsageError(f"lora: there is no option {quote(name)}.", hint or f"It has {', '.join(known)}.")
    return LoraSettings(**found)


class LoraLinear(nn.Layer):
    """A linear layer x W + b, W [I, O], that learns as x W + b + (alpha / rank) dropout(x) A B.

    A [I, rank] starts uniform within +-1/sqrt(I), B [rank, O] as 0, as in peft. In eval mode the layer computes
    with the one matrix that a merged model has.
    """

    def __init__(self, linear: nn.Linear, settings: LoraSettings) -> None:
        super().__init__()
        self.base = linear
        inputs, outputs = linear.weight.shape
        bound = inputs**-0.5
        self.lora_A = self.create_parameter([inputs, settings.rank], default_initializer=Uniform(-bound, bound))
        self.lora_B = self.create_parameter([settings.rank, outputs], default_initializer=Constant(0.0))
        self.lora_dropout = nn.Dropout(settings.dropout)
        self.scale = settings.scale

    def forward(self, x: Tensor) -> Tensor:
        """Gives [..., O] of x [..., I]."""
        if not self.training:
            return F.linear(x, self.merged(), self.base.bias)
        update = paddle.matmul(paddle.matmul(self.lora_dropout(x), self.lora_A), self.lora_B)
        return self.base(x) + update * self.scale

    def merged(self) -> Tensor:
        """Gives W + (alpha / rank) A B, [I, O]."""
        return self.base.weight + paddle.matmul(self.lora_A, self.lora_B) * self.scale


def attach(model: Model, settings: LoraSettings) -> None:
    """Freezes a network and gives its linear layers updates; head and pooler are trained as they are.

    Says in a line how many parameters are trained. The updates are drawn by `paddle.seed`.

    Raises:
        UsageError: a target that is no linear layer of the network.
    """
    body = freeze_under(model)
    found = [(parent, name, layer) for parent, name, layer in _linears(body) if name in settings.names]
    known = dict.fromkeys(name for _, name, _ in _linears(body))
    for target in settings.names:
        if target not in known:
            raise UsageError(
                f"lora: the network has no linear layers called {quote(target)}.",
                f"It has {', '.join(known)}.",
            )
    for parent, name, layer in found:
        parent.add_sublayer(name, LoraLinear(layer, settings))
    trained = sum(p.size for p in model.parameters() if not p.stop_gradient)
    whole = sum(p.size for p in model.parameters())
    log.info(
        "LoRA: %s of %s parameters are trained (%.2f %%): rank %d, alpha %g, on %d linear layers (%s)",
        f"{trained:,}", f"{whole:,}", 100 * trained / whole, settings.rank,
        settings.scale * settings.rank, len(found), ", ".join(settings.names),
    )  # fmt: skip


@contextmanager
def merged(model: Model) -> Iterator[Mapping[str, LoraLinear]]:
    """Inside the block a network is a plain one, with its updates in its weights; behind it, as it was before.

    Yields:
        The layers with updates, by the names of their weights in a file; none for a network without LoRA.
    """
    found = [
        (parent, name, layer, f"{path}.{name}" if path else name)
        for path, parent in model.named_sublayers(include_self=True)
        for name, layer in parent.named_children()
        if isinstance(layer, LoraLinear)
    ]
    before = []
    try:
        with paddle.no_grad():
            for parent, name, layer, _ in found:
                before.append(layer.base.weight.clone())
                layer.base.weight.set_value(layer.merged())
                parent.add_sublayer(name, layer.base)
        yield {f"{model.prefix}{path}.weight": layer for *_, layer, path in found}
    finally:
        for (parent, name, layer, _), weight in zip(found, before, strict=False):
            layer.base.weight.set_value(weight)
            parent.add_sublayer(name, layer)


def write_adapter(folder: Path, model: Model, layers: Mapping[str, LoraLinear]) -> None:
    """Writes the updates and what is trained beside them as peft's adapter; see `zoo.adapters`.

    Encoder-decoders, and networks whose weights have other shapes upstream (query, key and value in one), have no
    adapter: a line says so.

    Args:
        folder: to make.
        model: inside `merged`.
        layers: what `merged` gave, at least one.
    """
    first, origin = next(iter(layers.values())), model.origin
    assert origin is not None  # it was saved
    adapter = adapters.Adapter(
        {name: (layer.lora_A.numpy().T, layer.lora_B.numpy().T) for name, layer in layers.items()},
        {model.prefix + name: p.numpy() for name, p in model.named_parameters() if not p.stop_gradient},
        rank=first.lora_A.shape[1],
        alpha=first.scale * first.lora_A.shape[1],
        dropout=first.lora_dropout.p,
    )
    linears = [name for name, layer in model.named_sublayers() if type(layer) is nn.Linear]
    try:
        if isinstance(model, Seq2Seq):
            raise KeyRuleError("adapters of encoder-decoders are not written.")
        adapters.write(
            folder,
            adapter,
            import_module(f"{origin.module}.keymap").KEYMAP,
            base=_published(origin),
            task=model.task,
            linears=[f"{model.prefix}{name}.weight" for name in linears],
        )
    except KeyRuleError as error:
        log.info("best/adapter is not written; best/ is whole without it: %s", error.message)


def _published(origin: Origin) -> str:
    """The Hub's name of a model, else the card's or the folder's."""
    if origin.card is None:
        return str(origin.folder)
    return next((s.id for s in origin.card.sources if s.kind == "hub"), origin.card.name)


def _linears(body: nn.Layer) -> list[tuple[nn.Layer, str, nn.Linear]]:
    """Linear layers that are frozen: parent, name in it, layer."""
    return [
        (parent, name, layer)
        for parent in body.sublayers(include_self=True)
        for name, layer in parent.named_children()
        if isinstance(layer, nn.Linear) and layer.weight.stop_gradient
    ]
