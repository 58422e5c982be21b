"""Damaged files: an error that names the file, or the right tensors; never another exception, never much memory.

`make fuzz` runs the slow test here: FUZZ_CASES mutations of every format (default 5000 each), and writes
benchmarks/results/fuzz_checkpoint.json.
"""

from __future__ import annotations

import json
import os
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch

from tests.checkpoint.weight_files import as_numpy, fairseq, pdparams_file, safetensors_file, tensors, torch_file
from zoo.checkpoint import open_checkpoint
from zoo.errors import CheckpointError

Maker = Callable[[Path], Path]


def make_safetensors(path: Path) -> Path:
    arrays = {name: np.ascontiguousarray(as_numpy(t)) for name, t in tensors().items()}
    safetensors.numpy.save_file(arrays, path, metadata={"format": "pt"})
    return path


FORMATS: dict[str, Maker] = {
    "safetensors": make_safetensors,
    "torch zip": torch_file,
    "torch zip, protocol 5": lambda path: torch_file(path, protocol=5),
    "torch legacy": lambda path: torch_file(path, legacy=True),
    "fairseq": lambda path: torch_file(path, fairseq()),
    "fairseq legacy": lambda path: torch_file(path, fairseq(True), legacy=True),
    "pdparams": pdparams_file,
    "pdparams, protocol 2": lambda path: pdparams_file(path, 2),
}


