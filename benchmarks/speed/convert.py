"""How fast and with how little memory a torch file of XLM-R large's shapes (2.24 GB, legacy .bin) is converted.

Interleaved, each a process of its own, files in the page cache, outputs on the same disk:
  ours       zoo.checkpoint.stream: read, check every number, transpose, write, sha256 of the source, fsync
  command    zoo convert: the same with paddle's import, the check against its network, the certificate
  copy       cp and cat: what moving the bytes costs at least
  durable    the same with fsync, which ours includes
  usual      torch.load, Layer.set_state_dict, paddle.save (no checks, no sha256, no fsync)
Peak memory is anonymous memory (RssAnon, sampled): the mapped file can be dropped at any time and does not count.

python -m benchmarks.speed.convert [--rounds 5] [--layers 24] [--folder DIR] [--save]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.common import ROOT, compare, write

HIDDEN, INNER, VOCABULARY, POSITIONS = 1024, 4096, 250002, 514
SAMPLE_SECONDS = 0.01
LIMIT_RATIO, LIMIT_MB = 1.5, 600


def make(path: Path, layers: int) -> None:
    """Random weights under XLM-R's names, saved in torch's legacy format with its tied decoder."""
    import torch

    torch.manual_seed(0)
    state: OrderedDict[str, Any] = OrderedDict()

    def linear(name: str, outputs: int, inputs: int) -> None:
        state[f"{name}.weight"], state[f"{name}.bias"] = torch.randn(outputs, inputs), torch.randn(outputs)

    def norm(name: str) -> None:
        state[f"{name}.weight"], state[f"{name}.bias"] = torch.ones(HIDDEN), torch.zeros(HIDDEN)

    for name, rows in (("word", VOCABULARY), ("position", POSITIONS), ("token_type", 1)):
        state[f"roberta.embeddings.{name}_embeddings.weight"] = torch.randn(rows, HIDDEN)
    norm("roberta.embeddings.LayerNorm")
    for i in range(layers):
        layer = f"roberta.encoder.layer.{i}"
        for part in ("self.query", "self.key", "self.value", "output.dense"):
            linear(f"{layer}.attention.{part}", HIDDEN, HIDDEN)
        norm(f"{layer}.attention.output.LayerNorm")
        linear(f"{layer}.intermediate.dense", INNER, HIDDEN)
        linear(f"{layer}.output.dense", HIDDEN, INNER)
        norm(f"{layer}.output.LayerNorm")
    state["lm_head.bias"] = torch.zeros(VOCABULARY)
    linear("lm_head.dense", HIDDEN, HIDDEN)
    norm("lm_head.layer_norm")
    state["lm_head.decoder.weight"] = state["roberta.embeddings.word_embeddings.weight"]
    torch.save(state, path, _use_new_zipfile_serialization=False)
    config = {
        "architectures": ["XLMRobertaForMaskedLM"],
        "model_type": "xlm-roberta",
        "vocab_size": VOCABULARY,
        "hidden_size": HIDDEN,
        "intermediate_size": INNER,
        "num_hidden_layers": layers,
        "num_attention_heads": 16,
        "max_position_embeddings": POSITIONS,
        "type_vocab_size": 1,
        "layer_norm_eps": 1e-5,
    }
    (path.parent / "config.json").write_text(json.dumps(config))


def ours(source: Path, out: Path) -> None:
    """The engine of `zoo.convert`, with the key table of XLM-R."""
    from zoo.checkpoint import open_checkpoint, stream
    from zoo.models.xlmr.keymap import KEYMAP

    with open_checkpoint(source) as checkpoint:
        stream(KEYMAP.plan(checkpoint.infos), checkpoint, out, {})


def usual(source: Path, out: Path) -> None:
    """What conversion scripts do: both frameworks, everything in memory."""
    import paddle
    import torch

    state = torch.load(source, map_location="cpu")
    layers: dict[str, Any] = {}
    for name, tensor in state.items():
        prefix, _, leaf = name.rpartition(".")
        if leaf == "weight" and "decoder" not in name:
            key = prefix.replace(".", "_")
            if "embeddings" in prefix and tensor.ndim == 2:
                layers[key] = paddle.nn.Embedding(*tensor.shape)
            elif tensor.ndim == 2:
                layers[key] = paddle.nn.Linear(tensor.shape[1], tensor.shape[0])
            else:
                layers[key] = paddle.nn.LayerNorm(tensor.shape[0])
    network = paddle.nn.LayerDict(layers)
    network.add_sublayer("lm_head", paddle.nn.Layer())
    network.lm_head.bias = network.lm_head.create_parameter(state["lm_head.bias"].shape, is_bias=True)
    names = {}
    for name, tensor in state.items():
        prefix, _, leaf = name.rpartition(".")
        if "decoder" in name:
            continue
        array = tensor.numpy()
        if leaf == "weight" and array.ndim == 2 and "embeddings" not in prefix:
            array = array.transpose()
        names[f"{prefix.replace('.', '_')}.{leaf}"] = paddle.to_tensor(array)
    missing, unexpected = network.set_state_dict(names)
    assert not missing and not unexpected, (missing, unexpected)
    paddle.save(network.state_dict(), str(out))


def commands(source: Path, out: Path) -> dict[str, list[str]]:
    """The processes that are compared."""
    me = [sys.executable, "-m", "benchmarks.speed.convert", str(source), "--out", str(out), "--only"]
    quick = ["sh", "-c"]
    return {
        "ours": [*me, "ours"],
        "command": [sys.executable, "-m", "zoo.convert", str(source.parent), "--out", str(out)],
        "copy": [*quick, 'cp "$0" "$1" && cat "$0" > /dev/null', str(source), str(out)],
        "durable": [*quick, 'cp "$0" "$1" && sync "$1" && cat "$0" > /dev/null', str(source), str(out)],
        "usual": [*me, "usual"],
    }


def measure(command: list[str]) -> tuple[float, float]:
    """Seconds, and peak anonymous memory in MB, of a process."""
    start, peak = time.perf_counter(), 0.0
    with subprocess.Popen(command, cwd=ROOT) as child:
        while True:
            try:
                child.wait(SAMPLE_SECONDS)
                break
            except subprocess.TimeoutExpired:
                peak = max(peak, *_anonymous(child.pid))
        seconds = time.perf_counter() - start
    if child.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {child.returncode}")
    return seconds, peak


def _anonymous(process: int) -> Iterator[float]:
    yield 0.0
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return
    yield from (int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon"))


def main() -> None:
    """Makes the file, measures, prints and, when asked, saves."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "source", nargs="?", type=Path, help="another legacy .bin with XLM-R's keys, config.json beside it"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--layers", type=int, default=24)
    parser.add_argument("--folder", type=Path, help="where the files go; the system's temporary folder by default")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/convert_speed.*")
    parser.add_argument("--only", choices=("ours", "usual", "make"), help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only == "make":
        make(options.out, options.layers)
        return
    if options.only:
        {"ours": ours, "usual": usual}[options.only](options.source, options.out)
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        source = options.source or Path(folder) / "upstream" / "pytorch_model.bin"
        if not options.source:
            source.parent.mkdir()
            maker = [sys.executable, "-m", "benchmarks.speed.convert", "--only", "make", "--out", str(source)]
            subprocess.run([*maker, "--layers", str(options.layers)], check=True, cwd=ROOT)
        run(source, Path(folder) / "out", options)


def run(source: Path, out: Path, options: argparse.Namespace) -> None:
    """All rounds; one of each before them, not counted."""
    found: dict[str, list[tuple[float, float]]] = {}
    for n in range(options.rounds + 1):
        todo = list(commands(source, out).items())
        for name, command in todo if n % 2 else todo[::-1]:
            shutil.rmtree(out) if out.is_dir() else out.unlink(missing_ok=True)
            os.sync()  # what the one before left to write is not the next one's burden
            result = measure(command)
            print(f"round {n}: {name:8} {result[0]:6.2f} s {result[1]:7.0f} MB", flush=True)
            if n:
                found.setdefault(name, []).append(result)
    seconds = {name: statistics.median(s for s, _ in results) for name, results in found.items()}
    memory = {name: max(m for _, m in results) for name, results in found.items()}
    compare("seconds against cp and cat", seconds["ours"], seconds["copy"], " s")
    compare("seconds against cp, fsync and cat", seconds["ours"], seconds["durable"], " s")
    compare("seconds of the whole command against cp and cat", seconds["command"], seconds["copy"], " s")
    compare("seconds against torch.load, set_state_dict, paddle.save", seconds["ours"], seconds["usual"], " s")
    compare("anonymous memory against that route", memory["ours"], memory["usual"], " MB")
    rows = [
        {
            "route": name,
            "bytes": source.stat().st_size,
            "rounds": len(results),
            "seconds_median": round(seconds[name], 3),
            "seconds_least": round(min(s for s, _ in results), 3),
            "seconds_most": round(max(s for s, _ in results), 3),
            "anonymous_mb": round(memory[name]),
            "times_copy": round(seconds[name] / seconds["copy"], 3),
            "times_durable_copy": round(seconds[name] / seconds["durable"], 3),
        }
        for name, results in found.items()
    ]
    if options.save:
        print(write("convert_speed", f"python -m benchmarks.speed.convert --rounds {options.rounds} --save", rows))
    good = seconds["ours"] <= LIMIT_RATIO * seconds["copy"] and memory["ours"] < LIMIT_MB
    print(f"at most {LIMIT_RATIO} times cp and cat, under {LIMIT_MB} MB: {'yes' if good else 'NO'}")


if __name__ == "__main__":
    main()
