"""Text to text: summaries, questions, translations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from zoo.inference.pipelines.base import Features, Pipeline
from zoo.models.common.seq2seq import Seq2Seq


class Text2Text(Pipeline):
    """Text in, the n best texts out: a list of {"text": ..., "score": ...}, the best first.

    A text that is longer than the model's longest row is cut, with a warning.

    Options are those of `Seq2Seq.generate` (num_beams, num_return_sequences, max_length, ...) and, for a model that
    translates, source_language and target_language ("en", "de").
    """

    task = "generation"
    model: Seq2Seq

    def preprocess(self, item: Any, source_language: str | None = None, **options: Any) -> Features:
        """input_ids, and token_type_ids where the model has them, of one text.

        Raises:
            InputError: no text, an empty one, or a language without a token.
        """
        how = {} if source_language is None else {"language": source_language}
        tokenizer: Any = self.model.tokenizer  # a translator's has languages
        batch = tokenizer(item, **how)
        return {name: values[0] for name, values in batch.items() if name != "attention_mask"}

    def predict(
        self,
        batch: Sequence[Features],
        source_language: str | None = None,
        target_language: str | None = None,
        **options: Any,
    ) -> Sequence[list[tuple[np.ndarray, float]]]:
        """For each text its n best: tokens and score."""
        if target_language is not None:
            tokenizer: Any = self.model.tokenizer
            token = tokenizer.language_id(target_language)
            options = {"bos_token_id": token, "eos_token_id": token, **options}
        made = self.model.generate(**padded(batch, self.model.tokenizer.pad_token_id or 0), **options)
        rows = [
            (sequence[:length], float(score))
            for sequence, length, score in zip(made.sequences, made.lengths, made.scores, strict=True)
        ]
        each = len(rows) // len(batch)
        return [rows[n * each : (n + 1) * each] for n in range(len(batch))]

    def postprocess(self, features: Features, result: Any, **options: Any) -> list[dict[str, Any]]:
        """The texts of some rows of tokens."""
        return [{"text": self.model.tokenizer.decode(tokens), "score": score} for tokens, score in result]


def padded(batch: Sequence[Features], pad: int) -> dict[str, np.ndarray]:
    """Rows of unequal length as arrays [B, T], padded at the right, with their attention_mask."""
    width = max(len(row["input_ids"]) for row in batch)
    out = {name: np.full((len(batch), width), pad if name == "input_ids" else 0) for name in batch[0]}
    out["attention_mask"] = np.zeros((len(batch), width), np.int64)
    for n, row in enumerate(batch):
        for name, values in row.items():
            out[name][n, : len(values)] = values
        out["attention_mask"][n, : len(row["input_ids"])] = 1
    return out
