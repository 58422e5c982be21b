"""SOFA's PALM against arrays that its published code computed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import paddle
import pytest

from tests.places import GOLDEN
from zoo.checkpoint import backward, forward
from zoo.models.palm.config import Config
from zoo.models.palm.keymap import KEYMAP
from zoo.models.palm.model import Palm, PalmForMaskedLM, build

Arrays = dict[str, np.ndarray]
TINY = {"vocab_size": 60, "num_hidden_layers": 2, "dec_hidden_layers": 3}
BEAM = {"vocab_size": 30, "num_hidden_layers": 1, "dec_hidden_layers": 2}
SIZES = {"hidden_size": 16, "num_attention_heads": 4, "intermediate_size": 32, "max_position_embeddings": 20}

NAMES = {"input_ids": "input_tokens", "attention_mask": "attention_mask", "token_type_ids": "token_type_ids"}


class Golden:
    """A golden file: published tensors, inputs, outputs, and ours with these weights."""

    def __init__(self, file: Path, sizes: dict[str, int]) -> None:
        self.arrays = dict(np.load(file))
        self.config = Config.from_dict({**SIZES, **sizes})
        self.upstream = {k.removeprefix("param/"): v for k, v in self.arrays.items() if k.startswith("param/")}
        self.state: Arrays = {}
        for step in KEYMAP.plan(self.upstream).steps:
            self.state |= forward(step, self.upstream.__getitem__)

    def model(self, task: str | None = None) -> Palm | PalmForMaskedLM:
        model = build(self.config, task)
        names = {n.removeprefix(model.prefix): n for n in self.state}
        wanted = {n: paddle.to_tensor(self.state[names[n]]) for n in model.state_dict()}
        missing, unexpected = model.set_state_dict(wanted)
        assert not missing and not unexpected
        return model.eval()

    def inputs(self) -> dict[str, paddle.Tensor]:
        return {ours: paddle.to_tensor(self.arrays[f"in/{theirs}"]) for ours, theirs in NAMES.items()}


@pytest.fixture(scope="module")
def tiny() -> Golden:
    return Golden(GOLDEN / "palm_sofa_tiny.npz", TINY)


@pytest.fixture(scope="module")
def found(tiny: Golden) -> Arrays:
    """What ours computes, under the names of the golden file."""
    golden, model, inputs = tiny.arrays, tiny.model(), tiny.inputs()
    target, labels = paddle.to_tensor(golden["in/target_tokens"]), paddle.to_tensor(golden["in/labels"])
    with paddle.no_grad():
        out = model(**inputs, decoder_input_ids=target, labels=labels)
        mlm = tiny.model("mlm")(**inputs, output_hidden_states=True)
        once = model.encoder.norm(mlm.hidden_states[-1])
    return {
        "logits": out.logits.numpy(),
        "infer_logits": out.logits.numpy(),
        "loss": out.loss.numpy(),
        "encoder_out_norm_twice": out.encoder_last_hidden_state.numpy(),
        "encoder_out_norm_once": once.numpy(),
        "encoder_mlm_logits": mlm.logits.numpy(),
    }


@pytest.mark.parametrize(
    ("name", "tolerance"),
    [
        ("logits", 1e-5),
        ("infer_logits", 1e-5),
        ("loss", 1e-6),
        ("encoder_out_norm_once", 1e-5),
        ("encoder_out_norm_twice", 1e-5),
        ("encoder_mlm_logits", 1e-5),
    ],
)
def test_golden(name: str, tolerance: float, tiny: Golden, found: Arrays) -> None:
    np.testing.assert_allclose(found[name], tiny.arrays[f"out/{name}"], rtol=0, atol=tolerance)


def test_keys_there_and_back(tiny: Golden) -> None:
    back: Arrays = {}
    for step in KEYMAP.reverse(tiny.state).steps:
        back |= backward(step, tiny.state.__getitem__)
    assert set(back) == set(tiny.upstream) - {"cls.predictions.decoder_weight"}
    assert all(back[key].tobytes() == tiny.upstream[key].tobytes() for key in back)


@pytest.mark.torch
@pytest.mark.parametrize("target", [True, False])
def test_the_torch_original_is_golden(target: bool, tiny: Golden) -> None:
    """What conversions are proven against gives the published code's numbers itself."""
    import torch

    from conversion.palm_torch import PalmConfig, PalmModel

    peer = PalmModel(PalmConfig(**SIZES, **TINY)).eval()
    state = {k: torch.from_numpy(v) for k, v in tiny.upstream.items()}
    assert peer.load_state_dict(state, strict=True) and set(peer.state_dict()) == set(state)
    golden = {k: torch.from_numpy(v) for k, v in tiny.arrays.items() if k.startswith("in/")}
    inputs = {ours: golden[f"in/{theirs}"] for ours, theirs in NAMES.items()}
    if target:
        inputs |= {"decoder_input_ids": golden["in/target_tokens"], "labels": golden["in/labels"]}
    with torch.no_grad():
        found = peer(**inputs)
    names = {"logits": "logits", "loss": "loss", "encoder_last_hidden_state": "encoder_out_norm_twice"}
    for name, file in (names if target else {"logits": "encoder_mlm_logits"}).items():
        limit = 1e-6 if name == "loss" else 1e-5
        np.testing.assert_allclose(found[name].numpy(), tiny.arrays[f"out/{file}"], rtol=0, atol=limit)


@pytest.mark.torch
def test_403_keys() -> None:
    """As many as the published file has, for 12 + 12 layers; and the published 217M parameters."""
    import torch

    from conversion.palm_torch import PalmConfig, PalmModel
    from zoo import registry

    with torch.device("meta"):
        peer = PalmModel(PalmConfig())
    assert len(peer.state_dict()) == 403
    assert sum(p.numel() for p in peer.parameters()) == registry.info("palm-zh-base").parameters


HYPOTHESES = {"palm_sofa_tiny": (TINY, "in/input_tokens"), "palm_sofa_beam": (BEAM, "in/src")}


@pytest.mark.parametrize("file", HYPOTHESES)
def test_scores_of_the_golden_hypotheses(file: str) -> None:
    """What the published search found has the published score: the search of it is tested with the search."""
    sizes, source = HYPOTHESES[file]
    golden = Golden(GOLDEN / f"{file}.npz", sizes)
    model, arrays = golden.model(), golden.arrays
    mask = arrays["in/mask" if "in/mask" in arrays else "in/attention_mask"]
    types = arrays["in/types" if "in/types" in arrays else "in/token_type_ids"]
    scores = {n: n.removesuffix("score")[:-1] for n in arrays if n.startswith("out/") and n.endswith("score")}
    assert len(scores) >= 6
    for score, name in scores.items():
        found, row = arrays[name], int(name.replace("/", "_").rpartition("_")[2])
        inputs = [paddle.to_tensor(a[row : row + 1]) for a in (arrays[source], mask, types)]
        steps = paddle.to_tensor(np.concatenate([[2], found[:-1]])[None])
        with paddle.no_grad():
            logits = model(*inputs, decoder_input_ids=steps).logits[0]
        words = (logits - paddle.logsumexp(logits, axis=-1, keepdim=True)).numpy()
        total = words[np.arange(len(found)), found].sum() / ((5 + len(found)) / 6) ** 0.6
        np.testing.assert_allclose(total, arrays[score], rtol=0, atol=1e-4)
