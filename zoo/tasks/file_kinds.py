"""Tells what a file of rows is: by its name, else by what it begins with; reads Parquet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from zoo.errors import InputError, UsageError, to_install
from zoo.files import open_regular
from zoo.tasks.rows import Row, lines

KIND_BY_SUFFIX = {
    **dict.fromkeys((".csv",), "csv"),
    **dict.fromkeys((".tsv", ".tab"), "tsv"),
    **dict.fromkeys((".txt", ".text"), "txt"),
    **dict.fromkeys((".json", ".jsonl", ".ndjson"), "json"),
    **dict.fromkeys((".parquet", ".pq"), "parquet"),
    **dict.fromkeys((".conll", ".conllu", ".bio", ".iob", ".bmes"), "words"),
}
RECORDS = ("json", "parquet")  # kinds whose rows name their columns themselves
PARQUET_MAGIC, ZIP_MAGIC, OLD_EXCEL_MAGIC = b"PAR1", b"PK\x03\x04", b"\xd0\xcf\x11\xe0"


def kind_by_name(file: Path) -> str:
    """Gives csv, tsv, txt, json, parquet or words by a file's suffix, `.gz` left away; "" for another suffix."""
    suffixes = [suffix.lower() for suffix in file.suffixes if suffix.lower() != ".gz"]
    return KIND_BY_SUFFIX.get(suffixes[-1], "") if suffixes else ""


def kind_of(file: Path) -> str:
    """Gives the kind of a file by its name, else by what it begins with.

    Raises:
        InputError: it cannot be read, or is of a kind that is not read, such as a spreadsheet.
    """
    if found := kind_by_name(file):
        return found
    with open_regular(file, InputError) as stream:
        begin = stream.read(4)
    if begin == PARQUET_MAGIC:
        return "parquet"
    if begin in (ZIP_MAGIC, OLD_EXCEL_MAGIC):
        raise InputError(
            f"'{file}' is a spreadsheet or an archive, not a table of text.",
            "Save a spreadsheet as CSV UTF-8; unpack an archive.",
        )
    first = next((line for _, line in lines(file) if line.strip()), "")
    if first.lstrip()[:1] in ("{", "["):
        return "json"
    if "\t" in first:
        return "tsv"
    return "csv" if any(sign in first for sign in ",;|") else "txt"


def parquet(file: Path) -> Iterator[Row]:
    """Reads a Parquet file, a group of rows at a time.

    Raises:
        UsageError: pyarrow is not installed.
        InputError: the file is damaged.
    """
    try:
        import pyarrow
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise UsageError(f"'{file}' is a Parquet file, which needs pyarrow.", to_install("parquet")) from None
    n = 0
    try:
        with open_regular(file, InputError) as stream:
            for batch in ParquetFile(stream).iter_batches(batch_size=1000):
                for values in batch.to_pylist():
                    n += 1
                    yield Row(str(file), n, values, "record")
    except (pyarrow.ArrowException, OSError) as error:
        said = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise InputError(f"'{file}', behind record {n}: {said}.", "Is the download complete?") from None
