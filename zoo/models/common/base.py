"""Defines the model: a Layer with a config, made of an encoder and perhaps a head."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import paddle
from paddle import Tensor, nn

from zoo import env, files
from zoo.cards import Card
from zoo.checkpoint import write_safetensors
from zoo.checkpoint.rules import TensorInfo, group_of
from zoo.errors import InputError, UsageError
from zoo.mark import Mark
from zoo.models.common.config import ModelConfig
from zoo.models.common.heads import Head, MultipleChoice, make_head
from zoo.models.common.outputs import Output
from zoo.models.common.sentence_transformers.files import TEXT_FILES
from zoo.models.common.tokenizers import tokenizer_of
from zoo.models.common.weights import disk_names
from zoo.tokenization import Tokenizer
from zoo.tokenization.load import TOKENIZER_FILES as TOKENIZER_FILES

DTYPE_NAMES = {paddle.float32: "F32", paddle.float16: "F16", paddle.bfloat16: "BF16"}


@dataclass(frozen=True)
class Origin:
    """The folder, family and class that a model came from.

    Attributes:
        family: folder below zoo/models.
        architecture: upstream's class name of the network with this head.
        module: package with the architecture's `tokenizer`.
        folder: what the model was loaded from.
        notes: what `zoo.load` said of the files, a line each.
        new: tensors that the files lack and that were made new.
    """

    family: str
    architecture: str
    module: str
    folder: Path
    card: Card | None
    notes: tuple[str, ...] = ()
    new: tuple[str, ...] = ()


class Model(nn.Layer):
    """A network, with its config, tokenizer and card.

    Attributes:
        config: sizes and labels.
        task: the head; None for the bare encoder.
        origin: set by `zoo.load`; None for a network that was built from a config alone.
        upstream: upstream's class name of the bare network, where one family has several; else empty.
        prefix: of the names of its tensors in a file.
        leaves_out: groups of a file that this network has no use for, on purpose ("encoder.decoder").
        picks: stack of layers in a file ("seq2seq.decoder.layers") -> the numbers of those that this network's
            layers are, in their order; stacks that are not named are taken whole.
    """

    upstream: str = ""
    prefix: str = "encoder."
    leaves_out: tuple[str, ...] = ()
    picks: Mapping[str, tuple[int, ...]] = {}

    def __init__(self, config: ModelConfig, task: str | None = None) -> None:
        env.use_all_cores()
        super().__init__()
        self.config = config
        self.task = task
        self.origin: Origin | None = None

    @property
    def card(self) -> Card | None:
        """Gives the zoo's card of the checkpoint, if it has one."""
        return self.origin.card if self.origin else None

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """Gives the tokenizer of the model's folder, read on first use. Its batches fit the network.

        Raises:
            UsageError: the network was built from a config alone.
            CheckpointError: the folder has no tokenizer, or a damaged one.
        """
        origin = self._origin()
        return tokenizer_of(origin.module, origin.folder, self.config)

    def save(self, folder: str | os.PathLike[str], also: Callable[[Path], object] = lambda folder: None) -> None:
        """Writes a folder that `zoo.load` opens: weights, config.json and the tokenizer's files.

        Files of an earlier `save` are replaced, whole or not at all; files of others stay where they are.

        Args:
            folder: to write.
            also: writes what is to appear together with the model, into the folder that it is given.

        Raises:
            UsageError: the network was built from a config alone, so nothing says what it is; or the folder has a
                file of somebody else with a name that is needed (config.json of another model, say).
            DiskError: the disk is full.

        Example:
            >>> import zoo
            >>> zoo.load("all-MiniLM-L6-v2").save("minilm")
            >>> zoo.load("./minilm").config.num_hidden_layers
            6
        """
        self._origin()
        tensors = self._kept_together()
        infos = [TensorInfo(name, DTYPE_NAMES[t.dtype], tuple(t.shape)) for name, t in tensors.items()]
        with files.publish(folder) as work:
            arrays = (tensor.numpy() for tensor in tensors.values())
            write_safetensors(work / "model.safetensors", infos, arrays, {"format": "paddle"})
            self.describe(work)
            self._write_apart(work)
            also(work)

    def _kept_together(self) -> dict[str, Tensor]:
        """Gives the tensors of the weight file, by their names in it."""
        return disk_names(self)

    def _write_apart(self, folder: Path) -> None:
        """Writes the tensors that have files of their own."""

    def describe(self, folder: Path) -> None:
        """Writes what `save` writes beside the weights: config.json and the tokenizer's files.

        Raises:
            UsageError: the network was built from a config alone.
        """
        origin = self._origin()
        text = json.dumps(self.description(), indent=2, ensure_ascii=False)
        (folder / "config.json").write_text(text + "\n", "utf-8")
        for name in (*TOKENIZER_FILES, *TEXT_FILES):
            if (origin.folder / name).is_file():
                shutil.copyfile(origin.folder / name, folder / name)

    def description(self) -> files.JsonObject:
        """Gives config.json, with the "zoo" object that says which head the weights have.

        Raises:
            UsageError: the network was built from a config alone.
        """
        origin = self._origin()
        options = self.head.options if isinstance(self, TaskModel) else {}
        mark = Mark(origin.family, origin.architecture, self.task, options)
        return mark.put({**self.config.to_dict(), "architectures": [origin.architecture]})

    def _origin(self) -> Origin:
        if self.origin is None:
            raise UsageError("This network was built from a config alone.", "Load it with zoo.load.")
        return self.origin


