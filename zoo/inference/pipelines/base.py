"""What every pipeline does: items in, answers out, in order, in batches of similar length, in constant memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import paddle

from zoo.errors import InputError
from zoo.models.common.base import Model

WINDOW = 1024  # items that are sorted by length together
TOKENS = 4096  # of a batch, padding included

Features = dict[str, Any]


class Pipeline:
    """Text in, answers out. A subclass writes three steps: `preprocess`, `predict` and `postprocess`.

    Args:
        model: from `zoo.load`.
        options: of every call; a call's own come on top.

    Attributes:
        task: the head it needs.
    """

    task: str = ""

    def __init__(self, model: Model, **options: Any) -> None:
        self.model = model
        self.options = options

    def preprocess(self, item: Any, **options: Any) -> Features:
        """What the model takes of one item: arrays [T], `input_ids` among them, and whatever `postprocess` needs.

        Raises:
            InputError: the item cannot be read; the caller adds which one it is.
        """
        raise NotImplementedError

    def predict(self, batch: Sequence[Features], **options: Any) -> Sequence[Any]:
        """What the model says of some items of similar length, one result for each."""
        raise NotImplementedError

    def postprocess(self, features: Features, result: Any, **options: Any) -> Any:
        """The answer for one item."""
        raise NotImplementedError

    def __call__(self, items: Any, **options: Any) -> Any:
        """Answers for an item, a list of them, or any iterable.

        Args:
            items: one item gives its answer; a list gives a list; another iterable gives an iterator, which never
                holds more than some hundreds of items.
            options: of the task, such as num_beams.

        Raises:
            InputError: an item that cannot be read; names it.
        """
        options = {**self.options, **options}
        if isinstance(items, list):
            return list(self._answers(items, options))
        if isinstance(items, str | dict | tuple) or not isinstance(items, Iterable):
            return next(self._answers([items], options))
        return self._answers(items, options)

    def _answers(self, items: Iterable[Any], options: dict[str, Any]) -> Iterator[Any]:
        source, first = iter(items), 0
        while window := list(islice(source, WINDOW)):
            yield from self._window(window, first, options)
            first += len(window)

    def _window(self, items: Sequence[Any], first: int, options: dict[str, Any]) -> Iterator[Any]:
        features = [self._read(item, first + n, options) for n, item in enumerate(items)]
        answers: list[Any] = [None] * len(items)
        for rows in by_length([len(f["input_ids"]) for f in features], TOKENS):
            with paddle.no_grad():
                results = self.predict([features[n] for n in rows], **options)
            for n, result in zip(rows, results, strict=True):
                answers[n] = self.postprocess(features[n], result, **options)
        yield from answers

    def _read(self, item: Any, number: int, options: dict[str, Any]) -> Features:
        try:
            return self.preprocess(item, **options)
        except InputError as error:
            message = error.message.removeprefix("Item 0").strip()  # a tokenizer's count: it saw this one alone
            raise InputError(f"Item {number}: {message}", error.hint) from None


def by_length(lengths: Sequence[int], tokens: int) -> Iterator[list[int]]:
    """Cuts rows into batches of similar length, the longest first.

    Args:
        lengths: tokens of each row.
        tokens: most tokens of a batch, padding included; a longer row is a batch of its own.

    Yields:
        The numbers of the rows of a batch; each row once.
    """
    batch: list[int] = []
    for n in sorted(range(len(lengths)), key=lambda n: -lengths[n]):
        if batch and lengths[batch[0]] * (len(batch) + 1) > tokens:
            yield batch
            batch = []
        batch.append(n)
    if batch:
        yield batch
