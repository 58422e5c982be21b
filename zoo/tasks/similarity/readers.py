"""Reads retrieval, bitext, pairs and candidates from files: BEIR's folders, BUCC's, and a user's own tables."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

from zoo.errors import InputError
from zoo.files import quote, user_path
from zoo.tasks.formats import READERS
from zoo.tasks.mining import sentences
from zoo.tasks.rows import Row, lines
from zoo.tasks.similarity.sets import Bitext, Mining, Pairs, Reranking, Retrieval
from zoo.tasks.similarity.tables import file_in, first, number, rows_of, table_in, text
from zoo.tasks.user_files import PAIR_COLUMNS, TEXT_COLUMNS

log = logging.getLogger("zoo")

ID_COLUMNS = "_id id doc_id query_id docid qid"
QUERY_COLUMNS, DOCUMENT_COLUMNS = "query-id query_id qid query", "corpus-id corpus_id doc_id docid document"
GAIN_COLUMNS = "score relevance label"
SCORE_COLUMNS = "score label similarity relevance gold"
GLUE_COLUMNS = ("genre", "filename", "year", "old_index")  # that name a pair, as the first four of STS_COLUMNS
STS_COLUMNS = ("genre", "file", "year", "index", "score", "sentence1", "sentence2")
SOURCE_COLUMNS, TARGET_COLUMNS = "source sentence1 text_a src", "target sentence2 text_b tgt"


def retrieval_folder(source: str | Path, split: str, language: str) -> Retrieval:
    """Reads corpus, queries and qrels/<split> (or qrels) of a folder, as BEIR has them; .jsonl, .csv or .tsv.

    A document's text is its title, a space and its text. Judgements of 0 or less, and queries without a relevant
    document, do not count.

    Raises:
        InputError: a file is missing or malformed, or a judgement names what is not there.
    """
    folder = user_path(source)
    corpus = _by_id(table_in(folder, "corpus"), _document)
    queries = _by_id(table_in(folder, "queries"), lambda row: text(row, "text query question"))
    relevant: dict[str, dict[str, float]] = {}
    for row in rows_of(table_in(folder, f"qrels/{split}", "qrels")):
        query, document = str(first(row, QUERY_COLUMNS)), str(first(row, DOCUMENT_COLUMNS))
        if query not in queries or document not in corpus:
            what = f"no query {quote(query)}" if query not in queries else f"no document {quote(document)}"
            raise row.error(f"there is {what}.", "The ids are those of queries and corpus.")
        if (gain := number(row, GAIN_COLUMNS)) > 0:
            relevant.setdefault(query, {})[document] = gain
    if not relevant:
        raise InputError(f"'{folder}' judges no document as relevant in the split '{split}'.")
    return Retrieval({name: queries[name] for name in queries if name in relevant}, corpus, relevant)


def _by_id(file: Path, text_of: Callable[[Row], str]) -> dict[str, str]:
    """Gives id -> text of a table; an id that stands there twice is an error."""
    kept: dict[str, str] = {}
    for row in rows_of(file):
        name = str(first(row, ID_COLUMNS))
        if name in kept:
            raise row.error(f"the id {quote(name)} stands there twice.")
        kept[name] = text_of(row)
    return kept


def _document(row: Row) -> str:
    title = row.values.get("title")
    return f"{title or ''} {row.get('text')}".strip()


def bitext_file(source: str | Path, split: str, language: str) -> Bitext:
    """Reads a table of a user: a sentence and its translation in each row."""
    pairs = [(text(row, SOURCE_COLUMNS), text(row, TARGET_COLUMNS)) for row in own_rows(source, split)]
    return Bitext([a for a, _ in pairs], [b for _, b in pairs])


def flores(source: str | Path, split: str, pair: str) -> Bitext:
    """Reads <language>.<split> of both languages of a pair "deu_Latn-eng_Latn"."""
    folder = user_path(source)
    one, other = (
        [line for _, line in lines(file_in(folder, split, f"{code}.{split}"))] for code in pair.split("-")
    )
    if len(one) != len(other):
        raise InputError(f"The two files of {pair} in '{folder}' have {len(one)} and {len(other)} lines.")
    return Bitext(one, other)


def flores_pairs(split: str) -> Callable[[Path], tuple[str, ...]]:
    """Gives the function that lists the pairs of a folder."""

    def found(folder: Path) -> tuple[str, ...]:
        held = sorted(f.stem for place in (folder, folder / split) for f in place.glob(f"*.{split}"))
        return tuple(f"{a}-{b}" for a in held for b in held if a != b)

    return found


def bucc(source: str | Path, split: str, pair: str) -> Mining:
    """Reads <pair>.<sample or training>.<language> and .gold of a folder; the sample chooses test's threshold.

    A sentence that stands there twice is mined once, and pairs with it are left out, as in XTREME.
    """
    folder = user_path(source)
    sample = _bucc_part(folder, pair, "sample") if split == "test" else None
    return _bucc_part(folder, pair, "training" if split == "test" else "sample", sample)


def _bucc_part(folder: Path, pair: str, part: str, tuned_on: Mining | None = None) -> Mining:
    sides, repeated = [], []
    for language in pair.split("-"):
        rows = [row.values for row in sentences(file_in(folder, pair, f"{pair}.{part}.{language}"))]
        kept = {str(row["id"]): row for row in rows if not row["copy"]}
        sides.append({name: row["sentence"] for name, row in kept.items()})
        repeated.append(frozenset(name for name, row in kept.items() if row["repeated"]))
    pairs = READERS["tsv"](file_in(folder, pair, f"{pair}.{part}.gold"), ("source", "target"))
    gold = frozenset((row.text("source"), row.text("target")) for row in pairs)
    return Mining(sides[0], sides[1], gold, tuned_on, (repeated[0], repeated[1]))


def sts_benchmark(source: str | Path, split: str, language: str) -> Pairs:
    """Reads sts-<split>.csv as published: tabs between, no header; score and sentences are columns 5 to 7.

    Where GLUE's <split>.tsv, which has no scores, lies beside it with the same pairs, the sentences are GLUE's:
    copies of the csv differ from it in quotation marks, and mteb's scores are of GLUE's.
    """
    path = user_path(source)
    file = path if path.is_file() else file_in(path, split, f"sts-{split}.csv")
    rows = list(READERS["tsv"](file, STS_COLUMNS, extra=True))
    texts = [(row.text("sentence1"), row.text("sentence2")) for row in rows]
    glue = _glue_sentences(file.with_name(f"{split}.tsv")) if file.name != f"{split}.tsv" else {}
    names = [_name(row, STS_COLUMNS[:4]) for row in rows]
    if len(glue) == len(names) and glue.keys() == set(names):
        theirs = [glue[name] for name in names]
        changed = sum(ours != other for ours, other in zip(texts, theirs, strict=True))
        log.info("the sentences are those of %s.tsv, which differ in %d of %d pairs.", split, changed, len(texts))
        texts = theirs
    return Pairs([a for a, _ in texts], [b for _, b in texts], [number(row, "score") for row in rows])


def _glue_sentences(file: Path) -> dict[tuple[str, ...], tuple[str, str]]:
    """Gives what names a pair -> its sentences, of a file of GLUE's STS-B; {} where there is none."""
    rows = READERS["tsv"](file) if file.is_file() else ()
    return {_name(row, GLUE_COLUMNS): (row.text("sentence1"), row.text("sentence2")) for row in rows}


