"""Finds the model in the folder of a finetuning run."""

from __future__ import annotations

import logging
import re
from pathlib import Path

from zoo.errors import ZooError
from zoo.files.reading import read_object

RUN_FILE, BEST = "run.json", "best"
SEED_MODEL = re.compile(r"seed-\d{1,10}/best")  # as run.json of several seeds names the best one
MAX_RUN_FILE = 64 << 20  # bytes

log = logging.getLogger("zoo")


def best_model(folder: Path) -> Path:
    """Gives best/ of a run, of a run of several seeds that of the best seed on dev; it need not be there."""
    if (folder / BEST).is_dir() or not (folder / RUN_FILE).is_file():
        return folder / BEST
    try:
        seeds = read_object(folder / RUN_FILE, MAX_RUN_FILE).get("seeds")
    except ZooError:
        return folder / BEST
    found = seeds.get("best") if isinstance(seeds, dict) else None
    if not isinstance(found, str) or not SEED_MODEL.fullmatch(found):
        return folder / BEST
    log.info("%s of '%s': the best of its seeds on the development set", found.partition("/")[0], folder)
    return folder / found
