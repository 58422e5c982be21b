"""VECO: the golden arrays of the original code, transformers' BART on random weights, and what callers rely on."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from tests.places import GOLDEN
from zoo.checkpoint import forward
from zoo.errors import ConfigError, InputError, UsageError
from zoo.models.common.decoding import KeyValue, causal_mask
from zoo.models.common.layers import additive_mask
from zoo.models.veco.config import Config
from zoo.models.veco.keymap import KEYMAP
from zoo.models.veco.losses import SMOOTHING, mean, smoothed_sum
from zoo.models.veco.model import VECO, build
from zoo.models.xlmr.config import Config as EncoderConfig
from zoo.models.xlmr.keymap import KEYMAP as ENCODER_KEYMAP
from zoo.models.xlmr.model import build as build_encoder

TINY = {
    "vocab_size": 40,
    "d_model": 24,
    "encoder_layers": 2,
    "decoder_layers": 3,
    "encoder_attention_heads": 3,
    "decoder_attention_heads": 3,
    "encoder_ffn_dim": 40,
    "decoder_ffn_dim": 40,
    "max_position_embeddings": 20,
}
Arrays = dict[str, np.ndarray]


def golden(name: str) -> tuple[Arrays, Arrays, Arrays]:
    """Parameters, inputs and outputs of a golden file."""
    found: dict[str, Arrays] = {"param": {}, "in": {}, "out": {}}
    with np.load(GOLDEN / f"{name}.npz") as arrays:
        for key in arrays.files:
            group, _, rest = key.partition("/")
            found[group][rest] = arrays[key]
    return found["param"], found["in"], found["out"]


def fill(model: paddle.nn.Layer, keymap, state: Arrays, prefix: str = "") -> None:  # type: ignore[no-untyped-def]
    """Gives a network upstream's tensors; each of its own must be filled."""
    ours: Arrays = {}
    for step in keymap.plan(state).steps:
        ours |= forward(step, state.__getitem__)
    ours = {n.removeprefix(prefix): paddle.to_tensor(a) for n, a in ours.items() if not n.startswith("unused.")}
    missing, unexpected = model.set_state_dict(ours)
    assert not missing and not unexpected
    model.eval()


def tensors(**arrays: np.ndarray) -> dict[str, paddle.Tensor]:
    return {name: paddle.to_tensor(array) for name, array in arrays.items()}


def apart(one: paddle.Tensor, two: np.ndarray) -> float:
    return float(np.abs(one.numpy() - two).max())


def test_golden_encoder() -> None:
    state, given, wanted = golden("veco_nlu_tiny")
    sizes = {
        "vocab_size": 60,
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 32,
        "max_position_embeddings": 22,
        "type_vocab_size": 1,
        "layer_norm_eps": 1e-5,
        "num_labels": 3,
    }
    model = build_encoder(EncoderConfig.from_dict(sizes), "classification")
    fill(model, ENCODER_KEYMAP.prefer("classification"), state)
    out = model(**tensors(input_ids=given["ids"], attention_mask=given["mask"]), output_hidden_states=True)
    print(np.abs(out.logits.numpy() - wanted["logits"]).max(-1))
    assert apart(out.logits, wanted["logits"]) <= 1e-5
    assert len(out.hidden_states) == len(wanted["hidden"])
    for mine, theirs in zip(out.hidden_states, wanted["hidden"], strict=True):
        assert apart(mine, theirs) <= 1e-5  # padding included


