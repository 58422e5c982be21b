"""Funnel against transformers: every option, length, padding and head, at a tiny size."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import paddle
import pytest
import torch
import transformers

from zoo.checkpoint import backward, forward
from zoo.models.common.base import Model
from zoo.models.funnel.config import Config
from zoo.models.funnel.keymap import KEYMAP
from zoo.models.funnel.model import build

pytestmark = pytest.mark.torch
SIZES = {
    "vocab_size": 40,
    "block_sizes": [2, 1, 1],
    "num_decoder_layers": 1,
    "d_model": 16,
    "n_head": 3,  # not 16 / 8: nothing may count on d_model = n_head * d_head
    "d_head": 8,
    "d_inner": 24,
}
OPTIONS: dict[str, dict[str, object]] = {
    "default": {},
    "repeats": {"block_repeats": [1, 2, 2]},
    "first block repeats": {"block_repeats": [2, 1, 1]},
    "max": {"pooling_type": "max"},
    "keys pooled too": {"pool_q_only": False},
    "first token pooled": {"separate_cls": False},
    "last token kept": {"truncate_seq": False},
    "factorized": {"attention_type": "factorized"},
    "factorized, first token pooled, keys too": {
        "attention_type": "factorized",
        "separate_cls": False,
        "pool_q_only": False,
    },
}
LENGTHS = (5, 7, 12, 13, 16)
SHORTEST = {"last token kept": 7, "first token pooled": 3}  # below it relative_shift of the original raises
CLASSES = {
    "mlm": "FunnelForMaskedLM",
    "classification": "FunnelForSequenceClassification",
    "tagging": "FunnelForTokenClassification",
    "qa": "FunnelForQuestionAnswering",
    "multiple-choice": "FunnelForMultipleChoice",
    "discriminator": "FunnelForPreTraining",
}
Arrays = dict[str, np.ndarray]


def original(name: str = "FunnelModel", **changes: object) -> torch.nn.Module:
    """A model of transformers in eval mode in which no weight is zero or one."""
    torch.manual_seed(7)
    model = getattr(transformers, name)(transformers.FunnelConfig(**{**SIZES, **changes})).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model


def arrays(model: torch.nn.Module) -> Arrays:
    return {k: v.detach().numpy() for k, v in model.state_dict().items()}


def translated(state: Mapping[str, np.ndarray], task: str | None) -> Arrays:
    """Upstream arrays by our names on disk."""
    out: Arrays = {}
    for step in KEYMAP.prefer(task).plan(state).steps:
        out |= forward(step, state.__getitem__)
    return out


def config_of(peer: torch.nn.Module, name: str) -> Config:
    return Config.from_dict({**peer.config.to_dict(), "architectures": [name]})


def ours(peer: torch.nn.Module, name: str = "FunnelModel", task: str | None = None) -> Model:
    """Our model with the peer's weights."""
    model = build(config_of(peer, name), task)
    state = translated(arrays(peer), task)
    cut = "" if task else "encoder."
    missing, unexpected = model.set_state_dict({k.removeprefix(cut): paddle.to_tensor(v) for k, v in state.items()})
    assert not missing and not unexpected
    return model.eval()


def batch(length: int, padding: int, rows: int = 2) -> Arrays:
    """Random ids and segments, 2 among them; the second row is padded."""
    rng = np.random.default_rng(length)
    ids, types = rng.integers(1, 40, (rows, length)), rng.integers(0, 3, (rows, length))
    mask = np.ones_like(ids)
    mask[1, length - padding :] = 0
    return {"input_ids": ids * mask, "attention_mask": mask, "token_type_ids": types}


def to_torch(inputs: Arrays) -> dict[str, torch.Tensor]:
    return {k: torch.from_numpy(v) for k, v in inputs.items()}


def to_paddle(inputs: Arrays) -> dict[str, paddle.Tensor]:
    return {k: paddle.to_tensor(v) for k, v in inputs.items()}


