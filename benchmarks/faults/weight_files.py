"""Weight files, archives and whole models that the zoo reads from others: valid ones, and what reads them."""

from __future__ import annotations

import argparse
import collections
import io
import pickle
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path

import numpy as np

from benchmarks.faults.documents import WORDS, Files, packed


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


def in_safetensors(named: Mapping[str, np.ndarray]) -> bytes:
    """A file of the format."""
    from zoo.checkpoint import dtypes, write_safetensors
    from zoo.checkpoint.rules import TensorInfo

    with tempfile.TemporaryDirectory() as work:
        codes = dtypes.DTYPE_NAMES if hasattr(dtypes, "DTYPE_NAMES") else dtypes.NAMES  # older checkouts
        infos = [TensorInfo(name, codes[array.dtype], array.shape) for name, array in named.items()]
        write_safetensors(Path(work) / "x", infos, iter(named.values()), {"format": "pt"})
        return (Path(work) / "x").read_bytes()


@cache
def weights() -> list[Files]:
    """safetensors, an index of two shards, torch's two formats with and without fairseq's options, .pdparams."""
    import torch

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
    first, rest = (dict(list(named.items())[part]) for part in (slice(2), slice(2, None)))
    parts = {"model-0.safetensors": in_safetensors(first), "model-1.safetensors": in_safetensors(rest)}
    index = {n: f"model-{int(n in rest)}.safetensors" for n in named}
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


@cache
def sentences() -> list[Files]:
    """A model of sentence-transformers with its small files, tiny weights and all: converted, and as published."""
    import paddle

    from zoo import registry
    from zoo.checkpoint import backward
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
    steps = import_module(f"{one.module}.keymap").KEYMAP.reverse(tensors).steps
    published = {key: a for step in steps for key, a in backward(step, tensors.__getitem__).items()}
    kinds = ("Transformer", "Pooling", "Normalize")
    modules = [
        {"idx": n, "name": str(n), "path": "" if n == 0 else f"{n}_{kind}",
         "type": f"sentence_transformers.models.{kind}"} for n, kind in enumerate(kinds)
    ]  # fmt: skip
    pooling = {"word_embedding_dimension": 8, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}
    small = {
        "vocab.txt": "\n".join(WORDS).encode(),
        "modules.json": packed(modules),
        "1_Pooling/config.json": packed(pooling),
        "sentence_bert_config.json": packed({"max_seq_length": 16, "do_lower_case": False}),
        "config_sentence_transformers.json": packed({"prompts": {"query": "q: "}, "default_prompt_name": None}),
    }
    return [
        {"config.json": packed({**config, "zoo": mark}), "model.safetensors": in_safetensors(tensors), **small},
        {"config.json": packed(config), "model.safetensors": in_safetensors(published), **small},
    ]


def read_model(folder: Path) -> object:
    """`zoo.load` of the whole folder, and the ids of a text."""
    import zoo

    return zoo.load(folder).tokenizer(["a cab"])
