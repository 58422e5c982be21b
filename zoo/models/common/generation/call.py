"""Checks the inputs of a call of generate, brings them into one form, and chooses the search."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import paddle
from numpy.typing import ArrayLike
from paddle import Tensor

from zoo import familiar
from zoo.errors import InputError, UsageError
from zoo.files import quote
from zoo.models.common.generation.cache import Engine
from zoo.models.common.generation.network import Network
from zoo.models.common.generation.options import Generated, Options
from zoo.models.common.generation.search import Stream, generate_tokens

USUAL_LENGTH = 100
# What a tokenizer may call it: BERT's vocabularies start a text with [CLS] and end it with [SEP].
STAND_INS = {
    "bos_token_id": ("bos_token_id", "cls_token_id"),
    "eos_token_id": ("eos_token_id", "sep_token_id"),
    "pad_token_id": ("pad_token_id",),
}
Ids = Tensor | np.ndarray | Sequence[Sequence[int]]


def generate(
    engine: Engine,
    input_ids: Ids,
    attention_mask: Ids | None = None,
    token_type_ids: Ids | None = None,
    max_length: int | None = None,
    bos_token_id: int | None = None,
    eos_token_id: int | None = None,
    pad_token_id: int | None = None,
    decoder_start_ids: ArrayLike | None = None,
    stream: Stream | None = None,
    **options: Any,
) -> Generated:
    """Generates; see `Seq2Seq.generate`."""
    ids, mask, types = read_sources(input_ids, attention_mask, token_type_ids)
    model = engine.model
    eos = _special(model, "eos_token_id", eos_token_id)
    pad = _special(model, "pad_token_id", pad_token_id)
    if decoder_start_ids is None:
        decoder_start_ids = [_special(model, "bos_token_id", bos_token_id)]
    start = read_start(decoder_start_ids, len(ids))
    room = model.max_target_length - start.shape[1] + 1  # the last token is not read again
    chosen = _options(max_length=min(USUAL_LENGTH, room) if max_length is None else max_length, **options)
    if chosen.max_length > room:
        raise UsageError(
            f"max_length={chosen.max_length} is too long: the decoder has {model.max_target_length} positions.",
            f"Up to {room}.",
        )
    search = search_of(model, chosen.search)
    if stream is not None and not callable(stream):
        raise UsageError(
            f"stream={quote(stream)} does not work.",
            "Give a function that gets the tokens of each step, such as stream=print.",
        )
    if stream is not None and chosen.beams:
        raise UsageError("Beam search has nothing to stream before its end.", "Leave stream or num_beams out.")
    training = model.training
    model.eval()
    try:
        with paddle.no_grad():
            session = engine.encode(ids, mask, types)
            if not chosen.beams:
                return generate_tokens(session, start, eos, pad, chosen, stream)
            return search(session, start, eos, pad, chosen)
    finally:
        if training:
            model.train()


def search_of(model: Network, name: str) -> Callable[..., Generated]:
    """Gives the network's search of that name.

    Raises:
        UsageError: it has none.
    """
    if name not in model.SEARCHES:
        raise UsageError(f"search={name!r} does not work.", f"This network has {', '.join(model.SEARCHES)}.")
    return model.SEARCHES[name]


def read_sources(
    input_ids: Ids, attention_mask: Ids | None, token_type_ids: Ids | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Gives ids, mask and types [B, S] int64, every text at the left, without columns of padding only.

    So that a network which counts positions from 0 does not see on which side a text was padded.

    Raises:
        InputError: no text, a text without a token, shapes that differ.
    """
    ids = _matrix("input_ids", input_ids)
    mask = np.ones_like(ids) if attention_mask is None else (_matrix("attention_mask", attention_mask) != 0) * 1
    types = None if token_type_ids is None else _matrix("token_type_ids", token_type_ids)
    for name, array in (("attention_mask", mask), ("token_type_ids", types)):
        if array is not None and array.shape != ids.shape:
            raise InputError(f"{name} has the shape {list(array.shape)}, input_ids {list(ids.shape)}.")
    if not ids.size:
        raise InputError(f"input_ids has the shape {list(ids.shape)}: there is no text.")
    if len(empty := np.flatnonzero(mask.sum(axis=1) == 0)):
        raise InputError(f"Text {empty[0]} (counted from 0) has no token: its attention_mask is all 0.")
    columns = np.arange(ids.shape[1])
    order = (columns + np.argmax(mask, axis=1)[:, None]) % ids.shape[1]
    mask = np.take_along_axis(mask, order, 1)
    end = int(columns[mask.any(axis=0)].max()) + 1
    order, mask = order[:, :end], mask[:, :end]
    return np.take_along_axis(ids, order, 1), mask, None if types is None else np.take_along_axis(types, order, 1)


def read_start(given: ArrayLike, batch: int) -> np.ndarray:
    """Gives start tokens [B, n] from those of each text, or from one row for all.

    Raises:
        InputError: none, or for another number of texts.
    """
    start = np.asarray(given)
    if start.ndim == 1:
        start = np.tile(start, (batch, 1))
    if start.ndim != 2 or len(start) != batch or not start.size or start.dtype.kind not in "iu":
        raise InputError(
            f"decoder_start_ids has the shape {list(start.shape)} for {batch} texts.",
            "A list of ids for all texts, or one of equal length for each.",
        )
    return start.astype(np.int64)


def _matrix(name: str, given: Ids) -> np.ndarray:
    try:
        array = given.numpy() if isinstance(given, Tensor) else np.asarray(given)
    except ValueError:  # rows of different lengths
        array = np.zeros(0, object)
    if array.ndim != 2 or (array.dtype.kind not in "iub" and array.size):
        raise InputError(f"{name} must be integers [B, S], texts padded to one length; its shape is {array.shape}.")
    return array.astype(np.int64)


def _special(model: Network, name: str, given: int | None) -> int:
    """Gives an argument, else the config's, else the tokenizer's; within the vocabulary."""
    config = model.config
    found = given if given is not None else getattr(config, name, config.source.get(name))
    if found is None and model.origin is not None:
        ids = (getattr(model.tokenizer, token) for token in STAND_INS[name])
        found = next((token for token in ids if token is not None), None)
    if found is None:
        raise UsageError(f"The network's config has no {name}.", f"Give generate {name}=.")
    if isinstance(found, bool) or not isinstance(found, int | np.integer) or not 0 <= found < config.vocab_size:
        raise UsageError(f"{name}={found!r} is no token.", f"A whole number from 0 to {config.vocab_size - 1}.")
    return int(found)


def _options(**given: Any) -> Options:
    if unknown := sorted(set(given) - set(Options.__dataclass_fields__)):
        usual = f"It has {', '.join(Options.__dataclass_fields__)}."
        raise UsageError(f"generate has no {unknown[0]}=.", familiar.hint(unknown[0]) or usual)
    return Options(**given)