def test_golden_encoder_decoder() -> None:
    state, given, wanted = golden("veco_nlg_tiny")
    sizes = TINY | {"vocab_size": 9, "d_model": 16, "decoder_layers": 2}
    sizes |= {
        "encoder_attention_heads": 4,
        "decoder_attention_heads": 4,
        "encoder_ffn_dim": 32,
        "decoder_ffn_dim": 32,
    }
    model = build(Config.from_dict(sizes))
    fill(model, KEYMAP, state, "seq2seq.")
    mask = (given["src"] != 1).astype("int64")
    out = model(**tensors(input_ids=given["src"], attention_mask=mask, decoder_input_ids=given["prev"]))
    real = given["prev"] != 1
    assert np.abs(out.logits.numpy() - wanted["logits"])[real].max() <= 1e-5
    encoded = wanted["encoder_TBC"].transpose(1, 0, 2)
    assert apart(out.encoder_last_hidden_state, encoded) <= 1e-5
    # fairseq gives padding of a target the padding's position and lets nobody see it: padding is then equal too.
    seen = causal_mask(4, paddle.float32) + additive_mask(paddle.to_tensor(real), paddle.float32)
    steps = np.where(real, np.arange(4), -1)
    memory, ids = model.memory(out.encoder_last_hidden_state), paddle.to_tensor(given["prev"])
    sources = additive_mask(paddle.to_tensor(mask), paddle.float32)
    hidden, _ = model.decode(ids, paddle.to_tensor(steps), seen, memory, sources)
    assert apart(model.logits(hidden), wanted["logits"]) <= 1e-5


def random(task: str | None = None, seed: int = 0, **changes: object) -> VECO:
    """A small network in which no weight is zero or one."""
    paddle.seed(seed)
    model = build(Config.from_dict({**TINY, **changes}), task)
    for parameter in model.parameters():
        parameter.set_value(parameter + 0.2 * paddle.randn(parameter.shape))
    return model.eval()


def batch(rows: int = 3, source: int = 9, target: int = 6, side: str = "right") -> Arrays:
    """Texts of different lengths, and targets shifted right by one with their labels."""
    rng = np.random.default_rng(source)
    ids, mask = np.full((rows, source), 1), np.zeros((rows, source), int)
    words, labels = np.full((rows, target), 1), np.full((rows, target), 1)
    for n in range(rows):
        at = slice(0, source - n) if side == "right" else slice(n, source)
        ids[n, at], mask[n, at] = rng.integers(4, 40, source - n), 1
        text = rng.integers(4, 40, target - n + 1)
        words[n, : target - n], labels[n, : target - n] = text[:-1], text[1:]
    return {"input_ids": ids, "attention_mask": mask, "decoder_input_ids": words, "labels": labels}


@pytest.mark.torch
@pytest.mark.parametrize("side", ["right", "left"])
def test_bart_of_transformers(side: str) -> None:
    """Outputs, the mean loss and every gradient; the classes name their tensors as fairseq does."""
    torch, peer = bart()
    given = batch(side="right")
    model = build(Config.from_dict(TINY))
    state = {k.removeprefix("model."): v.numpy() for k, v in peer.state_dict().items()}
    extra = ("shared.weight", "lm_head.weight", "final_logits_bias")
    fill(model, KEYMAP, {k: v for k, v in state.items() if k not in extra}, "seq2seq.")
    theirs = peer(
        **{k: torch.from_numpy(v) for k, v in given.items() if k != "labels"},
        labels=torch.from_numpy(np.where(given["labels"] == 1, -100, given["labels"])),
    )
    if side == "left":  # BART's own positions would move with the padding, fairseq's do not
        for name in ("input_ids", "attention_mask"):
            given[name] = np.stack([np.roll(row, n) for n, row in enumerate(given[name])])
    mine = model(**tensors(**given), loss="mean")
    real = given["labels"] != 1
    scale = float(theirs.logits.detach().abs().max())
    assert np.abs(mine.logits.numpy() - theirs.logits.detach().numpy())[real].max() <= 1e-5 * scale
    assert float(mine.loss) == pytest.approx(float(theirs.loss.detach()), rel=1e-6)
    theirs.loss.backward()
    mine.loss.backward()
    wanted: Arrays = {}
    keys = {k.removeprefix("model."): p.grad.numpy() for k, p in peer.named_parameters()}
    keys["encoder.embed_tokens.weight"] = keys.pop("shared.weight")
    for step in KEYMAP.plan(keys).steps:
        wanted |= forward(step, keys.__getitem__)
    got = {f"seq2seq.{name}": p.grad.numpy() for name, p in model.named_parameters()}
    assert set(got) == set(wanted)
    for name, gradient in got.items():
        limit = 2e-5 * np.abs(wanted[name]).max() + 1e-6  # the true gradient of a key's bias is zero
        assert np.abs(gradient - wanted[name]).max() <= limit, name


