"""Malformed files: one sentence with file and line, never a library's traceback."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zoo import tasks
from zoo.errors import InputError, UsageError, ZooError

SQUAD = {"data": [{"paragraphs": [{"context": "late 1990s", "qas": [
    {"id": "1", "question": "When?", "answers": [{"text": "1990s", "answer_start": 5}], "is_impossible": False},
    {"id": "2", "question": "Why?", "answers": [], "is_impossible": True},
]}]}]}  # fmt: skip
CLUENER = {"text": "浙商银行叶老桂", "label": {"name": {"叶老桂": [[4, 6]]}, "company": {"浙商银行": [[0, 3]]}}}
WSC = {"target": {"span1_text": "舌头", "span2_text": "它"}, "label": "true", "text": "舌头想往天上去，它掉下来"}
GOOD = {  # task -> a file
    "sst2": "sentence\tlabel\na charming journey\t1\nno fun\t0\n",
    "cola": "gj04\t1\t\tOur friends won't buy this.\ngj04\t0\t*\tThey drank the pub.\n",
    "stsb": "index\tsentence1\tsentence2\tscore\n0\ta plane\tan air plane\t5.000\n1\ta\tb\t0.2\n",
    "qqp": "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n0\t1\t2\thow?\twhy?\t0\nbroken\n",
    "xnli": "language\tgold_label\tsentence1\tsentence2\nde\tneutral\tEins\tZwei\nen\t-\tOne\tTwo\n",
    "afqmc": '{"sentence1": "花呗", "sentence2": "额度", "label": "0"}\n' * 2,
    "cluewsc": json.dumps(WSC, ensure_ascii=False) + "\n",
    "csl": '{"id": 1, "abst": "text", "keyword": ["a", "b"], "label": "1"}\n',
    "peoples-daily": "在 O\n北 B-LOC\n京 I-LOC\n\n他 O\n",
    "panx": "en:Sioux\tB-ORG\nen:Falls\tI-ORG\n\nen:is\tO\n",
    "cluener": json.dumps(CLUENER, ensure_ascii=False) + "\n",
    "squad2": json.dumps(SQUAD),
    "dureader-robust-qg": json.dumps(SQUAD).replace('"answers": []', '"answers": [{"text": "x"}]'),
    "dureader-qg": "answer\tparagraph\ttgt\nXPE\t爬行垫\t什么好\n",
    "lcsts": "新闻正文\t标题\n第二\t二\n",
}
FUZZ = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
PIECES = st.sampled_from(
    [b"", b"\t", b"\n", b"\n\n", b'"', b"{", b"}", b"[", b"]", b",", b"null", b"-1", b"1e999", b"\xff", b"\x00",
     b"\r", b"\xef\xbb\xbf", b"\x1f\x8b", b"NaN", b"true", b" ", "\u2028".encode(), b"\\ud800", b"[" * 5000]
)  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_a_good_file_is_read(name: str, tmp_path: Path) -> None:
    file = tmp_path / "data"
    file.write_text(GOOD[name], "utf-8")
    assert list(tasks.find(name).read(file, "dev"))


@pytest.mark.parametrize("name", GOOD)
@FUZZ
@given(edits=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 6), PIECES), min_size=1, max_size=4))
def test_a_mangled_file_is_read_or_refused(
    name: str, edits: list[tuple[float, int, bytes]], tmp_path: Path
) -> None:
    content = GOOD[name].encode()
    for at, removed, inserted in edits:
        place = int(at * len(content))
        content = content[:place] + inserted + content[place + removed :]
    file = tmp_path / "data"
    file.write_bytes(content)
    for split in ("dev", "test"):
        try:
            list(tasks.find(name).read(file, split))
        except ZooError as error:
            assert str(file) in error.message


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("sst2", b"", "'{}' is empty."),
        ("sst2", b"sentence\tlabel\n", "'{}' has no example of sst2, split 'dev'."),
        ("sst2", b"sentence\tlabel\nfun\t2\n", "'{}', line 2: the label '2' is none of sst2."),
        ("sst2", b"sentence\tlabel\nfun\n", "'{}', line 2: 1 columns where 2 were expected."),
        ("sst2", b"text\tlabel\nfun\t1\n", "'{}', line 2: there is no 'sentence'."),
        ("sst2", b"sentence\tlabel\n \t1\n", "'{}', line 2: 'sentence' must be text and is ' '."),
        ("sst2", b"sentence\nfun\n", "'{}', line 2: no label: column 'label' is missing or empty."),
        ("sst2", b"sentence\tlabel\nfun\t1\nf\xfcr\t1\n", "'{}', line 3: byte 2 of the line is not UTF-8."),
        ("stsb", b"sentence1\tsentence2\tscore\na\tb\tmuch\n", "'{}', line 2: 'score' must be a number"),
        ("stsb", b"sentence1\tsentence2\tscore\na\tb\t5.5\n", "'{}', line 2: 'score' must be from 0 to 5"),
        ("afqmc", b'{"sentence1": 1}\n', "'{}', line 1: no label: column 'label' is missing or empty."),
        ("afqmc", b"[]\n", "'{}', line 1: [] is not an object {{...}}."),
        ("afqmc", b"{\n", "'{}', line 1: not JSON: "),
        ("peoples-daily", "在 O\n北 B-CITY\n".encode(), "'{}', line 2: the tag 'B-CITY' of '北' is none of"),
        ("peoples-daily", "在 O\n北\n".encode(), "'{}', line 2: 1 columns where 2 were expected: '北'."),
        ("peoples-daily", "在\n北\n".encode(), "'{}', line 1: no tags."),
        ("cluener", b'{"text": "ab", "label": {"name": {"b": [[0, 0]]}}}', "'{}', line 1: the span [0, 0] of"),
        ("afqmc", GOOD["afqmc"].replace("花呗", "\\ud83d").encode(), "'{}', line 1: half of a surrogate pair"),
        ("squad2", b"{}", "'{}': where a list 'data' was expected there is None."),
        ("squad2", b'{"data": []}', "'{}' has no questions."),
        ("squad2", json.dumps(SQUAD).replace('"1990s"', "3").encode(), "'{}', question 1: an answer must be"),
        ("squad", json.dumps(SQUAD).encode(), "'{}', question 2: no answer, and squad has no unanswerable"),
        ("xnli", gzip.compress(GOOD["xnli"].encode(), mtime=0)[:-9], "'{}' is a damaged archive"),
    ],
)  # fmt: skip
def test_what_is_said(name: str, content: bytes, expected: str, tmp_path: Path) -> None:
    file = tmp_path / "data.tsv"
    file.write_bytes(content)
    with pytest.raises(InputError) as caught:
        list(tasks.find(name).read(file, "dev"))
    assert caught.value.message.startswith(expected.format(file))


def test_a_header_only_names_its_file(tmp_path: Path) -> None:
    (tmp_path / "dev.tsv").write_text("sentence\tlabel\n", "utf-8")
    with pytest.raises(InputError, match=r"dev.tsv' has no example of sst2, split 'dev'"):
        list(tasks.find("sst2").read(tmp_path, "dev"))


def test_a_folder_without_the_file(tmp_path: Path) -> None:
    (tmp_path / "other.txt").touch()
    with pytest.raises(InputError, match=r"has no 'dev.tsv', which sst2 needs; it holds other.txt"):
        list(tasks.find("sst2").read(tmp_path, "dev"))
    with pytest.raises(UsageError, match="sst2 has no split 'devel'"):
        list(tasks.find("sst2").read(tmp_path, "devel"))
    with pytest.raises(UsageError, match="xnli has no language 'xx'"):
        list(tasks.find("xnli").read(tmp_path, "dev", languages=("xx",)))
    with pytest.raises(InputError, match="There is no file"):
        list(tasks.find("sst2").read(tmp_path / "none.tsv", "dev"))


def test_sides_of_unequal_length(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("one\ntwo\n")
    (tmp_path / "b").write_text("eins\n")
    with pytest.raises(InputError, match=r"b' has fewer lines than '.*a', which has a line 2"):
        list(tasks.find("multi30k-en-de").read([tmp_path / "a", tmp_path / "b"], "dev"))


def test_unknown_names() -> None:
    with pytest.raises(UsageError, match="There is no task 'squad3'") as caught:
        tasks.find("squad3")
    assert "squad2" in caught.value.hint
    assert tasks.find("SST-2").name == "sst2" and tasks.find("peoples_daily").name == "peoples-daily"
