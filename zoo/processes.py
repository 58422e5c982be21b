"""Tells where the main thread of this process is, which processes run below it (Linux), and ends them."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import subprocess  # its import would be felt in `zoo list`

END_SECONDS = 2.5  # that a child has to stop by itself, and once more to tidy up at once
# Their functions run below native code, or are imports, which native code makes too.
NATIVE_PACKAGES = {"_frozen_importlib", "_frozen_importlib_external", "importlib", "paddle", "paddle2onnx"}
NATIVE_PACKAGES |= {"openvino", "nncf", "onnx", "onnxruntime", "torch"}
# What a `with` block or an object gives back must be given back whole.
UNBROKEN_FUNCTIONS = {"__enter__", "__exit__", "__del__", "rmtree", "_rmtree_safe_fd"}


def place_of(frame: FrameType | None) -> Literal["safe", "native", "whole"]:
    """Tells where the main thread is that came to this frame: an exception does no harm only at a safe place."""
    found: Literal["safe", "native"] = "safe"
    while frame:
        if frame.f_code.co_name in UNBROKEN_FUNCTIONS:
            return "whole"
        if frame.f_globals.get("__name__", "").partition(".")[0] in NATIVE_PACKAGES:
            found = "native"
        frame = frame.f_back
    return found


def descendants() -> set[int]:
    """Gives the processes below this one that run; empty where the system does not say."""
    found: set[int] = set()
    waiting = [os.getpid()]
    while waiting:
        for task in Path(f"/proc/{waiting.pop()}/task").glob("*/children"):
            with suppress(OSError):
                new = {int(child) for child in task.read_text().split()}
                waiting += new
                found |= {child for child in new if runs(child)}
    return found


def runs(child: int) -> bool:
    """Tells whether a child runs; not for one that has ended, and not for multiprocessing's, which ends with us."""
    folder = Path(f"/proc/{child}")
    try:
        ended = (folder / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()[0] == "Z"
        return not ended and b"resource_tracker" not in (folder / "cmdline").read_bytes()
    except OSError:
        return False


def end(children: Sequence[subprocess.Popen[Any]]) -> None:
    """Ends child processes and returns when they are gone.

    By SIGTERM, by a second one, at which a command of ours tidies up without its main thread, and by SIGKILL.
    """
    for signalled in ("terminate", "terminate", "kill"):
        for child in children:
            getattr(child, signalled)()
        until = time.monotonic() + END_SECONDS
        while any(child.poll() is None for child in children) and time.monotonic() < until:
            time.sleep(0.01)
