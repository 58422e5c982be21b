"""LoRA: what is trained, what a run leaves, and that merging changes no number."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import paddle
import pytest

import zoo
from tests.finetune.small import SomeRows, bytes_of
from tests.tiny_models import batch, learner, tiny
from zoo.errors import UsageError
from zoo.finetune import lora
from zoo.finetune.flags import checked
from zoo.finetune.freezing import FrozenLayerNorm
from zoo.finetune.loop import train
from zoo.finetune.loop_settings import LoopSettings
from zoo.finetune.lora import LoraLinear, LoraSettings, lora_settings
from zoo.finetune.optimisation import OptimiserSettings, depths, make_optimiser
from zoo.models.common.base import Model

Command = Callable[..., tuple[int, str, str]]
SETTINGS = LoraSettings(rank=4, alpha=8.0)
QUICK = ("--max-steps", "4", "--batch-size", "4", "--eval-every", "2", "--lr", "1e-2", "--max-length", "32")


def adapted(family: str = "structbert", task: str = "classification", settings: LoraSettings = SETTINGS) -> Model:
    """A tiny network with updates that are not zero."""
    model = tiny(family, task)
    lora.attach(model, settings)
    for layer in model.sublayers():
        if isinstance(layer, LoraLinear):
            layer.lora_B.set_value(paddle.randn(layer.lora_B.shape) * 0.3)
    return model


def logits(model: Model, task: str = "classification") -> np.ndarray:
    given = {name: paddle.to_tensor(array) for name, array in batch(3, 9, task).items()}
    with paddle.no_grad():
        output = model(**given)
    found = output.logits if output.logits is not None else output.start_logits
    assert found is not None
    return found.numpy()


def plain_gradients(model: Model) -> dict[str, np.ndarray]:
    given = {name: paddle.to_tensor(array) for name, array in batch(3, 9).items()}
    model(**given, labels=paddle.to_tensor([0, 1, 0])).loss.backward()
    return {name: p.grad.numpy() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("family", ["structbert", "xlmr", "funnel-base"])
def test_only_updates_and_head_are_trained_and_begin_as_nothing(family: str) -> None:
    before = logits(tiny(family))
    model = tiny(family)
    lora.attach(model, SETTINGS)
    trained = {name for name, p in model.named_parameters() if not p.stop_gradient}
    pairs = {name for name in trained if name.endswith((".lora_A", ".lora_B"))}
    assert pairs and {name.split(".")[-2] for name in pairs} == {"query", "value"}
    assert all(name.startswith(("classification.", "encoder.pooler.")) for name in trained - pairs)
    assert (logits(model) == before).all()


def test_an_encoder_decoder_gets_updates_in_both_attentions() -> None:
    model = tiny("palm", "generation")
    lora.attach(model, SETTINGS)
    with lora.merged(model) as layers:
        assert {name.split(".")[-3] for name in layers} == {"attention", "cross_attention"}
        assert len(layers) == 2 * (2 + 2 * 2)


def test_a_frozen_norm_passes_the_right_gradient() -> None:
    """On a CPU paddle's own one is that of a weight of ones."""
    paddle.seed(5)
    norm = paddle.nn.LayerNorm(24)
    norm.weight.set_value(paddle.rand([24]) + 0.5)
    x, grad = paddle.randn([2, 7, 24]), paddle.randn([2, 7, 24])
    found = []
    for frozen in (False, True):
        given = x.clone().detach()
        given.stop_gradient = False
        norm.weight.stop_gradient = norm.bias.stop_gradient = frozen
        (FrozenLayerNorm(norm)(given) if frozen else norm(given)).backward(grad)
        found.append(given.grad.numpy())
    np.testing.assert_allclose(found[1], found[0], atol=1e-6)


@pytest.mark.parametrize("family", ["structbert", "funnel-base"])
def test_gradients_are_those_of_the_merged_weight(family: str) -> None:
    """dA = scale dW Bᵀ and dB = scale Aᵀ dW, where dW is what a network that is trained whole has."""
    model = adapted(family)
    model.train()
    for layer in model.sublayers():
        if isinstance(layer, paddle.nn.Dropout):
            layer.p = 0.0
    found = plain_gradients(model)
    whole = tiny(family).train()
    for layer in whole.sublayers():
        if isinstance(layer, paddle.nn.Dropout):
            layer.p = 0.0
    with lora.merged(model) as layers:
        whole.set_state_dict({name: t.clone() for name, t in model.state_dict().items()})
    of_weights = plain_gradients(whole)
    assert len(layers) >= 4
    for name, layer in layers.items():
        path, grad = name.removesuffix(".weight"), of_weights[name]
        a, b = layer.lora_A.numpy(), layer.lora_B.numpy()
        np.testing.assert_allclose(found[f"{path}.lora_A"], layer.scale * grad @ b.T, atol=2e-5)
        np.testing.assert_allclose(found[f"{path}.lora_B"], layer.scale * a.T @ grad, atol=2e-5)


def test_settings_in_words() -> None:
    assert lora_settings("8") == LoraSettings(8) and LoraSettings(8).scale == 2.0
    assert lora_settings("8,alpha=4") == lora_settings("alpha=4,rank=8") == LoraSettings(8, 4)
    assert lora_settings("targets=key,dropout=0.1") == LoraSettings(dropout=0.1, targets="key")
    assert checked({"lora": 8}, "here") == {"lora": "8"}, "a recipe may have a number"


