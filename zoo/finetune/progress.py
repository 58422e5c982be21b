"""What a run tells while it trains: the terminal, metrics.jsonl and the trackers."""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic

from zoo.finetune.events import CheckpointSaved, Evaluated, Event, Finished, Started, Updated
from zoo.finetune.run_folder import Metrics
from zoo.finetune.trackers import Trackers
from zoo.terminal import Progress

SMOOTHING = 0.95  # of the loss and the rate that the progress bar shows


class ProgressReporter:
    """Passes the events of a run on.

    Args:
        bar: on a terminal, or lines in a log.
        metrics: metrics.jsonl.
        trackers: one or more, or none.
        headline: the metric that the bar shows.
    """

    def __init__(self, bar: Progress, metrics: Metrics, trackers: Trackers, headline: str) -> None:
        self.bar, self.metrics, self.trackers, self.headline = bar, metrics, trackers, headline
        self.loss = self.rate = 0.0
        self.score = ""
        self.began = monotonic()
        self.rows: Mapping[str, Mapping[str, float]] = {}  # of the last evaluation

    def __call__(self, event: Event) -> None:
        """As `train` wants it for `on_event`."""
        if isinstance(event, Started):
            self.bar.total, self.bar.done = event.updates, event.update
        elif isinstance(event, Updated):
            self._updated(event)
        elif isinstance(event, Evaluated):
            self._evaluated(event)
        elif isinstance(event, CheckpointSaved):
            self.metrics.add("checkpoint", event.update, folder=event.folder.name)
        elif isinstance(event, Finished):
            self.metrics.add("finished", event.update, reason=event.reason)

    def _updated(self, event: Updated) -> None:
        rate = event.rows / event.seconds if event.seconds else 0.0
        first = not self.rate
        self.loss = event.loss if first else SMOOTHING * self.loss + (1 - SMOOTHING) * event.loss
        self.rate = rate if first else SMOOTHING * self.rate + (1 - SMOOTHING) * rate
        values = {
            "loss": event.loss,
            "lr": event.lr,
            "gradient_norm": event.norm,
            "seconds": event.seconds,
            "rows_per_second": rate,
            "tokens_per_second": event.tokens / event.seconds if event.seconds else 0.0,
        }
        self.metrics.add("update", event.update, **{k: float(f"{v:.7g}") for k, v in values.items()})
        self.trackers.log(event.update, values, "train")
        self.bar.note = f"loss {self.loss:.4f}{self.score}, {self.rate:.1f} rows/s{self._left(event.update)}"
        self.bar.to(event.update)

    def _left(self, update: int) -> str:
        """Time left, for logs: the bar on a terminal has its own."""
        if self.bar.stream.isatty() or not update or not self.bar.total:
            return ""
        seconds = (self.bar.total - update) * (monotonic() - self.began) / update
        return f", {seconds / 60:.0f} min left" if seconds >= 60 else f", {seconds:.0f} s left"

    def _evaluated(self, event: Evaluated) -> None:
        scores = dict(event.scores)
        self.metrics.add("evaluation", event.update, scores=scores, rows=self.rows, best=event.is_best)
        self.trackers.log(event.update, scores, "dev")
        for name, row in self.rows.items():
            if len(self.rows) > 1:
                self.trackers.log(event.update, dict(row), "dev", name)
        self.score = f", {self.headline} {scores[self.headline]:.2f}"
        if not self.bar.stream.isatty():
            mark = ", the best so far" if event.is_best else ""
            print(
                f"update {event.update}: {self.headline} {scores[self.headline]:.2f} on dev{mark}",
                file=self.bar.stream,
                flush=True,
            )
