"""What loading and converting hold in memory: the weights and one tensor, of a file set of any size."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from zoo import registry
from zoo.checkpoint import write_safetensors
from zoo.checkpoint.rules import TensorInfo
from zoo.checkpoint.shapes import source_shapes
from zoo.models.xlmr_xl.keymap import KEYMAP
from zoo.outline import layout

CONFIG = {"architectures": ["XLMRobertaXLModel"], "model_type": "xlm-roberta-xl", "hidden_size": 1024}
CONFIG |= {"num_hidden_layers": 4, "num_attention_heads": 16, "intermediate_size": 4096, "vocab_size": 24576}
SHARDS = 4
# Prints the memory of its own (RssAnon; pages of a mapped file are the system's) that a function takes at most.
SCRIPT = """
import sys, threading, paddle, zoo
from pathlib import Path
from zoo.convert.to_paddle import convert
from zoo.convert import placing
placing._paddle()

def own():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("RssAnon")) << 10

def peak(work):
    most, before, done = [0], own(), threading.Event()
    def watch():
        while not done.wait(0.002):
            most[0] = max(most[0], own())
    thread = threading.Thread(target=watch)
    thread.start()
    kept = work()
    done.set()
    thread.join()
    print(max(most[0], own()) - before, flush=True)
    return kept

source, target = sys.argv[1:]
peak(lambda: convert(source, Path(target)) and None)
kept = peak(lambda: zoo.load(source))
del kept
peak(lambda: zoo.load(target))
"""


def write(folder: Path) -> tuple[int, int, int]:
    """Writes a set of shards; gives the bytes of all, of the largest shard and of the largest tensor."""
    _, architecture = registry.family_of(CONFIG)
    ours = layout(architecture, CONFIG, set())
    shapes = {}
    for step in KEYMAP.reverse(ours).steps:
        shapes |= source_shapes(step, ours)
    parts: list[list[str]] = [[] for _ in range(SHARDS)]
    sizes = [0] * SHARDS
    for name in sorted(shapes, key=lambda n: -np.prod(shapes[n])):
        smallest = sizes.index(min(sizes))
        parts[smallest].append(name)
        sizes[smallest] += 4 * int(np.prod(shapes[name]))
    folder.mkdir()
    names = {}
    for number, part in enumerate(parts):
        file = f"model-{number}.safetensors"
        infos = [TensorInfo(name, "F32", shapes[name]) for name in part]
        write_safetensors(
            folder / file, infos, (np.full(shapes[n], 0.01, np.float32) for n in part), {"format": "pt"}
        )
        names |= dict.fromkeys(part, file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))
    (folder / "config.json").write_text(json.dumps(CONFIG))
    return sum(sizes), max(sizes), max(4 * int(np.prod(shape)) for shape in shapes.values())


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_no_more_than_the_weights_and_a_shard(tmp_path: Path) -> None:
    weights, shard, tensor = write(tmp_path / "source")
    assert weights > 300_000_000 and shard >= tensor
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "source"), str(tmp_path / "converted")]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    converting, loading, mapped = map(int, run.stdout.split())
    assert converting < shard, "a conversion holds a few blocks"
    assert loading < weights + shard
    assert mapped < shard, "a converted folder is used where it lies"
