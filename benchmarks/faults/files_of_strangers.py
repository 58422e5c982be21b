"""The files that the zoo reads from others: small valid ones of every kind, and what reads them."""

from __future__ import annotations

import argparse
import collections
import io
import json
import pickle
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

Files = Mapping[str, bytes]  # name in a folder -> content


@dataclass(frozen=True)
class Reader:
    """A kind of file.

    Attributes:
        seeds: makes valid folders.
        read: reads a folder as the zoo does; raises what the zoo raises.
        changed: names of the files that strangers write; the others of a seed are only needed beside them.
        share: of all mutations; readers that are slow get fewer.
    """

    seeds: Callable[[], list[Files]]
    read: Callable[[Path], object]
    changed: Callable[[str], bool] = lambda name: True
    share: float = 1.0


def packed(content: Any) -> bytes:
    """A JSON document as programs write it."""
    return json.dumps(content, indent=1, ensure_ascii=False).encode()


# --- small documents ---


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
    """run.json, metrics.jsonl and state.json of a run."""
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
    from zoo.finetune import folder as disk
    from zoo.finetune import state

    record = getattr(disk, "read_run", disk.read_json)(folder / "run.json")  # older checkouts are tried, too
    return record, disk.read_metrics(folder / "metrics.jsonl"), state.about(folder)


def tasks() -> list[Files]:
    """task.json of each kind of task."""
    from zoo import tasks as known

    kinds = {type(known.find(name)): known.find(name) for name in known.names()}
    made = {"format": 1, "max_length": 128, "generate": {"num_beams": 4}}
    return [{"task.json": packed({**made, "task": task.to_dict()})} for task in kinds.values()]


def read_task(folder: Path) -> object:
    """The task of a trained model, as `evaluate` and the pipelines read it."""
    from zoo.finetune.folder import read_task as read
    from zoo.inference.deployed import read_settings

    return read(folder), read_settings(folder)


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


# --- tokenizers ---

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


# --- weights ---


def arrays() -> dict[str, np.ndarray]:
    """A few tensors, also a matrix, an empty one and a number."""
    draw = np.random.default_rng(1)
    return {
        "encoder.weight": draw.normal(size=(6, 8)).astype("f4"),
        "half": draw.normal(size=5).astype("f2"),
        "ids": np.arange(4),
        "none": np.zeros((0, 3), "f4"),
        "one": np.float64(2.5).reshape(()),
    }


@cache
def weights() -> list[Files]:
    """safetensors, an index of two shards, torch's two formats with and without fairseq's options, .pdparams."""
    import torch

    from zoo.checkpoint import write_safetensors
    from zoo.checkpoint.dtypes import NAMES
    from zoo.checkpoint.rules import TensorInfo

    named = arrays()
    tensors = collections.OrderedDict((name, torch.from_numpy(np.array(a))) for name, a in named.items())
    tensors["turned"] = tensors["encoder.weight"].t()
    options = argparse.Namespace(arch="veco_large", encoder_layers=2, dropout=0.1, lr=[0.1])
    fairseq = {"args": options, "model": tensors, "optimizer_history": [{"num_updates": 3}]}
    made: list[Files] = []
    with tempfile.TemporaryDirectory() as work:
        file = Path(work) / "x"
        for content in (tensors, fairseq):
            for zipped in (True, False):
                torch.save(content, file, _use_new_zipfile_serialization=zipped)
                made.append({"pytorch_model.bin": file.read_bytes()})
        for protocol in (2, 4):
            table = {**named, "StructuredToParameterName@@": {name: name for name in named}}
            made.append({"model_state.pdparams": pickle.dumps(table, protocol)})
        parts: dict[str, bytes] = {}
        for number, some in enumerate((list(named)[:2], list(named)[2:])):
            infos = [TensorInfo(n, NAMES[named[n].dtype], named[n].shape) for n in some]
            write_safetensors(file, infos, (named[n] for n in some), {"format": "pt"})
            parts[f"model-{number}.safetensors"] = file.read_bytes()
        index = {n: f"model-{int(k >= 2)}.safetensors" for k, n in enumerate(named)}
        made.append({"model.safetensors": parts["model-0.safetensors"]})
        made.append({"model.safetensors.index.json": packed({"metadata": {}, "weight_map": index}), **parts})
    return made


def read_weights(folder: Path) -> object:
    """Every tensor of a checkpoint, with its first and last element."""
    from zoo.checkpoint import open_checkpoint

    with open_checkpoint(folder) as checkpoint:
        for name, info in checkpoint.infos.items():
            array = checkpoint.read(name)
            if array.shape != info.shape:
                raise AssertionError(f"{array.shape} is not {info.shape}")
            if array.size:
                np.array(array[(0,) * array.ndim]), np.array(array[tuple(n - 1 for n in array.shape)])
        return len(checkpoint.infos)


