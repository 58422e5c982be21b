"""Turns texts into arrays of ids: one tokenizer for every family, whatever cuts the text into pieces."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from zoo import files
from zoo.errors import CheckpointError, InputError, UsageError
from zoo.tokenization.batch import SpecialIds, fill
from zoo.tokenization.layout import Layout, windows
from zoo.tokenization.options import CALL_OPTIONS, TENSOR_TYPES, Batch, check_options, converted
from zoo.tokenization.pieces import Engine, Pieces, join
from zoo.tokenization.settings import TOKEN_ROLES
from zoo.tokenization.texts import check, listed

Text = str | Sequence[str]


class Tokenizer:
    """A tokenizer that turns text into ids the way the model was trained.

    Args:
        engine: cuts text into tokens.
        layout: where special tokens go.
        specials: role ("pad", "cls", ...) -> token.
        max_length: longest row the model can take; None for no limit.
        files: what `save` copies.

    Raises:
        CheckpointError: the vocabulary lacks a token of the layout.

    Attributes:
        options: of a call.
        pad_token_id, unk_token_id, cls_token_id, sep_token_id, mask_token_id, bos_token_id, eos_token_id:
            None for a role that the vocabulary does not have.
    """

    options: ClassVar[tuple[str, ...]] = CALL_OPTIONS
    pad_token_id: int | None
    unk_token_id: int | None
    cls_token_id: int | None
    sep_token_id: int | None
    mask_token_id: int | None
    bos_token_id: int | None
    eos_token_id: int | None

    def __init__(
        self,
        engine: Engine,
        layout: Layout,
        specials: Mapping[str, str],
        max_length: int | None = None,
        files: Sequence[Path] = (),
    ) -> None:
        self.engine, self.layout, self.max_length, self.files = engine, layout, max_length, tuple(files)
        self.specials = {role: token for role, token in specials.items() if token in engine.vocab}
        for role in TOKEN_ROLES:
            token = self.specials.get(role)
            setattr(self, f"{role}_token_id", None if token is None else engine.vocab[token])
        self._around = SpecialIds(*(self._ids_of(t, specials) for t in (layout.start, layout.middle, layout.end)))

    def _ids_of(self, names: Sequence[str], specials: Mapping[str, str]) -> np.ndarray:
        tokens = [specials.get(name, name) for name in names]
        for token in tokens:
            if token not in self.engine.vocab:
                raise CheckpointError(
                    f"The vocabulary has no '{token}', which goes around each text.",
                    "Is it this model's vocabulary? tokenizer_config.json may name its special tokens.",
                )
        return np.array([self.engine.vocab[token] for token in tokens], np.int64)

    @property
    def around(self) -> tuple[np.ndarray, np.ndarray]:
        """Gives the ids of the special tokens before and after a single text."""
        return self._around.start, self._around.end

    @property
    def vocab_size(self) -> int:
        """Gives the number of ids, special tokens included."""
        return len(self.engine.tokens)

    @property
    def all_special_ids(self) -> set[int]:
        """Gives the ids of the special tokens."""
        return {self.engine.vocab[token] for token in self._special}

    @property
    def _special(self) -> set[str]:
        """Gives the tokens with a role, and the added ones that decoding leaves out."""
        return {*self.specials.values(), *self.engine.special}

    def fit(self, token_types: int) -> None:
        """Makes batches fit a network: with the token types that it has rows for, and with none where it has one.

        A network with several takes type 0 for everything from a tokenizer that knows none.

        Args:
            token_types: rows of the network's table; 0 or 1 for a network without types.

        Raises:
            CheckpointError: the tokenizer gives a type that the network has no row for.
        """
        types = self.layout.types
        if token_types < 2:
            types = None
        elif types is None:
            types = (0, 0, 0)
        elif max(types) >= token_types:
            raise CheckpointError(
                f"The tokenizer gives token type {max(types)}; the network has {token_types} of them.",
                "Are the tokenizer's files and config.json of one model?",
            )
        self.layout = replace(self.layout, types=types)

    def convert_tokens_to_ids(self, tokens: str | Sequence[str]) -> int | list[int | None] | None:
        """Gives the id of a token, or ids of several; the unknown id for one not in the vocabulary."""
        if isinstance(tokens, str):
            return self.engine.vocab.get(tokens, self.unk_token_id)
        return [self.engine.vocab.get(token, self.unk_token_id) for token in tokens]

    def convert_ids_to_tokens(self, ids: Sequence[int]) -> list[str]:
        """Gives the tokens of ids.

        Raises:
            InputError: an id is outside of the vocabulary.
        """
        flat = [int(i) for i in np.asarray(ids, np.int64).reshape(-1)]
        for i in flat:
            if not 0 <= i < len(self.engine.tokens):
                raise InputError(f"Id {i} is outside of the vocabulary of {len(self.engine.tokens)} tokens.")
        return [self.engine.tokens[i] for i in flat]

    def tokenize(self, text: str) -> list[str]:
        """Gives the tokens of one text, without the special tokens around it."""
        return self.convert_ids_to_tokens(self._pieces([text], False, False)[0].ids.tolist())

    def decode(self, ids: Sequence[int], skip_special_tokens: bool = True) -> str:
        """Gives the text of ids [T]; what normalisation took away (case, accents, runs of spaces) stays away.

        Raises:
            InputError: an id is outside of the vocabulary.
        """
        tokens = self.convert_ids_to_tokens(ids)
        special = self._special - {self.specials.get("unk", "")}
        parts = []
        for is_special, run in groupby(tokens, special.__contains__):
            if is_special and not skip_special_tokens:
                parts += list(run)
            elif not is_special:
                parts.append(self.engine.decode(list(run)))
        return " ".join(parts)

    def __call__(
        self,
        text: Text | Sequence[Text],
        text_pair: Text | Sequence[Text] | None = None,
        *,
        return_tensors: str = "pd",
        **options: Any,
    ) -> Batch:
        """Encodes a text, a list of texts, or as many pairs, into a batch that a network takes: `model(**batch)`.

        Args:
            text: a str, or a list of them; with `is_split_into_words` a list of words, or a list of such lists.
            text_pair: the second texts, in the same form.
            return_tensors: "pd" for Paddle tensors, "np" for NumPy arrays, which need no Paddle.
            **options: max_length (None): longest row, special tokens included; the model's own limit when None.

                truncation (True): True for "longest_first", "only_first", "only_second", or False.

                stride (None): when given, a long text gives several rows that share this many tokens; below 0 they
                begin this many tokens apart.

                padding (True): True to the longest row, "max_length", or False for lists of NumPy arrays of unequal
                length, which are no batch yet.

                padding_side ("right"): or "left" for generation.

                pad_to_multiple_of (None): pads further, to a multiple of this.

                is_split_into_words (False): the texts are lists of words.

                return_offsets (False): adds `offsets` and `sequence_ids`, which no network takes.

        Returns:
            int64: input_ids, attention_mask and, for networks that have them, token_type_ids, all [B, T];
            with return_offsets offsets [B, T, 2] (characters of the text as it was given, or of the word; 0 for
            special tokens) and sequence_ids [B, T] (0 first text, 1 second, -1 special); for words word_ids
            [B, T] (-1 special); with a stride overflow_to_sample [B]. B is 1 for a single text.

        Raises:
            InputError: a text is not a str, is not valid Unicode, or leaves no room; names the item.
            UsageError: an option that does not exist.
        """
        if return_tensors not in TENSOR_TYPES:
            raise UsageError(
                f"return_tensors={return_tensors!r} does not exist.", "'pd' for Paddle tensors, 'np' for NumPy."
            )
        if unknown := [name for name in options if name not in self.options]:
            raise UsageError(
                f"A tokenizer has no option {unknown[0]}.", f"It has {', '.join(self.options)}, return_tensors."
            )
        return converted(self._arrays(text, text_pair, **options), return_tensors)

    def _arrays(
        self,
        text: Text | Sequence[Text],
        text_pair: Text | Sequence[Text] | None = None,
        *,
        max_length: int | None = None,
        truncation: bool | str = True,
        stride: int | None = None,
        padding: bool | str = True,
        padding_side: str = "right",
        pad_to_multiple_of: int | None = None,
        is_split_into_words: bool = False,
        return_offsets: bool = False,
    ) -> Batch:
        strategy = "longest_first" if truncation is True else truncation
        check_options(strategy, padding, padding_side, stride, pad_to_multiple_of, text_pair is not None)
        limit = self.max_length if max_length is None else max_length
        if padding == "max_length" and limit is None:
            raise UsageError("padding='max_length' needs a max_length.")
        first = self._pieces(text, return_offsets, is_split_into_words)
        second = None if text_pair is None else self._pieces(text_pair, return_offsets, is_split_into_words)
        if second is not None and len(second) != len(first):
            raise InputError(f"{len(first)} first texts and {len(second)} second texts do not make pairs.")
        around = self.layout.size(second is not None)
        room = None if limit is None or not strategy else limit - around
        rows = [
            row
            for n, a in enumerate(first)
            for row in windows(n, len(a.ids), len(second[n].ids) if second else 0, room, str(strategy), stride)
        ]
        lengths = np.array([around + r.a_stop - r.a_start + r.b_stop - r.b_start for r in rows], np.int64)
        width = max(int(np.max(lengths, initial=0)), limit or 0 if padding == "max_length" else 0)
        width = -(-width // (pad_to_multiple_of or 1)) * (pad_to_multiple_of or 1)
        widths = np.full_like(lengths, width) if padding else lengths
        starts = np.cumsum(widths) - (lengths if padding_side == "left" else widths)
        flat = fill(
            rows, first, second, starts, int(widths.sum()), self._around, self.layout.types, self.pad_token_id or 0
        )
        batch: Batch = (
            {name: values.reshape(len(rows), width, *values.shape[1:]) for name, values in flat.items()}
            if padding
            else {name: np.split(values, starts[1:]) if rows else [] for name, values in flat.items()}
        )
        if stride is not None:
            batch["overflow_to_sample"] = np.array([row.sample for row in rows], np.int64)
        return batch

    def _pieces(self, text: object, offsets: bool, words: bool) -> list[Pieces]:
        texts = listed(text, words)
        check(texts, words)
        if not words:
            return self._encode_once(texts, offsets)
        before = self.engine.before_word
        flat = iter(self._encode_once([before + word for text in texts for word in text], offsets))
        return [join([next(flat) for _ in text], offsets, len(before)) for text in texts]

    def _encode_once(self, texts: Sequence[str], offsets: bool) -> list[Pieces]:
        """Pieces of texts, of which equal ones (words; the context of several questions) are encoded once."""
        distinct = list(dict.fromkeys(texts))
        if len(distinct) == len(texts):
            return self.engine.encode(texts, offsets)
        known = dict(zip(distinct, self.engine.encode(distinct, offsets), strict=True))
        return [known[text] for text in texts]

    def save(self, folder: Path) -> None:
        """Copies the files it was built from into a folder, which is made when it is not there.

        Raises:
            UsageError: the folder has a file of somebody else with one of these names.
        """
        target = Path(folder)
        given = [file for file in self.files if file.parent.resolve() != target.resolve()]
        if not given:
            return
        with files.publish(target, last=given[-1].name, add=True) as work:
            for file in given:
                shutil.copyfile(file, work / file.name)
