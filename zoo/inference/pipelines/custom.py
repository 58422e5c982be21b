"""A pipeline whose three steps take one item at a time, as a `Pipeline` of transformers does."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from zoo import env
from zoo.errors import InputError, UsageError
from zoo.inference.deployed import Deployed
from zoo.models.common.outputs import Output
from zoo.tasks.features import Features
from zoo.tokenization import Tokenizer

TRANSFORMERS_WORDS: Mapping[str, Any] = {"do_not_truncate": False, "do_not_pad": False, "longest": True, "pt": "pd"}


class Steps(Protocol):
    """The steps of a pipeline that are used here; see pipelines/base.py."""

    defaults: Mapping[str, Any]

    def features(self, examples: Sequence[Any], options: Mapping[str, Any]) -> Features:
        """Gives the token ids of some examples."""

    def predict(self, batch: dict[str, np.ndarray], **options: Any) -> Any:
        """Gives what the network says of a batch."""

    def postprocess(self, *outputs: Any, **options: Any) -> Any:
        """Gives the answer."""


def is_single(pipeline: type[Steps]) -> bool:
    """True when `postprocess` takes the outputs alone, and so the steps are those of one item."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    needed = [
        name
        for name, parameter in inspect.signature(pipeline.postprocess).parameters.items()
        if parameter.kind in kinds and parameter.default is parameter.empty and name not in pipeline.defaults
    ]
    return len(needed) == 2  # self, outputs


def answer_of(pipe: Steps, given: Any, options: Mapping[str, Any]) -> Any:
    """The answer to one item; an InputError when it turned out to have none.

    Args:
        given: what `preprocess` made: the arrays or tensors of a batch of one, or what `encode` takes.
    """
    try:
        if not isinstance(given, Mapping):
            features = pipe.features([given], options)
            given = features.batch([0], int(features.lengths[0]))
        return pipe.postprocess(pipe.predict(given, **options), **options)
    except InputError as error:
        return error


class Network:
    """A deployed network that is called as a loaded one is: `model(input_ids=..., attention_mask=...)`.

    Attributes:
        config: the network's.
    """

    def __init__(self, deployed: Deployed) -> None:
        self.config = deployed.config
        self._engine, self._limit = deployed.engine, deployed.tokenizer.max_length

    def __call__(self, **batch: Any) -> Output:
        """What the network says of a batch.

        Args:
            batch: integers [B, T] of numpy, paddle or torch; what the network does not take is left aside.

        Raises:
            InputError: an input is missing, the shapes differ, or a row is longer than the network can take.
        """
        arrays = {name: np.asarray(values) for name, values in batch.items()}
        length = arrays["input_ids"].shape[-1] if "input_ids" in arrays else 0
        if self._limit and length > self._limit:
            raise InputError(f"has {length} tokens; the model takes {self._limit}.", "Cut it: truncation=True.")
        env.use_all_cores()  # an engine that needs no paddle has not started it
        import paddle

        found: dict[str, Any] = {name: paddle.to_tensor(values) for name, values in self._engine(arrays).items()}
        return Output(**found)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)  # `generate` of an encoder-decoder


class FamiliarTokenizer:
    """A tokenizer that is called with the keywords of transformers' besides its own."""

    def __init__(self, inner: Tokenizer) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __call__(
        self,
        text: Any,
        text_pair: Any = None,
        *,
        add_special_tokens: bool = True,
        return_tensors: str = "pd",
        truncation: bool | str = True,
        padding: bool | str = True,
        **options: Any,
    ) -> dict[str, Any]:
        """As `Tokenizer.__call__`.

        Args:
            add_special_tokens: True; there are no rows without them.
            return_tensors: "pt" is read as "pd", paddle's tensors.
            truncation, padding: also "do_not_truncate", "do_not_pad", "longest".

        Raises:
            UsageError: an option that does not exist.
            InputError: as `Tokenizer.__call__`.
        """
        if not add_special_tokens:
            raise UsageError("add_special_tokens=False does not exist here.", "tokenizer.tokenize(text)")
        words = {"truncation": truncation, "padding": padding, "return_tensors": return_tensors}
        return self._inner(
            text, text_pair, **{k: TRANSFORMERS_WORDS.get(str(v), v) for k, v in words.items()}, **options
        )