def _name(row: Row, columns: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(row.text(column) for column in columns)


def pairs_file(binary: bool) -> Callable[[str | Path, str, str], Pairs]:
    """Gives the reader of a user's table of pairs with a number, or with 1 and 0."""

    def read(source: str | Path, split: str, language: str) -> Pairs:
        kept = [
            (text(row, TEXT_COLUMNS), text(row, PAIR_COLUMNS), number(row, SCORE_COLUMNS, binary))
            for row in own_rows(source, split)
        ]
        return Pairs([a for a, _, _ in kept], [b for _, b, _ in kept], [g for _, _, g in kept], binary)

    return read


def reranking_file(source: str | Path, split: str, language: str) -> Reranking:
    """Reads JSON lines with `query`, `positive` and `negative` (a text or a list), as mteb has them."""
    queries, candidates, relevant = [], [], []
    for row in own_rows(source, split):
        good, bad = (_texts(row, names) for names in ("positive positives", "negative negatives"))
        queries.append(text(row, "query question text"))
        candidates.append([*good, *bad])
        relevant.append([1] * len(good) + [0] * len(bad))
    return Reranking(queries, candidates, relevant)


def _texts(row: Row, columns: str) -> list[str]:
    value = first(row, columns)
    held = [value] if isinstance(value, str) else value
    if not isinstance(held, list) or not all(isinstance(each, str) for each in held):
        raise row.error(f"{quote(columns.split()[0])} is not a text or a list of texts.")
    return held


def own_rows(source: str | Path, split: str) -> Iterator[Row]:
    """Reads a table of a user: the file, or <split> of the folder."""
    path = user_path(source)
    yield from rows_of(path if path.is_file() else table_in(path, split))