def bart():  # type: ignore[no-untyped-def]
    """torch, and a small random BART in the form that computes VECO."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(3)
    config = transformers.BartConfig(**TINY, scale_embedding=True, activation_function="gelu", pad_token_id=1)
    config._attn_implementation = "eager"
    peer = transformers.BartForConditionalGeneration(config).eval()
    with torch.no_grad():
        for parameter in peer.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return torch, peer


@pytest.mark.torch
def test_losses() -> None:
    """fairseq's sum in its own words, and the mean, both without padding."""
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    logits, labels = rng.normal(size=(2, 5, 11)).astype("float32") * 3, rng.integers(2, 11, (2, 5))
    labels[1, 3:], labels[0, 0] = 1, -100
    real = (labels != 1) & (labels != -100)
    logs = torch.log_softmax(torch.from_numpy(logits), -1)[torch.from_numpy(real)]
    exact = -logs.gather(1, torch.from_numpy(labels[real])[:, None]).sum()
    wanted = (1 - SMOOTHING) * exact + SMOOTHING / 11 * -logs.sum()
    given = tensors(logits=logits, labels=labels)
    assert float(smoothed_sum(**given)) == pytest.approx(float(wanted), rel=1e-6)
    assert float(mean(**given)) == pytest.approx(float(exact) / real.sum(), rel=1e-6)
    smooth = torch.nn.CrossEntropyLoss(label_smoothing=SMOOTHING, reduction="sum", ignore_index=1)
    labels[0, 0] = 1
    theirs = smooth(torch.from_numpy(logits).flatten(0, 1), torch.from_numpy(labels).flatten())
    assert float(smoothed_sum(**given)) == pytest.approx(float(theirs), rel=1e-6)
    model = random()
    inputs = tensors(**batch())
    assert float(model(**inputs).loss) == float(model(**inputs, loss="smoothed_sum").loss)
    with pytest.raises(InputError, match=r"smoothed_sum, mean"):
        model(**inputs, loss="sum")


def test_step_by_step_is_all_at_once() -> None:
    """Greedy decoding with a cache, and hypotheses side by side in one call, give what teacher forcing gives."""
    model = random()
    given = tensors(**batch())
    del given["labels"]
    wanted = model(**given)
    memory = model.memory(wanted.encoder_last_hidden_state)
    mask = additive_mask(given["attention_mask"], paddle.float32)
    past: list[KeyValue] | None = None
    for step in range(6):
        ids = given["decoder_input_ids"][:, step : step + 1]
        hidden, new = model.decode(ids, paddle.full([1, 1], step, "int64"), None, memory, mask, past)
        assert apart(hidden, wanted.last_hidden_state[:, step : step + 1].numpy()) <= 2e-6
        past = [
            new_layer if past is None else KeyValue(*(paddle.concat(pair, 2) for pair in zip(old, new_layer)))  # noqa: B905
            for old, new_layer in zip(past or new, new, strict=True)
        ]
    # Two hypotheses of each text: the same first token, then one each; neither sees the other's.
    first = given["decoder_input_ids"][:, :1]
    _, start = model.decode(first, paddle.zeros([1, 1], "int64"), None, memory, mask)
    both = given["decoder_input_ids"][:, 1:3]
    apart_mask = paddle.to_tensor([[[[0.0, 0.0, -1e30], [0.0, -1e30, 0.0]]]])
    hidden, _ = model.decode(both, paddle.ones([1, 2], "int64"), apart_mask, memory, mask, start)
    for n in range(2):
        ids = paddle.concat([first, both[:, n : n + 1]], 1)
        alone = model(given["input_ids"], given["attention_mask"], decoder_input_ids=ids)
        assert apart(hidden[:, n], alone.last_hidden_state[:, 1].numpy()) <= 2e-6


