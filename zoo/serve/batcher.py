"""Collects the questions of concurrent requests and has the model answer them in batches, in one thread."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from zoo.errors import ZooError
from zoo.serve.limits import Limits
from zoo.serve.metrics import Metrics
from zoo.serve.model import Answer, Question
from zoo.serve.refusals import BACKEND, UNHEALTHY, Refusal

log = logging.getLogger("zoo")

Compute = Callable[[Sequence[Question]], list[Answer | Refusal]]


@dataclass(frozen=True)
class _Waiting:
    question: Question
    answer: asyncio.Future[Answer]
    loop: asyncio.AbstractEventLoop
    key: object
    size: int
    since: float = field(default_factory=time.monotonic)

    def settle(self, found: Answer | Refusal) -> None:
        if self.answer.done():  # the client has gone
            return
        if isinstance(found, Refusal):
            self.answer.set_exception(found)
        else:
            self.answer.set_result(found)


class Batcher:
    """The queue before a model, and the thread that owns the model.

    A batch is the oldest question and those behind it that have its task and options, as far as the limits allow.
    While the model computes, the next batch gathers. When the last batch had several requests, the next one waits
    for as many, at most `wait_ms`: so a single client is never kept waiting, and the clients of a batch, who all
    send again when it is answered, meet again.

    Args:
        compute: the answers to questions that have one task and the same options.
        limits: of a batch.
        metrics: hears of every batch.
    """

    def __init__(self, compute: Compute, limits: Limits, metrics: Metrics) -> None:
        self._compute, self._limits, self._metrics = compute, limits, metrics
        self._queue: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._last = 1  # requests of the last batch
        metrics.waiting = lambda: len(self._queue)
        self._thread = threading.Thread(target=self._work, name="model", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Tells whether questions are answered."""
        return self._thread.is_alive() and not self._closed

    def submit(self, question: Question) -> asyncio.Future[Answer]:
        """Gives what will be the model's answer, or a Refusal; a question that is cancelled is not answered.

        Raises:
            Refusal: the server is stopping.
        """
        loop = asyncio.get_running_loop()
        waiting = _Waiting(question, loop.create_future(), loop, question.key, question.size)
        with self._changed:
            if not self.alive:
                raise Refusal(UNHEALTHY, "The server is stopping.")
            self._queue.append(waiting)
            self._changed.notify()
        return waiting.answer

    def close(self) -> None:
        """Answers what waits, and ends the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    # --- in the thread ---

    def _work(self) -> None:
        while batch := self._next():
            start = time.monotonic()
            for waiting in batch:
                self._metrics.queue_seconds.add(start - waiting.since)
            found = list(self._answers([waiting.question for waiting in batch]))
            self._metrics.batches.add(len(batch))
            self._metrics.batch_seconds.add(time.monotonic() - start)
            self._metrics.tokens += sum(answer.tokens for answer in found if isinstance(answer, Answer))
            self._last = len(batch)
            _deliver(batch, found)

    def _next(self) -> list[_Waiting]:
        """Gives the next batch; empty when the batcher is closed and everything is answered."""
        with self._changed:
            while True:
                while not self._queue and not self._closed:
                    self._changed.wait()
                self._gather()
                batch = self._taken()
                if batch or (self._closed and not self._queue):
                    return batch

    def _gather(self) -> None:
        """Waits for as many requests as the last batch had."""
        until = time.monotonic() + self._limits.wait_ms / 1000
        while len(self._queue) < self._last and not self._closed and (left := until - time.monotonic()) > 0:
            self._changed.wait(left)

    def _taken(self) -> list[_Waiting]:
        """Takes a batch from the queue; what has another task or other options stays, in order."""
        batch: list[_Waiting] = []
        kept: list[_Waiting] = []
        tokens = 0
        while self._queue and len(batch) < self._limits.max_batch_requests:
            waiting = self._queue.popleft()
            if waiting.answer.done():
                continue
            if batch and waiting.key != batch[0].key:
                kept.append(waiting)
                continue
            tokens += waiting.size
            if batch and tokens > self._limits.max_batch_tokens:
                kept.append(waiting)
                break
            batch.append(waiting)
        self._queue.extendleft(reversed(kept))
        return batch

    def _answers(self, questions: Sequence[Question]) -> Iterator[Answer | Refusal]:
        """Gives an answer for each question; when something goes wrong each is asked alone, and only one fails."""
        try:
            yield from self._compute(questions)
        except Exception as error:
            if len(questions) > 1:
                for question in questions:
                    yield from self._answers([question])
            elif isinstance(error, ZooError):
                yield Refusal.of(error)
            else:
                log.exception("The model failed.")
                yield Refusal(BACKEND, f"The model failed: {type(error).__name__}.")


def _deliver(batch: Sequence[_Waiting], found: Sequence[Answer | Refusal]) -> None:
    """Hands answers to the loops that wait for them, one call for each loop."""
    for loop in {waiting.loop for waiting in batch}:
        own = [(w, answer) for w, answer in zip(batch, found, strict=True) if w.loop is loop]
        try:
            loop.call_soon_threadsafe(_settle, own)
        except RuntimeError:  # the loop is closed: nobody waits any more
            continue


def _settle(answers: Sequence[tuple[_Waiting, Answer | Refusal]]) -> None:
    for waiting, answer in answers:
        waiting.settle(answer)
