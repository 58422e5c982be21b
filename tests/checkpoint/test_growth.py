"""Small pickles whose values would grow, and values that would take long to show."""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import zoo.checkpoint.machine as machine
from tests.checkpoint.weight_files import Carrier, as_zip, text, torch_file
from zoo.checkpoint import open_checkpoint
from zoo.errors import CheckpointError


def nested(depth: int) -> bytes:
    return b"\x80\x02" + b"]" * depth + b"a" * (depth - 1) + b"."


def doubled(depth: int) -> bytes:
    """A tuple of two tuples of two tuples, each twice the same: small in memory, endless to hash or compare."""
    return b"\x80\x02)" + b"2\x86" * depth


BOMBS = {
    "memo index": b"\x80\x02}r\xff\xff\xff\xff.",
    "text memo index": b"}p999999999999999999\n.",
    "string of 4 GB": b"\x80\x02X\xff\xff\xff\xff",
    "string of 16 EB": b"\x80\x04\x8d" + b"\xff" * 8,
    "bytes of 16 EB": b"\x80\x04\x8e" + b"\xff" * 8,
    "bytearray of 1 TB": b"\x80\x05\x96" + struct.pack("<Q", 1 << 40),
    "frame of 16 EB": b"\x80\x04\x95" + b"\xff" * 8 + b"N.",
    "integer of 2 GB": b"\x80\x02\x8b\xff\xff\xff\x7f",
    "negative size": b"\x80\x02T\xff\xff\xff\xff.",
    "endless line": b"c" + b"a" * 300_000,
    "nesting": nested(50_000),
    "hash of a doubled tuple": b"\x80\x02}" + doubled(200)[2:] + b"Ns.",
    "dicts without end": b"\x80\x02" + b"}" * 60_000,
    "one string over and over": b"\x80\x02"
    + (b"X" + struct.pack("<I", 60_000) + b"a" * 60_000 + b"0") * 1500
    + b"}.",
}


@pytest.mark.parametrize("pickled", BOMBS.values(), ids=BOMBS.keys())
def test_bombs_are_errors_and_cost_little(
    tmp_path: Path, carrier: Carrier, pickled: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "MAX_OPERATIONS", 50_000)
    carrier(tmp_path / "x.bin", pickled)
    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError):
            open_checkpoint(tmp_path / "x.bin")
        assert tracemalloc.get_traced_memory()[1] < 150 << 20
    finally:
        tracemalloc.stop()


def test_nothing_of_a_doubled_list_is_walked(tmp_path: Path) -> None:
    bomb: list = []
    for _ in range(60):
        bomb = [bomb, bomb]
    path = torch_file(tmp_path / "x.bin", {"w": torch.ones(1), "state": bomb, "args": bomb})
    assert list(open_checkpoint(path).infos) == ["w"]


class TestGrowth:
    """Small pickles whose values would grow; benchmarks/faults has more of them."""

    @pytest.mark.parametrize("times", [30, 200])
    @pytest.mark.parametrize(
        "around",
        [
            lambda d: b"\x80\x02" + d + b".",
            lambda d: b"\x80\x02" + d + b"Q.",
            lambda d: b"\x80\x02c_codecs\nencode\n" + text("a") + d + b"\x86R.",
            lambda d: b"\x80\x02cargparse\nNamespace\n" + d + b"\x85R.",
            lambda d: b"\x80\x02cnumpy\ndtype\n" + d + b"\x85R.",
            lambda d: b"\x80\x02ccopyreg\n_reconstructor\n" + d + b"NN\x87R.",
        ],
    )
    def test_what_is_refused_is_not_written_out(
        self, tmp_path: Path, carrier: Carrier, around: Callable[[bytes], bytes], times: int
    ) -> None:
        carrier(tmp_path / "x.bin", around(doubled(times)[2:]))
        with pytest.raises(CheckpointError) as caught:
            open_checkpoint(tmp_path / "x.bin")
        assert len(caught.value.message) < 1000

    @pytest.mark.parametrize("function", ["builtins\nlist", "builtins\ntuple", "builtins\nset", "torch\nSize"])
    def test_copies_of_a_list_are_counted(self, tmp_path: Path, function: str) -> None:
        values = b"(" + b"K\x01" * 10_000 + b"l"
        copies = (b"c" + function.encode() + b"\nh\x00R") * 3_000
        as_zip(tmp_path / "x.bin", b"\x80\x02](" + values + b"\x85q\x00" + copies + b"e.")
        assert_little(tmp_path / "x.bin", "operations")

    def test_copies_of_a_text_are_counted(self, tmp_path: Path) -> None:
        copies = b"c_codecs\nencode\nh\x00R" * 5_000
        as_zip(
            tmp_path / "x.bin", b"\x80\x02](" + text("a" * 60_000) + text("latin1") + b"\x86q\x00" + copies + b"e."
        )
        assert_little(tmp_path / "x.bin", "MB of strings")

    def test_numbers_with_one_hash_are_no_keys(self, tmp_path: Path) -> None:
        prime = 2**61 - 1
        keys = (b"\x8a\x0b" + (n * prime).to_bytes(11, "little") + b"N" for n in range(1, 30_000))
        as_zip(tmp_path / "x.bin", b"\x80\x02}(" + b"".join(keys) + b"u.")
        assert_little(tmp_path / "x.bin", "dict key")

    def test_a_text_as_the_data_of_many_arrays_is_kept_once(self, tmp_path: Path) -> None:
        count, size = 5_000, 60_000
        head = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85N\x87R"
        dtype = b"cnumpy\ndtype\n" + text("u1") + b"\x85R"
        state = b"(K\x01J" + struct.pack("<i", size) + b"\x85" + dtype + b"\x89h\x00tb"
        items = b"".join(text(f"t{n}") + head + state for n in range(count))
        (tmp_path / "x.bin").write_bytes(b"\x80\x02" + text("a" * size) + b"q\x000}(" + items + b"u.")
        assert_little(tmp_path / "x.bin", "claim")

    def test_what_a_healthy_file_copies_is_within_the_budget(self, tmp_path: Path) -> None:
        content = {f"t{n}": torch.ones(2, 3) for n in range(5_000)}
        path = torch_file(
            tmp_path / "x.bin", {"model": content, "args": list(range(10_000)), "size": torch.Size([2])}
        )
        assert len(open_checkpoint(path).infos) == 5_000


def assert_little(path: Path, said: str) -> None:
    """Refused in some hundred megabytes at most."""
    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError, match=said):
            open_checkpoint(path)
        assert tracemalloc.get_traced_memory()[1] < 300 << 20
    finally:
        tracemalloc.stop()
