"""Defines encoder-decoders: what a family implements, and what it gets for that (training, generation).

A family writes `encode`, `memory` and `decode`; teacher forcing (`forward`) and `generate` are the same for all.
Legend of shapes: B texts, S source tokens, N tokens decoded now, P tokens decoded before; see
zoo/models/common/decoding.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import paddle
from paddle import Tensor

from zoo.errors import InputError
from zoo.models.common.base import Model
from zoo.models.common.config import ModelConfig
from zoo.models.common.decoding import KeyValue, causal_mask
from zoo.models.common.embeddings import sequential_positions
from zoo.models.common.generation import (
    STANDARD_SEARCH,
    EagerEngine,
    Generated,
    Ids,
    Search,
    beam_search,
    generate,
)
from zoo.models.common.layers import additive_mask
from zoo.models.common.outputs import Output


class Seq2Seq(Model):
    """An encoder-decoder. Its tensors are named `seq2seq.*` in a file, with the task `generation` or without.

    Attributes:
        LOSSES: name -> loss of (logits [B, N, V], labels [B, N]); the first is the default, the one that the
            published numbers were made with.
        SEARCHES: name -> beam search, for `generate(search=)`.
    """

    prefix = "seq2seq."
    LOSSES: ClassVar[dict[str, Callable[[Tensor, Tensor], Tensor]]] = {}
    SEARCHES: ClassVar[Mapping[str, Search]] = {STANDARD_SEARCH: beam_search}

    def __init__(self, config: ModelConfig, task: str | None = None) -> None:
        super().__init__(config, task)

    def encode(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, token_type_ids: Tensor | None = None
    ) -> Tensor:
        """Gives what the decoder attends to, [B, S, D]. Arguments [B, S] as in `TaskModel.forward`."""
        raise NotImplementedError

    def memory(self, encoded: Tensor) -> list[KeyValue]:
        """Gives keys and values of the cross-attention, [B, H, S, K] per decoder layer; made once per text."""
        raise NotImplementedError

    def decode(
        self,
        ids: Tensor,
        positions: Tensor,
        mask: Tensor | None,
        memory: Sequence[KeyValue],
        memory_mask: Tensor | None,
        past: Sequence[KeyValue] | None = None,
    ) -> tuple[Tensor, list[KeyValue]]:
        """Runs the decoder over tokens that may be steps of one target or hypotheses of one step.

        Args:
            ids: [B, N] integers.
            positions: [B, N] or [1, N], steps counted from 0 (the family adds its own offset).
            mask: additive, broadcast over [B, H, N, P + N]: which tokens, the past first, each token sees. None
                only where N is 1 and all is seen.
            memory: from `memory`.
            memory_mask: additive, [B, 1, 1, S], or None.
            past: per layer the keys and values [B, H, P, K] of the tokens decoded before; None for none.

        Returns:
            The hidden states [B, N, D] that `logits` takes, and per layer the new keys and values [B, H, N, K].
        """
        raise NotImplementedError

    def logits(self, hidden: Tensor) -> Tensor:
        """Gives the scores of the next token [B, N, V] for hidden [B, N, D]."""
        raise NotImplementedError

    @property
    def max_target_length(self) -> int:
        """Gives the number of tokens that the decoder has positions for, the start among them."""
        return self.config.longest

    def generate(
        self, input_ids: Ids, attention_mask: Ids | None = None, token_type_ids: Ids | None = None, **options: Any
    ) -> Generated:
        """Generates a target for each text.

        Padding on either side, and the texts that stand beside a text, change nothing.

        Args:
            input_ids: [B, S] integers, as a tensor, an array or lists.
            attention_mask: [B, S], 0 for padding; None when nothing is padded.
            token_type_ids: [B, S] integers; None for all 0.
            options: every field of `zoo.models.common.generation.Options` (num_beams, max_length, min_length,
                length_penalty, num_return_sequences, do_sample, temperature, top_k, top_p, seed,
                repetition_penalty, no_repeat_ngram_size, early_stopping, search), and

                - bos_token_id, eos_token_id, pad_token_id: instead of the config's.
                - decoder_start_ids: what the decoder starts with, instead of the one bos token: a list of ids for
                  all texts, or lists of equal length, one for each.
                - stream: called at every step of greedy search or drawing with the new tokens [B x n], int64
                  arrays that hold padding for what has ended.
                - use_cache: False to decode everything anew at every step; the tokens are the same.

        Raises:
            UsageError: options that do not work, no end or start token known.
            InputError: no text, an empty text, an id without a row.

        Example:
            >>> import zoo
            >>> model = zoo.load("palm-zh-base", task="generation")
            >>> batch = model.tokenizer(["答案[SEP]一段文章", "另一段文章"])
            >>> found = model.generate(**batch, num_beams=2, max_length=8)
            >>> len(found.sequences), len(found.scores)
            (2, 2)
            >>> questions = [model.tokenizer.decode(ids) for ids in found.sequences]
        """
        engine = EagerEngine(self, options.pop("use_cache", True))
        return generate(engine, input_ids, attention_mask, token_type_ids, **options)

    def target_mask(self, ids: Tensor, dtype: paddle.dtype) -> Tensor:
        """Gives which tokens of a target [B, N] see each other: additive, broadcast over [B, H, N, N]."""
        return causal_mask(ids.shape[1], dtype)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        labels: Tensor | None = None,
        loss: str | None = None,
    ) -> Output:
        """Runs teacher forcing: gives the scores of every next token of a given target.

        Args:
            input_ids: [B, S] integers.
            attention_mask: [B, S], 0 for padding; None when nothing is padded.
            token_type_ids: [B, S] integers; None for all 0.
            decoder_input_ids: [B, N] integers, the target shifted right by one.
            labels: [B, N] integers, the target; with them the output has a loss.
            loss: a name of LOSSES; None for the first.

        Returns:
            `logits` [B, N, V], `last_hidden_state` [B, N, D] of the decoder, `encoder_last_hidden_state` [B, S, D].

        Raises:
            InputError: no decoder_input_ids, an id without a row.
        """
        if decoder_input_ids is None:
            raise InputError("An encoder-decoder needs decoder_input_ids.", "To generate, call model.generate.")
        encoded = self.encode(input_ids, attention_mask, token_type_ids)
        mask = self.target_mask(decoder_input_ids, encoded.dtype)
        seen = None if attention_mask is None else additive_mask(attention_mask, encoded.dtype)
        steps = sequential_positions(decoder_input_ids)
        hidden, _ = self.decode(decoder_input_ids, steps, mask, self.memory(encoded), seen)
        output = Output(last_hidden_state=hidden, logits=self.logits(hidden), encoder_last_hidden_state=encoded)
        if labels is not None:
            output.loss = self._loss(loss)(output.logits, labels)
        return output

    def _loss(self, name: str | None) -> Callable[[Tensor, Tensor], Tensor]:
        if name is None:
            return next(iter(self.LOSSES.values()))
        if name not in self.LOSSES:
            raise InputError(f"loss='{name}' is unknown.", f"One of {', '.join(self.LOSSES)}.")
        return self.LOSSES[name]
