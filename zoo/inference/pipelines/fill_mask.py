"""The words that fit into a gap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from zoo.batching import BATCH_TOKENS
from zoo.errors import InputError
from zoo.inference.deployed import Deployed
from zoo.inference.pipelines.base import Outputs, Pipeline
from zoo.inference.pipelines.items import whole
from zoo.tasks.classification import TextExample
from zoo.tasks.features import Features, Ragged
from zoo.tasks.readable import softmax

MAX_BATCH_SCORES = 1 << 26  # numbers that the network gives for a batch: 256 MB


class FillMask(Pipeline):
    """What fits at the mask of a text, best first: a list of {"score", "token", "token_str", "sequence"}.

    A text with several masks gives a list of such lists, in the order of the masks; each mask is judged with the
    others in place. `sequence` is the text with the token in place of this mask; a number that the network has and
    the tokenizer has no token for (vocabularies are padded to a round size) is "" there and in `token_str`. Of
    equal scores the smaller number comes first.

    Options: top_k, the number of tokens; max_length, tokens of a row.
    """

    heads = ("mlm",)
    defaults: Mapping[str, Any] = {"max_length": None, "top_k": 5}

    def __init__(self, deployed: Deployed, **options: Any) -> None:
        super().__init__(deployed, **options)
        self.mask = self.tokenizer.specials.get("mask", "[MASK]")
        self.tokens = max(1, min(BATCH_TOKENS, MAX_BATCH_SCORES // self.config.vocab_size))

    def preprocess(self, item: Any, **options: Any) -> TextExample:
        example: TextExample = super().preprocess(item, **options)
        if self.mask not in example.text:
            raise InputError(f"has no {self.mask}.", f"Put {self.mask} where the word is to be found.")
        return example

    def predict(self, batch: dict[str, np.ndarray], **options: Any) -> Outputs:
        logits = self.engine(batch)["logits"]  # [B, T, V]
        count = min(whole("top_k", options["top_k"]), logits.shape[-1])
        found = []
        for ids, scores in zip(batch["input_ids"], logits, strict=True):
            at = scores[np.flatnonzero(ids == self.tokenizer.mask_token_id)]  # [masks, V]
            best = largest(at, count)
            found.append((best, np.take_along_axis(softmax(at), best, 1) if len(at) else at))
        return {"best": found}

    def postprocess(
        self, outputs: Outputs, features: Features, examples: Sequence[TextExample], /, **options: Any
    ) -> Sequence[Any]:
        rows = features.columns["input_ids"]
        assert isinstance(rows, Ragged)
        return [self._answer(rows[n], *best) for n, best in enumerate(outputs["best"])]

    def _answer(self, ids: np.ndarray, tokens: np.ndarray, scores: np.ndarray) -> Any:
        """The answer to a text. tokens, scores: [masks, k]."""
        masks = np.flatnonzero(ids == self.tokenizer.mask_token_id).tolist()
        if not masks:
            return InputError(f"has its {self.mask} behind token {len(ids)}, where it is cut.", "Shorten the text.")
        found = []
        for place, best, chances in zip(masks, tokens.tolist(), scores.tolist(), strict=True):
            filled = [[*ids[:place], token, *ids[place + 1 :]] for token in best]
            found.append(
                [
                    {
                        "score": chance,
                        "token": token,
                        "token_str": self._decode([token]),
                        "sequence": self._text(row),
                    }
                    for token, chance, row in zip(best, chances, filled, strict=True)
                ]
            )
        return found[0] if len(found) == 1 else found

    def _text(self, ids: Sequence[int]) -> str:
        """Text of ids, with the masks that are left."""
        dropped = self.tokenizer.all_special_ids - {self.tokenizer.mask_token_id, self.tokenizer.unk_token_id}
        return self._decode([i for i in ids if i not in dropped])

    def _decode(self, ids: Sequence[int]) -> str:
        known = self.tokenizer.vocab_size
        return self.tokenizer.decode([i for i in ids if i < known], skip_special_tokens=False)


def largest(scores: np.ndarray, count: int) -> np.ndarray:
    """Columns of the largest numbers of each row, largest first: [N, V] to [N, count]. Does not sort all V."""
    found = np.empty((len(scores), count), np.int64)
    for row, best in zip(scores, found, strict=True):
        least = np.partition(row, len(row) - count)[len(row) - count]
        some = np.flatnonzero(row >= least)
        best[:] = some[np.argsort(-row[some], kind="stable")[:count]]
    return found
