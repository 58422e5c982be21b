"""The training loop: updates, evaluation, the best model, checkpoints."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import paddle
from paddle.optimizer import Optimizer

from zoo import signals
from zoo.batching import Padding, padding_of
from zoo.errors import CheckpointError, UsageError
from zoo.finetune import checkpoints, cpu_speedups, parallel
from zoo.finetune.batches import Rows
from zoo.finetune.events import Evaluated, Event, Finished, Scores, Started
from zoo.finetune.freezing import train_mode
from zoo.finetune.loop_settings import LoopSettings
from zoo.finetune.losses import Objective, objective_of
from zoo.finetune.recompute import recomputed
from zoo.finetune.saving import Saver
from zoo.finetune.update import Update
from zoo.models.common.base import Model

SAME_RESULT = ("keep", "save_every", "recompute", "sharded")  # settings that a run may go on without


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

    The one way into training: for `finetune`, the command and the benchmarks.

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
    loop = _Loop(model, rows, optimiser, settings, padding, objective, on_event, folder)
    if resume:
        loop.restore()
    loop.run(evaluate, on_best)
    return loop.progress


class _Loop:
    """Arguments as in `train`."""

    def __init__(
        self,
        model: Model,
        rows: Rows,
        optimiser: Optimizer,
        settings: LoopSettings,
        padding: Padding | None,
        objective: Objective | None,
        on_event: Callable[[Event], None] | None,
        folder: Path | None,
    ) -> None:
        self.rank, _ = parallel.start()
        self.model, self.rows, self.optimiser, self.settings = model, rows, optimiser, settings
        self.update = Update(
            model, rows, optimiser, settings, padding or padding_of(model), objective or objective_of(model)
        )
        self.tell = on_event if on_event is not None and self.rank == 0 else lambda event: None
        self.folder = folder
        self.saver = Saver(folder or Path(), settings.keep, self.tell)
        self.progress = Progress()
        parallel.same(model.state_dict().values())

    def run(
        self, evaluate: Callable[[Model], Scores] | None, on_best: Callable[[Model, int, Scores], None] | None
    ) -> None:
        """All updates that are left, with evaluations and checkpoints."""
        settings, progress = self.settings, self.progress
        numbers = [sum(p.size for p in self.update.trained), sum(p.size for p in self.model.parameters())]
        self.tell(Started(progress.update, settings.updates, numbers[0], numbers[1] - numbers[0]))
        self.model.eval()
        try:
            while progress.update < settings.updates and not self._out_of_patience():
                evaluates, saves = self._train()
                if evaluate is not None and evaluates:
                    self._evaluate(evaluate, on_best)
                if self.folder is not None and saves:
                    self._save()
            self.saver.finish()
        finally:
            self.saver.stop()  # the last checkpoint of a run that stops is whole too
        self.tell(Finished(progress.update, "patience" if self._out_of_patience() else "updates"))

    def _train(self) -> tuple[bool, bool]:
        """Makes updates until an evaluation or a checkpoint is due; says which. The model is in eval mode then."""
        with ExitStack() as ways:
            if self.settings.fast and paddle.get_device().startswith("cpu"):
                ways.enter_context(cpu_speedups.speed_up(self.model))
            if self.settings.recompute:
                ways.enter_context(recomputed(self.model))
            train_mode(self.model)
            try:
                since = time.perf_counter()
                while True:
                    with signals.deferred():
                        done = self.update(self.progress.update, since)
                    since += done.seconds
                    self.progress.update = done.update
                    self.tell(done)
                    self.saver.look()
                    if any(due := self._due()):
                        return due
            finally:
                self.model.eval()

    def _out_of_patience(self) -> bool:
        return 0 < self.settings.patience <= self.progress.waited

    def _due(self) -> tuple[bool, bool]:
        """Whether an evaluation and a checkpoint are due."""
        settings, last = self.settings, self.progress.update == self.settings.updates
        evaluates = last or self._every(settings.eval_every)
        return evaluates, last or (self._every(settings.save_every) if settings.save_every else evaluates)

    def _every(self, updates: int) -> bool:
        """Whether something that happens every so many updates, or at the end of each epoch, is due."""
        update = self.progress.update
        if updates:
            return update % updates == 0
        epochs = [n * self.settings.accumulate // len(self.update.batches) for n in (update - 1, update)]
        return epochs[0] != epochs[1]

    def _evaluate(
        self, evaluate: Callable[[Model], Scores], on_best: Callable[[Model, int, Scores], None] | None
    ) -> None:
        progress, name = self.progress, self.settings.best.removeprefix("-")
        with paddle.no_grad():
            scores = evaluate(self.model)
        if name not in scores:
            raise UsageError(f"best='{name}' is no score of this task.", f"One of {', '.join(scores)}.")
        sign = -1.0 if self.settings.best.startswith("-") else 1.0
        is_best = progress.best_update is None or sign * scores[name] > sign * progress.best_scores[name]
        progress.waited = 0 if is_best else progress.waited + 1
        if is_best:
            progress.best_update, progress.best_scores = progress.update, dict(scores)
            if on_best is not None and self.rank == 0:
                on_best(self.model, progress.update, scores)
        self.tell(Evaluated(progress.update, scores, is_best))

    def _save(self) -> None:
        if self.update.scaler is not None:
            self.progress.scaler = {k: float(v) for k, v in self.update.scaler.state_dict().items()}
        shapes, states = self.update.owners.collected(checkpoints.states(self.model, self.optimiser))
        if self.rank == 0:
            about = {"settings": asdict(self.settings), "rows": len(self.rows.lengths), **asdict(self.progress)}
            weights = {name: tensor.numpy() for name, tensor in self.model.state_dict().items()}
            goes_on = self.progress.update < self.settings.updates and not self._out_of_patience()
            self.saver.save(self.progress.update, weights, shapes, states, about, goes_on)
        elif self.update.owners.sharded:
            for _ in states:  # sends them
                pass
        parallel.wait()

    def restore(self) -> None:
        """Goes back to the newest checkpoint, if there is one.

        Raises:
            UsageError: it was made with other settings or other data.
        """
        if self.folder is None:
            return
        if self.rank == 0:
            checkpoints.tidy(self.folder)
        checkpoint = checkpoints.newest(self.folder)
        if checkpoint is None:
            return
        about = checkpoints.about(checkpoint)
        now = {**asdict(self.settings), "rows": len(self.rows.lengths)}
        try:
            before = {**about.pop("settings"), "rows": about.pop("rows")}
            self.progress = Progress(**about)
        except (KeyError, TypeError) as error:
            raise CheckpointError(f"'{checkpoint}' is no checkpoint of this version: {error}.") from None
        changed = [name for name in now if name not in SAME_RESULT and now[name] != before.get(name)]
        if changed:
            listed = ", ".join(f"{name} {before.get(name)} -> {now[name]}" for name in changed)
            raise UsageError(
                f"The run in '{checkpoint}' was started with other settings: {listed}.",
                "Resume with the same ones, or start a run in another folder.",
            )
        checkpoints.restore(checkpoint, self.model, self.optimiser, self.update.owners.own)
        if self.update.scaler is not None and self.progress.scaler:
            self.update.scaler.load_state_dict(self.progress.scaler)
