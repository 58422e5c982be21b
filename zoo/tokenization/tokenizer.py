"""Text in, arrays out: one tokenizer for every family, whatever cuts the text into pieces."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import InputError, UsageError
from zoo.tokenization.layout import Layout, Window, windows
from zoo.tokenization.pieces import Engine, Pieces

Text = str | Sequence[str]
ROLES = ("pad", "unk", "cls", "sep", "mask", "bos", "eos")
STRATEGIES = ("longest_first", "only_first", "only_second")


class Tokenizer:
    """Turns text into ids the way the model was trained.

    Args:
        engine: cuts text into tokens.
        layout: where special tokens go.
        specials: role ("pad", "cls", ...) -> token.
        max_length: longest row the model can take; None for no limit.
        files: what `save` copies.

    Attributes:
        pad_token_id, unk_token_id, cls_token_id, sep_token_id, mask_token_id, bos_token_id, eos_token_id:
            None for a role that the vocabulary does not have.
    """

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
        for role in ROLES:
            token = self.specials.get(role)
            setattr(self, f"{role}_token_id", None if token is None else engine.vocab[token])
        self._start, self._middle, self._end = (self._ids_of(t) for t in (layout.start, layout.middle, layout.end))

    def _ids_of(self, names: Sequence[str]) -> np.ndarray:
        return np.array([self.engine.vocab[self.specials.get(name, name)] for name in names], np.int64)

    @property
    def vocab_size(self) -> int:
        """Number of ids, special tokens included."""
        return len(self.engine.tokens)

    @property
    def all_special_ids(self) -> set[int]:
        """Ids of the special tokens."""
        return {self.engine.vocab[token] for token in self.specials.values()}

    def convert_tokens_to_ids(self, tokens: str | Sequence[str]) -> Any:
        """Id of a token, or ids of several; a token that is not in the vocabulary gives the unknown id."""
        if isinstance(tokens, str):
            return self.engine.vocab.get(tokens, self.unk_token_id)
        return [self.engine.vocab.get(token, self.unk_token_id) for token in tokens]

    def convert_ids_to_tokens(self, ids: Sequence[int]) -> list[str]:
        """Tokens of ids.

        Raises:
            InputError: an id is outside of the vocabulary.
        """
        flat = [int(i) for i in np.asarray(ids, np.int64).reshape(-1)]
        for i in flat:
            if not 0 <= i < len(self.engine.tokens):
                raise InputError(f"Id {i} is outside of the vocabulary of {len(self.engine.tokens)} tokens.")
        return [self.engine.tokens[i] for i in flat]

    def tokenize(self, text: str) -> list[str]:
        """Tokens of one text, without the special tokens around it."""
        return self.convert_ids_to_tokens(self._pieces([text], False, False)[0].ids.tolist())

    def decode(self, ids: Sequence[int], skip_special_tokens: bool = True) -> str:
        """Text of ids [T]; what normalisation took away (case, accents, runs of spaces) does not come back.

        Raises:
            InputError: an id is outside of the vocabulary.
        """
        tokens = self.convert_ids_to_tokens(ids)
        special = set(self.specials.values()) - {self.specials.get("unk", "")}
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
        max_length: int | None = None,
        truncation: bool | str = True,
        stride: int | None = None,
        padding: bool | str = True,
        padding_side: str = "right",
        pad_to_multiple_of: int | None = None,
        is_split_into_words: bool = False,
        return_offsets: bool = False,
    ) -> dict[str, Any]:
        """Encodes a text, a list of texts, or as many pairs.

        Args:
            text: a str, or a list of them; with `is_split_into_words` a list of words, or a list of such lists.
            text_pair: the second texts, in the same form.
            max_length: longest row, special tokens included; the model's own limit when None.
            truncation: True for "longest_first", "only_first", "only_second", or False.
            stride: when given, a long text gives several rows that share this many tokens.
            padding: True to the longest row, "max_length", or False for lists of arrays of unequal length.
            padding_side: "right", or "left" for generation.
            pad_to_multiple_of: pads further, to a multiple of this.
            is_split_into_words: the texts are lists of words.
            return_offsets: adds `offsets`, `sequence_ids` and, for words, `word_ids`.

        Returns:
            int64 arrays: input_ids, attention_mask and, for families that have them, token_type_ids, all [B, T];
            on demand offsets [B, T, 2] (characters of the text, or of the word, as given; 0 for special tokens),
            sequence_ids [B, T] (0 first text, 1 second, -1 special), word_ids [B, T] (-1 special), and with
            `stride` overflow_to_sample [B]. B is 1 for a single text.

        Raises:
            InputError: a text is not a str, is not valid Unicode, or leaves no room; names the item.
            UsageError: an option that does not exist.
        """
        strategy = "longest_first" if truncation is True else truncation
        if strategy not in (*STRATEGIES, False):
            raise UsageError(f"truncation={truncation!r} does not exist.", f"One of True, False, {STRATEGIES}.")
        if padding not in (True, False, "max_length") or padding_side not in ("left", "right"):
            raise UsageError(f"padding={padding!r}, padding_side={padding_side!r} does not exist.")
        limit = self.max_length if max_length is None else max_length
        first = self._pieces(_batch(text, is_split_into_words), return_offsets, is_split_into_words)
        second = None
        if text_pair is not None:
            second = self._pieces(_batch(text_pair, is_split_into_words), return_offsets, is_split_into_words)
            if len(second) != len(first):
                raise InputError(f"{len(first)} first texts and {len(second)} second texts do not make pairs.")
        room = None if limit is None or not strategy else limit - self.layout.size(second is not None)
        rows = [
            row
            for n, a in enumerate(first)
            for row in windows(n, len(a.ids), len(second[n].ids) if second else 0, room, str(strategy), stride)
        ]
        lengths = np.array(
            [self.layout.size(second is not None) + r.a_stop - r.a_start + r.b_stop - r.b_start for r in rows],
            np.int64,
        )
        width = int(lengths.max(initial=0))
        if padding == "max_length":
            if limit is None:
                raise UsageError("padding='max_length' needs a max_length.")
            width = max(width, limit)
        if pad_to_multiple_of:
            width = -(-width // pad_to_multiple_of) * pad_to_multiple_of
        begins = width - lengths if padding_side == "left" else np.zeros_like(lengths)
        batch = self._fill(rows, first, second, begins, lengths, width)
        if not return_offsets:
            batch = {
                name: batch[name] for name in ("input_ids", "attention_mask", "token_type_ids") if name in batch
            }
        if padding is False:
            batch = {
                k: [r[b : b + n] for r, b, n in zip(v, begins, lengths, strict=True)] for k, v in batch.items()
            }
        if stride is not None:
            batch["overflow_to_sample"] = np.array([row.sample for row in rows], np.int64)
        return batch

    def _fill(
        self,
        rows: list[Window],
        first: list[Pieces],
        second: list[Pieces] | None,
        begins: np.ndarray,
        lengths: np.ndarray,
        width: int,
    ) -> dict[str, Any]:
        """Padded arrays from the windows."""
        shape = (len(rows), width)
        column = np.arange(width)
        mask = (column >= begins[:, None]) & (column < (begins + lengths)[:, None])
        out = {
            "input_ids": np.full(shape, self.pad_token_id or 0, np.int64),
            "attention_mask": mask.astype(np.int64),
        }
        types = self.layout.types
        if types:
            out["token_type_ids"] = np.zeros(shape, np.int64)
        offsets = bool(first) and first[0].offsets is not None
        if offsets:
            out["offsets"] = np.zeros((*shape, 2), np.int64)
            out["sequence_ids"] = np.full(shape, -1, np.int64)
            if first[0].words is not None:
                out["word_ids"] = np.full(shape, -1, np.int64)
        ids = out["input_ids"]
        for n, (row, at) in enumerate(zip(rows, begins.tolist(), strict=True)):
            texts = [(first[row.sample], row.a_start, row.a_stop, self._middle if second else self._end)]
            if second:
                texts.append((second[row.sample], row.b_start, row.b_stop, self._end))
            ids[n, at : at + len(self._start)] = self._start
            if types:
                out["token_type_ids"][n, at : at + len(self._start)] = types[0]
            at += len(self._start)
            for which, (pieces, start, stop, after) in enumerate(texts):
                end = at + stop - start
                ids[n, at:end] = pieces.ids[start:stop]
                ids[n, end : end + len(after)] = after
                if types:
                    out["token_type_ids"][n, at : end + len(after)] = types[1 + which]
                if offsets:
                    out["offsets"][n, at:end] = pieces.offsets[start:stop]  # type: ignore[index]
                    out["sequence_ids"][n, at:end] = which
                    if pieces.words is not None:
                        out["word_ids"][n, at:end] = pieces.words[start:stop]
                at = end + len(after)
        return out

    def save(self, folder: Path) -> None:
        """Copies the files it was built from into a folder."""
        for file in self.files:
            if file.parent.resolve() != Path(folder).resolve():
                shutil.copyfile(file, Path(folder) / file.name)

    def _pieces(self, texts: list[Any], offsets: bool, words: bool) -> list[Pieces]:
        _check(texts, words)
        if not words:
            return self.engine.encode(texts, offsets)
        before = self.engine.before_word
        flat = iter(self.engine.encode([before + word for text in texts for word in text], offsets))
        return [_join([next(flat) for _ in text], offsets, len(before)) for text in texts]


def _join(words: list[Pieces], offsets: bool, shift: int) -> Pieces:
    """Tokens of a text that was given as words; `shift` characters were put before each."""
    spans = None
    if offsets:
        spans = np.concatenate([np.zeros((0, 2), np.int64), *(w.offsets for w in words if w.offsets is not None)])
        spans = np.maximum(spans - shift, 0)
    return Pieces(
        np.concatenate([np.zeros(0, np.int64), *(w.ids for w in words)]),
        spans,
        np.repeat(np.arange(len(words)), [len(w.ids) for w in words]),
    )


def _batch(text: Any, words: bool) -> list[Any]:
    """A list of texts, also from a single one."""
    if isinstance(text, str):
        return [text.split()] if words else [text]
    if not isinstance(text, Sequence) or isinstance(text, (bytes, bytearray)):
        raise InputError(f"A {type(text).__name__} is not a text.", "Give a str or a list of str.")
    return [text] if words and (not text or isinstance(text[0], str)) else list(text)


def _check(texts: list[Any], words: bool) -> None:
    """Raises InputError for the first item that is not text."""
    for n, text in enumerate(texts):
        if words and (not isinstance(text, Sequence) or isinstance(text, (str, bytes))):
            raise InputError(f"Item {n} is a {type(text).__name__}, not a list of words.")
        for word in text if words else (text,):
            if not isinstance(word, str):
                raise InputError(f"Item {n} is {_name(word)}, not a text.", "Give a str for each item.")
            if not word.isascii():
                try:
                    word.encode()
                except UnicodeEncodeError as error:
                    raise InputError(
                        f"Item {n} has {word[error.start]!a} at character {error.start}: half of a surrogate pair, "
                        "which is not a character.",
                        "Replace it first: text.encode('utf-16', 'surrogatepass').decode('utf-16', 'replace').",
                    ) from None


def _name(value: object) -> str:
    return "None" if value is None else f"a {type(value).__name__}"
