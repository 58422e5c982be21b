"""What a sentence model does around its network, in numpy: prompts hidden from the pooling, vectors cut to size."""

from __future__ import annotations

import numpy as np

from zoo.errors import whole
from zoo.models.common.sentence_transformers.description import SentenceModel
from zoo.models.common.sentence_transformers.files import PROMPT_MARK
from zoo.search.compare import unit
from zoo.tokenization import Tokenizer

QUERY_PROMPTS = ("query",)  # names of prompts, the first that a model has
DOCUMENT_PROMPTS = ("document", "passage", "corpus")


def kept(sentence: SentenceModel, asked: int | None) -> int | None:
    """Gives how many numbers of a vector are kept: as asked, else as the model says; None for all."""
    return sentence.truncate_dim if asked is None else whole("truncate_dim", asked)


def prompt_length(sentence: SentenceModel, tokenizer: Tokenizer, prompt: str) -> int:
    """Gives how many tokens at a row's start a pooling leaves out: those of the prompt, where it does.

    As sentence-transformers counts them: those of the prompt alone, with what stands before a text and without the
    special token behind it.
    """
    if not prompt or not sentence.skips_prompt:
        return 0
    ids = tokenizer(prompt, return_tensors="np")["input_ids"][0]
    return len(ids) - int(ids[-1] in tokenizer.all_special_ids)


def hide_prompt(mask: np.ndarray, count: int) -> np.ndarray:
    """Gives an attention mask [B, T] whose first `count` tokens, behind left padding, are PROMPT_MARK, not 1."""
    if not count:
        return mask
    return np.where((mask != 0) & (np.cumsum(mask != 0, axis=1) <= count), PROMPT_MARK, mask)


def finish(vectors: np.ndarray, keep: int | None, normalize: bool) -> np.ndarray:
    """Gives the first `keep` numbers of vectors [N, D], of length 1 if asked for; float32."""
    vectors = vectors[:, :keep]
    if normalize:
        vectors = unit(vectors)
    return np.ascontiguousarray(vectors, np.float32)
