"""Folders in the form that PaddleNLP 2.8.1 and 3.0.0b4 write are read and written; the oracle is transformers.

What PaddleNLP itself makes of them is compared by conversion/paddlenlp_check.py. Hidden and inner size are equal
here, so a matrix that lies the wrong way has a fitting shape.
"""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

import zoo
from tests.convert.conftest import config_of
from zoo.checkpoint import open_checkpoint
from zoo.convert.certificate import Certificate
from zoo.convert.to_paddle import convert
from zoo.convert.to_upstream import export
from zoo.errors import ConfigError, KeyRuleError

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.torch

BERT = {
    "vocab_size": 40,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "max_position_embeddings": 34,
    "type_vocab_size": 2,
}
SIZES = {
    "Bert": {**BERT, "pad_token_id": 0},
    "Roberta": {**BERT, "pad_token_id": 1},
    "XLMRoberta": {**BERT, "pad_token_id": 1},
    "Funnel": {
        "vocab_size": 40,
        "block_sizes": [2, 1],
        "block_repeats": [1, 2],
        "num_decoder_layers": 1,
        "d_model": 16,
        "n_head": 2,
        "d_head": 8,
        "d_inner": 16,
    },
}
HEADS = {
    None: "Model",
    "mlm": "ForMaskedLM",
    "classification": "ForSequenceClassification",
    "tagging": "ForTokenClassification",
    "qa": "ForQuestionAnswering",
    "multiple-choice": "ForMultipleChoice",
}
# torch's spelling -> PaddleNLP's, of BERT and RoBERTa; its XLM-RoBERTa and Funnel have torch's.
SPELLING = {
    "embeddings.LayerNorm": "embeddings.layer_norm",
    "encoder.layer.": "encoder.layers.",
    "attention.self.query": "self_attn.q_proj",
    "attention.self.key": "self_attn.k_proj",
    "attention.self.value": "self_attn.v_proj",
    "attention.output.dense": "self_attn.out_proj",
    "attention.output.LayerNorm": "norm1",
    "intermediate.dense": "linear1",
    "output.dense": "linear2",
    "output.LayerNorm": "norm2",
    "predictions.transform.dense": "predictions.transform",
    "predictions.transform.LayerNorm": "predictions.layer_norm",
    "predictions.bias": "predictions.decoder_bias",
    "qa_outputs": "classifier",
}
ALIASES = {"Bert": ("cls.predictions.decoder.",), "Roberta": ("lm_head.decoder.",)}  # which PaddleNLP's files have
CASES = [(s, t) for s in SIZES for t in HEADS if s != "Funnel" or t not in ("mlm", "multiple-choice")]
IDS = np.array([[5, 6, 7, 8, 9, 10], [9, 10, 11, 12, 13, 14]])


