"""Which weight file of a folder is read, and what its index may say."""

from __future__ import annotations

import json
import os
from collections import OrderedDict
from pathlib import Path

import pytest
import safetensors.torch
import torch

from tests.checkpoint.test_reading import assert_reads
from tests.checkpoint.weight_files import tensors, torch_file
from zoo.checkpoint import open_checkpoint
from zoo.errors import CheckpointError


class TestFolders:
    def shard(self, folder: Path, ending: str) -> dict[str, torch.Tensor]:
        want = {name: t.detach().clone().contiguous() for name, t in tensors().items()}
        halves = dict(list(want.items())[:5]), dict(list(want.items())[5:])
        stem = "model" if ending == "safetensors" else "pytorch_model"
        table = {}
        for n, half in enumerate(halves, 1):
            name = f"{stem}-0000{n}-of-00002.{ending}"
            save = safetensors.torch.save_file if ending == "safetensors" else torch.save
            save(OrderedDict(half), folder / name)
            table |= dict.fromkeys(half, name)
        index = folder / f"{stem}.{ending}.index.json"
        index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": table}))
        return want

    @pytest.mark.parametrize("ending", ["safetensors", "bin"])
    def test_shards(self, tmp_path: Path, ending: str) -> None:
        want = self.shard(tmp_path, ending)
        checkpoint = open_checkpoint(tmp_path)
        assert len(checkpoint.files) == 2 and set(checkpoint.infos) == set(want)
        assert_reads(checkpoint, {name: want[name] for name in checkpoint.infos})
        assert checkpoint.file_of("plain").name.endswith(f"00001-of-00002.{ending}")

    @pytest.mark.parametrize("change", ["missing", "outside", "absolute", "elsewhere", "extra", "broken"])
    def test_an_index_that_does_not_fit_is_an_error(self, tmp_path: Path, change: str) -> None:
        self.shard(tmp_path, "bin")
        index = tmp_path / "pytorch_model.bin.index.json"
        content = json.loads(index.read_text())
        table = content["weight_map"]
        if change == "missing":
            os.unlink(tmp_path / table["plain"])
        elif change in ("outside", "absolute"):
            table["plain"] = "../x.bin" if change == "outside" else str(tmp_path / table["plain"])
        elif change == "elsewhere":
            table["plain"] = table["flags"]
        elif change == "extra":
            table["nowhere"] = table["plain"]
        index.write_text("{" if change == "broken" else json.dumps(content))
        with pytest.raises(CheckpointError, match=r"index\.json"):
            open_checkpoint(tmp_path)

    def test_a_tensor_that_the_index_does_not_name_is_read(self, tmp_path: Path) -> None:
        """As a shard's buffer is that the index leaves out; whether the network has it, its key table says."""
        want = self.shard(tmp_path, "bin")
        index = tmp_path / "pytorch_model.bin.index.json"
        content = json.loads(index.read_text())
        del content["weight_map"]["plain"]
        index.write_text(json.dumps(content))
        assert set(open_checkpoint(tmp_path).infos) == set(want)

    def test_a_tensor_in_two_shards_is_an_error(self, tmp_path: Path) -> None:
        self.shard(tmp_path, "bin")
        torch.save({"plain": torch.zeros(2), "half": torch.zeros(1)}, tmp_path / "pytorch_model-00002-of-00002.bin")
        with pytest.raises(CheckpointError, match="both in"):
            open_checkpoint(tmp_path)

    def test_safetensors_before_pickles(self, tmp_path: Path) -> None:
        torch_file(tmp_path / "pytorch_model.bin", {"w": torch.zeros(1)})
        safetensors.torch.save_file({"w": torch.ones(1)}, tmp_path / "model.safetensors")
        assert open_checkpoint(tmp_path).read("w") == 1

    def test_content_decides_not_the_name(self, tmp_path: Path) -> None:
        safetensors.torch.save_file({"w": torch.ones(1)}, tmp_path / "pytorch_model.bin")
        assert open_checkpoint(tmp_path).format == "safetensors"

    def test_no_file_and_several_files(self, tmp_path: Path) -> None:
        with pytest.raises(CheckpointError, match="holds no weight file"):
            open_checkpoint(tmp_path)
        for name in ("a.bin", "b.bin"):
            torch_file(tmp_path / name)
        with pytest.raises(CheckpointError, match=r"several weight files \(a.bin, b.bin\)"):
            open_checkpoint(tmp_path)
        with pytest.raises(CheckpointError, match="no weight file or folder"):
            open_checkpoint(tmp_path / "nowhere")

    @pytest.mark.parametrize(
        ("start", "says"),
        [
            (b"", "is empty"),
            (b"\x1f\x8b\x08\x00", ".gz archive"),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git LFS pointer"),
            (b"<!DOCTYPE html><html>", "web page"),
            (b"\x89HDF\r\n\x1a\n", "HDF5"),
            (b"hello, world", "neither safetensors"),
            (b"PK\x03\x04", "cut off"),
        ],
    )
    def test_other_files_are_named(self, tmp_path: Path, start: bytes, says: str) -> None:
        (tmp_path / "pytorch_model.bin").write_bytes(start)
        with pytest.raises(CheckpointError, match=says):
            open_checkpoint(tmp_path)
