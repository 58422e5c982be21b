"""Importing the zoo changes nothing of the process: it acts when it is called."""

from __future__ import annotations

import os
import subprocess
import sys

# What other packages do when they are imported is theirs: those that the zoo imports at once come first.
COMMON = """
import csv, importlib, logging, os, pkgutil, signal, sys, threading, warnings
OTHERS = "paddle paddle.distributed paddle.inference paddle.static numpy scipy.stats tokenizers sentencepiece"
OTHERS += " safetensors huggingface_hub jsonargparse jinja2 filelock rich openvino onnxruntime paddle2onnx"
for name in OTHERS.split():
    try:
        importlib.import_module(name)
    except ImportError:
        pass

def state():
    return {
        "environment": dict(os.environ),
        "csv limit": csv.field_size_limit(),
        "signals": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "blocked signals": signal.pthread_sigmask(signal.SIG_BLOCK, ()),
        "threads": sorted(thread.name for thread in threading.enumerate()),
        "hooks": (sys.excepthook, threading.excepthook, sys.unraisablehook),
        "log": [(log.level, list(log.handlers)) for log in (logging.root, logging.getLogger("zoo"))],
        "warnings": list(warnings.filters),
        "folder": os.getcwd(),
    }
"""
IMPORTS = """
forks = []
os.register_at_fork = lambda **given: forks.append(sys._getframe(1).f_globals["__name__"])
before = state()
import zoo
count = 0
for module in pkgutil.walk_packages(zoo.__path__, "zoo."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
        count += 1
after = state()
for name in before:
    if before[name] != after[name]:
        print(name, before[name], after[name])
print([name for name in forks if name.startswith("zoo")], count > 200)
"""
USES = """
from tests.tiny_models import tiny
print(os.environ.get("OMP_NUM_THREADS"))
tiny()
print(os.environ.get("OMP_NUM_THREADS"))
"""


def run(code: str) -> str:
    environ = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_every_module_changes_nothing() -> None:
    assert run(COMMON + IMPORTS) == "[] True\n"


def test_a_network_takes_every_core() -> None:
    """The 1 that paddle writes when it is imported goes when the first network is made."""
    assert run(COMMON + USES) == "1\nNone\n"
