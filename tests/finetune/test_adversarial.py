"""StructBERT's adversarial loss: the golden file, and the algorithm in torch a second time, for every head."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import numpy as np
import paddle
import pytest

from tests.finetune.small import SomeRows
from tests.places import GOLDEN
from tests.tiny_models import learner
from zoo.checkpoint import forward
from zoo.errors import UsageError
from zoo.finetune import cpu_speedups
from zoo.finetune.adversarial import Smart, slope_of, symmetric_divergence
from zoo.finetune.freezing import freeze_body, train_mode
from zoo.finetune.second_losses import FGM, RDrop
from zoo.models.common.base import Model
from zoo.models.structbert.config import Config
from zoo.models.structbert.keymap import KEYMAP
from zoo.models.structbert.model import build

Arrays = dict[str, np.ndarray]
SIZES = {
    "vocab_size": 50,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 32,
    "max_position_embeddings": 20,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}
CLASSES = {
    "classification": "BertForSequenceClassification",
    "multiple-choice": "BertForMultipleChoice",
    "tagging": "BertForTokenClassification",
    "qa": "BertForQuestionAnswering",
}


def translated(state: Arrays, task: str) -> Arrays:
    out: Arrays = {}
    for step in KEYMAP.prefer(task).plan(state).steps:
        out |= forward(step, state.__getitem__)
    return out


def ours(state: Arrays, task: str, classes: int = 3) -> Model:
    """A model in train mode with these upstream arrays."""
    model = build(Config.from_dict({**SIZES, "num_labels": classes}), task)
    mine = translated(state, task)
    missing, _ = model.set_state_dict({n: paddle.to_tensor(mine[n]) for n in model.state_dict()})
    assert not missing
    model.train()
    return model


def to_paddle(arrays: Arrays) -> dict[str, paddle.Tensor]:
    return {name: paddle.to_tensor(array) for name, array in arrays.items()}


@pytest.fixture(scope="module")
def golden() -> Arrays:
    return dict(np.load(GOLDEN / "structbert_adv_tiny.npz"))


def test_golden(golden: Arrays) -> None:
    """Logits, plain and total loss, and the gradients of the first and the last weight."""
    model = ours(
        {k.removeprefix("param/"): v for k, v in golden.items() if k.startswith("param/")}, "classification"
    )
    batch = to_paddle({f"{n}": golden[f"in/{n}"] for n in ("ids", "mask", "types", "labels")})
    names = {"ids": "input_ids", "mask": "attention_mask", "types": "token_type_ids", "labels": "labels"}
    batch = {names[n]: tensor for n, tensor in batch.items()}
    step, noise, bound = map(float, golden["in/adv"])
    plain = model(**batch)
    np.testing.assert_allclose(plain.logits.numpy(), golden["out/logits"], rtol=0, atol=1e-5)
    np.testing.assert_allclose(plain.loss.numpy(), golden["out/ce"], rtol=0, atol=1e-6)
    loss = Smart(step, noise, bound)(model, batch, paddle.to_tensor(golden["in/noise"]))
    np.testing.assert_allclose(loss.numpy(), golden["out/total_loss"], rtol=0, atol=1e-6)
    loss.backward()
    word = model.encoder.embeddings.word.weight.grad.numpy()
    np.testing.assert_allclose(word, golden["out/grad_word_emb"], rtol=0, atol=1e-6)
    last = model.head.output.weight.grad.numpy().T
    np.testing.assert_allclose(last, golden["out/grad_classifier"], rtol=0, atol=1e-6)


def peer_of(task: str):  # type: ignore[no-untyped-def]
    """transformers' class in train mode, without dropout, no weight zero or one."""
    import torch
    import transformers

    torch.manual_seed(3)
    config = transformers.BertConfig(**SIZES, num_labels=2 if task == "qa" else 3, attn_implementation="eager")
    peer = getattr(transformers, CLASSES[task])(config).train()
    with torch.no_grad():
        for parameter in peer.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return peer