class TaskModel(Model):
    """An encoder with a head. Tensors are named `encoder.*` and `<task>.*`."""

    prefix = ""

    def __init__(self, encoder: Model, task: str, head: Head) -> None:
        super().__init__(encoder.config, task)
        self.encoder = encoder
        self.add_sublayer(group_of(task), head)

    @property
    def head(self) -> Head:
        """Gives the layer behind `<task>.*`."""
        return self._sub_layers[group_of(self.task)]

    def _kept_together(self) -> dict[str, Tensor]:
        group = f"{group_of(self.task)}."
        return {n: t for n, t in super()._kept_together().items() if not (self.head.apart and n.startswith(group))}

    def _write_apart(self, folder: Path) -> None:
        self.head.write(folder)

    def describe(self, folder: Path) -> None:
        super().describe(folder)
        self.head.describe(folder)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        output_hidden_states: bool = False,
    ) -> Output:
        """Runs the encoder and the head.

        Args:
            input_ids: [B, T] integers; [B, N, T] for multiple-choice, and so for the next three.
            attention_mask: [B, T], 0 for padding; None when nothing is padded.
            token_type_ids: [B, T] integers; None for all 0.
            position_ids: [B, T] integers; None to count them.
            inputs_embeds: [B, T, D], instead of input_ids.
            labels: what the head's class says; with them the output has a loss.
            output_hidden_states: keep the states of every layer.

        Raises:
            InputError: both or neither of input_ids and inputs_embeds, a wrong rank, an id without a row.
        """
        tensors = [input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds]
        choices = None
        if isinstance(self.head, MultipleChoice):
            given = input_ids if input_ids is not None else inputs_embeds
            if given is None or given.ndim < 3:
                raise InputError("A multiple-choice model takes input_ids [B, N, T]: N choices for each text.")
            choices = given.shape[1]
            tensors = [t if t is None else t.flatten(0, 1) for t in tensors]  # [B x N, T]
        states = output_hidden_states or self.head.needs_states
        encoded = self.encoder(*tensors, output_hidden_states=states)
        output = self.head(encoded, tensors[1], self.encoder.embeddings.word.weight)
        if choices is not None:
            output = replace(output, logits=output.logits.reshape([-1, choices]))
        if labels is None:
            return output
        return replace(output, loss=self.head.loss(output, self.head.counted(labels, tensors[1])))


def assemble(
    encoder: Callable[[bool], Model],
    config: ModelConfig,
    task: str | None,
    pooler: bool,
    heads: Mapping[str, Callable[..., Head]],
    options: Mapping[str, object],
) -> Model:
    """Makes a family's model: the bare encoder, or the encoder with a head from the family's table.

    Args:
        encoder: makes the encoder, with or without a pooler.
        config: sizes and labels.
        task: the head; None for none.
        pooler: for the bare encoder; a head knows for itself whether it needs one.
        heads: task -> head.
        options: arguments of the head.

    Raises:
        UsageError: a task or an option this network does not have.
    """
    if task is None:
        if options:
            raise UsageError(f"An encoder without a head does not take {', '.join(options)}.")
        return encoder(pooler)
    head = make_head(task, config, heads, options)
    kind = TaskModel if task != "embedding" else _sentence_encoder()
    return kind(encoder(head.needs_pooler), task, head)


def _sentence_encoder() -> type[TaskModel]:
    """Gives the class of a model that makes vectors; imported late, as it derives from this module's."""
    from zoo.models.common.sentence_transformers.encoder import SentenceEncoder

    return SentenceEncoder
