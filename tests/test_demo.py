"""The demo, in its short form: every step holds what it promises, and nothing of others is touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from examples import demo


def test_the_whole_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], minilm_snapshot: Path
) -> None:
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    assert demo.main([str(tmp_path / "demo"), "--short"]) == 0
    out, _ = capsys.readouterr()
    table = out[out.index("step ") :]
    for step in ("convert", "load", "search", "finetune", "evaluate", "export", "answer"):
        assert f"\n{step} " in table
    assert "zoo finetune --task classification" in table and "report.html" in table and "int8" in table
    typed = table[table.index("The same, typed:") :].splitlines()
    assert all(len(line) <= 80 for line in typed if str(tmp_path) not in line)
    assert "FAILED" not in out
    assert demo.fresh(tmp_path / "demo").is_dir(), "what a demo wrote makes room for the next one"


def test_a_check_that_does_not_hold_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(self: demo.Demo) -> tuple[str, str]:
        demo.check(False, "the numbers differ")
        raise AssertionError

    monkeypatch.setattr(demo.Demo, "convert", fails)
    assert demo.Demo(tmp_path).run() == 1
    assert "FAILED: the numbers differ" in capsys.readouterr().out


def test_a_folder_of_others_stays(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x", "utf-8")
    with pytest.raises(SystemExit, match="no demo wrote it"):
        demo.fresh(tmp_path)
    assert (tmp_path / "mine").read_text("utf-8") == "x"
