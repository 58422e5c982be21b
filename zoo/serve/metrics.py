"""Counts what a server does, and writes it as Prometheus reads it."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Histogram:
    """How many values were at most each bound, and their sum."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds, self.counts, self.sum = bounds, [0] * (len(bounds) + 1), 0.0

    def add(self, value: float) -> None:
        """Counts a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def lines(self, name: str) -> Iterator[str]:
        """Gives the lines of one metric."""
        total = 0
        for bound, count in zip((*self.bounds, "+Inf"), self.counts, strict=True):
            total += count
            yield f'{name}_bucket{{le="{bound}"}} {total}'
        yield f"{name}_sum {self.sum:.6f}"
        yield f"{name}_count {total}"


class Metrics:
    """The figures of a server. Each is written by one thread.

    Attributes:
        requests: (route, status) -> how many.
        seconds: of a request, from its body to its answer.
        batches: requests of each batch.
        tokens: that were read.
        waiting: gives the number of requests that wait now.
    """

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, int]] = Counter()
        self.seconds, self.queue_seconds = Histogram(SECONDS), Histogram(SECONDS)
        self.batch_seconds, self.batches = Histogram(SECONDS), Histogram(SIZES)
        self.tokens = 0
        self.waiting: Callable[[], int] = lambda: 0

    def text(self) -> str:
        """Gives all of it in Prometheus' text format."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        yield from _head("zoo_requests_total", "counter", "requests that were answered, by route and status")
        for (route, status), count in sorted(self.requests.items()):
            yield f'zoo_requests_total{{route="{route}",status="{status}"}} {count}'
        for name, kind, what, value in (
            ("zoo_tokens_total", "counter", "tokens that the model has read", self.tokens),
            ("zoo_queue_requests", "gauge", "requests that wait for the model", self.waiting()),
        ):
            yield from _head(name, kind, what)
            yield f"{name} {value}"
        for name, what, histogram in (
            ("zoo_request_seconds", "from the arrival of a request to its answer", self.seconds),
            ("zoo_queue_seconds", "that a request waited for the model", self.queue_seconds),
            ("zoo_batch_seconds", "that the model took for a batch", self.batch_seconds),
            ("zoo_batch_requests", "requests that were answered together", self.batches),
        ):
            yield from _head(name, "histogram", what)
            yield from histogram.lines(name)


def _head(name: str, kind: str, what: str) -> Iterator[str]:
    yield f"# HELP {name} {what}"
    yield f"# TYPE {name} {kind}"
