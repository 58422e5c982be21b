"""Small documents that the zoo reads from others: valid ones of every kind, and what reads them."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

Files = Mapping[str, bytes]  # name in a folder -> content
# What modules are called in checkouts from before they were renamed.
OLDER = {"zoo.finetune.run_folder": "zoo.finetune.folder", "zoo.finetune.checkpoints": "zoo.finetune.state"}


def module(name: str) -> ModuleType:
    """Imports a module of the checkout that is tried, under the name that it has there."""
    try:
        return import_module(name)
    except ModuleNotFoundError:
        return import_module(OLDER[name])


def packed(content: Any) -> bytes:
    """A JSON document as programs write it."""
    return json.dumps(content, indent=1, ensure_ascii=False).encode()


@cache
def configs() -> list[Files]:
    """config.json of an architecture of each module, of sizes in the middle, with labels and the zoo's mark."""
    from zoo import registry

    found: dict[str, Files] = {}
    for family in registry.families():
        for one in family.architectures:
            sizes = dict(next((c.config for c in family.cards if c.config), {}))
            content = {"architectures": [one.name], "model_type": family.model_types[0], **sizes}
            content |= {"id2label": {"0": "no", "1": "yes"}, "hidden_dropout_prob": 0.1, "encoder_pth": "inner"}
            content["zoo"] = {"format": 1, "family": family.name, "architecture": one.name, "task": one.task}
            files = {"config.json": packed(content), "inner/config.json": packed({**sizes, "vocab_size": 100})}
            found.setdefault(one.module, files)
    return list(found.values())


def read_config(folder: Path) -> object:
    """The configuration of a model's folder, as `zoo.load` checks it before it builds anything."""
    from zoo import configs as reading
    from zoo import registry

    content = reading.read(folder)
    _, one = registry.family_of(content)
    return import_module(f"{one.module}.config").Config.from_dict(content)


def certificates() -> list[Files]:
    """certificate.json."""
    content = {
        "name": "a", "family": "b", "architecture": "BertModel", "task": None,
        "source": {"kind": "folder", "id": "a", "revision": ""},
        "files": [{"name": "pytorch_model.bin", "size": 7, "sha256": "0" * 64}],
        "rules": "0123", "weights": {"name": "model.safetensors", "size": 9},
        "coverage": {"upstream_keys": 3, "tensors": 3, "operations": {"copy": 3}, "unused": [], "dropped": {},
                     "widened": {}},
        "checks": ["every tensor has a rule"], "versions": {"zoo": "1"}, "date": "2026-01-01", "notes": [],
        "parity": "not verified", "format": 1,
    }  # fmt: skip
    return [{"certificate.json": packed(content)}]


def read_certificate(folder: Path) -> object:
    """A converted folder's certificate."""
    from zoo.convert.certificate import Certificate

    return Certificate.read(folder)


def runs() -> list[Files]:
    """run.json, metrics.jsonl and checkpoints.json of a run."""
    scores = {"metric": "accuracy", "row": "all", "rows": 9, "value": 50.0, "scores": {"all": {"accuracy": 50.0}}}
    run = {"format": 1, "status": "finished", "config": {"task": "sst2", "max_length": 9}, "notes": [],
           "best_update": 3, "results": {"dev": scores}}  # fmt: skip
    lines = [
        {"kind": "update", "update": 1, "loss": 0.5},
        {"kind": "evaluation", "update": 1, "scores": {"accuracy": 5.0}},
    ]
    state = {"settings": {"seed": 1}, "rows": 9, "update": 3, "epoch": 1, "loss": 0.5}
    metrics = "".join(json.dumps(line) + "\n" for line in lines).encode()
    return [{"run.json": packed(run), "metrics.jsonl": metrics, "state.json": packed(state)}]


def read_run(folder: Path) -> object:
    """What `--resume` reads of a run's folder."""
    disk, checkpoints = module("zoo.finetune.run_folder"), module("zoo.finetune.checkpoints")
    record = disk.read_run if hasattr(disk, "read_run") else disk.read_json
    return record(folder / "run.json"), disk.read_metrics(folder / "metrics.jsonl"), checkpoints.about(folder)


