"""Folders as sentence-transformers writes them and as its older releases did, of small random networks.

Each form is a name, the modules, and what is done to the files afterwards; see `FORMS`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer, models
from torch import nn

from benchmarks.parity.interop_networks import (
    PASSAGE,
    QUERY,
    SIZES,
    bert,
    cased,
    dense,
    dropout,
    layer_norm,
    normalize,
    pooling,
    xlmr,
)


@dataclass(frozen=True)
class Form:
    """A folder to make.

    Attributes:
        body: makes the network and its tokenizer.
        modules: what follows, each from the width of what it gets.
        options: of SentenceTransformer: prompts, default_prompt_name, similarity_fn_name, truncate_dim.
        edits: what is done to the files, as an older release or another hand would have them.
        calls: arguments of `encode`, one comparison each.
        refused: a word of the zoo's refusal; empty where the vectors must be equal.
    """

    name: str
    body: Callable[[Path], None]
    modules: Sequence[Callable[[int], nn.Module]]
    options: Mapping[str, Any] = field(default_factory=dict)
    edits: Sequence[Callable[[Path], None]] = ()
    calls: Sequence[Mapping[str, Any]] = ({},)
    refused: str = ""

    def write(self, folder: Path) -> None:
        """Writes the folder, which must not be there."""
        torch.manual_seed(sum(map(ord, self.name)))
        body = folder.with_name(f"{folder.name}-body")
        self.body(body)
        made: list[nn.Module] = [models.Transformer(str(body))]
        width = SIZES["hidden_size"]
        for module in self.modules:
            made.append(module(int(width)))
            width = getattr(made[-1], "get_embedding_dimension", lambda w=width: w)()
        SentenceTransformer(modules=made, device="cpu", **self.options).save(str(folder), create_model_card=False)
        for name in ("vocab.txt", "sentencepiece.bpe.model"):
            if (body / name).is_file():
                shutil.copyfile(body / name, folder / name)
        shutil.rmtree(body)
        for edit in self.edits:
            edit(folder)


def change(name: str, **values: Any) -> Callable[[Path], None]:
    """Sets fields of a JSON file; None takes one away."""

    def edit(folder: Path) -> None:
        file = folder / name
        content = json.loads(file.read_text("utf-8")) if file.is_file() else {}
        content |= values
        file.write_text(json.dumps({k: v for k, v in content.items() if v is not None}), "utf-8")

    return edit


def replace(name: str, content: Any) -> Callable[[Path], None]:
    """Writes a JSON file anew."""
    return lambda folder: (folder / name).write_text(json.dumps(content), "utf-8") and None


def old_files(folder: Path) -> None:
    """As release 2 wrote them: names of classes, booleans of the pooling, sentence_bert_config.json."""
    _modules(
        folder, lambda entry: entry | {"type": f"sentence_transformers.models.{entry['type'].rpartition('.')[2]}"}
    )
    for file in folder.glob("*_Pooling/config.json"):
        content = json.loads(file.read_text("utf-8"))
        modes = content["pooling_mode"] if isinstance(content["pooling_mode"], list) else [content["pooling_mode"]]
        fields = {name: mode in modes for mode, name in OLD_MODES.items()}
        file.write_text(json.dumps({"word_embedding_dimension": content["embedding_dimension"], **fields}), "utf-8")
    old = {"max_seq_length": 40, "do_lower_case": False}
    (folder / "sentence_bert_config.json").write_text(json.dumps(old), "utf-8")
    (folder / "config_sentence_transformers.json").write_text(
        json.dumps({"__version__": {"pytorch": "1.8.1"}}), "utf-8"
    )


OLD_MODES = {
    "cls": "pooling_mode_cls_token",
    "mean": "pooling_mode_mean_tokens",
    "max": "pooling_mode_max_tokens",
    "mean_sqrt_len_tokens": "pooling_mode_mean_sqrt_len_tokens",
    "weightedmean": "pooling_mode_weightedmean_tokens",
    "lasttoken": "pooling_mode_lasttoken",
}


def _modules(folder: Path, edit: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    file = folder / "modules.json"
    file.write_text(json.dumps([edit(entry) for entry in json.loads(file.read_text("utf-8"))]), "utf-8")


def move(before: str, after: str) -> Callable[[Path], None]:
    """Gives a module's folder another name."""

    def edit(folder: Path) -> None:
        (folder / after).parent.mkdir(parents=True, exist_ok=True)
        (folder / before).rename(folder / after)
        _modules(folder, lambda entry: entry | {"path": after} if entry["path"] == before else entry)

    return edit


