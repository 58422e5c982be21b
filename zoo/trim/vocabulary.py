"""Writes a tokenizer's files for the pieces that are kept, in their order, with their scores."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from zoo.errors import CheckpointError, NotYetError
from zoo.files import Fields, JsonObject, quote, read_bytes, read_object, read_text
from zoo.tokenization import proto
from zoo.tokenization.added import read_id
from zoo.tokenization.classes import FILE_BY_KIND, MERGES_FILE
from zoo.tokenization.load import DICTIONARY_FILE, read_vocab
from zoo.tokenization.settings import ADDED_FILE, CONFIG_FILE, MAX_VOCABULARY_BYTES

NORMAL_PIECE = 1  # of sentencepiece_model.proto's types, the one that can be taken away
SELF_TEST_FIELD = 4  # of the model
MODEL_TYPE_FIELD, VOCAB_SIZE_FIELD, UNIGRAM = 3, 4, 1  # of its trainer_spec; the type that is unigram
TEXT_FIELD, SCORE_FIELD, KIND_FIELD = 1, 2, 3  # of a piece


class Renaming:
    """The ids that are kept, and their new ones: their ranks.

    Args:
        kept: ids of the vocabulary, ascending.
        tokens: id -> token, of the whole vocabulary.
    """

    def __init__(self, kept: np.ndarray, tokens: list[str]) -> None:
        self.kept, self.tokens = kept, [tokens[i] for i in kept]
        self.new = np.full(len(tokens), -1, np.int64)
        self.new[kept] = np.arange(len(kept))

    @cached_property
    def by_token(self) -> Mapping[str, int]:
        """Gives the new id of each kept token."""
        return {token: n for n, token in enumerate(self.tokens)}

    def of(self, number: object, source: str) -> int:
        """Gives the new id of one that must be kept.

        Raises:
            CheckpointError: there is none.
        """
        if type(number) is not int or not 0 <= number < len(self.new) or self.new[number] < 0:
            raise CheckpointError(
                f"{source} has the id {quote(number)}, which is no special or added token of this vocabulary.",
                "Are the tokenizer's files of one model?",
            )
        return int(self.new[number])


class ModelPiece(NamedTuple):
    """A piece of a SentencePiece model; `kind` as sentencepiece_model.proto numbers them."""

    text: str
    score: float
    kind: int


def pieces_of_model(model: bytes) -> list[ModelPiece]:
    """Gives the pieces of a .model file, in their order.

    Raises:
        ValueError: the bytes are no such model.
    """
    return [_piece(content) for number, content in proto.fields(model) if number == proto.PIECES_FIELD]


def is_unigram(model: bytes) -> bool:
    """Tells whether a .model file holds pieces with scores, and not pieces that are merged from each other."""
    trainer = next((content for number, content in proto.fields(model) if number == proto.TRAINER_FIELD), b"")
    kinds = [value for number, kind, value in proto.values(trainer) if (number, kind) == (MODEL_TYPE_FIELD, 0)]
    return (kinds or [UNIGRAM])[-1] == UNIGRAM


def _piece(content: bytes) -> ModelPiece:
    found = {number: value for number, _, value in proto.values(content)}
    score = struct.unpack("<f", found[SCORE_FIELD])[0] if SCORE_FIELD in found else 0.0
    return ModelPiece(found[TEXT_FIELD].decode(), score, found.get(KIND_FIELD, NORMAL_PIECE))


def trimmed_model(model: bytes, kept: Collection[str]) -> bytes:
    """Gives a .model file without the normal pieces that are not kept; scores, order and character map stay.

    Texts for a self-test go: the library would compare the new pieces with the old ones when it opens the file.
    """
    made, count = [], 0
    for number, content in proto.fields(model):
        if number == proto.PIECES_FIELD:
            piece = _piece(content)
            if piece.kind == NORMAL_PIECE and piece.text not in kept:
                continue
            count += 1
        if number != SELF_TEST_FIELD:
            made.append((number, content))
    # Of a number that comes twice the last one counts.
    size = proto.whole(VOCAB_SIZE_FIELD, count)
    return b"".join(proto.field(n, content + size if n == proto.TRAINER_FIELD else content) for n, content in made)


def trimmed_document(document: JsonObject, renaming: Renaming, source: str) -> JsonObject:
    """Gives a tokenizer.json with the kept pieces, and new ids wherever it has some.

    Raises:
        NotYetError: its pieces are merged from others.
        CheckpointError: an id that is no token of the vocabulary.
    """
    about = Fields(document, source)
    model = about.below("model").content
    vocab, new = model.get("vocab"), renaming.by_token
    made: JsonObject = {**document, "model": {**model}}
    if isinstance(vocab, list):
        kept = [pair for pair in vocab if pair[0] in new]
        unknown = model.get("unk_id")
        name = vocab[unknown][0] if isinstance(unknown, int) else None
        made["model"] |= {"vocab": kept} | ({"unk_id": [t for t, _ in kept].index(name)} if name else {})
    elif isinstance(vocab, dict) and "merges" not in model:
        made["model"]["vocab"] = {token: new[token] for token in vocab if token in new}
    else:
        raise NotYetError(f"{source} has pieces that are merged from others; they cannot be trimmed.")
    added = about.items("added_tokens", (), dict)
    made["added_tokens"] = [{**t, "id": renaming.of(t.get("id"), f"added_tokens of {source}")} for t in added]
    if isinstance(padding := document.get("padding"), dict):
        made["padding"] = {**padding, "pad_id": renaming.of(padding.get("pad_id"), f"padding of {source}")}
    made["post_processor"] = _renamed(document.get("post_processor"), renaming, f"post_processor of {source}")
    return made


def _renamed(part: Any, renaming: Renaming, source: str) -> Any:
    """Gives a post-processor with new ids: TemplateProcessing has lists of `ids`, the older ones pairs."""
    if isinstance(part, list):
        return [_renamed(item, renaming, source) for item in part]
    if not isinstance(part, dict):
        return part
    made = {name: _renamed(value, renaming, source) for name, value in part.items()}
    if isinstance(ids := part.get("ids"), list):
        made["ids"] = [renaming.of(i, source) for i in ids]
    for name in ("sep", "cls"):
        if isinstance(pair := part.get(name), list) and len(pair) == 2:
            made[name] = [pair[0], renaming.of(pair[1], source)]
    return made


def write_tokenizer(folder: Path, out: Path, renaming: Renaming) -> list[str]:
    """Writes the files of a tokenizer that hold pieces or ids; the others are as they were.

    Returns:
        The names of the files that were written.

    Raises:
        NotYetError: byte-level BPE, whose pieces are merged from others.
        CheckpointError: an id in a file that is no token of the vocabulary.
    """
    for name in (FILE_BY_KIND["bytes"], MERGES_FILE):
        if (folder / name).exists():
            raise NotYetError(
                f"{quote(str(folder / name), 200)} has pieces that are merged from others; they cannot be trimmed.",
                "SentencePiece's unigram models and WordPiece can be.",
            )
    written = [name for name in WRITERS if (folder / name).is_file()]
    for name in written:
        (out / name).write_bytes(WRITERS[name](folder / name, renaming))
    return written


def _model_file(file: Path, renaming: Renaming) -> bytes:
    return trimmed_model(read_bytes(file, limit=MAX_VOCABULARY_BYTES), renaming.by_token.keys())


def _vocab_file(file: Path, renaming: Renaming) -> bytes:
    vocab = read_vocab(file)
    return "".join(f"{t}\n" for t in sorted(vocab, key=vocab.__getitem__) if t in renaming.by_token).encode()


def _dictionary_file(file: Path, renaming: Renaming) -> bytes:
    lines = read_text(file, limit=MAX_VOCABULARY_BYTES).splitlines(keepends=True)
    return "".join(line for line in lines if line.rpartition(" ")[0] in renaming.by_token).encode()


def _document_file(file: Path, renaming: Renaming) -> bytes:
    document = read_object(file, limit=MAX_VOCABULARY_BYTES)
    return _json(trimmed_document(document, renaming, quote(str(file), 200)))


def _config_file(file: Path, renaming: Renaming) -> bytes:
    content, source = read_object(file), f"added_tokens_decoder of {quote(str(file), 200)}"
    if isinstance(decoder := content.get("added_tokens_decoder"), dict):
        pairs = ((read_id(number, source), token) for number, token in decoder.items())
        content["added_tokens_decoder"] = {str(renaming.of(number, source)): token for number, token in pairs}
    return _json(content)


def _added_file(file: Path, renaming: Renaming) -> bytes:
    source = quote(str(file), 200)
    return _json({t: renaming.of(read_id(n, source), source) for t, n in read_object(file).items()})


def _json(content: object) -> bytes:
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()


WRITERS: Mapping[str, Callable[[Path, Renaming], bytes]] = {
    FILE_BY_KIND["sentencepiece"]: _model_file,
    FILE_BY_KIND["wordpiece"]: _vocab_file,
    FILE_BY_KIND["json"]: _document_file,
    DICTIONARY_FILE: _dictionary_file,
    CONFIG_FILE: _config_file,
    ADDED_FILE: _added_file,
}