def peer_loss(peer, task: str, batch: Arrays, noise: np.ndarray, smart: Smart):  # type: ignore[no-untyped-def]
    """The published algorithm, step by step, on transformers' classes."""
    import torch

    def divergence(a, b):  # type: ignore[no-untyped-def]
        kl = torch.nn.functional.kl_div
        a, b = a.log_softmax(-1), b.log_softmax(-1)
        both = kl(a, b, reduction="none", log_target=True) + kl(b, a, reduction="none", log_target=True)
        if task != "tagging":
            return both.sum() / both.numel()
        seen = inputs["attention_mask"][..., None].float()
        return (both * seen).sum() / seen.sum() / both.shape[-1]

    def answers(words=None):  # type: ignore[no-untyped-def]
        given = {k: v for k, v in inputs.items() if words is None or k != "input_ids"}
        out = peer(**given, **({} if words is None else {"inputs_embeds": words}))
        return (out.start_logits, out.end_logits) if task == "qa" else (out.logits,)

    inputs = {k: torch.from_numpy(v) for k, v in batch.items() if k != "labels"}
    labels = torch.from_numpy(batch["labels"])
    named = {"start_positions": labels[:, 0], "end_positions": labels[:, 1]} if task == "qa" else {"labels": labels}
    loss, start = peer(**inputs, **named).loss, answers()
    words = peer.bert.embeddings.word_embeddings(inputs["input_ids"])
    near = words + torch.from_numpy(noise)
    apart = [divergence(a, b) for a, b in zip(start, answers(near), strict=True)]
    slope = torch.autograd.grad(sum(apart) / len(apart), near, retain_graph=True)[0].detach()
    slope = slope / slope.abs().amax((-1, -2), keepdim=True)
    far = torch.minimum(torch.maximum(near + smart.step * slope, near - smart.bound), near + smart.bound)
    return loss + sum(divergence(a, b) for a, b in zip(start, answers(far), strict=True))


def batch_of(task: str) -> Arrays:
    rng = np.random.default_rng(1)
    ids, mask = rng.integers(1, 50, (4, 8)), np.ones((4, 8), np.int64)
    mask[1, 5:] = 0
    labels = {
        "classification": rng.integers(0, 3, 4),
        "multiple-choice": rng.integers(0, 2, 2),
        "tagging": np.where(mask, rng.integers(0, 3, (4, 8)), -100),
        "qa": np.array([[1, 3], [2, 2], [0, 0], [4, 9]]),  # the last one ends beyond the text
    }[task]
    batch = {"input_ids": ids * mask, "attention_mask": mask}
    if task == "multiple-choice":
        batch = {name: array.reshape(2, 2, 8) for name, array in batch.items()}
    return {**batch, "labels": labels}


@pytest.mark.torch
@pytest.mark.parametrize("task", CLASSES)
def test_every_head(task: str) -> None:
    """Loss and all gradients, with a step that is cut for some elements and not for others."""
    smart = Smart(step=0.05, noise=0.02, bound=0.02)
    peer, batch = peer_of(task), batch_of(task)
    noise = np.random.default_rng(2).normal(0, 0.02, (*batch["input_ids"].shape, 16)).astype(np.float32)
    theirs = peer_loss(peer, task, batch, noise, smart)
    theirs.backward()
    model = ours({k: v.detach().numpy().copy() for k, v in peer.state_dict().items()}, task)
    mine = smart(model, to_paddle(batch), paddle.to_tensor(noise))
    mine.backward()
    np.testing.assert_allclose(mine.numpy(), theirs.detach().numpy(), rtol=1e-6, atol=1e-6)
    unlike = smart(model, to_paddle(batch), paddle.to_tensor(noise * 0))
    assert abs(float(unlike) - float(mine)) > 1e-7  # the second loss is there
    want = translated({k: p.grad.numpy() for k, p in peer.named_parameters() if p.grad is not None}, task)
    for name, parameter in model.named_parameters():
        got = np.zeros(1) if parameter.grad is None else parameter.grad.numpy()
        np.testing.assert_allclose(got, want.get(name, 0), rtol=0, atol=2e-5, err_msg=name)


def tiny(task: str, **changes: object) -> Model:
    paddle.seed(5)
    model = build(Config.from_dict({**SIZES, "num_labels": 3, **changes}), task)
    model.train()
    return model


def test_the_plain_loss_where_the_second_has_no_meaning() -> None:
    ids = paddle.to_tensor(batch_of("classification")["input_ids"])
    for classes, labels in ((1, paddle.rand([4])), (3, paddle.ones([4, 3]))):
        model = tiny("classification", num_labels=classes)
        batch = {"input_ids": ids, "labels": labels}
        assert float(Smart()(model, batch)) == float(model(**batch).loss)
    model = tiny("classification")
    batch = {"input_ids": ids, "labels": paddle.to_tensor([0, 1, 2, 0])}
    model.eval()
    assert float(Smart(noise=1.0)(model, batch)) == float(model(**batch).loss)
    with pytest.raises(UsageError, match="mlm"):
        Smart()(tiny("mlm"), {"input_ids": ids, "labels": ids})