def network(stem: str, task: str | None) -> Any:
    """A model of transformers; no weight is zero or one."""
    torch.manual_seed(5)
    labels = {"qa": 2, "multiple-choice": 1}.get(str(task), 3)
    config = getattr(transformers, f"{stem}Config")(**SIZES[stem], num_labels=labels)
    model = getattr(transformers, stem + HEADS[task])(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return model


def paddlenlp_tensors(stem: str, model: Any) -> dict[str, np.ndarray]:
    """The tensors of a model of transformers as PaddleNLP's file has them: its names, Linears [in, out]."""
    linears = {f"{n}.weight" for n, m in model.named_modules() if isinstance(m, torch.nn.Linear)}
    found = {}
    for key, tensor in model.state_dict().items():
        alias = "decoder." in key and not key.startswith(("funnel.decoder", "decoder."))
        if key.endswith("position_ids") or (alias and not key.startswith(ALIASES.get(stem, "-"))):
            continue
        array = tensor.numpy()
        name = key
        if stem in ("Bert", "Roberta"):
            for theirs, other in SPELLING.items():
                name = name.replace(theirs, other)
        found[name] = np.ascontiguousarray(array.T if key in linears and not alias else array)
    return found


def paddlenlp_folder(folder: Path, stem: str, task: str | None, model: Any, form: str) -> Path:
    """A folder as PaddleNLP writes it. form: "pdparams", "safetensors", or "legacy" for its older config file."""
    folder.mkdir()
    tensors = paddlenlp_tensors(stem, model)
    if form == "safetensors":
        from safetensors.numpy import save_file

        save_file(tensors, folder / "model.safetensors", metadata={"format": "np"})
    else:
        names = {"StructuredToParameterName@@": dict.fromkeys(tensors, "parameter_0")}
        (folder / "model_state.pdparams").write_bytes(pickle.dumps({**tensors, **names}, protocol=4))
    labels = {"id2label": {"0": "a", "1": "b", "2": "c"}, "label2id": {"a": 0, "b": 1, "c": 2}}
    sizes = {**SIZES[stem], "hidden_act": "gelu_new" if stem == "Funnel" else "gelu"}
    if form == "legacy":
        inner = {**sizes, "init_class": f"{stem}Model"}
        content = {"init_args": [inner], "num_classes": 3, "dropout": None, "init_class": stem + HEADS[task]}
        content = {**inner, "init_class": f"{stem}Model"} if task is None else content
        (folder / "model_config.json").write_text(json.dumps(content))
        return folder
    types = {"Bert": "bert", "Roberta": "roberta", "XLMRoberta": "xlm-roberta", "Funnel": "funnel"}
    content = {
        **sizes,
        **(labels if task in ("classification", "tagging") else {}),
        "architectures": [stem + HEADS[task]],
        "model_type": types[stem],
        "paddlenlp_version": "3.0.0b4",
    }
    content |= {"pool_act": "tanh", "fuse": False} if stem == "Bert" else {}
    (folder / "config.json").write_text(json.dumps(content))
    return folder


def same(folder: Path, task: str | None, peer: Any) -> None:
    """What a folder computes is what transformers does."""
    model = zoo.load(folder, task=task or "encoder")
    ids = IDS[:, None] if task == "multiple-choice" else IDS
    with torch.no_grad():
        theirs = peer(torch.from_numpy(ids))
    mine = model(paddle.to_tensor(ids))
    for name in {"qa": ("start_logits", "end_logits"), None: ("last_hidden_state",)}.get(task, ("logits",)):
        np.testing.assert_allclose(getattr(mine, name).numpy(), theirs[name].numpy(), rtol=0, atol=2e-5)


@pytest.mark.parametrize(
    ("stem", "task", "form"),
    [
        *((stem, task, form) for stem, task in CASES for form in ("pdparams", "safetensors")),
        *((stem, task, "legacy") for stem, task in CASES if task in (None, "tagging")),
    ],
)
def test_paddlenlp_folder_is_read_and_comes_back(stem: str, task: str | None, form: str, tmp_path: Path) -> None:
    peer = network(stem, task)
    source = paddlenlp_folder(tmp_path / "theirs", stem, task, peer, form)
    same(source, task, peer)
    if task in ("classification", "tagging", "qa", "multiple-choice"):
        assert zoo.load(source).task == task
    convert(str(source), tmp_path / "paddle")
    same(tmp_path / "paddle", task, peer)
    export(str(tmp_path / "paddle"), tmp_path / "back", "paddlenlp")
    same(tmp_path / "back", task, peer)
    with open_checkpoint(source) as theirs, open_checkpoint(tmp_path / "back") as back:
        assert back.format == "pdparams" and set(back.infos) == set(theirs.infos)
        assert all(np.array_equal(back.read(name), theirs.read(name)) for name in theirs.infos)
    assert config_of(tmp_path / "back")["architectures"] == [stem + HEADS[task]]
    export(str(tmp_path / "paddle"), tmp_path / "torch", "torch")
    again, info = type(peer).from_pretrained(tmp_path / "torch", output_loading_info=True)
    assert not info["missing_keys"] - set(getattr(peer, "_tied_weights_keys", None) or ())
    for key, tensor in peer.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[key]), key


