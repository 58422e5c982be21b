"""What every pipeline does: items in, answers out, in order, in batches of similar length, in constant memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import numpy as np

from zoo import batching, familiar, files
from zoo.batching import BATCH_TOKENS, by_length, padding_of, windows
from zoo.errors import InputError, UsageError
from zoo.files import quote
from zoo.inference.deployed import Deployed
from zoo.inference.engines.base import side_by_side
from zoo.inference.pipelines.custom import FamiliarTokenizer, Network, answer_of, is_single
from zoo.inference.pipelines.files import items_of, write_answers
from zoo.inference.pipelines.items import example_of, whole
from zoo.inference.pipelines.meter import Meter
from zoo.tasks.classification import Classification, TextExample
from zoo.tasks.features import Features, join, token_columns
from zoo.tokenization import Tokenizer

ON_ERROR = ("raise", "return")
TEXT_TASK = Classification(name="texts", metrics=())

Outputs = Mapping[str, Sequence[Any]]
Tell = Callable[[float], None]  # hears what share is done


class Pipeline:
    """Items in, answers out. One of your own writes what differs of three steps: `preprocess`, `predict`,
    `postprocess`; see docs/pipelines.md. All three get the options as keywords.

    Calls keep nothing, so threads may share a pipeline.

    A `postprocess` that takes the outputs alone makes them steps of one item, without batches, as in transformers:
    `preprocess` gives what `predict` takes, and that what `postprocess` takes; see pipelines/custom.py.

    Args:
        deployed: a network that is ready to answer.
        options: of every call; a call's own come on top.

    Raises:
        UsageError: an option that the pipeline does not have.

    Attributes:
        heads: those that it can work with; none means any.
        pairs: an item may be a pair of texts.
        defaults: option -> its value when nobody says another.
        tokens: of a batch, padding included.
        shows_progress: a call that takes long shows a bar on a terminal.
        model: the network, to be called as one of `zoo.load`.
    """

    heads: tuple[str, ...] = ()
    pairs: bool = False
    defaults: Mapping[str, Any] = {"max_length": None}
    tokens: int = BATCH_TOKENS
    shows_progress: bool = True

    def __init__(self, deployed: Deployed, **options: Any) -> None:
        self.deployed = deployed
        self.engine, self.config, self.model = deployed.engine, deployed.config, Network(deployed)
        self.single = is_single(type(self))
        self.tokenizer: Any = FamiliarTokenizer(deployed.tokenizer) if self.single else deployed.tokenizer
        self.options = {**self.defaults, **self.known(options)}

    # --- the three steps ---

    def preprocess(self, item: Any, **options: Any) -> Any:
        """What `encode` takes of one item; by default a text, or a pair where `pairs` says so.

        Raises:
            InputError: the item cannot be read; the caller adds which one it is.
        """
        return example_of(item, self.pairs)

    def predict(self, batch: dict[str, np.ndarray], **options: Any) -> Outputs:
        """What the network says of a batch: name -> one result for each of its rows.

        Args:
            batch: input_ids, attention_mask, perhaps token_type_ids, int64 [B, T].
        """
        return self.engine(batch)

    def postprocess(
        self, outputs: Outputs, features: Features, examples: Sequence[Any], /, **options: Any
    ) -> Sequence[Any]:
        """The answers to some examples.

        Args:
            outputs: name -> one result for each row of `features`, in their order.
            features: `features.sample` says which example a row belongs to.
            examples: what `preprocess` gave.

        Returns:
            One for each example; an InputError for one that turned out to have no answer.
        """
        raise NotImplementedError

    # --- and what is between them ---

    def encode(self, examples: Sequence[Any], **options: Any) -> Features:
        """Token ids of some examples, by default of texts and pairs; longer ones are cut."""
        return self.texts(examples, self.row_length(options["max_length"]))

    def features(self, examples: Sequence[Any], options: Mapping[str, Any]) -> Features:
        """What `encode` makes of some examples."""
        return self.encode(examples, **options)

    def texts(self, examples: Sequence[TextExample], max_length: int) -> Features:
        """Token ids of texts and pairs, a row for each, cut at max_length tokens."""
        parts, order = [], []
        for pair in (False, True):
            chosen = [n for n, example in enumerate(examples) if (example.pair is not None) == pair]
            if chosen:
                parts.append(TEXT_TASK.encode([examples[n] for n in chosen], self.tokenizer, max_length))
                order += chosen
        return replace(join(parts), sample=np.array(order))

    def row_length(self, asked: int | None, usual: int | None = None) -> int:
        """Tokens of a row: what the caller asks for, else what training took, else `usual`, else all there is.

        Raises:
            UsageError: not a whole number, or too small for any text.
        """
        limit = self.tokenizer.max_length or 512
        if asked is not None:
            whole("max_length", asked, 8)
        saved = self.deployed.settings
        trained = saved.get("max_length") or saved.get("task", {}).get("max_length")
        return min(int(asked or trained or usual or limit), limit)

    def answers_of(
        self,
        features: Features,
        examples: Sequence[Any],
        options: Mapping[str, Any],
        tell: Tell = lambda share: None,
    ) -> Sequence[Any]:
        """The answers to examples whose features are made; an InputError for one that has none.

        Args:
            features: of `features`.
            examples: what `preprocess` gave.
            options: all of them, with the pipeline's own.
            tell: hears what share is done.
        """
        return self.postprocess(self._run(features, options, tell), features, examples, **options)

    def __call__(self, items: Any, *, on_error: str = "raise", **options: Any) -> Any:
        """Answers for an item, a list of them, or any iterable.

        Args:
            items: one item gives its answer; a list gives a list; another iterable gives an iterator, which holds
                some thousand items at a time.
            on_error: "raise", or "return" to put the error in the answer's place, as an InputError, so that the
                other items get their answers.
            options: of the pipeline.

        Raises:
            InputError: an item that cannot be read; names it. Of a list nothing has been computed then; of an
                iterator nothing of its window.
            UsageError: an option that does not exist, or does not work.
        """
        options = {**self.options, **self.known(options)}
        if on_error not in ON_ERROR:
            raise UsageError(f"on_error={on_error!r} does not exist.", f"One of {', '.join(ON_ERROR)}.")
        if isinstance(items, list):
            if on_error == "raise" and len(items) > batching.WINDOW_ITEMS:
                for n, item in enumerate(items):
                    self._read(item, n, on_error, options)
            return list(self._answers(items, on_error, options, len(items)))
        if isinstance(items, str | bytes | Mapping | tuple) or not isinstance(items, Iterable):
            return next(self._answers([items], on_error, options, 1))
        return self._answers(items, on_error, options)

    def map_file(
        self,
        source: str | os.PathLike[str],
        target: str | os.PathLike[str],
        *,
        on_error: str = "raise",
        overwrite: bool = False,
        **options: Any,
    ) -> int:
        """Answers the items of a file, in constant memory, into another: one line of JSON for each.

        Args:
            source: .txt with an item per line, or .jsonl with a text, an object or a pair [text, text] per line.
            target: whole or not there.
            on_error: "raise", or "return" to write {"error": ...} in the answer's place.
            overwrite: replace `target` when it is there.
            options: of the pipeline.

        Returns:
            How many answers there are.

        Raises:
            InputError: an item that cannot be read; item n, counted from 0, is in line n + 1.
            UsageError: `target` is there already (without `overwrite`), or cannot be written.
        """
        files.probe_file(target, replace=overwrite)
        return write_answers(target, self(items_of(source), on_error=on_error, **options), overwrite)

    def window_characters(self, options: Mapping[str, Any]) -> int:
        """Most characters of the items that are held, with their answers, at once."""
        return batching.WINDOW_CHARACTERS

    @classmethod
    def known(cls, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """Gives the options; raises UsageError for one that the pipeline has not."""
        if unknown := [name for name in options if name not in cls.defaults]:
            raise UsageError(
                f"This pipeline has no option {quote(unknown[0])}.",
                familiar.hint(unknown[0]) or f"It has {', '.join(cls.defaults) or 'none'}.",
            )
        return options

    def _answers(
        self, items: Iterable[Any], on_error: str, options: dict[str, Any], total: int = 0
    ) -> Iterator[Any]:
        with ExitStack() as stack:
            meter, first = Meter(type(self).__name__, total, self.shows_progress, stack), 0
            for window in windows(items, self.window_characters(options)):
                yield from self._window(window, first, on_error, options, meter)
                first += len(window)

    def _window(
        self, items: Sequence[Any], first: int, on_error: str, options: dict[str, Any], meter: Meter
    ) -> list[Any]:
        answers = [self._read(item, first + n, on_error, options) for n, item in enumerate(items)]
        places = [n for n, read in enumerate(answers) if not isinstance(read, InputError)]
        if not places:
            return answers
        examples = [answers[n] for n in places]

        def tell(share: float) -> None:
            meter.to(first + int(share * len(items)))

        make = self._singly if self.single else self._together
        for n, answer in zip(places, make(examples, options, tell), strict=True):
            answers[n] = _refused(answer, first + n, on_error) if isinstance(answer, InputError) else answer
        return answers

    def _together(self, examples: Sequence[Any], options: dict[str, Any], tell: Tell) -> Sequence[Any]:
        return self.answers_of(self.features(examples, options), examples, options, tell)

    def _singly(self, examples: Sequence[Any], options: dict[str, Any], tell: Tell) -> Iterator[Any]:
        for n, example in enumerate(examples, 1):
            yield answer_of(self, example, options)
            tell(n / len(examples))

    def _read(self, item: Any, number: int, on_error: str, options: dict[str, Any]) -> Any:
        try:
            return self.preprocess(item, **options)
        except InputError as error:
            return _refused(error, number, on_error)

    def _run(self, features: Features, options: Mapping[str, Any], tell: Tell) -> Outputs:
        """What the network says of every row."""
        lengths, padding = features.lengths.tolist(), padding_of(self.deployed)
        held: list[dict[str, Any]] = [{}] * len(features)
        done, total = 0, sum(lengths)
        batches = list(by_length(lengths, self.tokens))

        def answer(rows: list[int]) -> Outputs:
            return self.predict(features.batch(rows, padding.width(lengths[rows[0]])), **options)

        with side_by_side(self.engine, len(batches)) as threads, ThreadPoolExecutor(threads) as pool:
            answered = pool.map(answer, batches) if threads > 1 else map(answer, batches)
            for rows, found in zip(batches, answered, strict=True):
                for k, row in enumerate(rows):
                    held[row] = {name: values[k] for name, values in found.items()}
                done += sum(lengths[row] for row in rows)
                tell(done / total)
        return {name: [row[name] for row in held] for name in held[0]}


def _refused(error: InputError, number: int, on_error: str) -> InputError:
    message = error.message.removeprefix("Item 0").lstrip(": ")
    named = InputError(f"Item {number}{' ' if message[:1].islower() else ': '}{message}", error.hint)
    if on_error == "raise":
        raise named from None
    return named


def features_of(rows: Mapping[str, Any], tokenizer: Tokenizer) -> Features:
    """What a tokenizer gave without padding, a row for each text."""
    return Features(token_columns(rows), np.arange(len(rows["input_ids"])), pad_id=tokenizer.pad_token_id or 0)
