"""zoo search: the rows of `zoo map`'s vectors that are nearest to a query."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Sequence
from typing import Any

from zoo import arguments, terminal
from zoo.errors import whole
from zoo.files import clean, user_path

SHOWN = 200  # characters of a text, in the table
EPILOG = f"""\
examples:
  zoo map all-MiniLM-L6-v2 mails.txt --out vectors
  zoo search vectors "where is my parcel"
  zoo search vectors "late delivery" "wrong invoice" --top-k 3 --json
Every vector is compared, in blocks. The model is the one that made them; it puts its prompt "query" before a query,
where it has one. In a program, zoo.search.semantic_search also takes codes of a few bits, and an index.

exit codes:
  0    done
  1    the folder, a file of it or the model went wrong
  2    the command line makes no sense
{terminal.STOPPED}"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    said = "Finds the rows whose vectors, made by `zoo map`, are nearest to a query."
    made = arguments.parser("search", said, EPILOG)
    made.add_argument("vectors", metavar="VECTORS", type=user_path, help="folder of `zoo map`")
    made.add_argument("queries", nargs="+", metavar="QUERY", help="texts")
    made.add_argument("--top-k", default=10, type=int, metavar="N", help="rows for each query (10)")
    made.add_argument("--json", action="store_true", help="what was found as one JSON document on stdout")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    return arguments.run(parser(), _main, argv)


def _main(given: argparse.Namespace) -> int:
    whole("--top-k", given.top_k)
    warnings.filterwarnings("ignore", message="No ccache found")
    import zoo
    from zoo.search.mapped import Mapped

    with terminal.notes():
        mapped = Mapped(given.vectors)
        mapped.check_model()
        question = mapped.job.question
        pipe: Any = zoo.pipeline(
            "embeddings", question.model, engine=question.engine, precision=question.precision, **mapped.options
        )
        found = pipe.search(given.queries, mapped.files, given.top_k)
        sources = mapped.sources(hit["corpus_id"] for hits in found for hit in hits)
    answers = [
        {"query": query, "found": [{"score": hit["score"], **sources[hit["corpus_id"]]} for hit in hits]}
        for query, hits in zip(given.queries, found, strict=True)
    ]
    if given.json:
        terminal.print_json(answers)
        return 0
    for answer in answers:
        rows = [
            (f"{hit['score']:.4f}", clean(f"{hit['file']}:{hit['row']}", SHOWN), clean(hit.get("text", ""), SHOWN))
            for hit in answer["found"]
        ]
        terminal.table(rows, ("score", "row", clean(answer["query"], SHOWN)), right=(0,))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