def pickled(folder: Path) -> None:
    """A Dense's weights as torch.save writes them."""
    from safetensors.torch import load_file

    for file in folder.glob("*_Dense/model.safetensors"):
        torch.save(load_file(file), file.with_name("pytorch_model.bin"))
        file.unlink()


def without_folder(folder: Path) -> None:
    """Normalize has no files, so git and the Hub have no folder for it."""
    for place in folder.glob("*_Normalize"):
        shutil.rmtree(place)


def typed(kind: str) -> Callable[[Path], None]:
    """Another class for the second module."""
    return lambda folder: _modules(folder, lambda e: e | {"type": kind} if e["path"].startswith("1_") else e)


PROMPTS = {"prompts": {"query": QUERY, "passage": PASSAGE}}
ASKED = ({}, {"prompt_name": "query"}, {"prompt_name": "passage"}, {"prompt": "lu: "}, {"prompt": ""})
BERT_CONFIG = "sentence_bert_config.json"
MEAN, CLS = pooling("mean"), pooling("cls")
FORMS = (
    Form("bert mean", bert, [MEAN]),
    Form("bert cls", bert, [CLS]),
    Form("bert max", bert, [pooling("max")]),
    Form("bert mean_sqrt_len", bert, [pooling("mean_sqrt_len_tokens")]),
    Form("bert weightedmean", bert, [pooling("weightedmean")]),
    Form("bert lasttoken", bert, [pooling("lasttoken")]),
    Form("bert mean, Normalize", bert, [MEAN, normalize]),
    Form("bert cls + mean", bert, [pooling("cls", "mean")]),
    Form("bert lasttoken + max + cls, in this order", bert, [pooling("lasttoken", "max", "cls"), normalize]),
    Form("bert all six", bert, [pooling(*OLD_MODES), dense(16), normalize]),
    Form("xlmr mean", xlmr, [MEAN]),
    Form("xlmr cls, Normalize", xlmr, [CLS, normalize]),
    Form("xlmr weightedmean + lasttoken", xlmr, [pooling("weightedmean", "lasttoken")]),
    Form("Dense Tanh", bert, [MEAN, dense(16)]),
    Form("Dense Identity without bias", bert, [MEAN, dense(16, nn.Identity(), bias=False), normalize]),
    Form("Dense GELU, Dense ReLU", bert, [CLS, dense(40, nn.GELU()), dense(20, nn.ReLU())]),
    Form("Dense Sigmoid, Dense SiLU", xlmr, [CLS, dense(40, nn.Sigmoid()), dense(20, nn.SiLU())]),
    Form("Normalize before Dense", bert, [MEAN, normalize, dense(24, nn.LeakyReLU())]),
    Form("Dense with a residual", bert, [MEAN, dense(32, use_residual=True)]),
    Form("Dense with a residual of another width", bert, [MEAN, dense(12, use_residual=True)]),
    Form(
        "Dense of every token",
        bert,
        [dense(24, module_input_name="token_embeddings"), lambda w: models.Pooling(24)],
    ),
    Form("Dense as a pickle", bert, [MEAN, dense(16)], edits=[old_files, pickled]),
    Form("LayerNorm", bert, [MEAN, layer_norm, normalize]),
    Form("Dropout", bert, [MEAN, dropout]),
    Form("prompts", bert, [MEAN, normalize], PROMPTS, calls=ASKED),
    Form("default prompt", xlmr, [MEAN], {**PROMPTS, "default_prompt_name": "query"}, calls=ASKED),
    Form("prompt left out, mean", bert, [pooling("mean", include_prompt=False)], PROMPTS, calls=ASKED),
    Form("prompt left out, six", bert, [pooling(*OLD_MODES, include_prompt=False)], PROMPTS, calls=ASKED),
    Form(
        "prompt left out, xlmr", xlmr, [pooling("cls", "weightedmean", include_prompt=False)], PROMPTS, calls=ASKED
    ),
    Form(
        "truncate_dim",
        bert,
        [MEAN],
        {"truncate_dim": 10},
        calls=({}, {"truncate_dim": 4}, {"normalize_embeddings": True}),
    ),
    Form("similarity dot", bert, [CLS], {"similarity_fn_name": "dot"}),
    Form("similarity euclidean", bert, [CLS], {"similarity_fn_name": "euclidean"}),
    Form("release 2", bert, [MEAN, normalize], edits=[old_files, without_folder]),
    Form("release 2, two modes", xlmr, [pooling("cls", "max")], edits=[old_files]),
    Form("cased, do_lower_case", cased, [MEAN], edits=[old_files, change(BERT_CONFIG, do_lower_case=True)]),
    Form("uncased, do_lower_case", bert, [MEAN], edits=[old_files, change(BERT_CONFIG, do_lower_case=True)]),
    Form("xlmr, do_lower_case", xlmr, [MEAN], edits=[old_files, change(BERT_CONFIG, do_lower_case=True)]),
    Form(
        "max_seq_length above the tokenizer's",
        bert,
        [MEAN],
        edits=[old_files, change("tokenizer_config.json", model_max_length=12)],
    ),
    Form(
        "max_seq_length in processing_kwargs",
        bert,
        [MEAN],
        edits=[change(BERT_CONFIG, processing_kwargs={"text": {"max_length": 9}})],
    ),
    Form(
        "sentence_roberta_config.json",
        xlmr,
        [MEAN],
        edits=[old_files, lambda f: (f / BERT_CONFIG).rename(f / "sentence_roberta_config.json") and None],
    ),
    Form("pooling in another folder", bert, [CLS, normalize], edits=[move("1_Pooling", "pooler")]),
    Form(
        "folders of two levels",
        bert,
        [CLS, dense(16)],
        edits=[move("1_Pooling", "parts/pool"), move("2_Dense", "parts/out")],
    ),
    Form(
        "pooling without a mode",
        bert,
        [MEAN],
        edits=[replace("1_Pooling/config.json", {"word_embedding_dimension": 32})],
    ),
    Form(
        "config of a masked language model",
        bert,
        [MEAN],
        edits=[change("config.json", architectures=["BertForMaskedLM"])],
    ),
    Form("no sentence_bert_config.json", bert, [MEAN], edits=[lambda f: (f / BERT_CONFIG).unlink()]),
    Form(
        "idx in another order",
        bert,
        [MEAN, dense(16)],
        edits=[lambda f: _modules(f, lambda e: e | {"idx": 9 - e["idx"]})],
    ),
    Form(
        "activation of another package",
        bert,
        [MEAN, dense(16)],
        edits=[change("2_Dense/config.json", activation_function="os.system")],
        refused="os.system",
    ),
    Form("activation that is not known", bert, [MEAN, dense(16, nn.Softmax(dim=-1))], refused="Softmax"),
    Form(
        "module that is not known", bert, [MEAN], edits=[typed("sentence_transformers.models.LSTM")], refused="LSTM"
    ),
    Form(
        "module of another package",
        bert,
        [MEAN],
        edits=[typed("custom_code.Pooling")],
        refused="custom_code.Pooling",
    ),
    Form(
        "pooling that is not known",
        bert,
        [MEAN],
        edits=[change("1_Pooling/config.json", pooling_mode="median")],
        refused="median",
    ),
    Form(
        "another task of the network",
        bert,
        [MEAN],
        edits=[change(BERT_CONFIG, transformer_task="fill-mask")],
        refused="fill-mask",
    ),
    Form("no pooling", bert, [normalize], refused="no Pooling"),
)