def test_conversion_is_known_again(tmp_path: Path) -> None:
    source = paddlenlp_folder(
        tmp_path / "theirs", "XLMRoberta", "tagging", network("XLMRoberta", "tagging"), "legacy"
    )
    assert convert(str(source), tmp_path / "paddle").status == "converted"
    certificate = Certificate.read(tmp_path / "paddle")
    assert certificate is not None
    assert {file.name for file in certificate.files} == {"model_config.json", "model_state.pdparams"}
    assert convert(str(source), tmp_path / "paddle").status == "already done"


def test_what_decides_how_square_matrices_lie(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    peer = network("XLMRoberta", "tagging")
    source = paddlenlp_folder(tmp_path / "m", "XLMRoberta", "tagging", peer, "safetensors")
    file = source / "model.safetensors"
    theirs = paddlenlp_tensors("XLMRoberta", peer)
    own = {k: v.numpy().copy() for k, v in peer.state_dict().items()}
    content = config_of(source)
    torchs = {k: v for k, v in content.items() if k != "paddlenlp_version"}
    for tensors, mark, config in (
        (theirs, {"format": "np"}, torchs),
        (theirs, None, content),
        (own, {"format": "pt"}, content),
        (own, None, torchs),
    ):
        save_file(tensors, file, metadata=mark)
        (source / "config.json").write_text(json.dumps(config))
        same(source, "tagging", peer)


def test_a_mark_that_the_names_contradict_is_refused(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    peer = network("Bert", "tagging")
    source = paddlenlp_folder(tmp_path / "m", "Bert", "tagging", peer, "safetensors")
    own = {k: v.numpy().copy() for k, v in peer.state_dict().items()}
    for tensors, mark in ((own, "np"), (paddlenlp_tensors("Bert", peer), "pt")):
        save_file(tensors, source / "model.safetensors", metadata={"format": mark})
        with pytest.raises(KeyRuleError, match="not certain"):
            zoo.load(source)


def test_sizes_that_paddlenlp_leaves_out_are_its_own(tmp_path: Path) -> None:
    peer = network("Bert", "tagging")
    source = paddlenlp_folder(tmp_path / "m", "Bert", "tagging", peer, "legacy")
    content = json.loads((source / "model_config.json").read_text())
    del content["init_args"][0]["type_vocab_size"]  # 16 there, 2 in transformers
    (source / "model_config.json").write_text(json.dumps(content))
    with pytest.raises(zoo.errors.ZooError, match=r"\[16, 16\]"):
        zoo.load(source)
    content["init_args"].append(5)
    (source / "model_config.json").write_text(json.dumps(content))
    with pytest.raises(ConfigError, match="init_args"):
        zoo.load(source)


def test_heads_that_paddlenlp_has_not_are_kept_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    peer = network("Funnel", "mlm")
    peer.save_pretrained(tmp_path / "m")
    export(str(tmp_path / "m"), tmp_path / "nlp", "paddlenlp")
    assert config_of(tmp_path / "nlp")["architectures"] == ["FunnelModel"]
    assert "no place for lm_head.bias" in caplog.text
    same(tmp_path / "nlp", "mlm", peer)


def test_networks_that_paddlenlp_has_not(tmp_path: Path) -> None:
    source = paddlenlp_folder(tmp_path / "m", "XLMRoberta", None, network("XLMRoberta", None), "pdparams")
    content = config_of(source)
    (source / "config.json").write_text(json.dumps({**content, "architectures": ["PalmModel"]}))
    with pytest.raises((KeyRuleError, ConfigError)):
        zoo.load(source)
    peer = network("Bert", None)
    peer.config.hidden_act = "gelu_new"
    peer.save_pretrained(tmp_path / "bert")
    with pytest.raises(ConfigError, match="gelu_new"):
        export(str(tmp_path / "bert"), tmp_path / "out", "paddlenlp")
    assert not (tmp_path / "out").exists()
