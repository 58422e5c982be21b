"""Which head a file has, whatever class config.json names: as in transformers, or a sentence that says why not."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import paddle
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

import zoo
from tests.models.peers import PREFIX, SIZES, SUFFIX
from zoo.convert.certificate import Certificate
from zoo.convert.to_paddle import convert
from zoo.errors import CheckpointError, ConfigError, KeyRuleError, UsageError
from zoo.model_files import saved_head
from zoo.models.common.base import Model

pytestmark = pytest.mark.torch
IDS = np.array([[5, 6, 7, 8, 9, 10], [9, 10, 11, 12, 13, 14]])
HEADS = ("classification", "tagging", "qa", "multiple-choice")
FUNNEL = {
    "vocab_size": 50,
    "block_sizes": [2, 1],
    "num_decoder_layers": 1,
    "d_model": 24,
    "n_head": 3,
    "d_head": 8,
    "d_inner": 40,
}
STEMS = {**PREFIX, "funnel": "Funnel"}


def network(family: str, task: str | None, labels: int = 3) -> torch.nn.Module:
    """A model of transformers in eval mode; no weight is zero or one."""
    torch.manual_seed(3)
    sizes = FUNNEL if family == "funnel" else SIZES
    labels = {"qa": 2, "multiple-choice": 1}.get(str(task), labels)
    config = getattr(transformers, f"{STEMS[family]}Config")(**sizes, num_labels=labels)
    model = getattr(transformers, STEMS[family] + SUFFIX[task])(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return model


def folder_of(folder: Path, model: torch.nn.Module, named: str | None, **changes: object) -> Path:
    """A folder as transformers writes it, whose config.json names another class, or none."""
    model.save_pretrained(folder)
    content = {**json.loads((folder / "config.json").read_text()), "architectures": [named], **changes}
    if named is None:
        del content["architectures"]
    (folder / "config.json").write_text(json.dumps(content))
    return folder


def rekeyed(folder: Path, change) -> Path:  # type: ignore[no-untyped-def]
    """The folder after its tensors went through `change`."""
    tensors = change(load_file(folder / "model.safetensors"))
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def same_answers(model: Model, peer: torch.nn.Module, task: str) -> None:
    ids = IDS[:, None] if task == "multiple-choice" else IDS
    with torch.no_grad():
        theirs = peer(torch.from_numpy(ids))
    mine = model(paddle.to_tensor(ids))
    for name in ("start_logits", "end_logits") if task == "qa" else ("logits",):
        np.testing.assert_allclose(getattr(mine, name).numpy(), theirs[name].numpy(), rtol=0, atol=2e-5)


STALE = [
    *((f, t, c) for f in PREFIX for t in HEADS for c in ("ForMaskedLM", "Model", None)),
    ("structbert", "tagging", "ForPreTraining"),
    ("structbert", "multiple-choice", "ForPreTraining"),
    ("structbert", "tagging", "ForSequenceClassification"),
    ("structbert", "multiple-choice", "ForTokenClassification"),
    ("xlmr", "tagging", "ForSequenceClassification"),
    ("xlmr", "tagging", "ForQuestionAnswering"),
    ("funnel", "tagging", "ForMaskedLM"),
    ("funnel", "tagging", "Model"),
    ("funnel", "tagging", None),
    ("funnel", "tagging", "BaseModel"),
    ("funnel", "tagging", "ForSequenceClassification"),
    ("funnel", "qa", "ForSequenceClassification"),
    ("funnel", "classification", "ForPreTraining"),
    ("funnel", "multiple-choice", "Model"),
    ("funnel", "multiple-choice", "ForSequenceClassification"),
]


@pytest.mark.parametrize(("family", "task", "named"), STALE)
def test_the_head_that_is_asked_for_is_the_trained_one(
    family: str, task: str, named: str | None, tmp_path: Path
) -> None:
    peer = network(family, task)
    folder = folder_of(tmp_path / "m", peer, named and STEMS[family] + named)
    same_answers(zoo.load(folder, task=task), peer, task)
    convert(str(folder), tmp_path / "paddle")
    same_answers(zoo.load(tmp_path / "paddle", task=task), peer, task)
    assert saved_head(folder, among=(task,)) == saved_head(tmp_path / "paddle", among=(task,)) == task


@pytest.mark.parametrize("written", ["as it is", "converted"])
@pytest.mark.parametrize("named", ["BertForMaskedLM", "BertModel", None])
def test_a_head_that_could_be_several_is_asked_about(named: str | None, written: str, tmp_path: Path) -> None:
    peer = network("structbert", "classification")
    folder = folder_of(tmp_path / "m", peer, named)
    if written == "converted":
        result = convert(str(folder), tmp_path / "paddle")
        folder = tmp_path / "paddle"
        (note,) = result.certificate.notes
        assert "classifier.bias, classifier.weight" in note and "task='classification'" in note
        assert result.certificate.task is None
    with pytest.raises(UsageError, match="classification and tagging") as error:
        zoo.load(folder)
    assert "classifier.weight" in error.value.message and "task='classification'" in error.value.hint
    assert zoo.load(folder, task="encoder").task is None
    same_answers(zoo.load(folder, task="classification"), peer, "classification")


@pytest.mark.parametrize("written", ["as it is", "converted"])
@pytest.mark.parametrize(
    ("family", "task", "named"),
    [
        ("structbert", "tagging", "BertForMaskedLM"),  # without a pooler, so no classifier
        ("structbert", "qa", "BertModel"),
        ("structbert", "tagging", "BertForSequenceClassification"),
        ("xlmr", "classification", "XLMRobertaModel"),
        ("xlmr", "tagging", "XLMRobertaForSequenceClassification"),
        ("funnel", "tagging", "FunnelForSequenceClassification"),
    ],
)
def test_a_head_that_can_be_one_only_is_taken_and_said(
    family: str, task: str, named: str, written: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    peer = network(family, task)
    folder = folder_of(tmp_path / "m", peer, named)
    with caplog.at_level(logging.WARNING, "zoo"):
        if written == "converted":
            convert(str(folder), tmp_path / "paddle")
            certificate = Certificate.read(tmp_path / "paddle")
            assert certificate is not None and certificate.task == task and named in certificate.notes[0]
            folder = tmp_path / "paddle"
        model = zoo.load(folder)
    assert model.task == task == saved_head(folder)
    same_answers(model, peer, task)
    assert named in caplog.text and task in caplog.text
    model.save(tmp_path / "saved")
    same_answers(zoo.load(tmp_path / "saved"), peer, task)


def test_a_new_head_beside_a_trained_one_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = folder_of(tmp_path / "m", network("structbert", "tagging"), "BertForMaskedLM")
    with caplog.at_level(logging.WARNING, "zoo"):
        model = zoo.load(folder, task="classification", labels=3)  # needs a pooler, which a tagger has not
    new, unused = (record.getMessage() for record in caplog.records)
    assert "new, to be trained: encoder.pooler" in new and "classification.output.weight" in new
    assert "classifier.bias, classifier.weight is not used; it fits the head tagging" in unused
    assert model.task == "classification"


def test_another_number_of_classes_says_what_to_type(tmp_path: Path) -> None:
    peer = network("structbert", "tagging", labels=5)
    folder = folder_of(tmp_path / "m", peer, "BertForMaskedLM", id2label=None)
    with pytest.raises(CheckpointError, match=r"labels=5"):
        zoo.load(folder, task="tagging")
    same_answers(zoo.load(folder, task="tagging", labels=5), peer, "tagging")
    convert(str(folder), tmp_path / "paddle")  # what config.json does not name is not measured by it
    same_answers(zoo.load(tmp_path / "paddle", task="tagging", labels=5), peer, "tagging")


def test_num_labels_wins_over_names(tmp_path: Path) -> None:
    peer = network("xlmr", "tagging", labels=4)
    folder = folder_of(
        tmp_path / "m", peer, "XLMRobertaForTokenClassification", id2label={"0": "O", "1": "X"}, num_labels=4
    )
    theirs = transformers.AutoConfig.from_pretrained(folder)
    model = zoo.load(folder)
    assert (
        model.config.labels == tuple(theirs.id2label[n] for n in range(4)) == tuple(f"LABEL_{n}" for n in range(4))
    )
    same_answers(model, peer, "tagging")


WRAPPED = (
    "_orig_mod.",
    "module.",
    "module.module.",
    "model.",
    "_fsdp_wrapped_module.",
    "module._orig_mod.",
    "_orig_mod.module.",
    "model._fsdp_wrapped_module.module.",
    "_forward_module.model.",
)


@pytest.mark.parametrize("wrapper", WRAPPED)
@pytest.mark.parametrize("family", STEMS)
def test_what_training_code_wraps_around_a_network(wrapper: str, family: str, tmp_path: Path) -> None:
    peer = network(family, "tagging")
    folder = folder_of(tmp_path / "m", peer, f"{STEMS[family]}ForTokenClassification")
    rekeyed(folder, lambda tensors: {wrapper + key: t for key, t in tensors.items()})
    same_answers(zoo.load(folder), peer, "tagging")


def test_layers_that_were_wrapped_one_by_one(tmp_path: Path) -> None:
    peer = network("structbert", "tagging")
    folder = folder_of(tmp_path / "m", peer, "BertForTokenClassification")

    def wrap(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        inner = "_fsdp_wrapped_module.attention._checkpoint_wrapped_module"
        return {f"model.{k}".replace(".attention.", f".{inner}."): t for k, t in tensors.items()}

    same_answers(zoo.load(rekeyed(folder, wrap)), peer, "tagging")


def test_tensors_beside_the_network_are_kept_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    peer = network("structbert", "tagging")
    folder = folder_of(tmp_path / "m", peer, "BertForTokenClassification")
    more = {"loss_fct.weight": torch.tensor([0.2, 0.3, 0.5]), "crf.transitions": torch.randn(3, 3)}
    rekeyed(folder, lambda tensors: {**tensors, **more})
    with caplog.at_level(logging.WARNING, "zoo"):
        same_answers(zoo.load(folder), peer, "tagging")
        assert "not read: crf.transitions, loss_fct.weight" in caplog.text
        result = convert(str(folder), tmp_path / "paddle")
    assert any("loss_fct.weight" in note for note in result.certificate.notes)
    same_answers(zoo.load(tmp_path / "paddle"), peer, "tagging")


def test_tensors_inside_the_network_are_not_passed_over(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "m", network("structbert", "tagging"), "BertForTokenClassification")
    name = "bert.encoder.layer.0.attention.self.distance_embedding.weight"
    rekeyed(folder, lambda tensors: {**tensors, name: torch.zeros(3, 3)})
    with pytest.raises(KeyRuleError, match="distance_embedding"):
        zoo.load(folder)
    rekeyed(folder, lambda tensors: {k.replace("distance_embedding", "lora_A"): t for k, t in tensors.items()})
    with pytest.raises(KeyRuleError, match="merged"):
        zoo.load(folder)


@pytest.mark.parametrize("config", [True, False])
def test_an_adapter_is_called_one(config: bool, tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text('{"peft_type": "LORA", "base_model_name_or_path": "x"}')
    name = "base_model.model.bert.encoder.layer.0.attention.self.query.lora_A.weight"
    save_file({name: torch.zeros(2, 8)}, tmp_path / "adapter_model.safetensors")
    if config:
        network("structbert", None).config.save_pretrained(tmp_path)
    with pytest.raises((ConfigError, CheckpointError), match="adapter") as error:
        zoo.load(tmp_path)
    assert "merge_and_unload" in error.value.hint


def test_a_shard_may_hold_a_buffer_that_the_index_does_not_name(tmp_path: Path) -> None:
    peer = network("structbert", "tagging")
    folder = folder_of(tmp_path / "m", peer, "BertForTokenClassification")
    tensors = load_file(folder / "model.safetensors")
    shard = "model-00001-of-00001.safetensors"
    buffer = {"bert.embeddings.position_ids": torch.arange(34)[None]}
    save_file({**tensors, **buffer}, folder / shard, metadata={"format": "pt"})
    (folder / "model.safetensors").unlink()
    index = {"metadata": {}, "weight_map": dict.fromkeys(tensors, shard)}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    same_answers(zoo.load(folder), peer, "tagging")


def test_the_folder_of_a_run_is_one_of_a_model(tmp_path: Path) -> None:
    peer = network("structbert", "tagging")
    folder = folder_of(tmp_path / "m", peer, "BertForTokenClassification")
    run = tmp_path / "run"
    run.mkdir()
    (run / "run.json").write_text('{"format": 1, "status": "finished"}')
    with pytest.raises(zoo.errors.UnknownModelError, match="no model yet"):
        zoo.load(run)
    zoo.load(folder).save(run / "best")
    same_answers(zoo.load(run), peer, "tagging")
    same_answers(zoo.load(str(run)), peer, "tagging")
    assert saved_head(run) == "tagging"
