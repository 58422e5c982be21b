"""The tables of search, embedding many rows, and the server: one function each, see benchmarks/tables.py."""

from __future__ import annotations

from benchmarks.markdown import markdown, measured, printed_by, unmeasured


def search() -> str:
    """Time, memory and recall of the ways to search."""
    if (found := measured("search")) is None:
        return unmeasured("python -m benchmarks.speed.search --save")
    many = next(name for name in found["rows"][0] if name.endswith("queries s"))
    header = ("way", "file, MB", "one query, ms", f"{many.removesuffix(' s')}, s", "peak, MB", "recall@10")
    rows = [
        (row["way"], f"{row['MB']:,.0f}", row["one query ms"], row[many], row.get("peak MB", "?"), row["recall@10"])
        for row in found["rows"]
    ]
    first = found["rows"][0]
    unknown = "" if "peak MB" in first else "\nThe peak of memory was not measured in this run.\n"
    made = ", ".join(f"{row['way']} {row['prepared_s']:,.0f} s" for row in found["rows"] if row["prepared_s"])
    note = f"\n{first['rows']:,} vectors of {first['width']} numbers. Made once: {made}.\n" if made else ""
    return markdown(header, rows) + unknown + note + printed_by(found)


def embed(count: int) -> str:
    """Sentences per second beside sentence-transformers, of so many sentences."""
    if (found := measured(f"embed_{count}")) is None:
        return unmeasured(f"python -m benchmarks.speed.embed --rows {count} --save")
    header = (
        "side", "sentences/s", "times sentence-transformers' default", "times its best backend",
        "least cosine to its default",
    )  # fmt: skip
    names = ("side", "sentences/s", "times default", "times best backend", "least cosine")
    first = found["rows"][0]
    rounds = f"medians of {first['rounds']} rounds in turn" if first["rounds"] > 1 else "one run of each"
    note = f"\n{first['rows']:,} sentences, {rounds}.\n"
    return markdown(header, [[row[name] for name in names] for row in found["rows"]]) + note + printed_by(found)


def bulk(name: str = "bulk") -> str:
    """Rows per second and memory of `zoo map` beside other ways."""
    if (found := measured(name)) is None:
        return unmeasured("python -m benchmarks.speed.bulk --save")
    by_map = next(row["seconds"] for row in found["rows"] if row["side"] == "zoo map")
    rows = [
        (
            row["side"],
            f"{row['seconds']:,.0f}",
            row["rows/s"],
            f"{row['seconds'] / by_map:.2f}",
            f"{row['peak MB']:,}",
        )
        for row in found["rows"]
    ]
    header = (f"{found['rows'][0]['rows']:,} short rows", "s", "rows/s", "times zoo map", "memory of all, MB")
    return markdown(header, rows) + printed_by(found)


def bulk_kills() -> str:
    """What jobs of `zoo map` lost that were killed and started again."""
    if (found := measured("bulk_kills")) is None:
        return unmeasured("python -m benchmarks.faults.bulk_kills --save")
    names = ("killed", "tried", "right", "lost", "twice", "wrong exit", "late")
    return markdown(names, [tuple(row[name] for name in names) for row in found["rows"]]) + printed_by(found)


def serve() -> str:
    """Requests per second of the server, in batches and one at a time, and what it could reach at most."""
    if (found := measured("serve")) is None:
        return unmeasured("python -m benchmarks.speed.serve --save")
    alone = {row["clients"]: row["requests/s"] for row in found["rows"] if row["side"] == "one at a time"}
    digits = {"p50 ms": 1, "p99 ms": 1, "requests per batch": 1, "failed": 0}
    rows = [
        (
            row["clients"],
            row["side"],
            f"{row['requests/s']:,.0f}",
            f"{row['requests/s'] / alone[row['clients']]:.2f}",
            *(f"{row[name]:,.{places}f}" if name in row else "" for name, places in digits.items()),
        )
        for row in sorted(found["rows"], key=lambda row: row["clients"])
    ]
    header = ("clients", "way", "requests/s", "ratio", "p50, ms", "p99, ms", "in a batch", "failed")
    return markdown(header, rows) + printed_by(found)