def tasks() -> list[Files]:
    """task.json of each kind of task."""
    from zoo import tasks as known

    kinds = {type(known.find(name)): known.find(name) for name in known.names()}
    made = {"format": 1, "max_length": 128, "generate": {"num_beams": 4}}
    return [{"task.json": packed({**made, "task": task.to_dict()})} for task in kinds.values()]


def read_task(folder: Path) -> object:
    """The task of a trained model, as `evaluate` and the pipelines read it."""
    from zoo.inference.deployed import read_settings

    return module("zoo.finetune.run_folder").read_task(folder), read_settings(folder)


def exports() -> list[Files]:
    """export.json of an exported folder, and graph.json of a compiled one."""
    export = {"format": 1, "inputs": ["input_ids"], "outputs": ["logits"], "engine": "openvino",
              "precision": "fp32", "task": None, "sha256": {"graph.xml": "0" * 64}}  # fmt: skip
    state = {"size": 1, "mtime_ns": 1, "sha256": "0" * 64}
    graph = {"format": 1, "inputs": ["a"], "outputs": ["b"], "files": {"graph.xml": state}}
    return [{"export.json": packed(export), "graph.json": packed(graph), "graph.xml": b"x"}]


def read_export(folder: Path) -> object:
    """What `deploy` reads before it opens a graph. The seed's digest is wrong on purpose: no engine is started."""
    from zoo.errors import CheckpointError
    from zoo.inference.cache import _read
    from zoo.inference.deployed import deploy

    _read(folder)
    try:
        return deploy(folder)
    except CheckpointError as error:
        if "is not the file that was exported" not in error.message:
            raise
        return None


def recipes() -> list[Files]:
    """A recipe as users write it."""
    text = """[settings]
task = "sst2"
model = "all-MiniLM-L6-v2"
lr = 1e-5
epochs = 3
[[published]]
metric = "accuracy"
score = 93.5
split = "dev"
source = "a paper"
languages = {en = 93.5}
"""
    return [{"recipe.toml": text.encode()}]


def read_recipe(folder: Path) -> object:
    """`--recipe FILE`."""
    from zoo.finetune.recipes import read

    return read(str(folder / "recipe.toml"))


WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "c", "##a", "##b", "##c", ",", "cab"]
LINES = ["the cat sat on the mat", "hello world, hello there", "a cab and a bad dad", "中文 文字 ok"]


@cache
def tokenizers() -> list[Files]:
    """WordPiece with its options, tokenizer.json alone, and a SentencePiece model."""
    import sentencepiece

    config = {"config.json": packed({"model_type": "bert"})}
    options = {"do_lower_case": True, "model_max_length": 32, "tokenizer_class": "BertTokenizer"}
    pieces = {
        **config,
        "vocab.txt": "\n".join(WORDS).encode(),
        "tokenizer_config.json": packed(options),
        "special_tokens_map.json": packed({"unk_token": "[UNK]", "mask_token": {"content": "[MASK]"}}),
        "added_tokens.json": packed({"[en]": len(WORDS)}),
    }
    special = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    document = {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": n, "content": WORDS[n], **special} for n in range(5)],
        "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
                       "strip_accents": None, "lowercase": True},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100, "vocab": {word: n for n, word in enumerate(WORDS)}},
    }  # fmt: skip
    alone = {**config, "tokenizer.json": packed(document), "tokenizer_config.json": packed(options)}
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(LINES * 4), model_writer=model, vocab_size=60, hard_vocab_limit=False,
        minloglevel=2,
    )  # fmt: skip
    unigram = {
        "config.json": packed({"model_type": "xlm-roberta"}),
        "sentencepiece.bpe.model": model.getvalue(),
        "tokenizer_config.json": packed({"tokenizer_class": "XLMRobertaTokenizer", "model_max_length": 32}),
    }
    return [pieces, alone, unigram]


def read_tokenizer(folder: Path) -> object:
    """A model's tokenizer, and the ids of a text."""
    from zoo.tokenization import load_tokenizer

    tokenizer = load_tokenizer(folder, "sentencepiece" if (folder / "sentencepiece.bpe.model").exists() else None)
    return tokenizer(["a cab, bad", "中"])