def test_noise_is_drawn_and_no_slope_is_no_fault() -> None:
    model = tiny("classification")
    batch = {"input_ids": paddle.ones([2, 4], "int64"), "labels": paddle.to_tensor([0, 1])}
    losses = {float(Smart(noise=0.5)(model, batch)) for _ in range(2)}
    assert len(losses) == 2 and np.isfinite([*losses]).all()
    still = Smart(noise=0.0)(model, batch)  # the answers are equal: their distance has no slope
    assert abs(float(still) - float(model(**batch).loss)) < 1e-6


def test_a_slope_is_that_of_a_backward_pass() -> None:
    """paddle.grad alone is wrong behind a LayerNorm."""
    model, x = paddle.nn.LayerNorm(6), paddle.rand([2, 3, 6])
    x.stop_gradient = False
    value = (model(x) * paddle.arange(6, dtype="float32")).sum()
    slope = slope_of(value, x, paddle.nn.Sequential(model)).numpy()
    assert model.weight.grad is None
    value.backward()
    np.testing.assert_array_equal(slope, x.grad.numpy())


@pytest.mark.parametrize("faster", [False, True])
@pytest.mark.parametrize("loss", [Smart(noise=0.3, step=0.1, bound=0.2), FGM(), RDrop()])
@pytest.mark.parametrize("frozen", [False, True])
def test_the_speed_up_changes_no_second_loss(loss: Any, faster: bool, frozen: bool) -> None:
    """Loss and every gradient are those of plain paddle."""
    model = learner(dropout=0.0)
    for p in model.parameters():  # norms and biases that do something
        p.set_value(p + 0.1 * paddle.randn(p.shape))
    if frozen:
        freeze_body(model)
    train_mode(model)
    batch = {k: paddle.to_tensor(v) for k, v in SomeRows(9).batch(np.arange(9)).items()}
    found = []
    for speed in (nullcontext(), cpu_speedups.speed_up(model) if faster else nullcontext()):
        paddle.seed(5)
        with speed:
            value = loss(model, batch)
            value.backward()
        found.append({n: p.grad.numpy() for n, p in model.named_parameters() if p.grad is not None})
        found[-1]["loss"] = value.numpy()
        for p in model.parameters():
            p.clear_gradient(set_to_zero=False)
    plain, other = found
    assert plain.keys() == other.keys()
    largest = max(np.abs(grad).max() for grad in plain.values())
    for name, grad in plain.items():
        assert np.abs(other[name] - grad).max() <= 2e-5 * max(1.0, largest), name


def test_fgm_goes_up_the_slope_of_a_backward_pass() -> None:
    model = learner(dropout=0.0)
    for p in model.parameters():
        p.set_value(p + 0.1 * paddle.randn(p.shape))
    model.train()
    batch = {k: paddle.to_tensor(v) for k, v in SomeRows(5).batch(np.arange(5)).items()}
    others = {name: value for name, value in batch.items() if name != "input_ids"}
    words = model.encoder.embeddings.word(batch["input_ids"]).detach()
    words.stop_gradient = False
    plain = model(inputs_embeds=words, **others).loss
    plain.backward()
    slope = words.grad
    moved = words + slope / slope.square().sum(axis=[-2, -1], keepdim=True).sqrt()
    wanted = float(plain + model(inputs_embeds=moved, **others).loss)
    assert abs(float(FGM()(model, batch)) - wanted) < 1e-5


def test_divergence_is_symmetric_and_counts_the_mask() -> None:
    one, other = (paddle.to_tensor(np.random.default_rng(n).normal(size=(2, 3, 4))) for n in (1, 2))
    there, back = (float(symmetric_divergence(*pair)) for pair in ((one, other), (other, one)))
    assert abs(there - back) < 1e-12 and there > 0 and float(symmetric_divergence(one, one)) == 0
    mask = paddle.to_tensor([[1, 1, 0], [1, 0, 0]])
    cut = paddle.concat([one[0, :2], one[1, :1]]), paddle.concat([other[0, :2], other[1, :1]])
    assert abs(float(symmetric_divergence(one, other, mask)) - float(symmetric_divergence(*cut))) < 1e-12
