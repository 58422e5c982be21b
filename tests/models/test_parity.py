"""Forward, loss and gradients against transformers, on tiny random models."""

from __future__ import annotations

import numpy as np
import paddle
import pytest
import torch

from tests.models.peers import SUFFIX, ours, paddle_model, torch_model

FAMILIES = ("xlmr", "xlmr_xl", "structbert")
PAD = {"xlmr": 1, "xlmr_xl": 1, "structbert": 0}
TASKS = tuple(task for task in SUFFIX if task)
Arrays = dict[str, np.ndarray]
pytestmark = pytest.mark.torch


def batch(family: str, length: int, padding: str, rows: int = 3) -> Arrays:
    """Random ids; row 1 and on have padding on the given side, or there is none."""
    rng = np.random.default_rng(length)
    ids = rng.integers(2, 50, (rows, length))
    mask = np.ones_like(ids)
    if padding in ("left", "right"):
        for n in range(1, rows):
            cut = min(n, length - 1) if n == 1 else length // 2
            where = slice(0, cut) if padding == "left" else slice(length - cut, length)
            ids[n, where], mask[n, where] = PAD[family], 0
    return {"input_ids": ids} if padding == "none" else {"input_ids": ids, "attention_mask": mask}


def run(peer: torch.nn.Module, model: paddle.nn.Layer, inputs: Arrays, **options: object) -> tuple:
    """The outputs of both on the same inputs."""
    theirs = peer(**{k: torch.from_numpy(v) for k, v in inputs.items()}, **options)
    mine = model(**{k: paddle.to_tensor(v) for k, v in inputs.items()}, **options)
    return theirs, mine


def close(theirs: torch.Tensor, mine: paddle.Tensor, tolerance: float = 5e-6) -> None:
    """Equal up to `tolerance` of the largest number (of 1 when all are smaller)."""
    want = theirs.detach().numpy()
    np.testing.assert_allclose(mine.numpy(), want, rtol=0, atol=tolerance * max(1.0, np.abs(want).max()))


def same_states(family: str, inputs: Arrays, **changes: object) -> None:
    """Every hidden state and the pooler's output, of padded slots too."""
    peer = torch_model(family, None, **changes)
    theirs, mine = run(peer, paddle_model(family, None, peer), inputs, output_hidden_states=True)
    assert len(mine.hidden_states) == len(theirs.hidden_states) == 4
    for one, other in zip(theirs.hidden_states, mine.hidden_states, strict=True):
        close(one, other)
    close(theirs.pooler_output, mine.pooler_output)


@pytest.mark.parametrize("padding", ["none", "all-one", "left", "right"])
@pytest.mark.parametrize("length", [1, 7, 32])
@pytest.mark.parametrize("family", FAMILIES)
def test_hidden_states(family: str, length: int, padding: str) -> None:
    same_states(family, batch(family, length, padding))


@pytest.mark.parametrize("family", FAMILIES)
def test_ids_are_padding_and_nothing_is_masked(family: str) -> None:
    """The pad row of the word embeddings is not zero, and it counts (paddle's padding_idx would return zeros)."""
    inputs = batch(family, 9, "right")
    same_states(family, {"input_ids": inputs["input_ids"]})


@pytest.mark.parametrize("family", FAMILIES)
def test_row_without_a_single_token(family: str) -> None:
    inputs = batch(family, 6, "right")
    inputs["attention_mask"][1] = 0
    same_states(family, inputs)


@pytest.mark.parametrize("family", FAMILIES)
def test_types_and_positions_given(family: str) -> None:
    rng = np.random.default_rng(3)
    inputs = batch(family, 8, "right")
    inputs["token_type_ids"] = rng.integers(0, 2, (3, 8))
    inputs["position_ids"] = rng.integers(0, 34, (3, 8))
    same_states(family, inputs)


@pytest.mark.parametrize("family", FAMILIES)
def test_embeddings_given(family: str) -> None:
    inputs = batch(family, 8, "left")
    inputs["inputs_embeds"] = np.random.default_rng(4).normal(size=(3, 8, 24)).astype("float32")
    del inputs["input_ids"]
    same_states(family, inputs)


