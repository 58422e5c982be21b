"""The chain of docs/ner.md runs from labelled sentences to answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from examples import ner_chain

SENTENCES = (("王五住在北京", "BIOOBI"), ("他去了上海", "OOOBI"), ("今天天气好", "OOOOO"), ("李四来了", "BIOO"))
KINDS = {"王": "PER", "五": "PER", "李": "PER", "四": "PER", "北": "LOC", "京": "LOC", "上": "LOC", "海": "LOC"}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    blocks = []
    for words, tags in SENTENCES * 4:
        lines = [
            f"{word} {tag if tag == 'O' else f'{tag}-{KINDS[word]}'}" for word, tag in zip(words, tags, strict=True)
        ]
        blocks.append("\n".join(lines))
    for split in ("train", "dev", "test"):
        (folder / f"example.{split}").write_text("\n\n".join(blocks) + "\n", "utf-8")
    return folder


def test_the_chain(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ner_chain, "SIZES", {**ner_chain.SIZES, "hidden_size": 24, "num_hidden_layers": 1})
    monkeypatch.setattr(ner_chain, "FROM_NOTHING", {**ner_chain.FROM_NOTHING, "epochs": 20.0, "lr": 3e-3})
    monkeypatch.setattr(ner_chain, "EXPORTS", (("paddle", "fp32"),))
    work = tmp_path / "work"
    lines = ner_chain.chain(data, work)
    assert [(one.engine, one.precision, one.points) for one in lines] == [("paddle", "fp32", 0.0)]
    assert lines[0].f1 == 100 and lines[0].accuracy == 100
    found = [json.loads(line) for line in (work / "paddle-fp32.jsonl").read_text("utf-8").splitlines()]
    assert [e["word"] for e in found[0]["entities"]] == ["王五", "北京"]
    assert found[2]["entities"] == []
    ner_chain.plot(lines, tmp_path / "ner.png")
    ner_chain.show(lines)
    made = (work / "run/run.json").stat().st_mtime_ns
    assert ner_chain.chain(data, work)[0].f1 == 100  # a second time nothing is trained or exported again
    assert (work / "run/run.json").stat().st_mtime_ns == made
