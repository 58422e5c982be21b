"""What was found out about a folder's files, kept for as long as they stay as they are.

$ZOO_HOME/compiled/.known-<question>.json. Whether a file is as it was is told by what the system notes of it, so
that it need not be read: a digest takes some seconds for each GB.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from zoo.errors import ZooError
from zoo.files import Fields, JsonObject, read_object, write_json
from zoo.inference import cache

log = logging.getLogger("zoo")

FORMAT = 1
MOST_FILES = 1_000  # in a folder; a larger one is no model's
SETTLED_SECONDS = (
    3.0  # what changed less long ago may change again without a trace: some systems count in 2 seconds
)

Stamps = dict[str, list[int]]  # name within a folder -> size, ns of the last change of content and entry, number


class Known:
    """What is known of a folder.

    Args:
        question: what was asked, and all that the answer depends on beside the files; JSON.
        folder: every file below it counts.
    """

    def __init__(self, question: Mapping[str, Any], folder: Path) -> None:
        text = json.dumps([FORMAT, os.path.realpath(folder), question], sort_keys=True)
        self._folder = folder
        self._file = cache.folder() / f".known-{hashlib.sha256(text.encode()).hexdigest()[:32]}.json"
        self._stamps = stamps_of(folder)

    def read(self) -> JsonObject | None:
        """Gives what was found out, None where nothing was or where a file has changed."""
        try:
            content = read_object(self._file)
            if self._stamps is None or content.get("files") != self._stamps:
                return None
            os.utime(self._file)  # it is used
            return Fields(content, str(self._file)).object("found", None)
        except (OSError, ZooError):
            return None

    def write(self, found: JsonObject) -> None:
        """Keeps what was found out since this was made, unless a file has changed or may have."""
        if self._stamps is None or self._stamps != stamps_of(self._folder) or not _are_settled(self._stamps):
            return
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            write_json(self._file, {"files": self._stamps, "found": found}, replace=True)
        except (OSError, ZooError) as error:
            log.debug("what is known of %s is not kept: %s", self._folder, error)


def stamps_of(folder: Path, suffix: str = "") -> Stamps | None:
    """Gives what the system notes of the files of a folder whose names end so; None where that cannot be told."""
    found: Stamps = {}
    try:
        for place, _, names in os.walk(folder, followlinks=True):
            for name in names:
                if not name.endswith(suffix):
                    continue
                state = os.stat(path := os.path.join(place, name))
                stamp = [state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino]
                found[os.path.relpath(path, folder)] = stamp
                if len(found) > MOST_FILES:
                    return None
    except OSError:
        return None
    return found


@lru_cache(maxsize=1)
def code_stamp() -> str:
    """Gives a digest of what the system notes of the zoo's own code."""
    stamps = stamps_of(Path(__file__).parents[1], ".py")
    return hashlib.sha256(json.dumps(stamps, sort_keys=True).encode()).hexdigest()


def _are_settled(stamps: Stamps) -> bool:
    newest = max((max(changed, noted) for _, changed, noted, _ in stamps.values()), default=0)
    return time.time() - newest / 1e9 > SETTLED_SECONDS
