"""Steps applied to arrays, both ways; the streamed file equals what one would compute whole."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch

from tests.checkpoint.weight_files import torch_file
from zoo.checkpoint import (
    backward,
    check_finite,
    forward,
    narrow,
    open_checkpoint,
    stream,
    target_infos,
    widen,
    widened,
)
from zoo.checkpoint.keymap import KeyMap
from zoo.checkpoint.rules import Rule, copy, drop, linear, norm, split, tie
from zoo.errors import CheckpointError

KEYMAP = KeyMap(
    rules=(
        *copy("words.weight", "embeddings.word.weight"),
        *linear("layer.{i}.inner", "layers.{i}.inner"),
        *linear("layer.{i}.square", "layers.{i}.square"),
        *split("layer.{i}.qkv", ("layers.{i}.query", "layers.{i}.key", "layers.{i}.value")),
        *norm("layer.{i}.norm", "layers.{i}.norm"),
        Rule(("a.weight", "b.weight"), ("ab.weight",), "join"),
        *copy("position_ids", "unused.position_ids"),
        *tie("decoder.weight", "embeddings.word.weight"),
        *drop("step", "a counter"),
    )
)


def weights() -> dict[str, torch.Tensor]:
    torch.manual_seed(3)
    words = torch.randn(700, 600)  # several blocks of a contiguous tensor
    found = {
        "words.weight": words,
        "decoder.weight": words,
        "step": torch.tensor(3),
        "position_ids": torch.arange(9),
    }
    for i, dtype in enumerate((torch.float32, torch.float16, torch.bfloat16, torch.float64)):
        found |= {
            f"layer.{i}.inner.weight": torch.randn(530, 270).to(dtype),  # several blocks of a transposed one
            f"layer.{i}.inner.bias": torch.randn(530).to(dtype),
            f"layer.{i}.square.weight": torch.randn(17, 17).to(dtype).t(),
            f"layer.{i}.square.bias": torch.randn(40).to(dtype)[3:37:2],
            f"layer.{i}.qkv.weight": torch.randn(30, 10).to(dtype),
            f"layer.{i}.qkv.bias": torch.randn(30).to(dtype),
            f"layer.{i}.norm.weight": torch.ones(10).to(dtype),
            f"layer.{i}.norm.bias": torch.zeros(0).to(dtype),
        }
    return found | {"a.weight": torch.randn(3, 8), "b.weight": torch.randn(5, 8)}


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_stream_writes_what_torch_would(tmp_path: Path, legacy: bool) -> None:
    path, out, seen = torch_file(tmp_path / "x.bin", weights(), legacy), tmp_path / "out.safetensors", []
    checkpoint = open_checkpoint(path)
    plan = KEYMAP.plan(checkpoint.infos)
    report = stream(plan, checkpoint, out, {"key": "text"}, seen.append)
    got, want = safetensors.numpy.load_file(out), {}
    for name, tensor in weights().items():
        value = tensor.float() if tensor.is_floating_point() else tensor
        if name.startswith("layer") and "norm" not in name:
            parts = value.chunk(3) if "qkv" in name else [value]
            names = ("query", "key", "value") if "qkv" in name else (name.split(".")[2],)
            for part, leaf in zip(parts, names, strict=True):
                want[f"layers.{name[6]}.{leaf}.{name.rsplit('.')[-1]}"] = part.t() if part.ndim == 2 else part
        elif name.startswith("layer"):
            want[name.replace("layer", "layers")] = value
    want |= {"embeddings.word.weight": weights()["words.weight"], "unused.position_ids": torch.arange(9)}
    want["ab.weight"] = torch.cat([weights()["a.weight"], weights()["b.weight"]]).t()
    assert set(got) == set(want) == set(target_infos(plan, checkpoint))
    for name, tensor in want.items():
        assert got[name].dtype == tensor.numpy().dtype and np.array_equal(got[name], tensor.numpy()), name
    assert (
        report.bytes == out.stat().st_size == sum(seen) + (out.stat().st_size - sum(a.nbytes for a in got.values()))
    )
    assert report.sha256 == {"x.bin": hashlib.sha256(path.read_bytes()).hexdigest()}
    assert open_checkpoint(out).metadata == {"key": "text"}


def test_backward_undoes_forward(tmp_path: Path) -> None:
    checkpoint = open_checkpoint(torch_file(tmp_path / "x.bin", weights()))
    for step in KEYMAP.plan(checkpoint.infos).steps:
        ours = forward(step, checkpoint.read)
        if step.rule.op == "tie":
            assert ours == {}
            continue
        if step.rule.op == "join":  # parts of unequal size cannot be told apart again
            continue
        back = backward(step, ours.__getitem__)
        assert list(back) == list(step.sources)
        assert all(np.array_equal(back[name], checkpoint.read(name)) for name in step.sources)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("name", ["words.weight", "layer.0.inner.weight", "layer.0.norm.weight"])
def test_bad_numbers_are_refused(tmp_path: Path, dtype: torch.dtype, bad: float, name: str) -> None:
    content = weights()
    content[name] = content[name].to(dtype).clone()
    content[name].reshape(-1)[-2] = bad
    checkpoint = open_checkpoint(torch_file(tmp_path / "x.bin", content))
    with pytest.raises(CheckpointError, match=rf"'{name}' in .*x\.bin has 1 elements that are NaN or infinite"):
        stream(KEYMAP.plan(checkpoint.infos), checkpoint, tmp_path / "out", {})


def test_a_double_beyond_float32_is_refused(tmp_path: Path) -> None:
    content = weights() | {"words.weight": torch.full((2, 2), 1e39, dtype=torch.float64)}
    del content["decoder.weight"]
    checkpoint = open_checkpoint(torch_file(tmp_path / "x.bin", content))
    with pytest.raises(CheckpointError, match=r"words\.weight"):
        stream(KEYMAP.plan(checkpoint.infos), checkpoint, tmp_path / "out", {})


def test_joined_tensors_of_different_types(tmp_path: Path) -> None:
    content = weights()
    content["b.weight"] = content["b.weight"].bfloat16()
    checkpoint = open_checkpoint(torch_file(tmp_path / "x.bin", content))
    stream(KEYMAP.plan(checkpoint.infos), checkpoint, tmp_path / "out", {})
    want = torch.cat([content["a.weight"], content["b.weight"].float()]).t().numpy()
    assert np.array_equal(safetensors.numpy.load_file(tmp_path / "out")["ab.weight"], want)
    content["b.weight"] = torch.zeros(5, 8, dtype=torch.int64)
    checkpoint = open_checkpoint(torch_file(tmp_path / "x.bin", content))
    with pytest.raises(CheckpointError, match="differ in type"):
        stream(KEYMAP.plan(checkpoint.infos), checkpoint, tmp_path / "out", {})


def test_a_disk_that_takes_little_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = open_checkpoint(torch_file(tmp_path / "x.bin", weights()))
    plan, real = KEYMAP.plan(checkpoint.infos), os.pwrite
    stream(plan, checkpoint, tmp_path / "whole", {})
    monkeypatch.setattr(os, "pwrite", lambda handle, data, at: real(handle, data[:4099], at))
    stream(plan, checkpoint, tmp_path / "parts", {})
    assert (tmp_path / "whole").read_bytes() == (tmp_path / "parts").read_bytes()


def test_a_full_disk_is_reported_and_ends_all_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = open_checkpoint(torch_file(tmp_path / "x.bin", weights()))

    def full(handle: int, data: object, at: int) -> int:
        raise OSError(28, "No space left on device")

    before = threading.active_count()
    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match="No space left"):
        stream(KEYMAP.plan(checkpoint.infos), checkpoint, tmp_path / "out", {})
    assert threading.active_count() == before


class TestFinite:
    def test_a_sum_that_overflows_is_no_error(self) -> None:
        check_finite("w", np.full(1000, 3e38, "f4"), Path("x"))
        check_finite("w", np.array([3e38, 3e38, -3e38, -3e38] * 9, "f4"), Path("x"))
        check_finite("w", np.full(1000, 6e4, "f2"), Path("x"))

    def test_opposite_infinities_are_found(self) -> None:
        with pytest.raises(CheckpointError, match="2 elements"):
            check_finite("w", np.array([[np.inf, 1], [0, -np.inf]], "f4"), Path("x"))

    def test_place_and_count_are_named(self) -> None:
        array = np.zeros((3, 4), "f4")
        array[1, 2] = array[2, 0] = np.nan
        with pytest.raises(CheckpointError, match=r"'w' in x has 2 elements .* first at \[1, 2\]"):
            check_finite("w", array, Path("x"))

    def test_integers_and_nothing_are_finite(self) -> None:
        for array in (np.zeros(3, "i8"), np.zeros((0, 3), "f4"), np.ones(2, bool)):
            check_finite("w", array, Path("x"))


class TestWidening:
    def test_every_bfloat16_and_half_goes_there_and_back(self) -> None:
        bits = np.arange(1 << 16, dtype=np.uint16)
        for name, dtype in (("BF16", torch.bfloat16), ("F16", torch.float16)):
            array = bits if name == "BF16" else bits.view("f2")
            wide = widen(array, name)
            want = torch.from_numpy(bits.view(np.int16)).view(dtype).float().numpy()
            assert wide.dtype == np.float32 and np.array_equal(wide, want, equal_nan=True)
            finite = ~np.isnan(want)
            back = narrow(wide, name).view(np.uint16)
            assert np.array_equal(back[finite], bits[finite])

    def test_narrowing_rounds_as_torch_does(self) -> None:
        torch.manual_seed(1)
        wide = torch.randn(100_000) * torch.logspace(-30, 30, 100_000)
        want = wide.bfloat16().view(torch.int16).numpy().view(np.uint16)
        assert np.array_equal(narrow(wide.numpy(), "BF16"), want)

    def test_others_are_not_touched(self) -> None:
        for dtype in ("F32", "I64", "U8", "BOOL", "U16"):
            array = np.ones(3, "f4" if dtype == "F32" else "i8")
            assert widen(array, dtype) is array and widened(dtype) == dtype
        assert narrow(np.ones(2, "f4"), "F32").dtype == np.float32
