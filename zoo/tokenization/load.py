"""Builds a tokenizer from the files of a folder."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import tokenizers
from tokenizers import normalizers

from zoo.errors import CheckpointError, NotYetError, UsageError
from zoo.files import JsonObject, quote, read_bytes, read_text
from zoo.tokenization import bytelevel
from zoo.tokenization.added import AddedToken, merge
from zoo.tokenization.bounds import check
from zoo.tokenization.classes import (
    BERT_TOKENS,
    FILE_BY_KIND,
    FUNNEL_TOKENS,
    MERGES_FILE,
    OF_KIND,
    ROBERTA_TOKENS,
    TokenizerRules,
)
from zoo.tokenization.fast import FastEngine, add_tokens, layout_of, readable
from zoo.tokenization.layout import ROBERTA_LAYOUT, Layout
from zoo.tokenization.pieces import Engine
from zoo.tokenization.sentence import SentencePiece
from zoo.tokenization.settings import MAX_VOCABULARY_BYTES, SETTINGS_FILES, TokenizerSettings, read_settings
from zoo.tokenization.tokenizer import Tokenizer
from zoo.tokenization.unigram import model_of
from zoo.tokenization.wordpiece import wordpiece

log = logging.getLogger("zoo")

DICTIONARY_FILE = "dict.txt"  # fairseq's; read by the families that need it
TOKENIZER_FILES = (*FILE_BY_KIND.values(), MERGES_FILE, *SETTINGS_FILES, DICTIONARY_FILE)
BERT_FLAGS = {  # tokenizer_config.json's names -> those of the library's normaliser
    "do_lower_case": "lowercase",
    "strip_accents": "strip_accents",
    "tokenize_chinese_chars": "handle_chinese_chars",
}


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

    The class that tokenizer_config.json or config.json names decides which file is read and where special tokens
    go; without one, the files that are there do. sentencepiece.bpe.model and vocab.txt are what a model was trained
    with, so they come before tokenizer.json, which other programs rewrite; its added tokens count all the same, and
    its vocabulary too where it is another one. A tokenizer.json that holds XLM-R's model gets the original's ids,
    unless `kind` is "json".

    Args:
        folder: holds sentencepiece.bpe.model, vocab.txt, tokenizer.json, or vocab.json and merges.txt.
        kind: "sentencepiece", "wordpiece", "json" or "bytes": what is tried first where no class is named; "json"
            is tried alone.
        layout: where special tokens go, for `kind` where no class is named; None for XLM-R's, BERT's, or what
            tokenizer.json says.
        specials: role -> token, likewise; special_tokens_map.json and tokenizer_config.json win.
        max_length: longest row of the model; what tokenizer_config.json says when None.
        lower: whether WordPiece lower-cases when tokenizer_config.json does not say.

    Raises:
        CheckpointError: a file is missing or damaged.
        NotYetError: a class or an option of tokenizer_config.json that is not implemented.
        UsageError: there is no such kind.
    """
    folder = Path(folder)
    if kind is not None and kind not in FILE_BY_KIND:
        raise UsageError(f"There is no tokenizer kind {kind!r}.", f"One of {', '.join(FILE_BY_KIND)}.")
    settings = read_settings(folder)
    found = _kind(folder, kind, settings)
    rules = _rules(
        found, TokenizerRules(found, layout, specials or {}) if found in (kind, "json") else None, settings
    )
    file = folder / FILE_BY_KIND[found]
    made: Engine | None = None
    with readable(file):
        if found == "wordpiece":
            made = _wordpiece(file, rules, settings, lower)
        elif found == "sentencepiece":
            made = _sentencepiece(file, settings)
        elif found == "bytes":
            made = _bytes(folder, rules, settings)
    if made is None:
        if found != "json":
            log.warning(
                "%s: tokenizer.json has other tokens or rules than %s, and is used", folder, FILE_BY_KIND[found]
            )
            rules = _rules("json", TokenizerRules("json", layout, specials or {}), settings)
        with readable(file := folder / FILE_BY_KIND["json"]):
            made, rules = _json(file, rules, settings, strict=kind == "json")
    around = rules.layout or Layout((), (), ())
    if not settings.types:
        around = replace(around, types=None)
    files = [folder / name for name in TOKENIZER_FILES if (folder / name).is_file()]
    return Tokenizer(made, around, rules.tokens, max_length or settings.max_length, files)


def _kind(folder: Path, asked: str | None, settings: TokenizerSettings) -> str:
    """Gives the kind of the file that is read."""
    own = settings.rules.kind if settings.rules else None
    # Of RoBERTa's files tokenizer.json has the merges too, and the flags of added tokens.
    tried = (("json", kind) if kind == "bytes" else (kind,) for kind in (own, asked, *FILE_BY_KIND) if kind)
    order = [*dict.fromkeys(kind for kinds in tried for kind in kinds)]
    if asked == "json" or settings.only_json:
        order = ["json"]
    found = next((kind for kind in order if (folder / FILE_BY_KIND[kind]).exists()), None)
    if found is None:
        raise CheckpointError(
            f"'{folder}' has no tokenizer: no {' and no '.join(FILE_BY_KIND[k] for k in order)}.",
            "Copy the model's tokenizer files into the folder.",
        )
    return found


def _rules(found: str, usual: TokenizerRules | None, settings: TokenizerSettings) -> TokenizerRules:
    """Gives layout and roles: of the class that the files name, else the usual ones, and the files' own on top."""
    own = settings.rules
    chosen = own if own and found in (own.kind, "json") else usual or OF_KIND[found]
    base = OF_KIND[found]
    return TokenizerRules(found, chosen.layout or base.layout, {**base.tokens, **chosen.tokens, **settings.named})


