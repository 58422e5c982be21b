"""Which rows come together, and how wide they are."""

from __future__ import annotations

import numpy as np
import paddle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.finetune.test_optimisation import FUNNEL
from tests.tiny_models import learner
from zoo.batching import Padding, eval_batches, padding_of
from zoo.errors import InputError
from zoo.finetune.batches import TrainBatches, share
from zoo.models.funnel.config import Config as FunnelConfig
from zoo.models.funnel.model import build as build_funnel

LENGTHS = np.random.default_rng(0).integers(3, 60, 333)


@pytest.mark.parametrize("grouped", [True, False])
def test_an_epoch_has_every_row_once(grouped: bool) -> None:
    batches = TrainBatches(LENGTHS, 8, seed=3, grouped=grouped)
    assert len(batches) == 42
    for epoch in range(2):
        rows = np.concatenate([batches[epoch * 42 + n] for n in range(42)])
        assert sorted(rows) == list(range(333))
    assert [len(batches[n]) for n in range(42)] == [8] * 41 + [5]


def test_the_order_is_a_function_of_seed_and_place() -> None:
    one, two, other = (TrainBatches(LENGTHS, 8, seed) for seed in (3, 3, 4))
    assert np.array_equal(one[50], two[50]) and not np.array_equal(one[50], other[50])
    assert not np.array_equal(one[0], one[42])
    two[0]
    assert np.array_equal(one[50], two[50])  # going back and forth does not change it


def test_groups_save_padding() -> None:
    def padded(grouped: bool) -> int:
        batches = TrainBatches(LENGTHS, 8, 3, grouped)
        return sum(LENGTHS[batches[n]].max() * len(batches[n]) for n in range(len(batches)))

    assert padded(True) < 1.1 * LENGTHS.sum() < padded(False)


def test_no_rows() -> None:
    with pytest.raises(InputError, match="no rows"):
        TrainBatches([], 8, 0)


@settings(max_examples=50, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 90), min_size=1, max_size=60),
    world=st.integers(1, 5),
    budget=st.integers(1, 300),
    multiple=st.integers(1, 8),
)
def test_evaluation_has_every_row_once(lengths: list[int], world: int, budget: int, multiple: int) -> None:
    padding = Padding(multiple, multiple - 1)
    parts = [list(eval_batches(lengths, padding, budget, 16, rank, world)) for rank in range(world)]
    batches = [batch for part in parts for batch in part]
    assert sorted(np.concatenate(batches)) == list(range(len(lengths)))
    for batch in batches:
        width = padding.width(max(lengths[n] for n in batch))
        assert len(batch) == 1 or (len(batch) * width <= budget and len(batch) <= 16)


def test_shares_divide_a_batch() -> None:
    rows = np.arange(7)
    parts = [share(rows, rank, 3) for rank in range(3)]
    assert sorted(np.concatenate(parts)) == list(range(7))
    assert len(share(rows[:2], 2, 3)) == 0


def test_width() -> None:
    assert Padding().width(13) == 13
    assert Padding(least=128).width(13) == 128
    assert [Padding(4, 3).width(n) for n in (5, 6, 9, 10)] == [8, 12, 12, 16]
    assert padding_of(learner()) == Padding()


@pytest.mark.parametrize("blocks", [[1, 1], [1, 1, 1], [1, 1, 1, 1]])
@pytest.mark.parametrize("options", [{}, {"truncate_seq": False}, {"separate_cls": False}])
def test_at_its_width_funnel_gives_what_it_gives_with_any_more_padding(blocks: list[int], options: dict) -> None:
    config = FunnelConfig.from_dict({**FUNNEL, "block_sizes": blocks, **options})
    paddle.seed(0)
    model = build_funnel(config)
    model.eval()
    padding = padding_of(model)
    assert padding.multiple == 2 ** (len(blocks) - 1)
    for length in range(5, 22):
        ids = np.random.default_rng(length).integers(1, 50, length)

        def run(width: int, ids: np.ndarray = ids) -> np.ndarray:
            row = np.concatenate([ids, np.zeros(width - len(ids), ids.dtype)])[None]
            with paddle.no_grad():
                states = model(paddle.to_tensor(row), paddle.to_tensor((row > 0).astype("int64")))
            return states.last_hidden_state.numpy()[0, : len(ids)]

        np.testing.assert_allclose(run(padding.width(length)), run(64), atol=2e-5)
