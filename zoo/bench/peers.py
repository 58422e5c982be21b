"""Other libraries with the same network: torch by transformers, random weights of the same sizes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any

import numpy as np

from zoo import env, registry
from zoo.errors import UsageError

PEERS = ("torch", "torch-compile")
PEER_PRECISIONS = ("fp32", "bf16")
PACKAGES = ("torch", "transformers")
# Of a head; any other runs as the bare encoder, which differs by less than its speed can be measured.
TORCH_CLASSES = {
    "mlm": "AutoModelForMaskedLM",
    "classification": "AutoModelForSequenceClassification",
    "tagging": "AutoModelForTokenClassification",
    "qa": "AutoModelForQuestionAnswering",
    "multiple-choice": "AutoModelForMultipleChoice",
}
Call = Callable[[Mapping[str, np.ndarray]], object]


def installed() -> bool:
    """Whether the packages are there; imports nothing."""
    return all(find_spec(name) is not None for name in PACKAGES)


def open_peer(name: str, precision: str, config: Mapping[str, Any], task: str | None) -> Call:
    """A network of a config.json, ready to run batches.

    Args:
        name: one of PEERS.
        precision: "fp32", or "bf16" for weights and products in bfloat16.
        config: config.json.
        task: the head.

    Raises:
        UsageError: transformers has no network of that kind.
    """
    import torch
    import transformers

    torch.set_num_threads(env.threads())
    kind = str(config.get("model_type", ""))
    kind = {k: v for family in registry.families() for k, v in family.transformers_types.items()}.get(kind, kind)
    if kind not in transformers.CONFIG_MAPPING:
        raise UsageError(f"transformers has no network of the kind '{kind}'.", "Leave torch out of --engine.")
    left_out = ("model_type", "architectures", "zoo", "torch_dtype", "dtype", "transformers_version")
    known = {key: value for key, value in config.items() if key not in left_out}
    made = getattr(transformers, TORCH_CLASSES.get(task or "", "AutoModel"))
    model = made.from_config(transformers.AutoConfig.for_model(kind, **known)).eval()
    model = model.to(torch.bfloat16 if precision == "bf16" else torch.float32)
    if name == "torch-compile":
        model = torch.compile(model)

    @torch.inference_mode()
    def run(batch: Mapping[str, np.ndarray]) -> object:
        return model(**{key: torch.from_numpy(array) for key, array in batch.items()})

    return run
