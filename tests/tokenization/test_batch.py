"""Rows: special tokens, truncation, windows, padding and words; against the `tokenizers` library."""

from __future__ import annotations

import os
import pickle
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import vocabularies
from zoo.errors import InputError, UsageError
from zoo.tokenization import FUNNEL_LAYOUT, Layout, Tokenizer, load_tokenizer
from zoo.tokenization.layout import longest_first, windows
from zoo.tokenization.load import FUNNEL_TOKENS

WORDS = ["hello", "world", "un", "able", "##x", "2024"]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    """A WordPiece of a few words, so that these tests need no data folder."""
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]) + "\n")
    return load_tokenizer(folder, "wordpiece")


@pytest.fixture(scope="module")
def upstream() -> tokenizers.Tokenizer:
    """The library with BERT's layout, for its truncation."""
    inner = tokenizers.Tokenizer(tokenizers.models.WordLevel({"w": 0, "C": 1, "S": 2}, unk_token="w"))
    inner.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()  # type: ignore[assignment]
    inner.post_processor = tokenizers.processors.BertProcessing(("S", 2), ("C", 1))  # type: ignore[assignment]
    return inner


def lengths(encoding: Any) -> tuple[int, int]:
    return encoding.sequence_ids.count(0), encoding.sequence_ids.count(1)


@pytest.mark.parametrize("room", [0, 1, 2, 5, 6, 9])
def test_longest_first_equals_the_library(room: int, upstream: tokenizers.Tokenizer) -> None:
    upstream.enable_truncation(room + 3, strategy="longest_first")
    for a in range(1, 12):
        for b in range(1, 12):
            theirs = upstream.encode("w " * a, "w " * b)
            assert longest_first(a, b, room) == lengths(theirs), (a, b)


