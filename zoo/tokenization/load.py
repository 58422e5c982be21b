"""From the files of a folder to a tokenizer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import NoneType
from typing import Any

from zoo.errors import CheckpointError, UsageError
from zoo.tokenization.fast import from_json, layout_of, readable
from zoo.tokenization.layout import BERT, ROBERTA, Layout
from zoo.tokenization.pieces import Engine
from zoo.tokenization.sentence import SentencePiece
from zoo.tokenization.tokenizer import ROLES, Tokenizer
from zoo.tokenization.unigram import added_of, model_of
from zoo.tokenization.wordpiece import wordpiece

KINDS = {"sentencepiece": "sentencepiece.bpe.model", "wordpiece": "vocab.txt", "json": "tokenizer.json"}
OPTIONS = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
OTHERS = ("vocab.json", "merges.txt")  # not read, kept for other programs
DICTIONARY = "dict.txt"  # fairseq's; read by the families that need it
FILES = (*KINDS.values(), *OPTIONS, *OTHERS, DICTIONARY)
BERT_TOKENS = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
ROBERTA_TOKENS = {  # also XLM-R's
    "pad": "<pad>", "unk": "<unk>", "cls": "<s>", "sep": "</s>", "mask": "<mask>", "bos": "<s>", "eos": "</s>"
}  # fmt: skip
FUNNEL_TOKENS = ROBERTA_TOKENS | {"cls": "<cls>", "sep": "<sep>"}
OTHER_IDS = ("camembert",)  # the same file names as XLM-R, other ids for the same pieces
TYPES = {
    "do_lower_case": (bool,),
    "tokenize_chinese_chars": (bool,),
    "strip_accents": (bool, NoneType),
    "model_max_length": (int, float, NoneType),
}
NO_LIMIT = 10**6  # "no limit" is written as 1e30
Built = tuple[Engine, Layout, dict[str, str]]  # and the token of each role


def load_tokenizer(
    folder: Path,
    kind: str | None = None,
    *,
    layout: Layout | None = None,
    specials: Mapping[str, str] | None = None,
    max_length: int | None = None,
    lower: bool = True,
) -> Tokenizer:
    """Builds the tokenizer of a model's folder, from the files in it and nothing else.

    sentencepiece.bpe.model and vocab.txt are what a model was trained with, so they come before tokenizer.json,
    which other programs rewrite; it is used when it is alone. One that holds XLM-R's model gets the original's ids
    all the same, unless `kind` is "json".

    Args:
        folder: holds sentencepiece.bpe.model, vocab.txt or tokenizer.json.
        kind: "sentencepiece", "wordpiece" or "json"; None takes the first of them that the folder has. A kind
            without its file falls back to tokenizer.json.
        layout: where special tokens go; None for XLM-R's, BERT's, or what tokenizer.json says.
        specials: role -> token, as the family names them; special_tokens_map.json and tokenizer_config.json win.
        max_length: longest row of the model; what tokenizer_config.json says when None.
        lower: whether WordPiece lower-cases when tokenizer_config.json does not say.

    Raises:
        CheckpointError: a file is missing or damaged.
        UsageError: there is no such kind.
    """
    folder = Path(folder)
    if kind is not None and kind not in KINDS:
        raise UsageError(f"There is no tokenizer kind {kind!r}.", f"One of {', '.join(KINDS)}.")
    order = [*KINDS] if kind is None else [kind, "json"]
    if _read_json(folder / "config.json").get("model_type") in OTHER_IDS:
        order = ["json"]
    found = next((k for k in order if (folder / KINDS[k]).is_file()), None)
    if found is None:
        raise CheckpointError(
            f"'{folder}' has no tokenizer: no {' and no '.join(KINDS[k] for k in order)}.",
            "Copy the model's tokenizer files into the folder.",
        )
    with readable(folder / OPTIONS[0]):
        options, roles, added = _read_options(folder)
    if max_length is None and 0 < (limit := options.get("model_max_length") or 0) < NO_LIMIT:
        max_length = int(limit)
    file = folder / KINDS[found]
    named = {**(specials or {}), **roles}
    with readable(file):
        if found == "wordpiece":
            engine, usual, roles = _wordpiece(file, options, {**BERT_TOKENS, **named}, added, lower)
        elif found == "sentencepiece":
            engine, usual, roles = (
                SentencePiece(file.read_bytes(), added, file),
                ROBERTA,
                {**ROBERTA_TOKENS, **named},
            )
        else:
            engine, usual, roles = _json(file, named, added, rebuild=kind != "json")
    files = [folder / name for name in FILES if (folder / name).is_file()]
    return Tokenizer(engine, layout or usual, roles, max_length, files)


def _wordpiece(
    file: Path, options: Mapping[str, Any], roles: dict[str, str], added: Mapping[str, int], lower: bool
) -> Built:
    vocab = read_vocab(file)
    if roles["unk"] not in vocab:
        raise CheckpointError(f"'{file}' has no {roles['unk']}.", "Is it the vocabulary of this model?")
    whole = {**{token: vocab[token] for token in roles.values() if token in vocab}, **added}
    lower, chinese = options.get("do_lower_case", lower), options.get("tokenize_chinese_chars", True)
    return wordpiece(vocab, whole, roles["unk"], lower, options.get("strip_accents"), chinese), BERT, roles


def _json(file: Path, named: Mapping[str, str], added: Mapping[str, int], rebuild: bool) -> Built:
    document = _read_json(file)
    if rebuild and (model := model_of(document)):
        return SentencePiece(model, {**added_of(document), **added}, file), ROBERTA, {**ROBERTA_TOKENS, **named}
    fast = from_json(file)
    return fast, layout_of(fast.inner), {**_usual_roles(fast.vocab), **named}


def _usual_roles(vocab: Mapping[str, int]) -> dict[str, str]:
    return BERT_TOKENS if BERT_TOKENS["cls"] in vocab else FUNNEL_TOKENS if "<cls>" in vocab else ROBERTA_TOKENS


def _read_options(folder: Path) -> tuple[dict[str, Any], dict[str, str], dict[str, int]]:
    """tokenizer_config.json, the token of each role, and the ids of added tokens."""
    options, specials, added = (_read_json(folder / name) for name in OPTIONS)
    for name, types in TYPES.items():
        if name in options and not isinstance(options[name], types):
            raise CheckpointError(
                f"'{folder / OPTIONS[0]}' has {name} = {options[name]!r}, which it cannot be.",
                f"Write {' or '.join('null' if t is NoneType else t.__name__ for t in types)}, without quotes.",
            )
    roles: dict[str, str] = {}
    for role in ROLES:
        value = options.get(f"{role}_token", specials.get(f"{role}_token"))
        token = value.get("content") if isinstance(value, dict) else value
        roles |= {role: token} if isinstance(token, str) else {}
    ids = {**added, **{v["content"]: int(i) for i, v in (options.get("added_tokens_decoder") or {}).items()}}
    if not all(isinstance(token, str) and isinstance(i, int) for token, i in ids.items()):
        raise CheckpointError(f"'{folder / OPTIONS[0]}' or '{OPTIONS[2]}' has an added token that is no text.")
    return options, roles, ids


def _read_json(file: Path) -> dict[str, Any]:
    if not file.is_file():
        return {}
    try:
        value = json.loads(file.read_text("utf-8"))
    except (ValueError, OSError) as error:
        raise CheckpointError(f"'{file}' cannot be read: {error}", "Is the download complete?") from error
    if not isinstance(value, dict):
        raise CheckpointError(f"'{file}' is not a JSON object.", "Is the download complete?")
    return value


def read_vocab(file: Path) -> dict[str, int]:
    """Line number of each token of a vocab.txt. A token may be any sign, so only line feeds end a line."""
    lines = file.read_text("utf-8").split("\n")
    return {line: n for n, line in enumerate(lines[:-1] if not lines[-1] else lines)}
