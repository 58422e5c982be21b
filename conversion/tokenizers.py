"""Token ids of our tokenizer beside those of transformers' tokenizer of the same folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import transformers
from tokenizers import normalizers

from conversion import fairseq
from conversion.cases import lines
from conversion.reference import Reference
from zoo.model_folder import ModelFolder
from zoo.models.common.sentence_transformers.files import text_rules

LANGUAGE = "en"  # of the lines, where a tokenizer asks
FILES = ("vocab.txt", "sentencepiece.bpe.model", "tokenizer.json", "vocab.json")
NAMED = ("tokenizer_config.json", "config.json")
OF_FILE = {
    "sentencepiece.bpe.model": "XLMRobertaTokenizer",
    "vocab.txt": "BertTokenizer",
    "vocab.json": "RobertaTokenizer",
}


def has_tokenizer(folder: Path) -> bool:
    return any((folder / name).is_file() for name in FILES)


def encode(folder: Path, texts: list[str]) -> list[list[int]]:
    """Ids of each text by our tokenizer; nothing when the folder has no tokenizer."""
    if not has_tokenizer(folder):
        return []
    about = ModelFolder.read(folder)
    tokenizer = about.module("tokenizer").load(folder, about.config)
    options = {"language": LANGUAGE} if hasattr(tokenizer, "languages") else {}
    rows = tokenizer(texts, truncation=False, padding=False, **options)["input_ids"]
    return [row.tolist() for row in rows]


def compare(reference: Reference, upstream: Path, converted: Path) -> dict[str, Any]:
    """How many lines get other ids than from transformers' tokenizer of the same folder."""
    if not has_tokenizer(upstream):
        return {"lines": 0, "note": "the published folder has no tokenizer"}
    texts = lines()
    name, original = _original(reference, upstream, texts)
    different = [t for t, a, b in zip(texts, encode(converted, texts), original, strict=True) if a != b]
    found: dict[str, Any] = {"lines": len(texts), "different": len(different), "reference": name}
    return found | ({"first": different[0]} if different else {})


def _original(reference: Reference, upstream: Path, texts: list[str]) -> tuple[str, list[list[int]]]:
    """What gives the original ids, and the ids."""
    if not reference.tokenizer_class:
        return "sentencepiece and dict.txt, as fairseq joins them", fairseq.encode(upstream, texts, LANGUAGE)
    theirs = _class_of(reference, upstream).from_pretrained(str(upstream))
    if text_rules(upstream)[1]:  # as sentence-transformers does
        backend = theirs.backend_tokenizer
        usual = [backend.normalizer] if backend.normalizer else []
        backend.normalizer = normalizers.Sequence([normalizers.Lowercase(), *usual])
    return type(theirs).__name__, [theirs(text)["input_ids"] for text in texts]


def _class_of(reference: Reference, upstream: Path) -> Any:
    """What transformers reads a folder with: the class that it names, else that of its files, else the family's."""
    files = [json.loads(file.read_text("utf-8")) for name in NAMED if (file := upstream / name).is_file()]
    if any(content.get("tokenizer_class") for content in files):
        return transformers.AutoTokenizer
    own = "sentencepiece.bpe.model" if reference.tokenizer_class.startswith("XLM") else "vocab.txt"
    other = next((name for file, name in OF_FILE.items() if (upstream / file).is_file()), "")
    return getattr(transformers, reference.tokenizer_class if (upstream / own).is_file() or not other else other)
