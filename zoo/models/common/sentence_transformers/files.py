"""Reads sentence-transformers' small files: modules.json, the modules' config.json, those for texts and prompts.

What the zoo does not understand in them is an error or a warning that names it. The reference is release 6.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Collection
from pathlib import Path, PureWindowsPath

from zoo.errors import CheckpointError, NotYetError
from zoo.files import Fields, JsonObject, quote, read_object

log = logging.getLogger("zoo")

MODULES_FILE = "modules.json"
SETTINGS_FILE = "config_sentence_transformers.json"
# What the Transformer module says of texts; the first that is there counts.
TEXT_FILES = tuple(
    f"sentence_{kind}_config.json"
    for kind in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)
TOKEN_EMBEDDINGS, SENTENCE_EMBEDDING = "token_embeddings", "sentence_embedding"
PROMPT_MARK = 2  # in an attention mask: a token that the network sees and a pooling may leave out
# Mode -> its older field, in the order in which several are joined.
POOLING_FIELDS = {
    "cls": "pooling_mode_cls_token",
    "max": "pooling_mode_max_tokens",
    "mean": "pooling_mode_mean_tokens",
    "mean_sqrt_len_tokens": "pooling_mode_mean_sqrt_len_tokens",
    "weightedmean": "pooling_mode_weightedmean_tokens",
    "lasttoken": "pooling_mode_lasttoken",
}
WIDTH_FIELDS = ("word_embedding_dimension", "embedding_dimension")  # the older name, the newer
# Of torch.nn, each without arguments; layers.py has their formulas.
KNOWN_ACTIVATIONS = (
    "Identity", "Tanh", "ReLU", "GELU", "Sigmoid", "SiLU", "ELU", "LeakyReLU", "Softplus", "Mish", "SELU", "CELU",
    "ReLU6", "Hardtanh", "Hardswish", "Softsign", "Tanhshrink", "LogSigmoid",
)  # fmt: skip
SIMILARITY_NAMES = ("cosine", "dot", "euclidean", "manhattan")
MAX_WIDTH = 1 << 16  # numbers of a vector
MAX_MODULES = 32  # modules of a model
LONGEST_NAME = 200  # bytes of a folder's name
# Settings of the Transformer module that change no number, and those that hold arguments of transformers' classes.
NO_NUMBERS = {"unpad_inputs", "dtype", "torch_dtype", "attn_implementation", "add_pooling_layer", "use_safetensors"}
ARGUMENT_FIELDS = (
    "model_args",
    "model_kwargs",
    "tokenizer_args",
    "processor_kwargs",
    "config_args",
    "config_kwargs",
)


def listed(content: object, file: Path) -> list[dict[str, str]]:
    """Gives the modules of a modules.json in their order: `type`, `path`, and `kind`, the type's last part.

    That order is the list's, as sentence-transformers has it; `idx` decides where the network is not first there.

    Raises:
        CheckpointError: it is not a list of modules, or a path leads out of the folder.
        NotYetError: a type of another package, which would be code to run; the network is not at the root.
    """
    source = quote(str(file), 200)
    if not isinstance(content, list) or not all(isinstance(m, dict) for m in content) or not content[:MAX_MODULES]:
        raise CheckpointError(f"{source} is not a list of modules.", "Get it again.")
    if len(content) > MAX_MODULES:
        raise CheckpointError(f"{source} has {len(content)} modules; the zoo reads up to {MAX_MODULES}.")
    entries, numbers = [], []
    for n, given in enumerate(content):
        fields = Fields(given, f"Module {n} of {source}")
        kind, path = fields.text("type", "", 200), fields.text("path", "", 200)
        if not kind.startswith("sentence_transformers."):
            raise NotYetError(
                f"{fields.source} is of the type {quote(kind)}, which is code of its own; the zoo runs none."
            )
        if not _is_inside(path):
            raise CheckpointError(f"{fields.source} has the path {quote(path)}, which leads out of its folder.")
        if fields.content.get("kwargs"):
            raise NotYetError(f"{fields.source} has kwargs={quote(fields.content['kwargs'])}.")
        warn_unknown(fields, {"idx", "name", "path", "type", "kwargs"})
        entries.append({"type": kind, "kind": kind.rpartition(".")[2], "path": path.rstrip("/")})
        numbers.append(fields.whole("idx", n))
    order = sorted(range(len(entries)), key=numbers.__getitem__)
    if entries[0]["kind"] != "Transformer":
        entries = [entries[n] for n in order]
    elif order != sorted(order):
        log.warning("%s: the modules run in the order of the list, which is not that of idx.", source)
    _check_list(entries, source)
    return entries


def _check_list(entries: list[dict[str, str]], source: str) -> None:
    first, *others = entries
    if first["kind"] != "Transformer":
        raise NotYetError(
            f"{source} begins with {quote(first['type'])}; the zoo's models begin with a Transformer."
        )
    if first["path"]:
        raise NotYetError(
            f"{source} has its network in the folder {quote(first['path'])}.",
            'Copy what is in that folder beside modules.json, and write "path": "" there.',
        )
    paths = [entry["path"] for entry in others if entry["path"]]
    if len(set(paths)) < len(paths):
        raise CheckpointError(f"{source} has two modules in one folder.")


def _is_inside(path: str) -> bool:
    """Tells whether a path is empty or names a folder below, whatever system reads it."""
    parts = path.removesuffix("/").split("/") if path else []
    plain = not PureWindowsPath(path).anchor and "\\" not in path and "\0" not in path
    return plain and all(part not in ("", ".", "..") and len(part.encode()) < LONGEST_NAME for part in parts)


# What a module's config.json says: arguments of the layer of that kind (see layers.py).


def _pooling(given: Fields) -> JsonObject:
    width = next((w for name in WIDTH_FIELDS if (w := given.whole(name, None, 1, MAX_WIDTH))), None)
    if "pooling_mode" in given:
        one = given.content["pooling_mode"]
        modes = [one] if isinstance(one, str) else given.items("pooling_mode", [], str, MAX_MODULES)
    else:
        on = [name for name in given.content if name.startswith("pooling_mode_") and given.flag(name, False)]
        modes = [mode for mode, name in POOLING_FIELDS.items() if name in on]
        modes += [name for name in on if name not in POOLING_FIELDS.values()]
        modes = modes or (["mean"] if width else [])  # as release 6 reads it
    if unknown := [mode for mode in modes if mode not in POOLING_FIELDS] or ([] if modes else [""]):
        asked = f"the pooling {quote(unknown[0])}" if unknown[0] else "no pooling"
        raise NotYetError(f"{given.source} asks for {asked}.", f"Known: {', '.join(POOLING_FIELDS)}.")
    warn_unknown(given, {*WIDTH_FIELDS, *POOLING_FIELDS.values(), "pooling_mode", "include_prompt"})
    return {"width": width, "modes": tuple(modes), "include_prompt": given.flag("include_prompt", True)}


def _dense(given: Fields) -> JsonObject:
    name = given.content.get("activation_function", "torch.nn.modules.activation.Tanh")
    known = re.fullmatch(r"torch\.nn\.(?:modules\.(?:activation|linear)\.)?(\w+)", str(name)[:200])
    if known is None or known[1] not in KNOWN_ACTIVATIONS:
        asked = f"{given.source} asks for the activation {quote(name)}."
        raise NotYetError(asked, f"Known, of torch.nn: {', '.join(KNOWN_ACTIVATIONS)}.")
    warn_unknown(
        given, {*PLACE_FIELDS, "in_features", "out_features", "bias", "activation_function", "use_residual"}
    )
    return {
        "inputs": _width(given, "in_features"),
        "outputs": _width(given, "out_features"),
        "bias": given.flag("bias", True),
        "activation": known[1],
        "residual": given.flag("use_residual", False),
        **_places(given),
    }


def _layer_norm(given: Fields) -> JsonObject:
    return {"width": _width(given, "dimension")}


def _dropout(given: Fields) -> JsonObject:
    return {"rate": given.number("dropout", 0.2, 0.0, 1.0)}


def _width(given: Fields, name: str) -> int:
    width = given.whole(name, None, 1, MAX_WIDTH)
    if width is None:
        raise CheckpointError(f"{given.source} has no {name}.")
    return width


PLACE_FIELDS = ("module_input_name", "module_output_name")


def _places(given: Fields) -> dict[str, str]:
    """Gives what a module reads and writes: the states of the tokens, or the vector of the text."""
    source = given.choice(PLACE_FIELDS[0], SENTENCE_EMBEDDING, (TOKEN_EMBEDDINGS, SENTENCE_EMBEDDING))
    return {
        "source": source,
        "target": given.choice(PLACE_FIELDS[1], source, (TOKEN_EMBEDDINGS, SENTENCE_EMBEDDING)),
    }


MODULE_READERS = {
    "Pooling": _pooling,
    "Dense": _dense,
    "Normalize": _places,
    "LayerNorm": _layer_norm,
    "Dropout": _dropout,
}


# What is said once for the whole model.


def settings(given: Fields) -> JsonObject:
    """Fields of a `SentenceModel` that config_sentence_transformers.json has: prompts, similarity, truncate_dim."""
    prompts = given.object("prompts", {})
    for name, text in prompts.items():
        if not isinstance(text, str | None):
            raise CheckpointError(f"{given.source} has the prompt {quote(name)}: {quote(text)}; it must be a text.")
    default = given.text("default_prompt_name", None, 200)
    if default and default not in prompts:
        log.warning("%s: default_prompt_name is %s, and there is no such prompt.", given.source, quote(default))
    similarity = given.text("similarity_fn_name", None) or SIMILARITY_NAMES[0]
    if similarity not in SIMILARITY_NAMES:
        log.warning("%s: similarity_fn_name %s is unknown; cosine is used.", given.source, quote(similarity))
        similarity = SIMILARITY_NAMES[0]
    names = ("model_type", "__version__", "prompts", "default_prompt_name", "similarity_fn_name", "truncate_dim")
    warn_unknown(given, names)
    return {
        "prompts": {name: text or "" for name, text in prompts.items()},
        "default_prompt": default if default in prompts else None,
        "similarity": similarity,
        "truncate_dim": given.whole("truncate_dim", None, 1, MAX_WIDTH),
    }


def text_rules(folder: Path) -> tuple[int | None, bool]:
    """Gives the longest row (None where nothing is said), and whether texts are lower-cased first.

    Raises:
        CheckpointError: a damaged file.
    """
    given = transformer(folder)
    longest = given.whole("max_seq_length", None, 1)
    for name in ("common", "text"):
        longest = given.below("processing_kwargs").below(name).whole("max_length", longest, 1)
    return longest, given.flag("do_lower_case", False)


def transformer(folder: Path) -> Fields:
    """Gives the config of the Transformer module; without fields where the folder has none.

    Raises:
        CheckpointError: a damaged file.
    """
    file = next((folder / name for name in TEXT_FILES if is_there(folder / name)), None)
    return Fields({} if file is None else read_object(file), quote(str(file), 200))


def is_there(file: Path) -> bool:
    """Tells whether there is anything of that name: what is no regular file is an error and not passed over."""
    return os.path.lexists(file)


def check_transformer(given: Fields) -> None:
    """Refuses what makes other vectors than the states of every token do, by name.

    Raises:
        NotYetError: such a setting.
    """
    usual = {
        "transformer_task": "feature-extraction",
        "module_output_name": TOKEN_EMBEDDINGS,
        **dict.fromkeys(("query_length", "document_length", "query_expansion", "tokenizer_name_or_path")),
    }
    found = {name: given.content[name] for name, value in usual.items() if given.content.get(name, value) != value}
    states = {"method": "forward", "method_output_name": "last_hidden_state"}
    if "modality_config" in given and given.below("modality_config").below("text").content != states:
        found["modality_config"] = given.content["modality_config"]
    for name in ARGUMENT_FIELDS:
        found |= {f"{name}.{key}": value for key, value in given.object(name, {}).items() if key not in NO_NUMBERS}
    for name, below in given.object("processing_kwargs", {}).items():
        unread = below.keys() - {"max_length"} if isinstance(below, dict) and name in ("common", "text") else {name}
        if any(key not in ("truncation", "padding") or below[key] is not True for key in unread):
            found[f"processing_kwargs.{name}"] = below
    if found:
        name, value = next(iter(found.items()))
        raise NotYetError(f"{given.source} has {name}={quote(value)}, which the zoo does not know.")
    names = {"modality_config", "processing_kwargs", "max_seq_length", "do_lower_case"}
    warn_unknown(given, {*usual, *ARGUMENT_FIELDS, *NO_NUMBERS, *names})


def warn_unknown(given: Fields, known: Collection[str]) -> None:
    """Warns of the fields of a file that are not looked at."""
    if unknown := [quote(name) for name in given.content if name not in known]:
        log.warning("%s: %s is not known and not used.", given.source, ", ".join(unknown[:4]))
