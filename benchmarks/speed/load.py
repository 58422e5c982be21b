"""How long it takes until a converted XLM-R large can run, beside transformers.

    python -m benchmarks.speed.load [--rounds 5]

Writes random weights of XLM-R large's sizes to two folders, as a conversion does and as transformers does, and
loads them in turn in fresh processes. Imports are not counted. "load" is zoo.load or from_pretrained, "first
forward" the call after it on 1 x 8 tokens, in which pages of a mapped file are read at last. Cold rounds drop the
files from memory first. Writes benchmarks/results/load_speed.{json,csv}.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.common import compare, run_process, write

CONFIG = {
    "architectures": ["XLMRobertaModel"],
    "model_type": "xlm-roberta",
    "vocab_size": 250002,
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "max_position_embeddings": 514,
    "type_vocab_size": 1,
    "layer_norm_eps": 1e-5,
    "pad_token_id": 1,
}
MARK = {"format": 1, "family": "xlmr", "architecture": "XLMRobertaModel", "task": None}

RUN = """
import json, sys, time
import numpy as np
ids = np.arange(5, 13)[None]
if sys.argv[1] == "zoo":
    import paddle, zoo.loading, zoo.models.xlmr.model, zoo.models.xlmr.config
    def load(): return zoo.loading.load(sys.argv[2])
    def run(model):
        with paddle.no_grad(): return float(model(paddle.to_tensor(ids)).last_hidden_state.sum())
else:
    import torch
    from transformers import XLMRobertaModel
    def load(): return XLMRobertaModel.from_pretrained(sys.argv[2], add_pooling_layer=False).eval()
    def run(model):
        with torch.no_grad(): return float(model(torch.from_numpy(ids)).last_hidden_state.sum())
start = time.perf_counter(); model = load()
middle = time.perf_counter(); total = run(model)
end = time.perf_counter(); run(model)
last = time.perf_counter()
# Not ru_maxrss: that begins with what the parent process had.
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 2**20
print(json.dumps({"load": middle - start, "first_forward": end - middle, "second_forward": last - end,
                  "peak_gib": peak, "sum": total}))
"""


def write_folders(root: Path) -> tuple[Path, Path]:
    """The same random weights, for the zoo and for transformers; tensor by tensor."""
    from zoo import registry
    from zoo.checkpoint import backward, write_safetensors
    from zoo.checkpoint.rules import TensorInfo
    from zoo.models.xlmr.keymap import KEYMAP
    from zoo.outline import layout

    ours, theirs = root / "zoo", root / "transformers"
    _, architecture = registry.family_of(CONFIG)
    shapes = layout(architecture, CONFIG, {"encoder"})

    def array(name: str) -> np.ndarray:
        rng = np.random.default_rng(list(name.encode()))
        return rng.standard_normal(shapes[name], np.float32) * 0.02

    def upstream() -> Iterator[np.ndarray]:
        for step in steps:
            yield from backward(step, array).values()

    steps = KEYMAP.reverse(shapes).steps
    turned = {s.sources[0]: shapes[s.targets[0]][:: -1 if s.rule.op == "transpose" else 1] for s in steps}
    for folder, content, named, arrays, metadata in (
        (ours, {**CONFIG, "zoo": MARK}, shapes, map(array, shapes), {"source_keys": "{}"}),
        (
            theirs,
            CONFIG,
            {k.removeprefix(KEYMAP.base): s for k, s in turned.items()},
            upstream(),
            {"format": "pt"},
        ),
    ):
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(content))
        infos = [TensorInfo(name, "F32", shape) for name, shape in named.items()]
        write_safetensors(folder / "model.safetensors", infos, iter(arrays), metadata)
    return ours, theirs


def forget(file: Path) -> None:
    """Drops a file from the system's memory, so that it must be read from disk again."""
    handle = os.open(file, os.O_RDONLY)
    try:
        os.fsync(handle)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(handle)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    rows = []
    with tempfile.TemporaryDirectory() as root:
        folders = dict(zip(("zoo", "transformers"), write_folders(Path(root)), strict=True))
        for state in ("warm", "cold"):
            runs: dict[str, list[dict[str, float]]] = {name: [] for name in folders}
            for n in range(rounds + 1):
                for name in list(folders) if n % 2 else list(folders)[::-1]:
                    if state == "cold":
                        forget(folders[name] / "model.safetensors")
                    done = run_process(
                        [sys.executable, "-c", RUN, name, str(folders[name])], {"HF_HUB_OFFLINE": "1"}
                    )
                    if n or state == "cold":  # the first warm round only reads the file
                        runs[name].append(json.loads(done.output.strip().splitlines()[-1]))
            sums = [run["sum"] for name in folders for run in runs[name]]
            if max(sums) - min(sums) > 0.1:
                raise RuntimeError(f"the two models do not compute the same: {sums}")
            for name, found in runs.items():
                rows.append({
                    "model": "XLM-R large", "files": state, "library": name, "rounds": len(found),
                    **{f"{key}_median": round(statistics.median(r[key] for r in found), 3)
                       for key in ("load", "first_forward", "second_forward", "peak_gib")},
                    "load_min": round(min(r["load"] for r in found), 3),
                })  # fmt: skip
            mine, other = rows[-2:]
            compare(
                f"load, {state} files, median",
                float(str(mine["load_median"])),
                float(str(other["load_median"])),
                " s",
            )
            both = [float(str(r["load_median"])) + float(str(r["first_forward_median"])) for r in (mine, other)]
            compare(f"load and first forward, {state} files", both[0], both[1], " s")
    write("load_speed", "python -m benchmarks.speed.load", rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
