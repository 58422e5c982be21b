"""Reads a folder's description of its network: config.json, or the options in fairseq's checkpoint."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from zoo import paddlenlp, registry
from zoo.checkpoint import open_checkpoint
from zoo.errors import ConfigError
from zoo.files import Fields, JsonObject, is_name, quote, read_object
from zoo.mark import KEY, Mark

ADAPTER_FILE = "adapter_config.json"
FAIRSEQ_FILES = ("model.pt", "dict.txt")  # a folder with these and no config.json is fairseq's


def read(folder: Path) -> JsonObject:
    """Reads config.json of a folder, or makes what it would be for a folder of fairseq.

    PaddleNLP's files are given in transformers' words; see `zoo.paddlenlp`. What names the network
    (`architectures`, `model_type` and the "zoo" object) is of the kinds that it must be; the sizes are checked by
    the architecture's `Config.from_dict`. Where a network's encoder has a config.json of its own, in the sub-folder
    that `encoder_pth` names (PALM 2.0), that is added as `encoder_config`.

    Raises:
        ConfigError: there is neither, it is damaged, or fairseq's network is none of the zoo's.
        CheckpointError: fairseq's checkpoint is damaged.
    """
    file = folder / "config.json"
    if not file.is_symlink() and not file.exists():
        if all((folder / name).is_file() for name in FAIRSEQ_FILES):
            return _fairseq(folder / FAIRSEQ_FILES[0])
        if (folder / ADAPTER_FILE).is_file():
            raise ConfigError(
                f"{quote(str(folder), 200)} is an adapter (it has {ADAPTER_FILE}): changes to a model, "
                "not the model.",
                "zoo.load(MODEL, adapter=DIR) merges it into the model; or merge it with the library that made it "
                "(peft: model.merge_and_unload().save_pretrained(DIR)), "
                "then give DIR.",
            )
        if not (folder / paddlenlp.LEGACY_CONFIG_FILE).is_file():
            raise ConfigError(f"{quote(str(folder), 200)} has no config.json.", "Give the folder of a model.")
        file = folder / paddlenlp.LEGACY_CONFIG_FILE
    content = read_object(file, error=ConfigError)
    if KEY not in content and paddlenlp.is_paddlenlp(content):
        content = paddlenlp.translated(content)
    content = _checked(content, file)
    home = str(content.get("encoder_pth") or "").rstrip("/").rpartition("/")[2]
    nested = folder / home / "config.json" if is_name(home) else file
    if "encoder_config" in content or nested == file or not nested.is_file():
        return content
    return {**content, "encoder_config": read_object(nested, error=ConfigError)}


def _checked(content: JsonObject, file: Path) -> JsonObject:
    """Raises ConfigError unless what names the network is of the right kinds."""
    about = Fields(content, quote(str(file), 200), ConfigError)
    about.items("architectures", None, str, 16)
    about.text("model_type", None, 200)
    about.text("encoder_pth", None, 4_096)
    Mark.of(content, quote(str(file), 200))
    return content


def _fairseq(file: Path) -> JsonObject:
    """Reads the sizes in a fairseq checkpoint: its pickle, which runs nothing, and no tensor."""
    with open_checkpoint(file) as checkpoint:
        shapes = {name: info.shape for name, info in checkpoint.infos.items()}
        args = checkpoint.extras
    module = registry.fairseq(args.get("arch"), shapes).module
    found: JsonObject = import_module(f"{module}.config").Config.of_fairseq(args, shapes)
    return found
