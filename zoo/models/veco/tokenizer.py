"""The tokenizer of VECO's encoder-decoder: XLM-R's pieces, the ids of fairseq's dict.txt, languages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from zoo.errors import CheckpointError, InputError
from zoo.files import read_bytes
from zoo.models.veco.config import Config
from zoo.tokenization import Layout, Tokenizer
from zoo.tokenization.classes import FILE_BY_KIND, ROBERTA_TOKENS
from zoo.tokenization.dictionary import read_dictionary
from zoo.tokenization.load import DICTIONARY_FILE
from zoo.tokenization.options import converted
from zoo.tokenization.sentence import FIRST_TOKENS, MASK_TOKEN, SentencePiece
from zoo.tokenization.settings import MAX_VOCABULARY_BYTES
from zoo.tokenization.writing import WritingTokenizer

LANGUAGE = re.compile(r"\[([a-z]{2,3}(?:_[A-Z]{2})?)\]")
IGNORED = -100  # of labels


class TranslationTokenizer(WritingTokenizer):
    """Rows of pieces, `</s>` and the language's token (fairseq, translation_from_pretrained_bart).

    A translation starts with the target's language token and ends with it:

        batch = tokenizer(texts, language="en")
        target = tokenizer.language_id("de")
        found = model.generate(**batch, bos_token_id=target, eos_token_id=target)

    A text that is longer than a row is cut, with a warning; an empty text is an error.

    Attributes:
        options: of a call.
        languages: what the dictionary has tokens for; none in a dictionary that was made for one language.
    """

    options: ClassVar[tuple[str, ...]] = (*WritingTokenizer.options, "language")

    def __init__(self, engine: SentencePiece, max_length: int | None, files: Sequence[Path]) -> None:
        super().__init__(engine, Layout(start=(), end=("sep",)), ROBERTA_TOKENS, max_length, files)
        found = (LANGUAGE.fullmatch(token) for token in engine.tokens)
        self.languages = tuple(sorted(match[1] for match in found if match))
        self._rows = {}
        for name in self.languages:
            layout = Layout(start=(), end=("sep", f"[{name}]"))
            self._rows[name] = WritingTokenizer(engine, layout, ROBERTA_TOKENS, max_length)
            self.specials[f"language {name}"] = f"[{name}]"  # decoding leaves it out

    def language_id(self, language: str) -> int:
        """The token of a language ("en"), with which its texts end and generation starts and ends.

        Raises:
            InputError: the dictionary has none.
        """
        if language not in self.languages:
            known = ", ".join(self.languages)
            raise InputError(
                f"The dictionary has no token for the language {language!r}.",
                f"It has tokens for {known}." if known else "It has no language tokens: leave language out.",
            )
        return self.engine.vocab[f"[{language}]"]

    def of(self, language: str) -> WritingTokenizer:
        """The tokenizer of one language's texts.

        Raises:
            InputError: the dictionary has no token for it.
        """
        self.language_id(language)
        return self._rows[language]

    def __call__(self, text: Any, text_pair: Any = None, *, language: str | None = None, **options: Any) -> Any:
        """Encodes a source text or a list of them; options as in `Tokenizer`.

        Args:
            text: a str, or a list of them.
            text_pair: not taken.
            language: of the texts; one of `languages`.

        Returns:
            input_ids and attention_mask, int64 [B, T].

        Raises:
            InputError: no language, one without a token, a pair, or as in `Tokenizer`.
        """
        return super().__call__(text, text_pair, language=language, **options)

    def _arrays(self, text: Any, text_pair: Any = None, *, language: str | None = None, **options: Any) -> Any:
        if text_pair is not None:
            raise InputError("VECO's encoder-decoder takes single texts, not pairs.")
        if language is None and self.languages:
            raise InputError(
                "The language of the text is missing.", f"language= one of {', '.join(self.languages)}."
            )
        if language is None:
            return super()._arrays(text, **options)
        return self.of(language)._arrays(text, **options)

    def targets(
        self,
        text: Any,
        language: str | None = None,
        max_length: int | None = None,
        return_tensors: str = "pd",
    ) -> dict[str, Any]:
        """Encodes translations for training.

        Returns:
            decoder_input_ids, which start with the language's token, and labels, which end with it and are -100 at
            padding: int64 [B, T]; Paddle tensors, or NumPy arrays with return_tensors="np".

        Raises:
            InputError: as `__call__`.
        """
        batch = self(text, language=language, max_length=max_length, return_tensors="np")
        ids, mask = batch["input_ids"], batch["attention_mask"]
        last = mask.sum(1, keepdims=True) - 1
        before = np.concatenate([np.take_along_axis(ids, last, 1), ids[:, :-1]], 1)
        made = {
            "decoder_input_ids": np.where(mask == 1, before, self.pad_token_id or 0),
            "labels": np.where(mask == 1, ids, IGNORED),
        }
        return converted(made, return_tensors)


def load(folder: Path, config: Config) -> Tokenizer:
    """The tokenizer of a folder; rows are no longer than the network's positions allow.

    Raises:
        CheckpointError: a file is missing or damaged, or dict.txt is not of this network.
    """
    model, listing = folder / FILE_BY_KIND["sentencepiece"], folder / DICTIONARY_FILE
    for file in (model, listing):
        if not file.is_file():
            raise CheckpointError(
                f"'{folder}' has no {file.name}.", "Copy it there: the archive of the model has it."
            )
    words = read_dictionary(listing)
    # The pre-trained table has a row for <mask> behind the dictionary; translation models may have lost it.
    if config.vocab_size not in (len(FIRST_TOKENS) + len(words), len(FIRST_TOKENS) + len(words) + 1):
        raise CheckpointError(
            f"'{listing}' has {len(words)} lines; a network of {config.vocab_size} words needs "
            f"{config.vocab_size - len(FIRST_TOKENS) - 1} or one more.",
            "Is it the dictionary of this model?",
        )
    if len(FIRST_TOKENS) + len(words) < config.vocab_size:
        words.append(MASK_TOKEN)
    engine = SentencePiece(read_bytes(model, limit=MAX_VOCABULARY_BYTES), (), model, words)
    return TranslationTokenizer(engine, config.max_position_embeddings, [model, listing])
