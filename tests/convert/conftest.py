"""Small snapshots in the form of the published files, and the command, in this process or in one of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
TINY = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "vocab_size": 400,
    "max_position_embeddings": 40,
}
TINY_FUNNEL = {
    "block_sizes": [2, 1, 1],
    "num_decoder_layers": 1,
    "d_model": 32,
    "n_head": 4,
    "d_head": 8,
    "d_inner": 64,
    "vocab_size": 400,
}
TINY_BART = {
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 4,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
    "vocab_size": 400,
    "max_position_embeddings": 40,
}
TINY_PALM = {"dec_layers": 2, "dec_hidden_size": 32, "dec_heads": 4, "dec_ff_size": 64, "dec_hidden_layers": 2}
Make = Callable[..., Path]


@pytest.fixture(scope="session")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Makes (once) the snapshot of a card at small size: `snapshot(name, head="ForTokenClassification", ...)`."""
    pytest.importorskip("torch", reason="small snapshots are made with torch (the extra `verify`)")
    from conversion.random_snapshot import write
    from zoo import registry

    made: dict[tuple[Any, ...], Path] = {}

    def make(name: str, architecture: str = "", form: Any = None, **config: object) -> Path:
        key = (name, architecture, form, json.dumps(config))
        if key not in made:
            card = registry.info(name)
            sizes = next((s for s in (TINY_FUNNEL, TINY_BART) if s.keys() <= card.config.keys()), TINY)
            sizes = TINY | TINY_PALM if card.family == "palm" else sizes
            folder = tmp_path_factory.mktemp("upstream") / "snapshot"
            made[key] = write(card, folder, config={**sizes, **config}, architecture=architecture, form=form)
        return made[key]

    return make


@pytest.fixture
def command() -> Callable[..., tuple[int, str, str]]:
    """The command in this process: exit code, stdout, stderr."""
    import contextlib
    import io

    from zoo.convert.__main__ import main

    def run(*arguments: object) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = main([str(a) for a in arguments])
            except SystemExit as stop:
                code = int(stop.code or 0)
        return code, out.getvalue(), err.getvalue()

    return run


def start(*arguments: object, before: str = "") -> subprocess.Popen[str]:
    """The command in a process of its own; `before` is Python that runs first there."""
    script = f"{before}\nfrom zoo.convert.__main__ import main\nimport sys\nsys.exit(main(sys.argv[1:]))"
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder and its content."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def config_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "config.json").read_text(encoding="utf-8"))
