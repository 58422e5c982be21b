"""Computes the embedding head: the modules of a sentence model, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import paddle
from paddle import Tensor, nn

from zoo.checkpoint.weight_files import MODULE_WEIGHT_FILES, TOKEN_OUTPUT_FILES
from zoo.errors import UsageError
from zoo.models.common.config import ModelConfig
from zoo.models.common.heads import Head
from zoo.models.common.outputs import Output
from zoo.models.common.sentence_transformers.description import SentenceModel, check_widths
from zoo.models.common.sentence_transformers.files import SENTENCE_EMBEDDING, TOKEN_EMBEDDINGS
from zoo.models.common.sentence_transformers.layers import MODULE_LAYERS, TokenOutputs
from zoo.models.common.sentence_transformers.weight_parts import read_weights, write_weights


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
        colbert: numbers of a token's vector, of a model that has one and a weight for every token as well; None for
            another. The files of these two layers must be there; see `TokenOutputs`.

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
        colbert: int | None = None,
    ) -> None:
        super().__init__()
        self.sentence = SentenceModel.settled(config.hidden_size, pooling, normalize, sentence)
        self.width = check_widths(self.sentence, config.hidden_size)
        self.steps = nn.LayerList([MODULE_LAYERS[m.kind](**m.options) for m in self.sentence.modules])
        self.layer = layer
        self.needs_states = layer is not None
        if layer is not None:
            self.options["layer"] = layer
        hidden = config.hidden_size
        self.tokens = TokenOutputs(hidden, colbert, config.std(hidden, hidden)) if colbert else None
        if colbert:
            self.options["colbert"] = colbert

    @property
    def identity(self) -> object:
        return {"documents": self.sentence.documents, **self.options}

    def forward(self, encoded: Output, attention_mask: Tensor | None, table: Tensor) -> Output:
        x = encoded.last_hidden_state if self.layer is None else self._state(encoded.hidden_states)
        mask = paddle.ones(x.shape[:2], "int64") if attention_mask is None else attention_mask
        known = {TOKEN_EMBEDDINGS: x}
        for step in self.steps:
            known = step(known, mask)
        output = replace(encoded, embeddings=known[SENTENCE_EMBEDDING])  # [B, D]
        if self.tokens is None:
            return output
        weights, vectors = self.tokens(encoded.last_hidden_state, mask)
        return replace(output, token_weights=weights, token_vectors=vectors)  # [B, T], [B, T, C]

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
        """Writes the weights of each module that has some into its folder, and those of the further outputs."""
        for file, layer, _ in self._parts(folder, lambda place: place / MODULE_WEIGHT_FILES[0]):
            tensors = layer.state_dict().items()
            write_weights(file, {key: tensor.astype("float32").numpy() for key, tensor in tensors})

    def read(self, folder: Path) -> dict[str, np.ndarray]:
        """Reads what `write` and upstream's libraries write: our name within the head -> array, float32.

        Raises:
            CheckpointError: a file is missing or damaged, or holds other tensors than the module has.
        """
        found: dict[str, np.ndarray] = {}
        for file, layer, prefix in self._parts(folder, weights_of):
            names = set(layer.state_dict())
            found |= {f"{prefix}.{key}": array for key, array in read_weights(file, names).items()}
        return found

    def _parts(self, folder: Path, file_of: Callable[[Path], Path]) -> Iterator[tuple[Path, nn.Layer, str]]:
        """Gives the layers with weights: the file of each, and what its names in the head begin with.

        Args:
            file_of: folder of a module -> its weight file.
        """
        for n, (module, step) in enumerate(zip(self.sentence.modules, self.steps, strict=True)):
            if step.state_dict():
                yield file_of(folder / module.path), step, f"steps.{n}"
        if self.tokens is not None:
            for name, file in TOKEN_OUTPUT_FILES.items():
                yield folder / file, getattr(self.tokens, name), f"tokens.{name}"


def weights_of(place: Path) -> Path:
    """Gives the weight file in a module's folder."""
    files = [place / name for name in MODULE_WEIGHT_FILES]
    return next((file for file in files if file.is_file()), files[0])
