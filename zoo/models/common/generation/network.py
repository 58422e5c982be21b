"""Says what generation needs of an encoder-decoder; `zoo.models.common.seq2seq.Seq2Seq` has it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Protocol

from paddle import Tensor

from zoo.models.common.config import ModelConfig
from zoo.models.common.decoding import KeyValue
from zoo.models.common.generation.options import Generated
from zoo.tokenization import Tokenizer


class Network(Protocol):
    """An encoder-decoder. Shapes: B texts, S source tokens, N tokens decoded now, P decoded before."""

    config: ModelConfig
    training: bool
    SEARCHES: ClassVar[Mapping[str, Callable[..., Generated]]]  # beam searches by name; see `search.Search`

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer of the folder the network was loaded from."""
        ...

    @property
    def origin(self) -> object | None:
        """None for a network that was built from a config alone, and so has no tokenizer."""
        ...

    @property
    def max_target_length(self) -> int:
        """The number of tokens that the decoder has positions for, the start among them."""
        ...

    def encode(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, token_type_ids: Tensor | None = None
    ) -> Tensor:
        """Gives what the decoder attends to, [B, S, D]."""
        ...

    def memory(self, encoded: Tensor) -> list[KeyValue]:
        """Gives keys and values of the cross-attention, one pair [B, H, S, K] per decoder layer."""
        ...

    def decode(
        self,
        ids: Tensor,
        positions: Tensor,
        mask: Tensor | None,
        memory: Sequence[KeyValue],
        memory_mask: Tensor | None,
        past: Sequence[KeyValue] | None = None,
    ) -> tuple[Tensor, list[KeyValue]]:
        """Gives the hidden states [B, N, D], and per layer the new keys and values [B, H, N, K]."""
        ...

    def logits(self, hidden: Tensor) -> Tensor:
        """Gives the scores of the next token, [B, N, V]."""
        ...

    def eval(self) -> object:
        """Turns dropout off."""
        ...

    def train(self) -> object:
        """Turns dropout on."""
        ...
