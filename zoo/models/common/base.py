"""What every model of the zoo is: a Layer with a config, made of an encoder and perhaps a head."""

from __future__ import annotations

from dataclasses import replace

from paddle import Tensor, nn

from zoo.errors import InputError
from zoo.models.common.config import EncoderConfig
from zoo.models.common.heads import Head, MultipleChoice
from zoo.models.common.outputs import Output


def group_of(task: str) -> str:
    """The first part of the names of a head's tensors: the task, spelled as a Python name."""
    return task.replace("-", "_")


class Model(nn.Layer):
    """A network and what is known about it.

    Attributes:
        config: sizes and labels.
        task: the head; None for the bare encoder.
    """

    def __init__(self, config: EncoderConfig, task: str | None = None) -> None:
        super().__init__()
        self.config = config
        self.task = task


class TaskModel(Model):
    """An encoder with a head. Tensors are named `encoder.*` and `<task>.*`."""

    def __init__(self, encoder: Model, task: str, head: Head) -> None:
        super().__init__(encoder.config, task)
        self.encoder = encoder
        self.add_sublayer(group_of(task), head)

    @property
    def head(self) -> Head:
        """The layer behind `<task>.*`."""
        return self._sub_layers[group_of(self.task)]

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
        tensors = (input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds)
        choices = 0
        if isinstance(self.head, MultipleChoice):
            given = input_ids if input_ids is not None else inputs_embeds
            if given is None or given.ndim < 3:
                raise InputError(
                    "A multiple-choice model takes input_ids [B, N, T]: N choices for each of B texts."
                )
            choices = given.shape[1]
            tensors = tuple(t if t is None else t.flatten(0, 1) for t in tensors)  # [B x N, T]
        encoded = self.encoder(*tensors, output_hidden_states=output_hidden_states)
        output = self.head(encoded, tensors[1], self.encoder.embeddings.word.weight)
        if choices:
            output = replace(output, logits=output.logits.reshape([-1, choices]))
        return output if labels is None else replace(output, loss=self.head.loss(output, labels))