@pytest.fixture(params=FORMATS.values(), ids=FORMATS.keys())
def valid(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return request.param(tmp_path / "x.bin")


def read_all(path: Path) -> dict[str, np.ndarray]:
    with open_checkpoint(path) as checkpoint:
        return {name: np.array(checkpoint.read(name)) for name in checkpoint.infos}


def same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
    return list(a) == list(b) and all(
        a[name].dtype == b[name].dtype and np.array_equal(a[name], b[name], equal_nan=a[name].dtype.kind == "f")
        for name in a
    )


def test_cut_off_anywhere(valid: Path) -> None:
    whole = valid.read_bytes()
    want = read_all(valid)
    for size in sorted(
        {
            *range(0, len(whole), len(whole) // 200),
            *range(min(400, len(whole))),
            *range(len(whole) - 200, len(whole)),
        }
    ):
        valid.write_bytes(whole[:size])
        try:
            got = read_all(valid)
        except CheckpointError as error:
            assert str(valid) in error.message
        else:  # only padding is missing
            assert same(got, want), size


def test_something_behind_the_end(tmp_path: Path) -> None:
    for make in (make_safetensors, FORMATS["torch legacy"]):
        path = make(tmp_path / "x.bin")
        path.write_bytes(path.read_bytes() + b"\0")
        with pytest.raises(CheckpointError, match="1 bytes behind its last"):
            open_checkpoint(path)


F4 = {"dtype": "F32", "shape": [1]}


class TestSafetensorsHeader:
    @pytest.mark.parametrize(
        ("header", "data", "says"),
        [
            ({"a": {**F4, "data_offsets": [0, 4]}, "b": {**F4, "data_offsets": [0, 4]}}, 4, "'b' .* overlaps"),
            ({"a": {**F4, "data_offsets": [0, 4]}, "b": {**F4, "data_offsets": [3, 7]}}, 7, "'b' .* overlaps"),
            ({"a": {**F4, "data_offsets": [0, 4]}, "b": {**F4, "data_offsets": [8, 12]}}, 12, "gap of 4 bytes"),
            ({"a": {**F4, "data_offsets": [4, 8]}}, 8, "gap of 4 bytes"),
            ({"a": {**F4, "data_offsets": [0, 4]}}, 3, "1 bytes beyond"),
            ({"a": {**F4, "data_offsets": [0, 4]}}, 5, "1 bytes behind"),
            ({}, 4, "4 bytes behind"),
            ({"a": {**F4, "data_offsets": [0, 8]}}, 8, "takes 8 bytes, its shape needs 4"),
            ({"a": {**F4, "data_offsets": [4, 0]}}, 4, "takes -4 bytes"),
            ({"a": {**F4, "data_offsets": [-4, 0]}}, 4, "data_offsets"),
            ({"a": {**F4, "data_offsets": [0, 4.0]}}, 4, "data_offsets"),
            ({"a": {**F4, "data_offsets": [0, True]}}, 4, "data_offsets"),
            ({"a": {**F4, "data_offsets": [0, 4, 4]}}, 4, "data_offsets"),
            ({"a": {**F4, "shape": [-1], "data_offsets": [0, 4]}}, 4, "impossible shape"),
            ({"a": {**F4, "shape": 1, "data_offsets": [0, 4]}}, 4, "impossible shape"),
            ({"a": {**F4, "shape": [1.0], "data_offsets": [0, 4]}}, 4, "impossible shape"),
            ({"a": {**F4, "shape": [2**63, 2**63], "data_offsets": [0, 4]}}, 4, "impossible shape"),
            ({"a": {**F4, "dtype": "F8_E4M3", "data_offsets": [0, 1]}}, 1, "type F8_E4M3"),
            ({"a": {**F4, "dtype": ["F32"], "data_offsets": [0, 4]}}, 4, "of type"),
            ({"a": {**F4}}, 4, "lacks dtype"),
            ({"a": 3}, 4, "lacks dtype"),
            ({"__metadata__": {"a": 1}}, 0, "metadata"),
            ({"__metadata__": [1]}, 0, "metadata"),
        ],
    )
    def test_what_the_format_forbids(self, tmp_path: Path, header: object, data: int, says: str) -> None:
        path = safetensors_file(tmp_path / "x.safetensors", header, bytes(data))
        with pytest.raises(CheckpointError, match=says):
            open_checkpoint(path)
        with pytest.raises(Exception):  # noqa: B017  the library refuses it too; its own classes vary
            safetensors.numpy.load_file(path)

    @pytest.mark.parametrize(
        "raw",
        [
            b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}',
            b'{"a":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}}',
            b"{" * 100_000,
            b'{"a":' * 50_000,
            b'{"a":NaN}',
            b'{"\xff":1}',
            b"{}x",
            b'{"a":{"dtype":"U8","shape":[' + b"9" * 5000 + b'],"data_offsets":[0,1]}}',
        ],
    )
    def test_no_valid_json(self, tmp_path: Path, raw: bytes) -> None:
        path = safetensors_file(tmp_path / "x.safetensors", raw=raw, data=b"\0")
        with pytest.raises(CheckpointError, match=r"x\.safetensors"):
            open_checkpoint(path)

    def test_a_header_larger_than_allowed(self, tmp_path: Path) -> None:
        for size in (100_000_001, 1 << 62, 2**64 - 1):
            (tmp_path / "x").write_bytes(size.to_bytes(8, "little") + b"{}")
            with pytest.raises(CheckpointError, match="its header has"):
                open_checkpoint(tmp_path / "x")

    def test_tensors_in_any_order_and_empty_ones(self, tmp_path: Path) -> None:
        header = {
            "b": {"dtype": "U8", "shape": [2], "data_offsets": [1, 3]},
            "a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]},
            "none": {"dtype": "F32", "shape": [0, 7], "data_offsets": [1, 1]},
        }
        checkpoint = open_checkpoint(safetensors_file(tmp_path / "x", header, b"\1\2\3"))
        assert list(checkpoint.infos) == ["b", "a", "none"]
        assert checkpoint.read("b").tolist() == [2, 3] and checkpoint.read("none").shape == (0, 7)


class TestZip:
    def test_duplicate_members(self, tmp_path: Path) -> None:
        path = torch_file(tmp_path / "x.bin", {"w": torch.ones(2)})
        with zipfile.ZipFile(path) as archive:
            members = [(name, archive.read(name)) for name in archive.namelist()]
        with pytest.warns(UserWarning), zipfile.ZipFile(path, "w") as archive:
            for name, data in (*members, members[0]):
                archive.writestr(name, data)
        with pytest.raises(CheckpointError, match=r"data\.pkl' is twice"):
            open_checkpoint(path)

    @pytest.mark.parametrize("which", ["data.pkl", "data/0"])
    def test_compressed_members(self, tmp_path: Path, which: str) -> None:
        path = torch_file(tmp_path / "x.bin", {"w": torch.ones(200)})
        with zipfile.ZipFile(path) as archive:
            members = [(name, archive.read(name)) for name in archive.namelist()]
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in members:
                kind = zipfile.ZIP_DEFLATED if name.endswith(which) else zipfile.ZIP_STORED
                archive.writestr(name, data, kind)
        with pytest.raises(CheckpointError, match=rf"{which}' is compressed"):
            open_checkpoint(path)

    def test_other_archives_and_programs(self, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "x.bin", "w") as archive:
            archive.writestr("model/config.json", "{}")
        with pytest.raises(CheckpointError, match=r"not a torch checkpoint"):
            open_checkpoint(tmp_path / "x.bin")
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), tmp_path / "y.bin")
        with pytest.raises(CheckpointError, match="TorchScript"):
            open_checkpoint(tmp_path / "y.bin")

    def test_missing_and_short_storages(self, tmp_path: Path) -> None:
        path = torch_file(tmp_path / "x.bin", {"w": torch.ones(2)})
        with zipfile.ZipFile(path) as archive:
            members = [(name, archive.read(name)) for name in archive.namelist()]
        for change, says in ((None, "lacks the storage '0'"), (b"\0" * 4, "has 4 bytes and should have 8")):
            with zipfile.ZipFile(path, "w") as archive:
                for name, data in members:
                    if not name.endswith("data/0"):
                        archive.writestr(name, data)
                    elif change is not None:
                        archive.writestr(name, change)
            with pytest.raises(CheckpointError, match=says):
                open_checkpoint(path)

    def test_big_endian(self, tmp_path: Path) -> None:
        path = torch_file(tmp_path / "x.bin", {"w": torch.ones(2)})
        with zipfile.ZipFile(path) as archive:
            members = [(name, archive.read(name)) for name in archive.namelist()]
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in members:
                archive.writestr(name, b"big" if name.endswith("byteorder") else data)
        with pytest.raises(CheckpointError, match="big-endian"):
            open_checkpoint(path)