def test_merged_is_the_same_network_and_goes_back() -> None:
    model = adapted()
    before, bytes_before = logits(model), bytes_of(model)
    with lora.merged(model):
        assert not [layer for layer in model.sublayers() if isinstance(layer, LoraLinear)]
        np.testing.assert_allclose(logits(model), before, atol=1e-6)
        assert model.state_dict().keys() == tiny().state_dict().keys()
    assert (logits(model) == before).all() and bytes_of(model) == bytes_before


def test_train_mode_adds_the_update_to_its_dropped_input() -> None:
    layer = LoraLinear(paddle.nn.Linear(6, 5), LoraSettings(rank=2, alpha=6.0, dropout=0.9))
    layer.lora_B.set_value(paddle.ones([2, 5]))
    x = paddle.ones([40, 6])
    learned = layer(x) - layer.base(x)
    assert layer.scale == 3.0 and len(np.unique(learned.numpy().round(4))) > 2, "each row is dropped anew"
    layer.eval()
    np.testing.assert_allclose(
        layer(x).numpy(), (layer.base(x) + 3 * x @ layer.lora_A @ layer.lora_B).numpy(), atol=1e-5
    )


def test_a_target_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="no linear layers called 'q_proj'") as told:
        lora.attach(tiny(), LoraSettings(4, 8.0, targets="q_proj"))
    assert "query, key, value, output, inner, outer" in told.value.hint


@pytest.mark.parametrize("layer_decay", [1.0, 0.5])
def test_resume_ends_in_the_same_bytes(layer_decay: float, tmp_path: Path) -> None:
    def trained(updates: int, folder: Path | None, resume: bool = False) -> Model:
        model = learner()
        paddle.seed(2)
        lora.attach(model, LoraSettings(4, 8.0, dropout=0.1))
        optimiser = make_optimiser(model, OptimiserSettings(lr=1e-2, layer_decay=layer_decay))
        settings = LoopSettings(updates=4, batch_size=8, lr=1e-2, save_every=2, eval_every=100)

        def stop(event: object) -> None:
            if getattr(event, "update", 0) == updates and type(event).__name__ == "CheckpointSaved":
                raise KeyboardInterrupt

        with suppress(KeyboardInterrupt):
            train(model, SomeRows(), optimiser, settings, folder=folder, resume=resume, on_event=stop)
        return model

    whole = trained(0, None)
    trained(2, tmp_path)
    assert bytes_of(trained(0, tmp_path, resume=True)) == bytes_of(whole)
    names = depths(whole)
    pair = "encoder.layers.0.attention.query.lora_A"
    assert names[pair] == names[pair.replace(".0.", ".1.")] + 1, "an update has the rate of its layer"


def test_a_run_leaves_a_plain_model_and_an_adapter(
    finetune: Command, evaluate: Command, english: Path, sst2: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    given = ("--task", "sst2", "--model", english, "--data", sst2, "--out", out, *QUICK)
    code, _, err = finetune(*given, "--lora", "4,targets=query+output")
    assert code == 0, err
    assert "parameters are trained" in err and "rank 4, alpha 8, on 2 linear layers (query, output)" in err
    record = json.loads((out / "run.json").read_text("utf-8"))
    assert record["model"]["trained"] < record["model"]["parameters"] / 4
    whole = zoo.load(out / "best")
    code, said, err = evaluate(out, "--data", sst2, "--json")
    assert code == 0, err
    assert json.loads(said)["value"] == record["results"]["dev"]["value"]
    again = zoo.load(english, task="classification", labels=whole.config.labels, adapter=out / "best/adapter")
    for name, tensor in whole.state_dict().items():
        np.testing.assert_allclose(again.state_dict()[name].numpy(), tensor.numpy(), atol=1e-6, err_msg=name)
    about = json.loads((out / "best/adapter/adapter_config.json").read_text("utf-8"))
    assert about["r"] == 4 and about["lora_alpha"] == 8 and about["task_type"] == "SEQ_CLS"
    assert about["modules_to_save"] == ["classifier", "pooler"]
    assert about["target_modules"] == [
        "bert.encoder.layer.0.attention.output.dense",
        "bert.encoder.layer.0.attention.self.query",
    ], "'dense' alone would mean others too"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--lora", "4", "--technique", "feature-extraction"), "do not go together"),
        (("--lora", "0"), "rank=0 must be a whole number from 1 to 4096"),
        (("--lora", "rank=4.5"), "rank=4.5 must be a whole number"),
        (("--lora", "4,dropout=1"), "dropout=1 must be a number from 0 to 0.999"),
        (("--lora", "r=4"), "there is no option 'r'.\nrank="),
        (("--lora", "4,targets=q_proj"), "no linear layers called 'q_proj'"),
    ],
)
def test_options_that_make_no_sense(
    options: tuple[str, ...], told: str, finetune: Command, english: Path, sst2: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    code, _, err = finetune("--task", "sst2", "--model", english, "--data", sst2, "--out", out, *QUICK, *options)
    assert code == 2 and told in err and not out.exists()


def test_an_encoder_decoder_leaves_no_adapter_and_says_so(
    translator: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = zoo.load(translator, task="generation")
    lora.attach(model, SETTINGS)
    with caplog.at_level("INFO", "zoo"), lora.merged(model) as layers:
        lora.write_adapter(tmp_path / "no_adapter", model, layers)
    assert layers and not (tmp_path / "no_adapter").exists()
    assert "best/adapter is not written" in caplog.text