@pytest.mark.parametrize("changes", [{"hidden_act": "gelu_new"}, {"hidden_act": "relu"}, {"layer_norm_eps": 1e-3}])
@pytest.mark.parametrize("family", FAMILIES)
def test_config_is_followed(family: str, changes: dict) -> None:
    same_states(family, batch(family, 8, "right"), **changes)


def labelled(family: str, task: str, kind: str = "usual") -> tuple[Arrays, Arrays, dict[str, object]]:
    """Inputs of a head, the labels under transformers' names, and changes of the config."""
    rng = np.random.default_rng(5)
    inputs = batch(family, 9, "right", rows=6)
    classes = rng.integers(0, 4, 6)
    if task == "classification":
        changes: dict[str, object] = {"num_labels": 1 if kind == "regression" else 4}
        labels = {
            "usual": classes,
            "regression": rng.normal(size=6).astype("float32"),
            "several": rng.integers(0, 2, (6, 4)).astype("float32"),
        }[kind]
        return inputs, {"labels": labels}, changes
    if task == "qa":
        return (
            inputs,
            {"start_positions": classes + 1, "end_positions": 2 * classes + 5},
            {},
        )  # some are beyond the end
    if task == "multiple-choice":
        return {k: v.reshape(2, 3, 9) for k, v in inputs.items()}, {"labels": classes[:2] % 3}, {}
    labels = rng.integers(0, 4, (6, 9))
    labels[inputs["attention_mask"] == 0] = -100
    labels[0, 2:] = -100
    return inputs, {"labels": labels}, {"num_labels": 4}


def our_labels(labels: Arrays) -> np.ndarray:
    """Start and end of an answer are the two columns of `labels`."""
    return labels["labels"] if "labels" in labels else np.stack([*labels.values()], axis=1)


CASES = [(task, "usual") for task in TASKS] + [("classification", "regression"), ("classification", "several")]


@pytest.mark.parametrize(("task", "kind"), CASES)
@pytest.mark.parametrize("family", FAMILIES)
def test_heads_losses_and_gradients(family: str, task: str, kind: str) -> None:
    inputs, labels, changes = labelled(family, task, kind)
    peer = torch_model(family, task, **changes)
    model = paddle_model(family, task, peer)
    theirs = peer(**{k: torch.from_numpy(v) for k, v in {**inputs, **labels}.items()})
    mine = model(**{k: paddle.to_tensor(v) for k, v in inputs.items()}, labels=paddle.to_tensor(our_labels(labels)))
    for name in ("start_logits", "end_logits") if task == "qa" else ("logits",):
        close(theirs[name], getattr(mine, name))
    close(theirs.loss, mine.loss)
    theirs.loss.backward()
    mine.loss.backward()
    want = ours({k: p.grad.numpy() for k, p in peer.named_parameters()}, family, task)
    got = {k: p.grad for k, p in model.named_parameters()}
    assert set(got) == set(want)
    for name, gradient in got.items():
        # A key's bias has no gradient but rounding (softmax does not see it), hence the absolute floor.
        np.testing.assert_allclose(
            gradient.numpy(), want[name], rtol=0, atol=2e-5 * np.abs(want[name]).max() + 1e-6, err_msg=name
        )


@pytest.mark.parametrize("family", FAMILIES)
def test_pad_rows_learn_only_from_the_decoder(family: str) -> None:
    """Look-ups of padding give no gradient, as with torch's padding_idx; a decoder tied to the table does."""
    inputs, labels, changes = labelled(family, "tagging")
    peer = torch_model(family, "tagging", **changes)
    model = paddle_model(family, "tagging", peer)
    model(
        **{k: paddle.to_tensor(v) for k, v in inputs.items()}, labels=paddle.to_tensor(labels["labels"])
    ).loss.backward()
    table = model.encoder.embeddings.word.weight
    assert float(table.grad[PAD[family]].abs().max()) == 0.0
    assert float(table[PAD[family]].abs().max()) > 0.0
    assert float(table.grad[int(inputs["input_ids"][0, 0])].abs().max()) > 0.0
