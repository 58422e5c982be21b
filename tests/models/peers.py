"""Tiny random models of transformers, and the same weights in ours."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import paddle
import torch
import transformers

from zoo.checkpoint import forward
from zoo.models.common.base import Model

SUFFIX = {
    None: "Model",
    "mlm": "ForMaskedLM",
    "classification": "ForSequenceClassification",
    "tagging": "ForTokenClassification",
    "qa": "ForQuestionAnswering",
    "multiple-choice": "ForMultipleChoice",
}
PREFIX = {"xlmr": "XLMRoberta", "xlmr_xl": "XLMRobertaXL", "structbert": "Bert"}
SIZES = {
    "vocab_size": 50,
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 3,
    "intermediate_size": 40,
    "max_position_embeddings": 34,
    "type_vocab_size": 2,
    "attn_implementation": "eager",
}


def torch_model(family: str, task: str | None, **changes: object) -> torch.nn.Module:
    """A model of transformers in eval mode in which no weight is zero or one: pad rows, biases and norms too."""
    torch.manual_seed(7)
    config = getattr(transformers, f"{PREFIX[family]}Config")(**{**SIZES, **changes})
    model = getattr(transformers, PREFIX[family] + SUFFIX[task])(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return model


def paddle_model(family: str, task: str | None, peer: torch.nn.Module) -> Model:
    """Our model with the peer's weights."""
    module = f"zoo.models.{family}"
    config = import_module(f"{module}.config").Config.from_dict(peer.config.to_dict())
    build = import_module(f"{module}.model").build
    model = build(config, task, pooler=True) if task is None else build(config, task)
    state = ours({k: v.detach().numpy() for k, v in peer.state_dict().items()}, family, task)
    missing, unexpected = model.set_state_dict({k: paddle.to_tensor(v) for k, v in state.items()})
    assert not missing and not unexpected
    return model.eval()


def ours(state: dict[str, np.ndarray], family: str, task: str | None) -> dict[str, np.ndarray]:
    """Upstream arrays by our names, through the family's key table."""
    keymap = import_module(f"zoo.models.{family}.keymap").KEYMAP.prefer(task)
    out: dict[str, np.ndarray] = {}
    for step in keymap.plan(state).steps:
        out |= forward(step, state.__getitem__)
    return out if task else {k.removeprefix("encoder."): v for k, v in out.items()}
