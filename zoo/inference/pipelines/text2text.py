"""Text to text: summaries, questions, translations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from zoo.inference.pipelines.base import Outputs, Pipeline, features_of
from zoo.models.common.generation.options import Options
from zoo.tasks.classification import TextExample
from zoo.tasks.features import Features

TOKEN_OPTIONS = ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_ids")
GENERATE_OPTIONS = (*Options.__dataclass_fields__, *TOKEN_OPTIONS)


class Text2Text(Pipeline):
    """Text in, the n best texts out: a list of {"text": ..., "score": ...}, the best first.

    A text that is longer than the model's longest row is cut, with a warning.

    Options are those of `Seq2Seq.generate` (num_beams, num_return_sequences, max_length, ...), on top of what
    finetuning saved, and, for a model that translates, source_language and target_language ("en", "de").
    """

    heads = ("generation",)
    defaults = dict.fromkeys(("source_language", "target_language", *GENERATE_OPTIONS))

    def encode(self, examples: Sequence[TextExample], **options: Any) -> Features:
        language = options["source_language"]
        tokenizer: Any = self.tokenizer  # a translator's has languages
        how = {} if language is None else {"language": language}
        limit = self.deployed.settings.get("max_length")  # of the source; the option is the target's
        rows = tokenizer([e.text for e in examples], padding=False, max_length=limit, **how)
        return features_of(rows, self.tokenizer)

    def predict(self, batch: dict[str, np.ndarray], **options: Any) -> Outputs:
        """For each text its n best: tokens and score."""
        chosen = {**self.deployed.settings.get("generate", {})}
        if options["target_language"] is not None:
            tokenizer: Any = self.tokenizer
            token = tokenizer.language_id(options["target_language"])
            chosen |= {"bos_token_id": token, "eos_token_id": token}
        chosen |= {name: options[name] for name in GENERATE_OPTIONS if options[name] is not None}
        made = self.engine.generate(**batch, **chosen)
        rows = [
            (sequence[:length], float(score))
            for sequence, length, score in zip(made.sequences, made.lengths, made.scores, strict=True)
        ]
        each = len(rows) // len(batch["input_ids"])
        return {"texts": [rows[n : n + each] for n in range(0, len(rows), each)]}

    def postprocess(
        self, outputs: Outputs, features: Features, examples: Sequence[TextExample], /, **options: Any
    ) -> Sequence[list[dict[str, Any]]]:
        """The texts of some rows of tokens."""
        return [
            [{"text": self.tokenizer.decode(tokens), "score": score} for tokens, score in row]
            for row in outputs["texts"]
        ]
