"""Where trackers keep their runs, what a run is called there, and how to look at it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from zoo.files import user_path
from zoo.finetune.config import STORE, FinetuneConfig

STORE_VARIABLE = "ZOO_TRACKER_STORE"  # a folder: the store of every run that names no other
VIEWERS = {  # tracker -> its title, and a module that its viewer needs and its small package lacks
    "aim": ("Aim", "aim"),
    "mlflow": ("MLflow", "flask_cors"),
    "tensorboard": ("TensorBoard", "tensorboard"),
    "visualdl": ("VisualDL", "visualdl"),
}


def store_of(config: FinetuneConfig, otherwise: Path) -> Path:
    """Gives the folder of the trackers' stores: what the run names, else $ZOO_TRACKER_STORE, else `otherwise`."""
    named = config.tracker_store or os.environ.get(STORE_VARIABLE, "")
    return user_path(named) if named else otherwise


def with_store(trackers: str, otherwise: Path) -> str:
    """Gives the option --trackers for runs that shall have one store."""
    config = FinetuneConfig(trackers=trackers)
    return f"{','.join(config.tracker_names)},{STORE}{store_of(config, otherwise)}"


def mlflow_store(folder: Path) -> str:
    """Gives the address of MLflow's store: of its own variable, or a folder below the stores' folder."""
    return os.environ.get("MLFLOW_TRACKING_URI") or (folder / "mlflow").resolve().as_uri()


def aim_store(folder: Path) -> str:
    """Gives the folder or address of Aim's store, as `mlflow_store` does."""
    return os.environ.get("AIM_REPO") or str(folder / "aim")


def label_of(place: Path, task: str = "") -> str:
    """Gives the name of a run in a store: that of its folder, with its parent's before a seed or a suite's task."""
    parts = place.resolve().parts
    count = 2 if parts[-1].startswith("seed-") else 1
    count += parts[-count] == task
    return "-".join(parts[-count:])


def views(names: Sequence[str], folder: Path) -> list[str]:
    """Gives a line for each tracker: its name, and the command or address that shows its store."""
    said = []
    for name in names:
        title, part = VIEWERS[name]
        command = _command(name, folder)
        first = "" if command.startswith("http") or find_spec(part) else f" (first: pip install {name})"
        said.append(f"{title}: {command}{first}")
    return said


def _command(name: str, folder: Path) -> str:
    if name == "mlflow":
        uri = mlflow_store(folder)
        if uri.startswith("http"):
            return uri
        allow = "MLFLOW_ALLOW_FILE_STORE=true " if uri.startswith("file:") else ""  # as MLflow 3 wants it
        return f"{allow}mlflow ui --backend-store-uri {shlex.quote(uri)}"
    if name == "aim":
        return f"aim up --repo {shlex.quote(aim_store(folder))}"
    return f"{name} --logdir {shlex.quote(str(folder / name))}"
