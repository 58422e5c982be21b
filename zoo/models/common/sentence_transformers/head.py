"""Computes the embedding head: the modules of a sentence model, one after the other."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import paddle
from paddle import Tensor, nn

from zoo.checkpoint import open_checkpoint, widen, write_safetensors
from zoo.checkpoint.rules import TensorInfo
from zoo.checkpoint.weight_files import MODULE_WEIGHT_FILES
from zoo.errors import CheckpointError, ConfigError, UsageError
from zoo.files import quote
from zoo.models.common.config import ModelConfig
from zoo.models.common.heads import Head
from zoo.models.common.outputs import Output
from zoo.models.common.sentence_transformers.description import SentenceModel
from zoo.models.common.sentence_transformers.files import SENTENCE_EMBEDDING, TOKEN_EMBEDDINGS
from zoo.models.common.sentence_transformers.layers import MODULE_LAYERS

log = logging.getLogger("zoo")


class Embedding(Head):
    """A head that gives one vector per text, by the modules of a sentence model. Has no loss.

    Args:
        config: its hidden size is the width of the states.
        pooling: a name of `files.POOLING_FIELDS`, instead of the model's; "mean" when nothing says another.
        normalize: divide by the Euclidean length at the end or not, instead of what the model does; True when
            nothing says another.
        layer: whose output is pooled: 1 for the first layer, 0 for the embeddings; None for the last. Sentence
            retrieval without training takes a middle one (Tatoeba: the 19th of VECO, the 7th of InfoXLM base).
        sentence: the modules, prompts and similarity of the folder.

    Raises:
        UsageError: no such pooling.
        ConfigError: modules whose widths do not fit together.
    """

    apart = True

    def __init__(
        self,
        config: ModelConfig,
        pooling: str | None = None,
        normalize: bool | None = None,
        layer: int | None = None,
        sentence: SentenceModel | None = None,
    ) -> None:
        super().__init__()
        if sentence is None:
            sentence = SentenceModel.plain(pooling or "mean", normalize is not False, config.hidden_size)
        self.sentence = sentence.changed(pooling, normalize)
        self.width = check_widths(self.sentence, config.hidden_size)
        self.steps = nn.LayerList([MODULE_LAYERS[m.kind](**m.options) for m in self.sentence.modules])
        self.layer = layer
        self.needs_states = layer is not None
        if layer is not None:
            self.options["layer"] = layer

    @property
    def identity(self) -> object:
        return {"documents": self.sentence.documents, **self.options}

    def forward(self, encoded: Output, attention_mask: Tensor | None, table: Tensor) -> Output:
        x = encoded.last_hidden_state if self.layer is None else self._state(encoded.hidden_states)
        mask = paddle.ones(x.shape[:2], "int64") if attention_mask is None else attention_mask
        known = {TOKEN_EMBEDDINGS: x}
        for step in self.steps:
            known = step(known, mask)
        return replace(encoded, embeddings=known[SENTENCE_EMBEDDING])  # [B, D]

    def _state(self, states: tuple[Tensor, ...]) -> Tensor:
        """Gives the output of `self.layer`."""
        assert self.layer is not None
        if not 0 <= self.layer < len(states):
            raise UsageError(f"layer={self.layer} does not exist.", f"This encoder has 0 to {len(states) - 1}.")
        return states[self.layer]

    def loss(self, output: Output, labels: Tensor) -> Tensor:
        raise UsageError("The embedding head has no loss of its own; compute it from output.embeddings.")

    def describe(self, folder: Path) -> None:
        self.sentence.write(folder)

    def write(self, folder: Path) -> None:
        """Writes the weights of each module that has some into its folder, as torch has them."""
        for module, step in zip(self.sentence.modules, self.steps, strict=True):
            tensors = step.state_dict().items()
            arrays = {key: _turned(key, tensor.astype("float32").numpy()) for key, tensor in tensors}
            if arrays:
                place = folder / module.path
                place.mkdir(parents=True, exist_ok=True)
                infos = [TensorInfo(key, "F32", array.shape) for key, array in arrays.items()]
                values = (np.ascontiguousarray(array) for array in arrays.values())
                write_safetensors(place / MODULE_WEIGHT_FILES[0], infos, values, {"format": "pt"})

    def read(self, folder: Path) -> dict[str, np.ndarray]:
        """Reads the weights of the modules from their folders: our name within the head -> array, float32.

        Raises:
            CheckpointError: a file is missing or damaged, or holds other tensors than the module has.
        """
        found: dict[str, np.ndarray] = {}
        for n, (module, step) in enumerate(zip(self.sentence.modules, self.steps, strict=True)):
            names = set(step.state_dict())
            if not names:
                continue
            place = folder / module.path
            weights = [place / name for name in MODULE_WEIGHT_FILES]
            file = next((path for path in weights if path.is_file()), weights[0])
            with open_checkpoint(file) as checkpoint:
                if other := sorted(names ^ set(checkpoint.infos)):
                    what = "lacks" if other[0] in names else "holds, without a place for it,"
                    raise CheckpointError(f"{quote(str(file), 200)} {what} {quote(other[0])}.", "Get it again.")
                for key, info in checkpoint.infos.items():
                    array = np.array(_turned(key, widen(checkpoint.read(key), info.dtype)), np.float32, order="C")
                    if not np.isfinite(array).all():
                        raise CheckpointError(
                            f"{quote(str(file), 200)} holds a number in {quote(key)} that is none."
                        )
                    found[f"steps.{n}.{key}"] = array
        return found


def _turned(key: str, array: np.ndarray) -> np.ndarray:
    """Turns a Linear's weight between torch's [outputs, inputs] and paddle's [inputs, outputs]; others stay."""
    return array.T if key.endswith(".weight") and array.ndim == 2 else array


def check_widths(sentence: SentenceModel, width: int) -> int:
    """Gives the width of the vectors, from that of the states.

    Raises:
        ConfigError: a module takes another width than it gets, or stands before there is a vector.
    """
    widths = {TOKEN_EMBEDDINGS: width}
    for module in sentence.modules:
        options = module.options
        source: str = TOKEN_EMBEDDINGS if module.kind == "Pooling" else options.get("source", SENTENCE_EMBEDDING)
        target: str = SENTENCE_EMBEDDING if module.kind == "Pooling" else options.get("target", source)
        if source not in widths:
            if module.kind == "Normalize":
                continue
            raise ConfigError(
                f"The module {quote(module.path)} stands before the pooling, where there is no vector."
            )
        asked = options.get("inputs", options.get("width")) or widths[source]
        if asked != widths[source]:
            message = f"The module {quote(module.path)} is of {asked} numbers and gets {widths[source]}."
            if module.kind != "Pooling":
                raise ConfigError(message, "Do config.json and modules.json belong together?")
            log.warning("%s That changes nothing.", message)  # its width says nothing but how many come out
        factor = len(options["modes"]) if module.kind == "Pooling" else 1
        widths[target] = options.get("outputs", widths[source]) * factor
    return widths[SENTENCE_EMBEDDING]
