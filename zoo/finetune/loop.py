"""The training loop: updates, evaluation, the best model, checkpoints."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import paddle
from paddle.optimizer import Optimizer

from zoo.errors import CheckpointError, TrainingError, UsageError
from zoo.finetune import diagnosis, fast, parallel, state
from zoo.finetune.batches import Batch, Rows, TrainBatches, share
from zoo.finetune.events import Evaluated, Event, Finished, Saved, Scores, Started, Updated
from zoo.finetune.objective import Objective, Tensors, objective_of
from zoo.finetune.optimisation import clip, gradient_norm, lr_factor
from zoo.finetune.random_state import OPTIMISER, seed_update
from zoo.models.common.base import Model
from zoo.models.common.padding import Padding, padding_of

Precision = Literal["float32", "bfloat16", "float16"]
SKIPPED = 50  # updates in a row that loss scaling may throw away


@dataclass(frozen=True)
class LoopSettings:
    """How long and how to train.

    Attributes:
        updates: steps of the optimiser in all; `updates_of` computes it from epochs.
        batch_size: rows of a micro-batch, over all processes together.
        accumulate: micro-batches of an update; every counted label of the update weighs the same, see `Objective`.
        lr: at the top of the schedule.
        schedule, warmup: see `optimisation.lr_factor`; warm-up in updates.
        clip: largest norm of the gradient; 0 for no clipping.
        precision: "bfloat16" and "float16" (with loss scaling) on a GPU only.
        seed: of data order and dropout.
        grouped: batches of rows of like length.
        eval_every: updates between two evaluations; 0 for one at the end of each epoch. The last update has one.
        save_every: updates between two checkpoints; 0 for one at each evaluation.
        keep: checkpoints that stay on disk.
        best: the score that decides which model is best: the highest, with a leading "-" the lowest ("-loss").
            Of equal scores the earlier one.
        patience: stop after this many evaluations in a row without a new best; 0 for never.
        fast: on a CPU, train with the tricks of `fast`.
    """

    updates: int
    batch_size: int = 32
    accumulate: int = 1
    lr: float = 2e-5
    schedule: str = "linear"
    warmup: int = 0
    clip: float = 1.0
    precision: Precision = "float32"
    seed: int = 42
    grouped: bool = True
    eval_every: int = 0
    save_every: int = 0
    keep: int = 2
    best: str = "accuracy"
    patience: int = 0
    fast: bool = True


@dataclass
class Progress:
    """Where a run is; a checkpoint holds it beside the tensors.

    Attributes:
        update: updates done.
        best_update, best_scores: of the best evaluation so far; None and empty before the first.
        waited: evaluations since then.
        scaler: state of the loss scaling.
    """

    update: int = 0
    best_update: int | None = None
    best_scores: dict[str, float] = field(default_factory=dict)
    waited: int = 0
    scaler: dict[str, Any] = field(default_factory=dict)


def updates_of(rows: int, batch_size: int, accumulate: int, epochs: float) -> int:
    """Updates of so many epochs: ceil(epochs x batches of an epoch / accumulate), at least 1.

    An update may join the end of one epoch with the start of the next.
    """
    return max(1, math.ceil(epochs * math.ceil(rows / batch_size) / accumulate - 1e-9))


def freeze_body(model: Model) -> None:
    """The technique feature-extraction: only the head and its pooler are trained; the encoder has no dropout.

    Raises:
        UsageError: a model without a head.
    """
    if getattr(model, "encoder", None) is None or not hasattr(model, "head"):
        raise UsageError("This model has no head, so nothing would be left to train.", "Use --technique full.")
    for name, p in model.encoder.named_parameters():
        p.stop_gradient = not _of_pooler(name)


def train(
    model: Model,
    rows: Rows,
    optimiser: Optimizer,
    settings: LoopSettings,
    *,
    padding: Padding | None = None,
    objective: Objective | None = None,
    evaluate: Callable[[Model], Scores] | None = None,
    on_best: Callable[[Model, int, Scores], None] | None = None,
    on_event: Callable[[Event], None] | None = None,
    folder: Path | None = None,
    resume: bool = False,
) -> Progress:
    """Trains a model to the end, or to where patience ends; it then has its last weights, and is in eval mode.

    The result is a function of model, rows and settings: every update seeds python's, numpy's and paddle's random
    numbers from (seed, update), so a run that was killed and resumed ends in the same bytes.

    Args:
        model: from `zoo.load`; a frozen parameter (stop_gradient) is not trained, see `freeze_body`.
        rows: the training data.
        optimiser: from `optimisation.make_optimiser`.
        settings: how long and how.
        padding: None for `padding_of(model)`.
        objective: None for `objective_of(model)`.
        evaluate: scores of the development set, called in eval mode on every process; all must return the same.
        on_best: called on the first process when a new best was found, before the checkpoint of that update. After
            a kill it may be called again for the same update, with the same weights.
        on_event: called on the first process.
        folder: for checkpoints, on a disk that every process reads; None for none.
        resume: go on from the newest checkpoint of the folder; from the start when there is none.

    Returns:
        Where the run ended and which evaluation was best.

    Raises:
        UsageError: half precision on a CPU, or other settings than those of the checkpoint.
        TrainingError: the loss or a gradient is not a number; names update, rows and layer.
        CheckpointError: a checkpoint could not be written or read.
    """
    run = Run(model, rows, optimiser, settings, padding, objective, on_event, folder)
    if resume:
        run.restore()
    run.train(evaluate, on_best)
    return run.progress


class Run:
    """A training run that can be driven by hand, a few updates at a time. Arguments as in `train`."""

    def __init__(
        self,
        model: Model,
        rows: Rows,
        optimiser: Optimizer,
        settings: LoopSettings,
        padding: Padding | None = None,
        objective: Objective | None = None,
        on_event: Callable[[Event], None] | None = None,
        folder: Path | None = None,
    ) -> None:
        self.rank, self.world = parallel.start()
        self.model, self.rows, self.optimiser, self.settings = model, rows, optimiser, settings
        self.padding, self.objective = padding or padding_of(model), objective or objective_of(model)
        self.tell = on_event if on_event is not None and self.rank == 0 else lambda event: None
        self.folder = folder
        self.batches = TrainBatches(rows.lengths, settings.batch_size, settings.seed, settings.grouped)
        self.trained = [p for p in model.parameters() if not p.stop_gradient]
        self.progress = Progress()
        self.scaler = _scaler(settings.precision)
        self.skipped = 0
        parallel.same(model.state_dict().values())

    def advance(self, updates: int) -> list[Updated]:
        """Makes some updates, with no evaluation and no checkpoint."""
        with self._training():
            return [self._update() for _ in range(updates)]

    @contextmanager
    def _training(self) -> Iterator[None]:
        """Inside, the model is in train mode, and fast; behind it, in eval mode."""
        on_cpu = paddle.get_device().startswith("cpu")
        with fast.speed_up(self.model) if self.settings.fast and on_cpu else nullcontext():
            self._train_mode()
            try:
                yield
            finally:
                self.model.eval()

    def train(
        self, evaluate: Callable[[Model], Scores] | None, on_best: Callable[[Model, int, Scores], None] | None
    ) -> None:
        """All updates that are left, with evaluations and checkpoints."""
        settings, progress = self.settings, self.progress
        numbers = [sum(p.size for p in self.trained), sum(p.size for p in self.model.parameters())]
        self.tell(Started(progress.update, settings.updates, numbers[0], numbers[1] - numbers[0]))
        self._train_mode()
        while progress.update < settings.updates and not self._out_of_patience():
            self.tell(self._update())
            last = progress.update == settings.updates
            due = self._due(settings.eval_every)
            if evaluate is not None and (due or last):
                self._evaluate(evaluate, on_best)
            if self.folder is not None and (
                (self._due(settings.save_every) if settings.save_every else due) or last
            ):
                self._save()
        self.tell(Finished(progress.update, "patience" if self._out_of_patience() else "updates"))

    def _train_mode(self) -> None:
        self.model.train()
        body = getattr(self.model, "encoder", None) if hasattr(self.model, "head") else None
        if body is not None and all(p.stop_gradient for n, p in body.named_parameters() if not _of_pooler(n)):
            body.eval()

    def _out_of_patience(self) -> bool:
        return 0 < self.settings.patience <= self.progress.waited

    def _due(self, every: int) -> bool:
        """Whether something that happens every so many updates, or at the end of each epoch, is due."""
        update = self.progress.update
        if every:
            return update % every == 0
        epochs = [n * self.settings.accumulate // len(self.batches) for n in (update - 1, update)]
        return epochs[0] != epochs[1]

    # --- one update ---

    def _update(self) -> Updated:
        begin = time.perf_counter()
        settings, update = self.settings, self.progress.update
        chosen = [self.batches[update * settings.accumulate + n] for n in range(settings.accumulate)]
        parts = [self._batch(numbers) for numbers in chosen]
        counts = [self.objective.count(part) * weight for part, weight in parts]
        whole = max(parallel.total(sum(counts)), 1.0)
        seed_update(settings.seed, update, self.rank)
        lr = settings.lr * lr_factor(settings.schedule, update, settings.warmup, settings.updates)
        self.optimiser.set_lr(lr)
        loss = 0.0
        for (part, weight), count in zip(parts, counts, strict=True):
            loss += self._backward(part, weight / whole if self.objective.summed else count / whole)
        loss = parallel.total(loss)
        norm = self._step(loss, chosen, [part for part, _ in parts])
        self.progress.update += 1
        rows = sum(map(len, chosen))
        tokens = int(sum(self.rows.lengths[numbers].sum() for numbers in chosen))
        return Updated(self.progress.update, loss, lr, norm, rows, tokens, time.perf_counter() - begin)

    def _batch(self, numbers: Any) -> tuple[Batch, float]:
        """This process's share of a micro-batch and its weight: 0 for a row that stands in for an empty share."""
        own = share(numbers, self.rank, self.world)
        width = self.padding.width(int(self.rows.lengths[numbers].max()))
        return self.rows.batch(own if len(own) else numbers[:1], width), float(len(own) > 0)

    def _backward(self, batch: Batch, weight: float) -> float:
        """Adds a micro-batch's gradients; returns what it adds to the loss."""
        with _cast(self.settings.precision):
            loss = self.objective.loss(self.model, _tensors(batch)) * weight
        (loss if self.scaler is None else self.scaler.scale(loss)).backward()
        return float(loss)

    def _step(self, loss: float, chosen: list[Any], parts: list[Batch]) -> float:
        """Clips the gradients and moves the weights. Returns the norm before clipping."""
        settings = self.settings
        parallel.add_gradients(self.trained)
        if self.scaler is not None:
            self.scaler.unscale_(self.optimiser)
        norm = gradient_norm(self.trained)
        scaled_away = self.scaler is not None and math.isfinite(loss) and not math.isfinite(norm)
        self.skipped = self.skipped + 1 if scaled_away else 0
        if not (math.isfinite(loss) and (math.isfinite(norm) or scaled_away)) or self.skipped > SKIPPED:
            self._stop(loss, norm, chosen, parts)
        if settings.clip and math.isfinite(norm):
            clip(self.trained, norm, settings.clip)
        seed_update(settings.seed, self.progress.update, OPTIMISER)
        if self.scaler is None:
            self.optimiser.step()
        else:
            self.scaler.step(self.optimiser)
            self.scaler.update()
        self.optimiser.clear_grad(set_to_zero=False)
        return norm

    def _stop(self, loss: float, norm: float, chosen: list[Any], parts: list[Batch]) -> None:
        seed_update(self.settings.seed, self.progress.update, self.rank)
        place = diagnosis.where(self.model, map(_tensors, parts), self.objective.loss)
        numbers = ", ".join(str(n) for batch in chosen for n in batch[:8])
        more = ", ..." if any(len(batch) > 8 for batch in chosen) else ""
        raise TrainingError(
            f"Update {self.progress.update + 1} has the loss {loss:g} and the gradient norm {norm:g}. "
            f"The first value that is no number is {place}. "
            f"The batch has the rows {numbers}{more} of the training data.",
            "A lower --lr, a longer --warmup or a smaller --clip may help.",
        )

    # --- between updates ---

    def _evaluate(
        self, evaluate: Callable[[Model], Scores], on_best: Callable[[Model, int, Scores], None] | None
    ) -> None:
        progress, name = self.progress, self.settings.best.removeprefix("-")
        self.model.eval()
        with paddle.no_grad():
            scores = evaluate(self.model)
        self._train_mode()
        if name not in scores:
            raise UsageError(f"best='{name}' is no score of this task.", f"One of {', '.join(scores)}.")
        sign = -1.0 if self.settings.best.startswith("-") else 1.0
        is_best = progress.best_update is None or sign * scores[name] > sign * progress.best_scores[name]
        progress.waited = 0 if is_best else progress.waited + 1
        if is_best:
            progress.best_update, progress.best_scores = progress.update, dict(scores)
            if on_best is not None and self.rank == 0:
                self.model.eval()
                on_best(self.model, progress.update, scores)
                self._train_mode()
        self.tell(Evaluated(progress.update, scores, is_best))

    def _save(self) -> None:
        assert self.folder is not None
        if self.scaler is not None:
            self.progress.scaler = {k: float(v) for k, v in self.scaler.state_dict().items()}
        if self.rank == 0:
            about = {"settings": asdict(self.settings), "rows": len(self.rows.lengths), **asdict(self.progress)}
            target = state.save(
                self.folder, self.progress.update, self.model, self.optimiser, about, self.settings.keep
            )
            self.tell(Saved(self.progress.update, target))
        parallel.wait()

    def restore(self) -> None:
        """Goes back to the newest checkpoint, if there is one.

        Raises:
            UsageError: it was made with other settings or other data.
        """
        checkpoint = state.newest(self.folder) if self.folder is not None else None
        if checkpoint is None:
            return
        about = state.about(checkpoint)
        now = {**asdict(self.settings), "rows": len(self.rows.lengths)}
        try:
            before = {**about.pop("settings"), "rows": about.pop("rows")}
            self.progress = Progress(**about)
        except (KeyError, TypeError) as error:
            raise CheckpointError(f"'{checkpoint}' is no checkpoint of this version: {error}.") from None
        free = ("keep", "save_every")
        changed = [name for name in now if name not in free and now[name] != before.get(name)]
        if changed:
            listed = ", ".join(f"{name} {before.get(name)} -> {now[name]}" for name in changed)
            raise UsageError(
                f"The run in '{checkpoint}' was started with other settings: {listed}.",
                "Resume with the same ones, or start a run in another folder.",
            )
        state.restore(checkpoint, self.model, self.optimiser)
        if self.scaler is not None and self.progress.scaler:
            self.scaler.load_state_dict(self.progress.scaler)


def _of_pooler(name: str) -> bool:
    """A pooler is trained with the head: where a checkpoint has none it is new."""
    return name.startswith("pooler.")


def _tensors(batch: Batch) -> Tensors:
    return {name: paddle.to_tensor(array) for name, array in batch.items()}


def _scaler(precision: Precision) -> Any:
    """Loss scaling for float16.

    Raises:
        UsageError: half precision on a CPU, where paddle would compute in float32 without a word.
    """
    if precision != "float32" and paddle.get_device().startswith("cpu"):
        raise UsageError(
            f"{precision} needs a GPU: on a CPU paddle has no kernels for it.", "Leave --precision at float32."
        )
    return paddle.amp.GradScaler() if precision == "float16" else None


def _cast(precision: Precision) -> Any:
    return nullcontext() if precision == "float32" else paddle.amp.auto_cast(dtype=precision, level="O1")
