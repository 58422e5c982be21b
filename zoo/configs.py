"""What a model's folder says about its network: config.json, or fairseq's checkpoint, which carries its options."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

from zoo import paddlenlp, registry
from zoo.checkpoint import open_checkpoint
from zoo.errors import ConfigError

ADAPTER = "adapter_config.json"
FAIRSEQ = ("model.pt", "dict.txt")  # a folder with these and no config.json is fairseq's


def read(folder: Path) -> dict[str, Any]:
    """config.json of a folder, or what it would be for a folder of fairseq.

    PaddleNLP's files are given in transformers' words; see `zoo.paddlenlp`.
    Where a network's encoder has a config.json of its own, in the sub-folder that `encoder_pth` names (PALM 2.0),
    that is added as `encoder_config`.

    Raises:
        ConfigError: there is neither, it is damaged, or fairseq's network is none of the zoo's.
        CheckpointError: fairseq's checkpoint is damaged.
    """
    file = folder / "config.json"
    if not file.exists() and all((folder / name).is_file() for name in FAIRSEQ):
        return _fairseq(folder / FAIRSEQ[0])
    if not file.exists() and (folder / paddlenlp.LEGACY).is_file():
        file = folder / paddlenlp.LEGACY
    if not file.exists() and (folder / ADAPTER).is_file():
        raise ConfigError(
            f"'{folder}' is an adapter (it has {ADAPTER}): changes to a model, and not the model.",
            "Merge it with the library that made it (peft: model.merge_and_unload().save_pretrained(DIR)), "
            "then give DIR.",
        )
    content = _object(file)
    if "zoo" not in content and paddlenlp.is_paddlenlp(content):
        content = paddlenlp.translated(content)
    nested = folder / Path(str(content.get("encoder_pth") or ".")).name / "config.json"
    if "encoder_config" in content or nested.parent == folder or not nested.is_file():
        return content
    return {**content, "encoder_config": _object(nested)}


def _object(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"'{file.parent}' has no config.json.", "Give the folder of a model.") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"'{file}' cannot be read as JSON: {error}.", "Get it again.") from None
    if not isinstance(content, dict):
        raise ConfigError(f"'{file}' is not a JSON object.", "Get it again.")
    return content


def _fairseq(file: Path) -> dict[str, Any]:
    """The sizes in a fairseq checkpoint; reads its pickle, which runs nothing, and no tensor."""
    with open_checkpoint(file) as checkpoint:
        shapes = {name: info.shape for name, info in checkpoint.infos.items()}
        args = checkpoint.extras
    module = registry.fairseq(args.get("arch")).module
    found: dict[str, Any] = import_module(f"{module}.config").Config.of_fairseq(args, shapes)
    return found
