"""How far an engine's outputs are from the eager model's, over shapes short and long, with padding.

Legend of shapes: B batch, T tokens, N choices; see zoo/models/common.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from zoo.errors import GuardError
from zoo.inference.graph import inputs_of

CHECKED_SHAPES = ((1, 1), (2, 5), (3, 16), (1, 33), (4, 128))  # B x T
FEW_SHAPES = ((2, 6), (3, 17))  # when there is little time
FIRST_ID = 5  # those before it are special tokens
DECODER_STEPS = 4  # of a decoder
# The beams of qa-beam: which come first is the question there, and padding of no chance has no order.
BEAM_OUTPUTS = ("start_index", "end_index", "end_scores")
BEAM_TOKENS = 16
ABSOLUTE_TOLERANCE = {"fp32": 1e-4}
RELATIVE_TOLERANCE = {"bf16": 0.05}  # of the output's largest value: seven bits of mantissa over all layers


@dataclass(frozen=True)
class Difference:
    """Of one output over all shapes.

    Attributes:
        largest: absolute; NaN when an output is no number.
        scale: the largest absolute value of the eager model's.
        at: the shape it is at.
        cosine: the least between both, of all values of a shape.
    """

    largest: float
    scale: float
    at: str
    cosine: float = 1.0


def compare(
    model: Any, run: Any, shapes: Sequence[tuple[int, int]] = CHECKED_SHAPES, exact: Any = None
) -> dict[str, Difference]:
    """The largest difference of every output.

    Args:
        model: the network, whose eager outputs are right; whatever has its config and task with `exact`.
        run: an engine; for an encoder-decoder a `zoo.inference.decoder.CompiledSeq2Seq`.
        shapes: of the batches.
        exact: what is right instead of the network, which then needs no weights.
    """
    rows = (model, run, shapes, exact)
    pairs = _decoded(*rows) if hasattr(run, "generate") else _encoded(*rows)
    found: dict[str, Difference] = {}
    for name, at, expected, got in pairs:
        gap = np.abs(got.astype(np.float64) - expected)
        # NaN stays NaN: np.max passes it on, and it is never below a tolerance.
        one = Difference(float(gap.max()), float(np.abs(expected).max()), at, _cosine(got, expected))
        before = found.get(name, one)
        worse = one if not one.largest <= before.largest else before
        least = before.cosine if before.cosine <= one.cosine else one.cosine
        found[name] = Difference(worse.largest, max(one.scale, before.scale), worse.at, least)
    return found


def _cosine(one: np.ndarray, other: np.ndarray) -> float:
    """Between all values of two arrays; 1 for equal ones, also zeros."""
    a, b = one.astype(np.float64).ravel(), other.astype(np.float64).ravel()
    norms = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / norms if norms else float(np.array_equal(a, b))


def check(found: Mapping[str, Difference], precision: str) -> None:
    """Raises GuardError for an output that is further from the eager model's than the precision's tolerance.

    int8 has none: what it costs is for the gate to say.
    """
    for name, one in found.items():
        if precision not in (*ABSOLUTE_TOLERANCE, *RELATIVE_TOLERANCE) or (
            precision in RELATIVE_TOLERANCE and name in BEAM_OUTPUTS
        ):
            continue
        allowed = (
            ABSOLUTE_TOLERANCE[precision]
            if precision in ABSOLUTE_TOLERANCE
            else RELATIVE_TOLERANCE[precision] * one.scale
        )
        if not one.largest <= allowed:
            raise GuardError(
                f"'{name}' differs from the eager model's by {one.largest:.3g} at {one.at}; "
                f"{precision} may differ by {allowed:.3g}. Nothing was written.",
                "Try another --to, and report it: the graph is wrong.",
            )


def batch_of(model: Any, rows: int, length: int) -> dict[str, np.ndarray]:
    """Random ids [B, T] ([B, 2, T] for multiple-choice); rows after the first end in padding."""
    random = np.random.default_rng(rows * 1000 + length)
    config: Any = model.config
    ids = random.integers(FIRST_ID, config.vocab_size, (rows, length))
    types = random.integers(0, max(1, config.token_types), ids.shape)
    mask = np.ones_like(ids)
    for row in range(1, rows):
        mask[row, length - min(row, length // 2) :] = 0
    ids = np.where(mask == 1, ids, config.pad_token_id or 0)
    arrays = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
    if model.task == "multiple-choice":
        arrays = {name: np.stack([array, array], 1) for name, array in arrays.items()}
    return {name: arrays[name] for name in inputs_of(model)}


def _shapes(model: Any, shapes: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    room = int(getattr(model.config, "max_position_embeddings", 0) or 512) - 2  # XLM-R's positions begin at 2
    for rows, length in shapes:
        if model.task != "qa-beam" or length >= BEAM_TOKENS:
            yield rows, min(length, room)


def _encoded(
    model: Any, run: Any, shapes: Sequence[tuple[int, int]], exact: Any
) -> Iterator[tuple[str, str, np.ndarray, np.ndarray]]:
    if exact is None:
        from zoo.inference.engines.eager import Eager

        exact = Eager(model)
    for rows, length in _shapes(model, shapes):
        batch = batch_of(model, rows, length)
        expected, got = exact(batch), run(batch)
        for name, array in expected.items():
            yield name, f"{rows} x {length}", array, got[name]


def _decoded(
    model: Any, run: Any, shapes: Sequence[tuple[int, int]], exact: Any
) -> Iterator[tuple[str, str, np.ndarray, np.ndarray]]:
    """The scores of the first token and of some more, the same tokens given to both."""
    import paddle

    from zoo.models.common.generation import EagerEngine

    random = np.random.default_rng(0)
    for rows, length in _shapes(model, shapes):
        batch = batch_of(model, rows, length)
        given = (batch["input_ids"], batch["attention_mask"], batch.get("token_type_ids"))
        ids = random.integers(FIRST_ID, model.config.vocab_size, (DECODER_STEPS, rows, 1))
        with paddle.no_grad():
            sessions = [engine.encode(*given) for engine in (exact or EagerEngine(model), run)]
            scores = [session.start(ids[0]) for session in sessions]
            for step in range(DECODER_STEPS):
                expected, got = (found.numpy() for found in scores)
                yield "logits", f"{rows} x {length}, step {step}", expected, got
                scores = [session.step(ids[step], np.zeros((rows, 1), np.int64)) for session in sessions]