def test_padding_changes_nothing() -> None:
    model = random()
    left, right = batch(side="left"), batch(side="right")
    labels = right.pop("labels")
    del left["labels"]
    real = labels != 1
    one, two = model(**tensors(**left)).logits.numpy(), model(**tensors(**right)).logits.numpy()
    assert np.abs(one - two)[real].max() <= 2e-6
    ids = paddle.to_tensor(right["input_ids"][2:, :7])
    target = paddle.to_tensor(right["decoder_input_ids"][2:, :4])
    assert np.abs(model(ids, decoder_input_ids=target).logits.numpy() - two[2:, :4]).max() <= 2e-6


def test_bad_input() -> None:
    model = random()
    ids = paddle.to_tensor([[5, 6, 7]])
    with pytest.raises(InputError, match="decoder_input_ids"):
        model(ids)
    with pytest.raises(InputError, match="40"):
        model(paddle.to_tensor([[40]]), decoder_input_ids=ids)
    with pytest.raises(InputError, match="decoder_input_ids holds -1"):
        model(ids, decoder_input_ids=paddle.to_tensor([[-1]]))
    with pytest.raises(InputError, match="position_ids"):
        model(paddle.full([1, 21], 5, "int64"), decoder_input_ids=ids)
    with pytest.raises(InputError, match="position_ids"):
        model(ids, decoder_input_ids=paddle.full([1, 21], 5, "int64"))
    with pytest.raises(InputError, match="2 columns for 3 tokens"):
        model(ids, paddle.ones([1, 2]), decoder_input_ids=ids)


@pytest.mark.parametrize("kept", [(), (1, 1), (3,), (-1, 0)])
def test_layers_that_cannot_be_kept(kept: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="layers from 0 to 2"):
        build(Config.from_dict(TINY), keep_decoder_layers=kept)


def test_a_task_it_does_not_have() -> None:
    with pytest.raises(UsageError, match="veco-large for understanding"):
        build(Config.from_dict(TINY), "classification")


@pytest.mark.parametrize(
    "changes",
    [
        {"activation_function": "relu"},
        {"scale_embedding": False},
        {"pad_token_id": 0},
        {"decoder_ffn_dim": 41},
        {"encoder_attention_heads": 5, "decoder_attention_heads": 5},
        {"d_model": "24"},
        {"decoder_layers": 0},
    ],
)
def test_another_network(changes: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(changes))):
        Config.from_dict(TINY | changes)


@pytest.mark.torch
def test_a_middle_layer_for_retrieval() -> None:
    """Tatoeba's vectors: the mean of a layer's output over all real tokens, the special ones included; length 1."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(2)
    sizes = {
        "vocab_size": 40,
        "hidden_size": 24,
        "num_hidden_layers": 4,
        "num_attention_heads": 3,
        "intermediate_size": 40,
        "max_position_embeddings": 20,
        "type_vocab_size": 1,
        "layer_norm_eps": 1e-5,
    }
    peer = transformers.XLMRobertaModel(transformers.XLMRobertaConfig(**sizes), add_pooling_layer=False).eval()
    state = {k: v.numpy() for k, v in peer.state_dict().items()}
    given = batch()
    ids, mask = given["input_ids"], given["attention_mask"]
    theirs = peer(torch.from_numpy(ids), torch.from_numpy(mask), output_hidden_states=True).hidden_states
    for layer in (0, 3, 4):
        model = build_encoder(EncoderConfig.from_dict(sizes), "embedding", layer=layer)
        fill(model, ENCODER_KEYMAP, state)
        seen = torch.from_numpy(mask)[..., None]
        wanted = torch.nn.functional.normalize((theirs[layer] * seen).sum(1) / seen.sum(1), dim=-1)
        out = model(**tensors(input_ids=ids, attention_mask=mask))
        assert apart(out.embeddings, wanted.detach().numpy()) <= 1e-6
        assert model.head.options["layer"] == layer
    model = build_encoder(EncoderConfig.from_dict(sizes), "embedding", layer=5)
    with pytest.raises(UsageError, match="0 to 4"):
        model(**tensors(input_ids=ids))
