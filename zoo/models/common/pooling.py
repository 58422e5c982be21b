"""What a folder of sentence-transformers says about its pooling."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from zoo.errors import CheckpointError, NotYetError

MODULES = "modules.json"
LENGTH_FILE = "sentence_bert_config.json"
_KNOWN = {"Transformer", "Pooling", "Normalize"}
_MODES = {"pooling_mode_cls_token": "cls", "pooling_mode_mean_tokens": "mean", "pooling_mode_max_tokens": "max"}


def is_sentence_folder(folder: Path) -> bool:
    """True for a folder that sentence-transformers wrote."""
    return (folder / MODULES).is_file()


def sentence_options(folder: Path) -> dict[str, Any]:
    """Arguments of the embedding head, from modules.json and the pooling's config.json.

    Raises:
        NotYetError: a module or a pooling that the embedding head does not have.
        CheckpointError: a file is damaged or missing.
    """
    modules = _read(folder / MODULES)
    if not isinstance(modules, list) or not all(isinstance(m, dict) for m in modules):
        raise CheckpointError(f"{folder / MODULES} is not a list of modules.", "Get it again.")
    kinds = {str(m.get("type", "")).rpartition(".")[2]: str(m.get("path", "")) for m in modules}
    for kind, path in kinds.items():
        if kind not in _KNOWN:
            raise NotYetError(
                f"{folder / MODULES} has the module {path or kind} ({kind}); the embedding head has pooling and "
                "normalisation only.",
                "zoo.load(..., task=None) is not affected: it gives the encoder if you take modules.json away.",
            )
    if "Pooling" not in kinds:
        raise NotYetError(f"{folder / MODULES} has no Pooling module, so it gives no vector per text.")
    file = folder / kinds["Pooling"] / "config.json"
    config = _read(file)
    if not isinstance(config, dict):
        raise CheckpointError(f"{file} is not a JSON object.", "Get it again.")
    named = config.get("pooling_mode") or [key for key, on in config.items() if _on(key, on)]
    modes = named if isinstance(named, list) else [named]
    found = [_MODES.get(mode, mode) for mode in modes]
    if len(found) != 1 or found[0] not in _MODES.values():
        asked = " + ".join(map(str, modes)) or "none"
        raise NotYetError(f"{file} asks for the pooling {asked}; the zoo has one of cls, mean and max.")
    return {"pooling": found[0], "normalize": "Normalize" in kinds}


def row_length(folder: Path, *limits: int | None) -> int | None:
    """The shortest of some limits and of sentence-transformers' `max_seq_length`, where the folder has one.

    Raises:
        CheckpointError: a damaged file.
    """
    file = folder / LENGTH_FILE
    given = _read(file).get("max_seq_length") if file.is_file() else None
    return min((int(n) for n in (given, *limits) if n), default=None)


def _on(key: str, value: object) -> bool:
    return key.startswith("pooling_mode_") and value is True


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{file} cannot be read: {error}.", "Get it again.") from None