@settings(max_examples=300, deadline=None)
@given(a=st.integers(1, 30), b=st.integers(1, 30), wide=st.integers(1, 12), data=st.data())
def test_windows_equal_the_library(
    a: int, b: int, wide: int, data: st.DataObject, upstream: tokenizers.Tokenizer
) -> None:
    stride = data.draw(st.integers(0, wide - 1))
    upstream.enable_truncation(a + wide + 3, stride=stride, strategy="only_second")
    theirs = upstream.encode("w " * a, "w " * b)
    ours = list(windows(0, a, b, a + wide, "only_second", stride))
    spans = [(e.offsets[a + 2][0] // 2, e.offsets[-2][1] // 2 + 1) for e in (theirs, *theirs.overflowing)]
    assert [(w.b_start, w.b_stop) for w in ours] == spans
    assert all((w.a_start, w.a_stop) == (0, a) for w in ours)
    covered = {n for w in ours for n in range(w.b_start, w.b_stop)}
    assert covered == set(range(b))


def test_single_and_pair(tiny: Tokenizer) -> None:
    batch = tiny(["hello world", "un"], ["able", "unx able 2024"], return_offsets=True, return_tensors="np")
    assert batch["input_ids"].tolist() == [[2, 5, 6, 3, 8, 3, 0, 0], [2, 7, 3, 7, 9, 8, 10, 3]]
    assert batch["token_type_ids"].tolist() == [[0, 0, 0, 0, 1, 1, 0, 0], [0, 0, 0, 1, 1, 1, 1, 1]]
    assert batch["attention_mask"].tolist() == [[1] * 6 + [0] * 2, [1] * 8]
    assert batch["sequence_ids"].tolist() == [[-1, 0, 0, -1, 1, -1, -1, -1], [-1, 0, -1, 1, 1, 1, 1, -1]]
    assert batch["offsets"][1].tolist() == [[0, 0], [0, 2], [0, 0], [0, 2], [2, 3], [4, 8], [9, 13], [0, 0]]
    assert all(values.dtype == np.int64 for values in batch.values())
    assert tiny("hello")["input_ids"].tolist() == [[2, 5, 3]]
    assert set(tiny("hello")) == {"input_ids", "attention_mask", "token_type_ids"}


def test_padding(tiny: Tokenizer) -> None:
    left = tiny(["hello", "hello world un"], padding_side="left", pad_to_multiple_of=4, return_offsets=True)
    assert left["input_ids"].tolist() == [[0, 0, 0, 0, 0, 2, 5, 3], [0, 0, 0, 2, 5, 6, 7, 3]]
    assert left["attention_mask"].tolist() == [[0] * 5 + [1] * 3, [0] * 3 + [1] * 5]
    assert left["offsets"][0, 6].tolist() == [0, 5]
    assert tiny("hello", padding="max_length", max_length=6)["input_ids"].tolist() == [[2, 5, 3, 0, 0, 0]]
    ragged = tiny(["hello", "hello world", ""], padding=False)
    assert [row.tolist() for row in ragged["input_ids"]] == [[2, 5, 3], [2, 5, 6, 3], [2, 3]]
    assert [row.tolist() for row in ragged["attention_mask"]] == [[1] * 3, [1] * 4, [1] * 2]


def test_truncation(tiny: Tokenizer) -> None:
    cut = tiny(["hello world un able"], ["2024 2024"], max_length=7)
    assert cut["input_ids"].tolist() == [[2, 5, 6, 3, 10, 10, 3]]
    assert tiny("hello world un", max_length=4)["input_ids"].tolist() == [[2, 5, 6, 3]]
    assert tiny("hello world un", max_length=4, truncation=False)["input_ids"].shape == (1, 5)
    first = tiny("hello world un", "able able", max_length=6, truncation="only_first")
    assert first["input_ids"].tolist() == [[2, 5, 3, 8, 8, 3]]


@given(cut=st.integers(1, 60), wide=st.integers(1, 20), step=st.integers(1, 25))
def test_windows_by_step_are_those_of_the_script_of_bert(cut: int, wide: int, step: int) -> None:
    """The loop of run_squad.py (google-research/bert), over spans of (start, length)."""
    spans, start = [], 0
    while start < cut:
        length = min(cut - start, wide)
        spans.append((start, start + length))
        if start + length == cut:
            break
        start += min(length, step)
    ours = windows(0, 3, cut, 3 + wide, "only_second", -step)
    assert [(w.b_start, w.b_stop) for w in ours] == spans


def test_windows_name_their_sample(tiny: Tokenizer) -> None:
    batch = tiny(
        ["un", "able"], ["hello", "hello world 2024"], max_length=6, truncation="only_second", stride=1,
        return_offsets=True,
    )  # fmt: skip
    assert batch["overflow_to_sample"].tolist() == [0, 1, 1]
    assert batch["input_ids"].tolist() == [[2, 7, 3, 5, 3, 0], [2, 8, 3, 5, 6, 3], [2, 8, 3, 6, 10, 3]]
    assert batch["offsets"][2, 3:5].tolist() == [[6, 11], [12, 16]]
    one = tiny("hello world 2024", max_length=4, stride=0)
    assert one["input_ids"].tolist() == [[2, 5, 6, 3], [2, 10, 3, 0]]


def test_words(tiny: Tokenizer, xlmr: Tokenizer) -> None:
    batch = tiny([["unx", "hello"], ["", "able"], []], is_split_into_words=True, return_offsets=True)
    assert batch["word_ids"].tolist() == [[-1, 0, 0, 1, -1], [-1, 1, -1, -1, -1], [-1, -1, -1, -1, -1]]
    assert batch["offsets"][0].tolist() == [[0, 0], [0, 2], [2, 3], [0, 5], [0, 0]]
    assert "offsets" not in tiny(["unx"], is_split_into_words=True)
    characters = xlmr(["凤", "凰", "a"], is_split_into_words=True, return_offsets=True)
    assert xlmr.convert_ids_to_tokens(characters["input_ids"][0])[1:-1] == ["▁", "凤", "▁", "凰", "▁a"]
    assert characters["word_ids"].tolist() == [[-1, 0, 0, 1, 1, 2, -1]]
    assert characters["offsets"][0, 1:3].tolist() == [[0, 0], [0, 1]]


@pytest.mark.torch
def test_words_and_pairs_equal_transformers(
    minilm_snapshot: Path, xlmr_folder: Path, english: Tokenizer, xlmr: Tokenizer, sample: list[str]
) -> None:
    transformers = pytest.importorskip("transformers")
    sides = (
        (english, transformers.BertTokenizer.from_pretrained(minilm_snapshot)),
        (xlmr, transformers.XLMRobertaTokenizer.from_pretrained(xlmr_folder)),
    )
    texts = [text for text in random.Random(7).sample(sample, 400) if text.isascii()]
    for ours, theirs in sides:
        words = [text.split() for text in texts]
        a = ours(words, is_split_into_words=True, max_length=40)
        b = theirs(words, is_split_into_words=True, max_length=40, truncation=True, padding=True)
        assert a["input_ids"].tolist() == b["input_ids"]
        ids = [[-1 if w is None else w for w in b.word_ids(n)] for n in range(len(texts))]
        assert a["word_ids"].tolist() == ids
        a = ours(texts, texts[::-1], max_length=50)
        b = theirs(texts, texts[::-1], max_length=50, truncation=True, padding=True)
        assert a["input_ids"].tolist() == b["input_ids"]
        assert a["attention_mask"].tolist() == b["attention_mask"]


def test_funnels_layout(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("<pad>\n<unk>\n<cls>\n<sep>\n<mask>\n<s>\n</s>\nhello\n")
    funnel = load_tokenizer(tmp_path, "wordpiece", layout=FUNNEL_LAYOUT, specials=FUNNEL_TOKENS)
    batch = funnel(["hello", "hello [CLS]"], ["hello<sep>", "hello"])
    assert batch["input_ids"].tolist() == [[2, 7, 3, 7, 3, 3, 0, 0], [2, 7, 1, 1, 1, 3, 7, 3]]
    assert batch["token_type_ids"].tolist() == [[2, 0, 0, 1, 1, 1, 0, 0], [2, 0, 0, 0, 0, 0, 1, 1]]


def test_a_layout_may_name_tokens(xlmr: Tokenizer) -> None:
    layout = Layout(start=(), middle=("sep",), end=("sep", "<mask>"))
    tokenizer = Tokenizer(xlmr.engine, layout, xlmr.specials)
    assert tokenizer("a")["input_ids"].tolist() == [[xlmr.convert_tokens_to_ids("▁a"), 2, xlmr.mask_token_id]]


def test_nothing(tiny: Tokenizer, xlmr: Tokenizer) -> None:
    for tokenizer in (tiny, xlmr):
        assert tokenizer("")["attention_mask"].tolist() == [[1, 1]]
        assert tokenizer("", "")["input_ids"].shape[0] == 1
        assert tokenizer([])["input_ids"].shape == (0, 0)
        assert tokenizer([], [])["input_ids"].shape == (0, 0)
        assert tokenizer([], padding=False)["input_ids"] == []
        assert tokenizer("", return_offsets=True)["offsets"].tolist() == [[[0, 0], [0, 0]]]
        assert tokenizer.decode([]) == ""


def test_a_very_long_text(english: Tokenizer, xlmr: Tokenizer) -> None:
    for tokenizer in (english, xlmr):
        for text in ("word " * 20_000, "é" * 100_000, " " * 100_000 + "<mask>", "中" * 100_000):
            batch = tokenizer(text, max_length=512, return_offsets=True)
            assert batch["input_ids"].shape[1] <= 512
        rows = tokenizer("word " * 20_000, max_length=512, stride=128)["input_ids"]
        assert rows.shape == (-(-(20_000 - 128) // (510 - 128)), 512)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["a", None], "Item 1 is None"),
        (["a", 3], "Item 1 is a int"),
        (["a", b"b"], "Item 1 is a bytes"),
        (["a", "b\ud800"], r"Item 1 has '\\ud800' at character 1"),
        (None, "NoneType"),
        (b"a", "bytes"),
        (7, "int"),
        ({"a": 1}, "dict"),
        (["a", ["b"]], "Item 1 is a list"),
    ],
)
def test_what_is_not_text(texts: Any, message: str, tiny: Tokenizer, xlmr: Tokenizer) -> None:
    for tokenizer in (tiny, xlmr):
        with pytest.raises(InputError, match=message):
            tokenizer(texts)
        if texts is not None:
            with pytest.raises(InputError, match=message):
                tokenizer(["a", "b"], texts)


def test_what_is_not_words(tiny: Tokenizer) -> None:
    for words, message in (
        ([["a"], "b"], "Item 1 is a str"),
        ([["a"], None], "Item 1 is a NoneType"),
        ([["a"], ["b", None]], "Item 1 is None"),
    ):
        with pytest.raises(InputError, match=message):
            tiny(words, is_split_into_words=True)


@pytest.mark.parametrize(
    ("error", "options"),
    [
        (UsageError, {"truncation": "longest"}),
        (UsageError, {"padding": "longest"}),
        (UsageError, {"padding_side": "top"}),
        (UsageError, {"padding": "max_length"}),
        (UsageError, {"truncation": "only_second"}),
        (UsageError, {"text_pair": "a", "stride": 1, "max_length": 4}),
        (UsageError, {"pad_to_multiple_of": 0}),
        (InputError, {"text_pair": ["a", "b"]}),
        (InputError, {"max_length": 1}),
        (InputError, {"text_pair": "a b", "max_length": 3, "truncation": "only_second"}),
        (InputError, {"max_length": 4, "stride": 2}),
    ],
)
def test_what_cannot_be_done(error: type[Exception], options: dict[str, Any], tiny: Tokenizer) -> None:
    with pytest.raises(error):
        tiny("hello world un able", **options)


def test_ids_outside_of_the_vocabulary(tiny: Tokenizer) -> None:
    for ids in ([99], [-1]):
        with pytest.raises(InputError, match=str(ids[0])):
            tiny.decode(ids)
    assert tiny.convert_tokens_to_ids(["hello", "nowhere"]) == [5, 1]


def test_decode_joins_word_pieces(tiny: Tokenizer) -> None:
    ids = tiny("unx hello", "able nowhere")["input_ids"][0]
    assert tiny.decode(ids) == "unx hello able [UNK]"
    assert tiny.decode(ids, skip_special_tokens=False) == "[CLS] unx hello [SEP] able [UNK] [SEP]"


def test_workers_get_a_copy(tiny: Tokenizer, xlmr: Tokenizer) -> None:
    for tokenizer in (tiny, xlmr):
        copy = pickle.loads(pickle.dumps(tokenizer))
        text = "hello Σ\ue000 <mask> world"
        assert copy(text)["input_ids"].tolist() == tokenizer(text)["input_ids"].tolist()


def test_forked_children_neither_hang_nor_warn(tmp_path: Path) -> None:
    vocabularies.english(tmp_path)
    code = f"""
import multiprocessing
from pathlib import Path
from zoo.tokenization import load_tokenizer
tokenizer = load_tokenizer(Path({str(tmp_path)!r}))
def work(n): return int(tokenizer(["hello world"] * 100, return_tensors="np")["input_ids"].sum())
if __name__ == "__main__":
    here = work(0)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        print(set(pool.map(work, range(4))) == {{here}})
"""
    environ = {k: v for k, v in os.environ.items() if k != "TOKENIZERS_PARALLELISM"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=100, env=environ, check=False
    )
    assert (done.stdout.strip(), done.stderr) == ("True", "")


def test_paddle_tensors_or_numpy_arrays(tiny: Tokenizer) -> None:
    import paddle

    options = {"return_offsets": True, "stride": 1, "max_length": 4}
    tensors, arrays = (tiny(["hello world un", "un"], return_tensors=kind, **options) for kind in ("pd", "np"))
    assert all(isinstance(value, paddle.Tensor) for value in tensors.values())
    assert all(isinstance(value, np.ndarray) for value in arrays.values())
    assert {k: v.tolist() for k, v in tensors.items()} == {k: v.tolist() for k, v in arrays.items()}
    rows = tiny(["hello world", "un"], padding=False)["input_ids"]
    assert all(isinstance(row, np.ndarray) for row in rows)
    assert tiny([])["input_ids"].shape == [0, 0] and tiny.decode(tensors["input_ids"][0])
    with pytest.raises(UsageError, match="return_tensors='pt'"):
        tiny("hello", return_tensors="pt")
    with pytest.raises(UsageError, match="no option return_offsets_mapping"):
        tiny("hello", return_offsets_mapping=True)