def close(theirs: torch.Tensor, mine: paddle.Tensor, tolerance: float = 5e-6) -> None:
    """Equal up to `tolerance` of the largest number (of 1 when all are smaller)."""
    want = theirs.detach().numpy()
    np.testing.assert_allclose(mine.numpy(), want, rtol=0, atol=tolerance * max(1.0, np.abs(want).max()))


def same_states(peer: torch.nn.Module, model: Model, inputs: Arrays) -> None:
    with paddle.no_grad():
        mine = model(**to_paddle(inputs), output_hidden_states=True).hidden_states
    with torch.no_grad():
        theirs = peer(**to_torch(inputs), output_hidden_states=True).hidden_states
    assert len(mine) == len(theirs)
    for one, other in zip(theirs, mine, strict=True):
        close(one, other)


@pytest.mark.parametrize("option", OPTIONS)
def test_states(option: str) -> None:
    """Every state of the encoder and the decoder, at every length and padding, padded slots too."""
    peer = original(**OPTIONS[option])
    model = ours(peer)
    for length in LENGTHS:
        for padding in (0, 1, 3, length - 1):
            if length >= SHORTEST.get(option, 5):
                same_states(peer, model, batch(length, padding))


@pytest.mark.parametrize("option", ["default", "first token pooled", "last token kept"])
def test_short_inputs_that_the_original_cannot_take(option: str) -> None:
    """relative_shift of the original raises; its factorized form takes the same weights and gives the numbers."""
    changes = OPTIONS[option]
    peer = original(**changes)
    other = original(**{**changes, "attention_type": "factorized"})
    other.load_state_dict(peer.state_dict())
    model = ours(peer)
    raised = []
    for length in range(1, 8):
        same_states(other, model, batch(length, length // 2))
        try:
            with torch.no_grad():
                peer(**to_torch(batch(length, 0)))
        except RuntimeError:
            raised.append(length)
    assert (
        raised
        == {"default": [1, 2, 3, 4], "first token pooled": [1, 2], "last token kept": [1, 2, 3, 4, 6]}[option]
    )


def test_what_may_be_left_out() -> None:
    peer = original("FunnelBaseModel")
    model = ours(peer, "FunnelBaseModel")
    inputs = batch(9, 2)
    for names in ([], ["attention_mask"], ["token_type_ids"]):
        same_states(peer, model, {k: inputs[k] for k in ("input_ids", *names)})
    vectors = np.random.default_rng(1).normal(size=(2, 9, 16)).astype("float32")
    same_states(peer, model, {"inputs_embeds": vectors, "attention_mask": inputs["attention_mask"]})


def test_a_row_without_a_single_token_stays_finite() -> None:
    model = ours(original())
    inputs = batch(9, 9)
    assert np.isfinite(model(**to_paddle(inputs)).last_hidden_state.numpy()).all()


def labelled(task: str) -> tuple[Arrays, Arrays]:
    """Inputs, and the labels as transformers names them."""
    rng = np.random.default_rng(5)
    inputs = batch(9, 3, rows=4)
    if task == "multiple-choice":
        return {k: v.reshape(2, 2, 9) for k, v in inputs.items()}, {"labels": np.array([1, 0])}
    if task == "classification":
        return inputs, {"labels": rng.integers(0, 2, 4)}
    if task == "qa":
        return inputs, {"start_positions": np.array([1, 2, 0, 20]), "end_positions": np.array([3, 2, 0, 4])}
    labels = rng.integers(0, 2, (4, 9))
    if task != "discriminator":  # which knows padding from the mask alone
        labels[inputs["attention_mask"] == 0] = -100
    return inputs, {"labels": labels}


@pytest.mark.parametrize("task", CLASSES)
def test_heads_losses_and_gradients(task: str) -> None:
    peer = original(CLASSES[task])
    model = ours(peer, CLASSES[task], task)
    inputs, labels = labelled(task)
    theirs = peer(**to_torch({**inputs, **labels}))
    mine_labels = labels["labels"] if "labels" in labels else np.stack([*labels.values()], 1)
    mine = model(**to_paddle(inputs), labels=paddle.to_tensor(mine_labels))
    for name in ("start_logits", "end_logits") if task == "qa" else ("logits",):
        close(theirs[name], getattr(mine, name))
    close(theirs.loss, mine.loss)
    theirs.loss.backward()
    mine.loss.backward()
    want = translated({k: p.grad.numpy() for k, p in peer.named_parameters()}, task)
    got = {k: p.grad for k, p in model.named_parameters()}
    assert set(got) == set(want)
    for name, gradient in got.items():
        # A key's bias has no gradient but rounding (softmax does not see it), hence the absolute floor.
        np.testing.assert_allclose(
            gradient.numpy(), want[name], rtol=0, atol=2e-5 * np.abs(want[name]).max() + 1e-6, err_msg=name
        )


def xlnet_parts(model: Model) -> tuple[torch.nn.Module, ...]:
    """transformers' modules of XLNet's SQuAD head, with the weights of ours."""
    from transformers.models.xlnet.modeling_xlnet import (
        XLNetPoolerAnswerClass,
        XLNetPoolerEndLogits,
        XLNetPoolerStartLogits,
    )

    config = transformers.XLNetConfig(d_model=16, n_head=2, layer_norm_eps=1e-9)
    parts = {
        "start_logits": XLNetPoolerStartLogits(config),
        "end_logits": XLNetPoolerEndLogits(config),
        "answer_class": XLNetPoolerAnswerClass(config),
    }
    state = {k: v.numpy() for k, v in model.state_dict().items() if k.startswith("qa_beam.")}
    upstream: Arrays = {}
    for step in KEYMAP.reverse(state).steps:
        upstream |= backward(step, state.__getitem__)
    for name, part in parts.items():
        own = {k.removeprefix(f"{name}."): torch.from_numpy(v) for k, v in upstream.items() if k.startswith(name)}
        part.load_state_dict(own)
    return tuple(parts.values())


def test_beam_head_is_xlnets() -> None:
    """Starts, ends given the start, the answer class and the loss; best five of each."""
    paddle.seed(3)
    model = build(Config.from_dict(SIZES), "qa-beam").eval()
    start, end, answer = xlnet_parts(model)
    inputs = batch(9, 3, rows=3)
    labels = np.array([[1, 3], [2, 2], [0, 0]])
    mine = model(**to_paddle(inputs), labels=paddle.to_tensor(labels))
    x, pad = (
        torch.from_numpy(mine.last_hidden_state.numpy()),
        torch.from_numpy(1 - inputs["attention_mask"]).float(),
    )
    starts = start(x, p_mask=pad)
    close(starts, mine.start_logits)
    chances = starts.softmax(-1)
    mean = torch.einsum("bt,btd->bd", chances, x)
    # answer() itself takes the mean in one shape and the first token in another; these are its layers.
    none = answer.dense_1(answer.activation(answer.dense_0(torch.cat([mean, x[:, 0]], -1)))).squeeze(-1)
    close(none, mine.logits)
    scores, index = chances.topk(5)
    close(scores, mine.start_scores)
    assert np.array_equal(index.numpy(), mine.start_index.numpy())
    for beam in range(5):
        ends = end(x, start_positions=index[:, beam], p_mask=pad).softmax(-1).topk(5)
        close(ends.values, mine.end_scores[:, beam])
        assert np.array_equal(ends.indices.numpy(), mine.end_index[:, beam].numpy())
    gold = torch.from_numpy(labels)
    entropy = torch.nn.functional.cross_entropy
    ends = end(x, start_positions=gold[:, 0], p_mask=pad)
    places = (entropy(starts, gold[:, 0]) + entropy(ends, gold[:, 1])) / 2
    absent = torch.tensor([0.0, 0.0, 1.0])
    close(places + torch.nn.functional.binary_cross_entropy_with_logits(none, absent) / 2, mine.loss)
    mine.loss.backward()
    assert all(p.grad is not None for n, p in model.named_parameters() if n.startswith("qa_beam."))