def archives() -> list[Files]:
    """A model's folder as .tar, .tar.gz and .zip."""
    members = {
        "model/config.json": b"{}",
        "model/vocab.txt": b"a\nb\n" * 50,
        f"model/{'long' * 40}.txt": b"x" * 700,
    }
    made: list[Files] = []
    for mode in ("w", "w:gz"):
        for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
            stream = io.BytesIO()
            with tarfile.open(fileobj=stream, mode=mode, format=form) as tar:  # type: ignore[call-overload]
                for name, data in members.items():
                    info = tarfile.TarInfo(name)
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
            made.append({"model.archive": stream.getvalue()})
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", method) as archive:
            for name, data in members.items():
                archive.writestr(name, data)
        made.append({"model.archive": stream.getvalue()})
    return made


def read_archive(folder: Path) -> object:
    """Unpacks into a folder of its own, and looks that nothing came to lie beside it."""
    from zoo.checkpoint import extract

    before = {p.name for p in folder.iterdir()}
    with tempfile.TemporaryDirectory(dir=folder.parent) as work:
        made = extract(folder / "model.archive", Path(work) / "in" / "model")
        if [p.name for p in Path(work).iterdir()] != ["in"] or {p.name for p in folder.iterdir()} != before:
            raise AssertionError("something was written outside of the folder")
        return len(made)


# --- whole models ---


@cache
def sentences() -> list[Files]:
    """A model of sentence-transformers with its small files, tiny weights and all."""
    import paddle

    from zoo import registry
    from zoo.checkpoint import write_safetensors
    from zoo.checkpoint.rules import TensorInfo
    from zoo.models.common.weights import disk_names

    family, one = registry.family_of({"architectures": ["BertModel"]})
    config = {"architectures": ["BertModel"], "model_type": "bert", "vocab_size": len(WORDS), "hidden_size": 8,
              "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8,
              "max_position_embeddings": 32}  # fmt: skip
    mark = {"format": 1, "family": family.name, "architecture": one.name, "task": None}
    paddle.seed(1)
    config_class = import_module(f"{one.module}.config").Config
    network = import_module(f"{one.module}.model").build(config_class.from_dict(config))
    tensors = {name: t.numpy() for name, t in disk_names(network).items()}
    with tempfile.TemporaryDirectory() as work:
        infos = [TensorInfo(name, "F32", array.shape) for name, array in tensors.items()]
        write_safetensors(Path(work) / "x", infos, iter(tensors.values()), {"format": "paddle"})
        data = (Path(work) / "x").read_bytes()
    kinds = ("Transformer", "Pooling", "Normalize")
    modules = [
        {"idx": n, "name": str(n), "path": "" if n == 0 else f"{n}_{kind}",
         "type": f"sentence_transformers.models.{kind}"} for n, kind in enumerate(kinds)
    ]  # fmt: skip
    pooling = {"word_embedding_dimension": 8, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}
    return [
        {
            "config.json": packed({**config, "zoo": mark}),
            "model.safetensors": data,
            "vocab.txt": "\n".join(WORDS).encode(),
            "modules.json": packed(modules),
            "1_Pooling/config.json": packed(pooling),
            "sentence_bert_config.json": packed({"max_seq_length": 16, "do_lower_case": False}),
            "config_sentence_transformers.json": packed({"prompts": {"query": "q: "}, "default_prompt_name": None}),
        }
    ]


def read_model(folder: Path) -> object:
    """`zoo.load` of the whole folder, and the ids of a text."""
    import zoo

    return zoo.load(folder).tokenizer(["a cab"])


READERS: dict[str, Reader] = {
    "config": Reader(configs, read_config),
    "certificate": Reader(certificates, read_certificate),
    "run": Reader(runs, read_run),
    "task": Reader(tasks, read_task),
    "export": Reader(exports, read_export, lambda name: name != "graph.xml"),
    "recipe": Reader(recipes, read_recipe, share=0.3),
    "tokenizer": Reader(tokenizers, read_tokenizer, lambda name: name != "config.json", share=0.5),
    "weights": Reader(weights, read_weights, share=1.5),
    "archive": Reader(archives, read_archive),
    "sentence": Reader(sentences, read_model, share=0.05),
}


def write(files: Files, folder: Path) -> None:
    """Makes the folder of a seed."""
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def all_seeds() -> Iterator[tuple[str, Files]]:
    """Every valid folder, with its reader's name."""
    for name, reader in READERS.items():
        yield from ((name, files) for files in reader.seeds())
