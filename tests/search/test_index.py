"""An index in the corpus's place: nearly all of the nearest, its own similarity, its file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.search.test_codes import recall, topical
from zoo.errors import InputError, UsageError
from zoo.search import Index, nearest, semantic_search


def test_without_the_library_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "usearch", None)
    monkeypatch.setitem(sys.modules, "usearch.index", None)
    for make in (lambda: Index.build(topical(9)), lambda: Index.open("x")):
        with pytest.raises(UsageError, match="usearch") as caught:
            make()
        assert "pip install" in caught.value.hint


class TestWithTheLibrary:
    """Whoever has the extra `index`."""

    @pytest.fixture(autouse=True)
    def library(self) -> None:
        pytest.importorskip("usearch.index")

    @pytest.mark.parametrize("kind", ["cosine", "dot", "euclidean"])
    def test_it_finds_nearly_all(self, tmp_path: Path, kind: str) -> None:
        asked, corpus = (
            topical(50, seed=1) * 2,
            topical(2000) * np.linspace(0.5, 2, 2000, dtype=np.float32)[:, None],
        )
        exact = nearest(asked, corpus, 10, kind)
        made = Index.build(iter(np.array_split(corpus, 3)), kind)
        made.save(tmp_path / "a.usearch")
        for index in (made, Index.open(tmp_path / "a.usearch")):
            found = nearest(asked, index)
            assert (len(index), index.width, index.similarity) == (2000, 64, kind)
            assert recall(found.rows, exact.rows) > 0.97
            right = found.rows[:, 0] == exact.rows[:, 0]
            np.testing.assert_allclose(found.scores[right, 0], exact.scores[right, 0], rtol=1e-4)
            assert (np.diff(found.scores, axis=1) <= 0).all()
            again = nearest(asked, index, rescore_embeddings=corpus, rescore_multiplier=10)
            assert recall(again.rows, exact.rows) > 0.99

    def test_less_than_was_asked_for(self) -> None:
        index = Index.build(topical(5))
        assert [len(hits) for hits in semantic_search(topical(3, seed=1), index, top_k=9)] == [5, 5, 5]
        assert len(semantic_search(topical(1, seed=1), index, top_k=2)[0]) == 2

    def test_mistakes(self, tmp_path: Path) -> None:
        index = Index.build(topical(30))
        index.save(tmp_path / "a.usearch")
        with pytest.raises(UsageError, match="already"):
            index.save(tmp_path / "a.usearch")
        index.save(tmp_path / "a.usearch", overwrite=True)
        (tmp_path / "other").write_bytes(b"not an index" * 99)
        (tmp_path / "empty").write_bytes(b"")
        for name in ("other", "empty", "missing", "."):
            with pytest.raises(InputError, match=name.replace(".", r"\.")):
                Index.open(tmp_path / name)
        spoiled = topical(30)
        spoiled[7, 3] = np.nan
        wrong: dict[str, Any] = {
            "Vector 7 of the corpus": lambda: Index.build(spoiled),
            "no vector": lambda: Index.build([]),
            "float32": lambda: Index.build(np.zeros((3, 8), np.int8)),
            "8 numbers": lambda: nearest(topical(2, 8), index),
        }
        for message, run in wrong.items():
            with pytest.raises(InputError, match=message):
                run()
        with pytest.raises(UsageError, match="manhattan"):
            Index.build(topical(30), "manhattan")
        with pytest.raises(UsageError, match="built by cosine, not by dot"):
            nearest(topical(2), index, 3, "dot")
        with pytest.raises(UsageError, match="precision and width"):
            nearest(topical(2), index, truncate_dim=8)