def _is_another(own: Mapping[str, int], settings: TokenizerSettings) -> bool:
    """Tells whether a tokenizer.json has tokens that the older file has not, beside those that it adds."""
    model = settings.document.get("model")
    vocab = model.get("vocab") if isinstance(model, dict) else None
    if not vocab or not isinstance(vocab, dict | list):
        return False
    if isinstance(vocab, list):
        vocab = {item[0]: i for i, item in enumerate(vocab) if isinstance(item, list) and item}
    apart = {token.content for token in settings.added}
    return any(own.get(token) != i for token, i in vocab.items() if token not in apart)


def _sentencepiece(file: Path, settings: TokenizerSettings) -> SentencePiece | None:
    if settings.flags.get("add_prefix_space") is False:
        if settings.document:
            return None
        raise NotYetError(
            f"'{file}' goes with add_prefix_space=False, which is not implemented.", "A tokenizer.json has it."
        )
    made = SentencePiece(read_bytes(file, limit=MAX_VOCABULARY_BYTES), (), file)
    if _is_another(made.vocab, settings):
        return None
    made.add(settings.added)
    return made


def _wordpiece(file: Path, rules: TokenizerRules, settings: TokenizerSettings, lower: bool) -> FastEngine | None:
    vocab, unk = read_vocab(file), rules.tokens["unk"]
    if _is_another(vocab, settings):
        return None
    if unk not in vocab:
        raise CheckpointError(f"'{file}' has no {quote(unk)}.", "Is it the vocabulary of this model?")
    lower, chinese = settings.flags.get("do_lower_case", lower), settings.flags.get("tokenize_chinese_chars", True)
    added = _with_roles(rules, settings, vocab)
    strip = settings.flags.get("strip_accents")
    return wordpiece(vocab, added, file, unk, lower, strip, chinese, as_bert=not settings.document)


def _bytes(folder: Path, rules: TokenizerRules, settings: TokenizerSettings) -> FastEngine:
    inner = bytelevel.read_pairs(folder / FILE_BY_KIND["bytes"], folder / MERGES_FILE)
    add_tokens(inner, _with_roles(rules, settings, inner.get_vocab()))
    bytelevel.finish(inner, rules.tokens, settings.flags)
    return FastEngine(inner, folder / FILE_BY_KIND["bytes"])


def _with_roles(rules: TokenizerRules, settings: TokenizerSettings, vocab: Iterable[str]) -> list[AddedToken]:
    """Gives the added tokens, and the usual special ones that the vocabulary has."""
    usual = [
        AddedToken(t, special=True, normalized=False) for t in dict.fromkeys(rules.tokens.values()) if t in vocab
    ]
    return merge([usual, settings.added], rules.tokens.values())


def _json(
    file: Path, rules: TokenizerRules, settings: TokenizerSettings, strict: bool
) -> tuple[Engine, TokenizerRules]:
    """Reads a tokenizer.json alone, with what its class does by rules of its own."""
    document, source = settings.document, quote(str(file), 200)
    check(document, source)
    own = settings.rules
    if not strict and (own is None or own.kind == "sentencepiece") and not settings.only_json:
        model = model_of(document)
        if model is not None:
            roles = {**ROBERTA_TOKENS, **rules.tokens}
            return SentencePiece(model, settings.added, file), TokenizerRules(
                "json", rules.layout or ROBERTA_LAYOUT, roles
            )
    inner = tokenizers.Tokenizer.from_str(json.dumps(document, ensure_ascii=False))  # what was checked, no more
    listed = {token.content: token for token in inner.get_added_tokens_decoder().values()}
    add_tokens(inner, [t for t in settings.added if repr(listed.get(t.content)) != repr(t.token)])
    roles = {**_usual_roles(inner.get_vocab()), **rules.tokens}
    if own and own.kind == "wordpiece":
        _lower_case(inner, document, settings)
    elif own and own.kind == "bytes" and _type(document, "pre_tokenizer") == "ByteLevel":
        bytelevel.finish(inner, roles, settings.flags)
    return FastEngine(inner, file), TokenizerRules("json", rules.layout or layout_of(inner, source), roles)


def _lower_case(inner: tokenizers.Tokenizer, document: JsonObject, settings: TokenizerSettings) -> None:
    """Lets tokenizer_config.json say how a BERT normalises; where it does not, its class lower-cases."""
    if _type(document, "normalizer") == "BertNormalizer":
        flags = {"do_lower_case": True, **settings.flags}
        inner.normalizer = normalizers.BertNormalizer(
            **{theirs: flags[ours] for ours, theirs in BERT_FLAGS.items() if ours in flags}
        )


def _type(document: JsonObject, part: str) -> str | None:
    found = document.get(part)
    return found.get("type") if isinstance(found, dict) else None


def _usual_roles(vocab: Mapping[str, int]) -> Mapping[str, str]:
    return BERT_TOKENS if BERT_TOKENS["cls"] in vocab else FUNNEL_TOKENS if "<cls>" in vocab else ROBERTA_TOKENS


def read_vocab(file: Path) -> dict[str, int]:
    """Gives the line number of each token of a vocab.txt. A token may be any sign; only line ends end a line."""
    lines = read_text(file, limit=MAX_VOCABULARY_BYTES).replace("\r\n", "\n").split("\n")
    return {line: n for n, line in enumerate(lines[:-1] if not lines[-1] else lines)}
