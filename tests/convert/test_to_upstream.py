"""torch -> Paddle -> torch is bit-identical, and what comes out is a folder that transformers opens."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tests.convert.conftest import Make, config_of
from tests.convert.test_to_paddle import BERT, FORMS, HEADS, XLMR
from zoo.checkpoint import open_checkpoint


def digests(folder: Path) -> dict[str, tuple[str, tuple[int, ...], str]]:
    """Type, shape and SHA-256 of every tensor of a folder."""
    with open_checkpoint(folder) as file:
        return {
            n: (i.dtype, i.shape, hashlib.sha256(file.read(n).tobytes()).hexdigest()) for n, i in file.infos.items()
        }


@pytest.mark.parametrize("name", FORMS)
def test_every_file_form_comes_back(name: str, snapshot: Make, tmp_path: Path, command) -> None:  # type: ignore[no-untyped-def]
    source = snapshot(name)
    assert command(source, "--out", tmp_path / "paddle")[0] == 0
    assert command(tmp_path / "paddle", "--out", tmp_path / "torch", "--to", "torch")[0] == 0
    assert digests(tmp_path / "torch") == digests(source)
    assert config_of(tmp_path / "torch") == config_of(source)


@pytest.mark.torch
@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize(("name", "stem"), [(XLMR, "XLMRoberta"), (BERT, "Bert")])
def test_every_head_opens_in_transformers(
    name: str, stem: str, head: str, snapshot: Make, tmp_path: Path, command
) -> None:  # type: ignore[no-untyped-def]
    import torch
    import transformers

    from conversion.reference import load_original, reference_of

    source = snapshot(name, stem + head)
    assert command(source, "--out", tmp_path / "torch", "--to", "torch")[0] == 0
    assert digests(tmp_path / "torch") == digests(source)
    found, info = getattr(transformers, stem + head).from_pretrained(tmp_path / "torch", output_loading_info=True)
    ties = set(getattr(found, "_tied_weights_keys", None) or {})
    assert set(info["missing_keys"]) <= ties
    original = load_original(reference_of("xlmr" if name == XLMR else "structbert"), stem + head, source)
    for key, tensor in original.state_dict().items():
        assert torch.equal(tensor, found.state_dict()[key]), key


def test_bfloat16_comes_back(snapshot: Make, tmp_path: Path, command) -> None:  # type: ignore[no-untyped-def]
    import torch
    from safetensors.torch import load_file, save_file

    source = tmp_path / "source"
    source.mkdir()
    for file in snapshot(XLMR).iterdir():
        (source / file.name).write_bytes(file.read_bytes())
    tensors = load_file(source / "model.safetensors")
    save_file({k: t.to(torch.bfloat16) for k, t in tensors.items()}, source / "model.safetensors")
    assert command(source, "--out", tmp_path / "torch", "--to", "torch")[0] == 0
    assert {d for d, _, _ in digests(tmp_path / "torch").values()} == {"BF16"}
    assert digests(tmp_path / "torch") == digests(source)


def test_a_trained_model_gets_the_keys_of_today(snapshot: Make, tmp_path: Path, command) -> None:  # type: ignore[no-untyped-def]
    import zoo

    command(snapshot(BERT), "--out", tmp_path / "paddle")
    model = zoo.load(tmp_path / "paddle", task="tagging", labels=["O", "B-PER", "I-PER"])
    model.save(tmp_path / "trained")
    code, _, err = command(tmp_path / "trained", "--out", tmp_path / "torch", "--to", "torch")
    assert code == 0, err
    keys = digests(tmp_path / "torch")
    assert "classifier.weight" in keys and "bert.encoder.layer.1.output.LayerNorm.weight" in keys
    assert keys["classifier.weight"][1] == (3, 32)


def test_again_is_already_done(snapshot: Make, tmp_path: Path, command) -> None:  # type: ignore[no-untyped-def]
    command(snapshot(XLMR), "--out", tmp_path / "paddle")
    states = [
        json.loads(command(tmp_path / "paddle", "--out", tmp_path / "torch", "--to", "torch", "--json")[1])[
            "models"
        ][0]
        for _ in range(2)
    ]
    assert [s["status"] for s in states] == ["converted", "already done"]


def test_the_converted_folder_is_never_the_target(snapshot: Make, tmp_path: Path, command) -> None:  # type: ignore[no-untyped-def]
    command(snapshot(XLMR), "--out", tmp_path / "paddle")
    before = digests(tmp_path / "paddle")
    assert command(tmp_path / "paddle", "--out", tmp_path / "paddle", "--to", "torch")[0] == 2
    assert digests(tmp_path / "paddle") == before


@pytest.mark.parametrize(
    ("name", "architecture", "query", "aliases"),
    [
        (XLMR, "XLMRobertaForMaskedLM", "roberta.encoder.layer.1.attention.self.query.weight", set()),
        (
            BERT,
            "SbertForMaskedLM",
            "bert.encoder.layers.1.self_attn.q_proj.weight",
            {"cls.predictions.decoder.weight", "cls.predictions.decoder_bias"},
        ),
        (BERT, "BertModel", "encoder.layers.1.self_attn.q_proj.weight", set()),
    ],
)
def test_paddlenlp_folder(name, architecture, query, aliases, snapshot: Make, tmp_path: Path, command) -> None:  # type: ignore[no-untyped-def]
    """Names, layout and config.json; that PaddleNLP computes the same is in conversion/paddlenlp_check.py."""
    source = snapshot(name, architecture)
    assert command(source, "--out", tmp_path / "paddle")[0] == 0
    assert command(tmp_path / "paddle", "--out", tmp_path / "nlp", "--to", "paddlenlp")[0] == 0
    with open_checkpoint(tmp_path / "nlp") as theirs, open_checkpoint(tmp_path / "paddle") as ours:
        assert theirs.format == "pdparams"
        assert (theirs.read(query) == ours.read("encoder.layers.1.attention.query.weight")).all()
        kept = {n for n in ours.infos if not n.startswith("unused.")}
        assert len(theirs.infos) == len(kept) + len(aliases) and aliases <= set(theirs.infos)
    assert config_of(tmp_path / "nlp")["architectures"] == [architecture.replace("Sbert", "Bert")]
