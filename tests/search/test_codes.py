"""Codes of vectors by sentence-transformers' formulas, and search by them, with and without rescoring."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoo.errors import InputError, UsageError
from zoo.search import calibrate, nearest, quantize_embeddings, similarities
from zoo.search.codes import PRECISIONS, Code, bit_similarities
from zoo.search.compare import unit


def topical(count: int, width: int = 64, seed: int = 0) -> np.ndarray:
    """Vectors of length 1 around a few hundred centres, as texts of some topics have them."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(200, width))
    return unit(centres[rng.integers(0, 200, count)] + 0.8 * rng.normal(size=(count, width))).astype(np.float32)


def recall(found: np.ndarray, exact: np.ndarray) -> float:
    both = zip(found.tolist(), exact.tolist(), strict=True)
    return float(np.mean([len(set(a) & set(b)) / len(b) for a, b in both]))


def test_codes_are_those_of_the_published_formulas() -> None:
    given = topical(300, 20)
    low, high = given.min(0), given.max(0)
    steps = (high - low) / 255
    unsigned = np.clip(np.floor((given - low) / steps), 0, 255)
    bits = np.packbits(given > 0, axis=-1)
    wanted = {
        "float32": given,
        "uint8": unsigned.astype(np.uint8),
        "int8": (unsigned - 128).astype(np.int8),
        "ubinary": bits,
        "binary": (bits.astype(int) - 128).astype(np.int8),
    }
    for precision in PRECISIONS:
        made = quantize_embeddings(given, precision)  # type: ignore[arg-type]
        assert made.dtype == wanted[precision].dtype
        np.testing.assert_array_equal(made, wanted[precision])
    ranges = calibrate(iter(np.array_split(given, 7)))
    np.testing.assert_array_equal(ranges, np.stack([low, high]))
    few = quantize_embeddings(given[:3], "int8", ranges)
    np.testing.assert_array_equal(few, wanted["int8"][:3])
    np.testing.assert_array_equal(few, quantize_embeddings(given[:3], "int8", calibration_embeddings=given))


@pytest.mark.parametrize("precision", ["int8", "uint8"])
def test_a_code_stands_for_the_middle_of_its_step(precision: Any) -> None:
    given = topical(300, 20)
    given[:, 4] = 0.25  # a dimension that never changes stays as it is
    ranges = calibrate(given)
    back = Code(precision, 20, 20, ranges).vectors(quantize_embeddings(given, precision, ranges))
    assert (np.abs(back - given) <= (ranges[1] - ranges[0]) / 255 * 0.51).all() and (back[:, 4] == 0.25).all()


@pytest.mark.parametrize("width", [8, 20, 64, 100])
def test_bits_are_compared_as_ones_and_minus_ones(width: int) -> None:
    a, b = (quantize_embeddings(topical(n, width, seed=n), "ubinary") for n in (40, 70))
    signs = [Code("ubinary", width, width).vectors(codes) for codes in (a, b)]
    np.testing.assert_allclose(bit_similarities(a, b, width), similarities(*signs, "cosine"), atol=1e-6)


def test_bits_are_counted_alike_with_an_older_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = (quantize_embeddings(topical(n, 100, seed=n), "ubinary") for n in (5, 70))
    wanted = bit_similarities(a, b, 100)
    monkeypatch.delattr(np, "bitwise_count", raising=False)
    np.testing.assert_array_equal(bit_similarities(a, b, 100), wanted)


def test_recall_of_codes(tmp_path: Path) -> None:
    """10 nearest of 20,000: int8 finds nearly all; bits find most once they are gone over with finer vectors."""
    asked, corpus = topical(100, seed=1), topical(20_000)
    np.save(tmp_path / "vectors.npy", corpus)
    exact = nearest(asked, corpus).rows
    ranges = calibrate(corpus)
    coded = quantize_embeddings(corpus, "int8", ranges)
    assert recall(nearest(asked, coded, corpus_precision="int8", ranges=ranges).rows, exact) > 0.95
    bits = quantize_embeddings(corpus, "ubinary")

    def by_bits(**options: Any) -> float:
        return recall(nearest(asked, bits, corpus_precision="ubinary", ranges=ranges, **options).rows, exact)

    plain, own = by_bits(rescore=False), by_bits()
    full, of_codes = (by_bits(rescore_embeddings=e) for e in (tmp_path / "vectors.npy", coded))
    assert plain < own < full and abs(full - of_codes) < 0.02
    assert by_bits(rescore_embeddings=corpus, rescore_multiplier=40) > 0.95 > by_bits(rescore_embeddings=corpus)