class TestChecksums:
    """A torch file is a zip archive: it has a CRC-32 of every member, and one changed bit shows."""

    def flipped(self, path: Path, part: str) -> Path:
        torch_file(path, {"w": torch.arange(1000.0), "other": torch.ones(300), "tied": torch.ones(300)})
        raw = bytearray(path.read_bytes())
        with zipfile.ZipFile(path) as archive:
            info = next(i for i in archive.infolist() if i.filename.endswith(part))
        names = int.from_bytes(raw[info.header_offset + 26 : info.header_offset + 28], "little")
        extra = int.from_bytes(raw[info.header_offset + 28 : info.header_offset + 30], "little")
        raw[info.header_offset + 30 + names + extra + info.file_size // 2] ^= 8
        path.write_bytes(raw)
        return path

    def test_of_a_storage_is_compared_when_it_is_read(self, tmp_path: Path) -> None:
        checkpoint = open_checkpoint(self.flipped(tmp_path / "x.bin", "data/0"))
        with pytest.raises(CheckpointError, match=r"'w' in .*x\.bin is damaged: '.*data/0' has a wrong checksum"):
            checkpoint.read("w")
        assert checkpoint.read("other").tolist() == [1.0] * 300

    @pytest.mark.parametrize("part", ["data.pkl", "byteorder", "version", "serialization_id"])
    def test_of_the_small_members_is_compared_at_once(self, tmp_path: Path, part: str) -> None:
        with pytest.raises(CheckpointError, match=rf"{part}' in the zip archive .* has a wrong checksum"):
            open_checkpoint(self.flipped(tmp_path / "x.bin", part))

    @pytest.mark.parametrize("kept", ["w", "other"])
    def test_of_every_tensor_is_compared_by_a_conversion(self, tmp_path: Path, kept: str) -> None:
        """Also of those that are dropped."""
        from zoo.checkpoint import stream
        from zoo.checkpoint.keymap import KeyMap
        from zoo.checkpoint.rules import copy, drop

        rules = KeyMap(
            (*copy(kept, kept), *(r for n in ("w", "other", "tied") if n != kept for r in drop(n, "no")))
        )
        checkpoint = open_checkpoint(self.flipped(tmp_path / "x.bin", "data/0"))
        with pytest.raises(CheckpointError, match=r"'w' in .* wrong checksum"):
            stream(rules.plan(checkpoint.infos), checkpoint, tmp_path / "out", {})

    def test_that_torch_was_told_not_to_write_is_not_compared(self, tmp_path: Path) -> None:
        options = pytest.importorskip("torch.serialization")
        if not hasattr(options, "set_crc32_options"):
            pytest.skip("torch before 2.6")
        options.set_crc32_options(False)
        try:
            path = torch_file(tmp_path / "x.bin", {"w": torch.ones(3)})
        finally:
            options.set_crc32_options(True)
        assert open_checkpoint(path).read("w").tolist() == [1.0, 1.0, 1.0]


class TestManyNames:
    def names(self, count: int, twice: int | None = None) -> bytes:
        numbers = [*range(count), *([] if twice is None else [twice])]
        entry = '"n%d":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}'
        return f"{{{','.join(entry % n for n in numbers)}}}".encode()

    @pytest.mark.parametrize("twice", [0, 59_999])
    def test_a_name_twice_is_found_in_time(self, tmp_path: Path, twice: int) -> None:
        path = safetensors_file(tmp_path / "x", raw=self.names(60_000, twice))
        started = time.process_time()
        with pytest.raises(CheckpointError, match=f"'n{twice}' is in it twice"):
            open_checkpoint(path)
        assert time.process_time() - started < 10

    def test_many_are_read(self, tmp_path: Path) -> None:
        assert len(open_checkpoint(safetensors_file(tmp_path / "x", raw=self.names(60_000))).infos) == 60_000

    def test_a_header_of_lists_alone_costs_little(self, tmp_path: Path) -> None:
        path = safetensors_file(tmp_path / "x", raw=b'{"a":[' + b"[]," * 6_000_000 + b"[]]}")
        with pytest.raises(CheckpointError, match="more than 5,000,000 values"):
            open_checkpoint(path)

    def test_a_directory_of_a_million_members(self, tmp_path: Path) -> None:
        from benchmarks.faults.hostile_weights import directory

        (tmp_path / "x.bin").write_bytes(directory(1_000_000))  # its end can count to 65,535 only
        with pytest.raises(CheckpointError):
            open_checkpoint(tmp_path / "x.bin")


def test_no_metadata_may_be_written_as_null(tmp_path: Path) -> None:
    header = {"__metadata__": None, "a": {**F4, "data_offsets": [0, 4]}}
    assert open_checkpoint(safetensors_file(tmp_path / "x", header, bytes(4))).metadata == {}


@pytest.mark.parametrize("header", [{}, {"__metadata__": {"format": "pt"}}])
def test_a_file_without_tensors_is_refused(tmp_path: Path, header: object) -> None:
    path = safetensors_file(tmp_path / "model.safetensors", header)
    with pytest.raises(CheckpointError, match=r"model\.safetensors holds no tensors"):
        open_checkpoint(path)


class TestIndex:
    @pytest.mark.parametrize(
        "shard",
        ["x" * 4096, "x" * 256, "a\0b", "../x", "..", "", "a/b", "\x1b[31m", "é" * 200],
        ids=lambda text: ascii(text[:12]),
    )
    def test_a_shard_is_a_file_beside_it(self, tmp_path: Path, shard: str) -> None:
        index = tmp_path / "model.safetensors.index.json"
        index.write_text(json.dumps({"weight_map": {"a": shard}}))
        with pytest.raises(CheckpointError, match="which is not a file beside it") as caught:
            open_checkpoint(index)
        assert caught.value.message.isprintable() and len(caught.value.message) < 600

    @pytest.mark.parametrize("text", ['{"weight_map": {"a": "\\ud800"}}', '{"weight_map":' * 9_000, "[NaN]", "{}"])
    def test_what_is_none(self, tmp_path: Path, text: str) -> None:
        index = tmp_path / "model.safetensors.index.json"
        index.write_text(text)
        with pytest.raises(CheckpointError, match=r"index\.json"):
            open_checkpoint(index)


@pytest.mark.parametrize("kind", ["pipe", "device", "loop"])
def test_what_is_no_file_is_not_waited_for(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "model.safetensors"
    os.mkfifo(path) if kind == "pipe" else path.symlink_to("/dev/zero" if kind == "device" else path.name)
    with pytest.raises(CheckpointError):
        open_checkpoint(path)
