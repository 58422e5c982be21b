"""Token ids and speed on the 15 XNLI test files: ours, the original implementations, and `tokenizers` alone.

Ids are compared with the sentencepiece library on XLM-R's model (one more than in the model, 3 for unknown) and,
for WordPiece, with BERT's rules in plain Python (tests/tokenization/reference.py). Speed is that of ids in lists or
arrays without padding, against the `tokenizers` library as transformers sets it up from the same file.

    python -m benchmarks.parity.tokenization
"""

from __future__ import annotations

import csv
import gzip
import shutil
import tempfile
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

import sentencepiece
import tokenizers
from transformers import BertTokenizer, XLMRobertaTokenizer

from benchmarks.common import SHARED, compare, interleave, write
from tests.tokenization import reference
from zoo.tokenization import Tokenizer, load_tokenizer

COMMAND = "python -m benchmarks.parity.tokenization"
ASSETS = SHARED / "assets"
ROUNDS = 3
SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
Ids = list[list[int]]


def xnli() -> dict[str, list[str]]:
    """Both sentences of each of the 5,010 test pairs, by language."""
    texts: dict[str, list[str]] = {}
    with gzip.open(SHARED / "data" / "xnli" / "xnli.test.tsv.gz", "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            texts.setdefault(row["language"], []).extend((row["sentence1"], row["sentence2"]))
    assert len(texts) == 15 and all(len(t) == 10_020 for t in texts.values())
    return texts


def differing(ours: Iterable[list[int]], theirs: Iterable[list[int]]) -> tuple[int, int]:
    """Differing ids, position by position (a surplus counts too), and all ids."""
    wrong = total = 0
    for a, b in zip(ours, theirs, strict=True):
        wrong += sum(x != y for x, y in zip(a, b, strict=False)) + abs(len(a) - len(b))
        total += len(b)
    return wrong, total


def measure(
    kind: str, language: str, texts: list[str], ours: Tokenizer, inner: tokenizers.Tokenizer, truth: Ids
) -> dict[str, object]:
    """One row: ids that differ, sentences per second of both, and their ratio."""
    ids = [row.tolist() for row in ours(texts, padding=False, truncation=False)["input_ids"]]
    theirs = [e.ids for e in inner.encode_batch_fast(texts)]
    wrong, total = differing(ids, truth)
    times = interleave(
        {
            "zoo": lambda: ours(texts, padding=False, truncation=False),
            "tokenizers": lambda: [e.ids for e in inner.encode_batch_fast(texts)],
            "tokenizers with offsets": lambda: [(e.ids, e.offsets) for e in inner.encode_batch(texts)],
            "zoo with offsets": lambda: ours(texts, padding=False, truncation=False, return_offsets=True),
        },
        rounds=ROUNDS,
    )
    rate = {name: len(texts) / timing.median for name, timing in times.items()}
    compare(f"{kind} {language}, sentences per second", rate["zoo"], rate["tokenizers"])
    return {
        "tokenizer": kind,
        "language": language,
        "sentences": len(texts),
        "ids": total,
        "differing_ids": wrong,
        "differing_ids_of_tokenizers": differing(theirs, truth)[0],
        "sentences_per_second": round(rate["zoo"]),
        "sentences_per_second_of_tokenizers": round(rate["tokenizers"]),
        "ratio": round(rate["zoo"] / rate["tokenizers"], 3),
        "ratio_with_offsets": round(rate["zoo with offsets"] / rate["tokenizers with offsets"], 3),
    }


def sentencepiece_rows(texts: dict[str, list[str]]) -> list[dict[str, object]]:
    """XLM-R on all 15 languages."""
    source = ASSETS / "xlm-roberta-base" / "sentencepiece.bpe.rebuilt.model"
    with tempfile.TemporaryDirectory() as folder:
        shutil.copyfile(source, Path(folder) / "sentencepiece.bpe.model")
        ours = load_tokenizer(Path(folder), "sentencepiece")
        inner = XLMRobertaTokenizer.from_pretrained(folder)._tokenizer
    model = sentencepiece.SentencePieceProcessor(model_file=str(source))
    rows = []
    for language, lines in texts.items():
        truth = [[0, *(i + 1 if i else 3 for i in model.encode(line)), 2] for line in lines]
        rows.append(measure("sentencepiece", language, lines, ours, inner, truth))
    return rows


def wordpiece_rows(texts: dict[str, list[str]]) -> list[dict[str, object]]:
    """BERT's English and Chinese vocabularies on all 15 languages: unknown scripts are part of the rules."""
    rows = []
    for name in ("bert-base-uncased", "bert-base-chinese"):
        ours = load_tokenizer(ASSETS / name, "wordpiece")
        inner, vocab = BertTokenizer.from_pretrained(ASSETS / name)._tokenizer, ours.engine.vocab
        inner.no_truncation()
        for language, lines in texts.items():
            truth = [[101, *(vocab[p] for p in reference.tokenize(t, vocab, SPECIALS)), 102] for t in lines]
            rows.append(measure(f"wordpiece {name}", language, lines, ours, inner, truth))
    return rows


def summary(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """One row per tokenizer over all languages: ids are summed, seconds too."""
    found = []
    for kind in dict.fromkeys(row["tokenizer"] for row in rows):
        mine = [row for row in rows if row["tokenizer"] == kind]
        count = {k: sum(int(str(row[k])) for row in mine) for k in ("sentences", "ids", "differing_ids")}
        count["differing_ids_of_tokenizers"] = sum(int(str(row["differing_ids_of_tokenizers"])) for row in mine)
        rate = {
            name: count["sentences"] / sum(int(str(row["sentences"])) / float(str(row[name])) for row in mine)
            for name in ("sentences_per_second", "sentences_per_second_of_tokenizers")
        }
        ratio = rate["sentences_per_second"] / rate["sentences_per_second_of_tokenizers"]
        found.append(
            {"tokenizer": kind, "language": "all", **count}
            | {name: round(value) for name, value in rate.items()}
            | {"ratio": round(ratio, 3)}
        )
        compare(f"{kind} all, sentences per second", *rate.values())
        print(f"{kind} all: {count['differing_ids']} of {count['ids']} ids differ from the original", flush=True)
    return found


def main() -> None:
    texts = xnli()
    rows = sentencepiece_rows(texts) + wordpiece_rows(texts)
    libraries = {name: version(name) for name in ("tokenizers", "sentencepiece", "transformers")}
    write("tokenization", COMMAND, [{**row, **libraries} for row in summary(rows) + rows])


if __name__ == "__main__":
    main()