def test_rescoring_all_rows_is_exact(tmp_path: Path) -> None:
    asked, corpus = topical(70, 24, seed=1), topical(90, 24)
    parts = [tmp_path / f"{n}.npy" for n in range(3)]
    for file, part in zip(parts, np.array_split(corpus, 3), strict=True):
        np.save(file, part)
    wanted = nearest(asked, corpus, 9)
    signed = quantize_embeddings(corpus, "binary")
    for finer in (corpus, parts, list(corpus)):
        found = nearest(
            asked, signed, 9, corpus_precision="binary", rescore_multiplier=10, rescore_embeddings=finer
        )
        assert found.rows.tolist() == wanted.rows.tolist()
        np.testing.assert_allclose(found.scores, wanted.scores, atol=1e-6)


def test_shorter_codes() -> None:
    asked, corpus = topical(5, 24, seed=1), topical(90, 24)
    ranges = calibrate(corpus)
    for precision in ("int8", "binary"):
        codes = quantize_embeddings(corpus, precision, ranges)  # type: ignore[arg-type]
        short = quantize_embeddings(corpus[:, :16].copy(), precision, ranges[:, :16])  # type: ignore[arg-type]
        cut = nearest(asked, codes, 7, corpus_precision=precision, ranges=ranges, truncate_dim=16)
        own = nearest(asked[:, :16], short, 7, corpus_precision=precision, ranges=ranges[:, :16])
        assert cut.rows.tolist() == own.rows.tolist()


ASKED, CORPUS = topical(2, 24), topical(120, 24)
BITS, CODES = quantize_embeddings(CORPUS, "ubinary"), quantize_embeddings(CORPUS, "int8")
MISTAKES: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "precision": (lambda: quantize_embeddings(CORPUS, "int4"), UsageError, "'int4' does not exist"),  # type: ignore[arg-type]
    "twice": (lambda: quantize_embeddings(CODES, "int8"), InputError, "float vectors"),
    "one": (lambda: quantize_embeddings(CORPUS[:1], "int8"), UsageError, "one vector have no range"),
    "no number": (lambda: quantize_embeddings(CORPUS * np.nan, "int8"), InputError, "not finite"),
    "no ranges": (lambda: nearest(ASKED, CODES, corpus_precision="int8"), UsageError, "without their ranges"),
    "ranges": (
        lambda: nearest(ASKED, CODES, corpus_precision="int8", ranges=np.zeros((2, 9))),
        InputError,
        r"Ranges are \[2, 9\]",
    ),
    "width": (lambda: nearest(ASKED[:, :8], BITS, corpus_precision="ubinary"), InputError, "3 bytes of ubinary"),
    "kind": (lambda: nearest(ASKED, BITS, corpus_precision="binary"), InputError, "uint8 are not binary"),
    "floats": (lambda: nearest(ASKED, CORPUS, corpus_precision="ubinary"), InputError, "float32 are not ubinary"),
    "fewer": (
        lambda: nearest(ASKED, BITS, corpus_precision="ubinary", rescore_embeddings=CORPUS[:3]),
        InputError,
        "There are 3 vectors",
    ),
    "once": (
        lambda: nearest(ASKED, map(pytest.fail, ["read"]), corpus_precision="ubinary"),  # before it is read
        UsageError,
        "read once",
    ),
    "number": (lambda: nearest(5, CORPUS), InputError, "5 is no query"),  # type: ignore[arg-type]
    "bits": (
        lambda: nearest(ASKED, BITS, corpus_precision="ubinary", truncate_dim=9),
        UsageError,
        "multiple of 8",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes(mistake: str) -> None:
    run, error, message = MISTAKES[mistake]
    with pytest.raises(error, match=message):
        run()


def test_ranges_of_few_vectors_are_named(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "zoo"):
        calibrate(CORPUS[:30])
    assert "30 vectors" in caplog.text
