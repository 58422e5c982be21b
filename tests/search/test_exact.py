"""Exact search in blocks: what sorting the whole table gives, from every kind of corpus."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoo.errors import InputError, UsageError
from zoo.search import exact, nearest, semantic_search, similarities, truncate_embeddings, vectors
from zoo.search.compare import SIMILARITIES
from zoo.search.exact import Best


def sorted_whole(table: np.ndarray, count: int) -> np.ndarray:
    """Rows of the largest scores of each query, of equal ones the lower row."""
    return np.argsort(-table, axis=1, kind="stable")[:, :count]


def gaussian(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "QUERY_ROWS", 4)
    monkeypatch.setattr(vectors.blocks, "__defaults__", (7,))


@pytest.mark.parametrize("kind", SIMILARITIES)
@pytest.mark.parametrize(("queries", "rows", "count"), [(9, 100, 5), (1, 30, 40), (3, 1, 1), (5, 21, 7)])
def test_blocks_give_what_the_whole_table_gives(
    small_blocks: None, kind: str, queries: int, rows: int, count: int
) -> None:
    asked, corpus = gaussian(queries, 8), gaussian(rows, 8, seed=1)
    table = similarities(asked, corpus, kind)
    found = nearest(asked, corpus, count, kind)
    assert found.rows.tolist() == sorted_whole(table, count).tolist()
    np.testing.assert_allclose(found.scores, np.take_along_axis(table, found.rows, 1), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("count", [1, 4, 30])
def test_of_equal_scores_the_lower_row_comes_first(small_blocks: None, seed: int, count: int) -> None:
    """Whole numbers, so that a sum does not depend on its order; many are equal."""
    rng = np.random.default_rng(seed)
    asked = rng.integers(-1, 2, (6, 4)).astype(np.float32)
    corpus = rng.integers(-1, 2, (90, 4)).astype(np.float32)
    if seed == 0:
        corpus[:] = 1
    assert nearest(asked, corpus, count, "dot").rows.tolist() == sorted_whole(asked @ corpus.T, count).tolist()


def test_scores_that_rise_with_every_block() -> None:
    """The worst order: each block has better rows than all before it, and more than are kept."""
    best, table = Best(3, 4), np.sort(gaussian(3, 200), axis=1)
    for start in range(0, 200, 40):
        best.add(table[:, start : start + 40], start)
    assert best.found.rows.tolist() == sorted_whole(table, 4).tolist()


def kinds_of_corpus(corpus: np.ndarray, folder: Path) -> Iterator[Any]:
    for n, part in enumerate(np.array_split(corpus, 3)):
        np.save(folder / f"part-{n}.npy", part)
    np.save(folder / "all.npy", corpus)
    np.save(folder / "half.npy", np.asfortranarray(corpus.astype(np.float64)))
    parts = sorted(folder.glob("part-*.npy"))
    yield from (corpus, list(corpus), iter(corpus), parts, iter(parts))
    yield from (str(folder / "all.npy"), folder / "half.npy")
    yield np.load(folder / "all.npy", mmap_mode="r")
    yield (block for block in np.array_split(corpus, 5))
    yield [parts[0], np.load(parts[1]), *np.load(parts[2])]


def test_every_kind_of_corpus(small_blocks: None, tmp_path: Path) -> None:
    asked, corpus = gaussian(5, 8), gaussian(50, 8, seed=1)
    wanted = nearest(asked, corpus, 6)
    for given in kinds_of_corpus(corpus, tmp_path):
        assert nearest(asked, given, 6).rows.tolist() == wanted.rows.tolist()
    matches = semantic_search(asked[0], corpus, top_k=2)
    assert [hit["corpus_id"] for hit in matches[0]] == wanted.rows[0, :2].tolist() and len(matches) == 1


def test_shorter_vectors_are_of_length_one_again() -> None:
    asked, corpus = gaussian(3, 8), gaussian(40, 8, seed=1)
    table = truncate_embeddings(asked, 3) @ truncate_embeddings(corpus, 3).T
    assert nearest(asked, corpus, 4, truncate_dim=3).rows.tolist() == sorted_whole(table, 4).tolist()
    np.testing.assert_allclose(np.linalg.norm(truncate_embeddings(corpus[0], 5)), 1, rtol=1e-6)
    assert truncate_embeddings(corpus, 5, normalize=False).tolist() == corpus[:, :5].tolist()


def spoiled(value: float) -> np.ndarray:
    made = gaussian(20, 8)
    made[13, 2] = value
    return made


OBJECTS = np.array([["a", 1]], dtype=object)
MISTAKES: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "no number": (lambda: nearest(gaussian(2, 8), spoiled(np.nan)), InputError, "Vector 13 of the corpus"),
    "infinite": (lambda: nearest(gaussian(2, 8), spoiled(np.inf), 3, "dot"), InputError, "Vector 13"),
    "query": (lambda: nearest(spoiled(np.nan), gaussian(2, 8)), InputError, "Query 13"),
    "width": (lambda: nearest(gaussian(2, 8), gaussian(20, 9)), InputError, "8 numbers, and the corpus 9 numbers"),
    "ragged": (lambda: nearest(gaussian(2, 8), [gaussian(8), gaussian(9)]), InputError, "8 and 9 numbers"),
    "no queries": (lambda: nearest(gaussian(0, 8), gaussian(2, 8)), InputError, "no query"),
    "no corpus": (lambda: nearest(gaussian(2, 8), 3), InputError, "A int is no corpus"),  # type: ignore[arg-type]
    "none in it": (lambda: nearest(gaussian(2, 8), [None]), InputError, "A NoneType is no vector"),
    "top_k": (lambda: nearest(gaussian(2, 8), gaussian(2, 8), 0), UsageError, "top_k=0"),
    "similarity": (lambda: nearest(gaussian(2, 8), gaussian(2, 8), 1, "cosin"), UsageError, "similarity='cosin'"),
    "narrow": (lambda: nearest(gaussian(2, 8), gaussian(2, 8), truncate_dim=9), UsageError, "truncate_dim=9"),
    "truncate": (lambda: truncate_embeddings(gaussian(2, 8), 9), UsageError, "truncate_dim=9 is more than the 8"),
    "codes": (lambda: nearest(gaussian(2, 8), np.zeros((2, 8), np.int8)), InputError, "int8 are not float32"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes(mistake: str) -> None:
    run, error, message = MISTAKES[mistake]
    with pytest.raises(error, match=message):
        run()


def test_files_that_have_no_vectors(tmp_path: Path) -> None:
    np.save(tmp_path / "flat.npy", np.zeros(3))
    np.save(tmp_path / "objects.npy", OBJECTS, allow_pickle=True)
    np.savez(tmp_path / "archive.npz", a=np.zeros((2, 8)))
    (tmp_path / "text.npy").write_text("no numbers")
    np.save(tmp_path / "cut.npy", gaussian(50, 8))
    (tmp_path / "cut.npy").write_bytes((tmp_path / "cut.npy").read_bytes()[:-9])
    (tmp_path / "empty.npy").write_bytes(b"")
    for name in ("flat.npy", "objects.npy", "archive.npz", "text.npy", "cut.npy", "empty.npy", "missing.npy", "."):
        with pytest.raises(InputError) as caught:
            nearest(gaussian(2, 8), tmp_path / name)
        assert name in caught.value.message and caught.value.hint


def test_an_empty_corpus_has_nothing_near() -> None:
    assert nearest(gaussian(2, 8), gaussian(0, 8)).rows.shape == (2, 0)
    assert semantic_search(gaussian(2, 8), []) == [[], []]


def test_memory_does_not_grow_with_the_corpus() -> None:
    """Blocks that a generator makes; what is held stays far below what all of them have."""

    def peak(count: int) -> int:
        tracemalloc.start()
        nearest(gaussian(8, 64), (gaussian(2048, 64, seed=n) for n in range(count)), 10)
        held = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return held

    few, many = peak(2), peak(12)
    assert many < 1.1 * few and many < 4 * 2048 * 64 * 4 + (1 << 20)


@pytest.mark.slow
def test_a_large_file_is_never_in_memory_as_a_whole(tmp_path: Path) -> None:
    """300 MB of vectors; a process that searches them grows by a tenth of that."""
    made = np.lib.format.open_memmap(tmp_path / "large.npy", "w+", np.float32, (200_000, 384))
    for start in range(0, len(made), 8192):
        made[start : start + 8192] = gaussian(len(made[start : start + 8192]), 384, seed=start)
    made.flush()
    script = (
        "import numpy as np, sys; from zoo import env; from zoo.search import nearest;"
        "nearest(np.ones((4, 384), np.float32), np.eye(9, 384, dtype=np.float32)); before = env.peak_memory();"
        "nearest(np.ones((4, 384), np.float32), sys.argv[1]); print(env.peak_memory() - before)"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "large.npy")]
    grown = int(subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout)
    assert grown < 60 * 2**20
