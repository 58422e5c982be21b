"""Every tensor is read as torch and safetensors read it, without a copy, whatever the format."""

from __future__ import annotations

import mmap
import pickle
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from tests.checkpoint.weight_files import as_numpy, fairseq, pdparams_file, tensors, torch_file
from zoo.checkpoint import Checkpoint, open_checkpoint
from zoo.errors import CheckpointError


def assert_reads(checkpoint: Checkpoint, want: dict[str, torch.Tensor]) -> None:
    assert list(checkpoint.infos) == list(want)
    for name, tensor in want.items():
        got, expected = checkpoint.read(name), as_numpy(tensor)
        assert checkpoint.infos[name].shape == got.shape == tuple(tensor.shape), name
        assert got.dtype == expected.dtype and np.array_equal(got, expected), name
    assert checkpoint.infos["bfloat16"].dtype == "BF16"


@pytest.mark.torch
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
class TestTorchFiles:
    def test_reads_what_torch_reads(self, tmp_path: Path, legacy: bool, protocol: int) -> None:
        path = torch_file(tmp_path / "x.bin", legacy=legacy, protocol=protocol)
        with open_checkpoint(path) as checkpoint:
            assert checkpoint.format == ("torch-legacy" if legacy else "torch-zip")
            assert checkpoint.files == (path,)
            assert_reads(checkpoint, torch.load(path, weights_only=protocol == 2))

    def test_fairseq(self, tmp_path: Path, legacy: bool, protocol: int) -> None:
        checkpoint = open_checkpoint(torch_file(tmp_path / "model.pt", fairseq(legacy), legacy, protocol))
        assert_reads(checkpoint, tensors(legacy))
        assert checkpoint.extras == {
            "arch": "veco_large",
            "layers": 24,
            "lr": [0.1],
            "adam_betas": "(0.9, 0.999)",
            "tpu": False,
            "seed": None,
        }

    def test_whole_module_is_refused_by_name(self, tmp_path: Path, legacy: bool, protocol: int) -> None:
        path = torch_file(tmp_path / "x.bin", torch.nn.Linear(2, 2), legacy, protocol)
        with pytest.raises(CheckpointError, match=r"Linear|module"):
            open_checkpoint(path)


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
class TestStateDicts:
    @pytest.mark.parametrize("wrapper", ["model", "state_dict", "module", "palm"])
    def test_is_found_in_a_wrapper(self, tmp_path: Path, wrapper: str, legacy: bool) -> None:
        content = {wrapper: tensors(legacy), "epoch": 3, "rng": torch.zeros(2)}
        assert_reads(open_checkpoint(torch_file(tmp_path / "x.bin", content, legacy)), tensors(legacy))

    def test_is_found_in_wrappers_of_wrappers(self, tmp_path: Path, legacy: bool) -> None:
        content = {"state_dict": {"module": tensors(legacy)}}
        assert_reads(open_checkpoint(torch_file(tmp_path / "x.bin", content, legacy)), tensors(legacy))

    def test_leaves_other_things_out(self, tmp_path: Path, legacy: bool) -> None:
        content = {**tensors(legacy), "step": 3, "optimizer": {"state": {0: torch.zeros(2)}, 1: (torch.ones(1),)}}
        assert_reads(open_checkpoint(torch_file(tmp_path / "x.bin", content, legacy)), tensors(legacy))

    def test_two_candidates_are_an_error(self, tmp_path: Path, legacy: bool) -> None:
        content = {"model": tensors(legacy), "module": tensors(legacy)}
        with pytest.raises(CheckpointError, match="model, module"):
            open_checkpoint(torch_file(tmp_path / "x.bin", content, legacy))

    @pytest.mark.parametrize(
        "content", [{}, [torch.zeros(2)], {"optimizer": {"a": torch.zeros(2)}}, 3, torch.zeros(2)]
    )
    def test_none_is_an_error(self, tmp_path: Path, content: object, legacy: bool) -> None:
        with pytest.raises(CheckpointError, match="holds no state dict"):
            open_checkpoint(torch_file(tmp_path / "x.bin", content, legacy))

    def test_cyclic_rubbish_is_left_out(self, tmp_path: Path, legacy: bool) -> None:
        content: dict = {"w": torch.ones(2)}
        content["me"] = content
        checkpoint = open_checkpoint(torch_file(tmp_path / "x.bin", content, legacy))
        assert list(checkpoint.infos) == ["w"]

    def test_views_and_ties_share_the_file(self, tmp_path: Path, legacy: bool) -> None:
        checkpoint = open_checkpoint(torch_file(tmp_path / "x.bin", legacy=legacy))
        for name in ("tied", "transposed", "strided", "row"):
            assert np.shares_memory(checkpoint.read("big"), checkpoint.read(name))
        assert checkpoint.read("transposed").flags.f_contiguous


def test_arrays_outlive_the_checkpoint(tmp_path: Path) -> None:
    path = torch_file(tmp_path / "x.bin")
    with open_checkpoint(path) as checkpoint:
        array = checkpoint.read("plain")
    assert np.array_equal(array, as_numpy(tensors()["plain"]))
    with pytest.raises(CheckpointError, match="no tensor 'plain'"):
        checkpoint.read("plain")


def test_changing_an_array_leaves_the_file_alone(tmp_path: Path) -> None:
    path = torch_file(tmp_path / "x.bin")
    before = path.read_bytes()
    open_checkpoint(path).read("plain")[:] = 0
    assert path.read_bytes() == before


def test_reading_costs_no_memory(tmp_path: Path) -> None:
    """400 MB of weights, opened and read in a process that may take 100 MB of its own."""
    path = torch_file(tmp_path / "x.bin", {"w": torch.zeros(100_000_000)}, legacy=True)
    code = (
        "import sys, pathlib\nfrom zoo.checkpoint import open_checkpoint\n"
        "array = open_checkpoint(pathlib.Path(sys.argv[1])).read('w')\nassert array.sum() == 0\n"
        "print([l.split()[1] for l in open('/proc/self/status') if l.startswith('RssAnon')][0])"
    )
    if not Path("/proc/self/status").exists():
        pytest.skip("needs /proc")
    run = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert int(run.stdout) < 100_000


class TestSafetensors:
    def test_reads_what_the_library_reads(self, tmp_path: Path) -> None:
        want = {name: t.detach().clone().contiguous() for name, t in tensors().items()}
        safetensors.torch.save_file(want, tmp_path / "model.safetensors", metadata={"format": "pt"})
        checkpoint = open_checkpoint(tmp_path)
        assert checkpoint.format == "safetensors" and checkpoint.metadata == {"format": "pt"}
        assert_reads(checkpoint, {name: want[name] for name in checkpoint.infos})
        assert set(checkpoint.infos) == set(want)

    def test_the_library_reads_what_we_write(self, tmp_path: Path) -> None:
        from zoo.checkpoint import write_safetensors

        checkpoint = open_checkpoint(torch_file(tmp_path / "x.bin"))
        infos, path = list(checkpoint.infos.values()), tmp_path / "out.safetensors"
        write_safetensors(path, infos, (checkpoint.read(i.name) for i in infos), {"ключ": "значение"})
        got = safetensors.torch.load_file(path)
        assert set(got) == set(checkpoint.infos)
        assert all(torch.equal(got[name], tensor.detach()) for name, tensor in tensors().items())
        with safetensors.safe_open(path, "pt") as opened:
            assert opened.metadata() == {"ключ": "значение"}
        again = open_checkpoint(path)
        assert again.infos == checkpoint.infos and list(again.infos) == list(checkpoint.infos)

    def test_writing_what_was_not_announced_is_an_error(self, tmp_path: Path) -> None:
        from zoo.checkpoint import write_safetensors
        from zoo.checkpoint.rules import TensorInfo

        infos = [TensorInfo("a", "F32", (2,)), TensorInfo("b", "F32", (3,))]
        good = [np.zeros(2, "f4"), np.zeros(3, "f4")]
        for arrays in (good[:1], [*good, good[0]], good[::-1], [good[0], np.zeros(3, "f8")]):
            with pytest.raises(CheckpointError, match="announced"):
                write_safetensors(tmp_path / "x", infos, iter(arrays), {})
        with pytest.raises(CheckpointError, match="twice"):
            write_safetensors(tmp_path / "x", [infos[0]] * 2, iter(good), {})


class TestPdparams:
    @pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
    def test_reads_what_pickle_reads(self, tmp_path: Path, protocol: int) -> None:
        path = pdparams_file(tmp_path / "x.pdparams", protocol)
        if protocol == 0:  # text pickles escape their bytes; Paddle has never written them
            with pytest.raises(CheckpointError):
                open_checkpoint(path)
            return
        want = pickle.loads(path.read_bytes())
        del want["StructuredToParameterName@@"]
        want["named"] = want["named"][1]
        checkpoint = open_checkpoint(path)
        assert checkpoint.format == "pdparams" and list(checkpoint.infos) == list(want)
        for name, array in want.items():
            got = checkpoint.read(name)
            assert got.dtype == array.dtype and got.shape == array.shape and np.array_equal(got, array), name

    @pytest.mark.parametrize("protocol", [2, 3, 4])
    def test_reads_what_paddle_writes(self, tmp_path: Path, protocol: int) -> None:
        paddle = pytest.importorskip("paddle")
        layer = paddle.nn.Sequential(paddle.nn.Linear(3, 4), paddle.nn.LayerNorm(4), paddle.nn.Embedding(5, 2))
        paddle.save(layer.state_dict(), str(tmp_path / "x.pdparams"), protocol=protocol)
        checkpoint = open_checkpoint(tmp_path / "x.pdparams")
        assert list(checkpoint.infos) == list(layer.state_dict())
        assert all(np.array_equal(checkpoint.read(n), t.numpy()) for n, t in layer.state_dict().items())

    def test_paddle_reads_what_we_write(self, tmp_path: Path) -> None:
        from zoo.checkpoint import write_pdparams

        paddle = pytest.importorskip("paddle")
        path = tmp_path / "x.pdparams"
        arrays = {n: np.array(as_numpy(t)) for n, t in tensors().items()} | {"fortran": np.ones((2, 3), "f4", "F")}
        write_pdparams(path, arrays)
        got = paddle.load(str(path))
        assert list(got) == list(arrays)
        for name, array in arrays.items():
            assert got[name].shape == list(array.shape) and np.array_equal(got[name].numpy(), array), name
        again = open_checkpoint(path)
        assert all(np.array_equal(again.read(name), array) for name, array in arrays.items())

    def test_reads_what_python_2_wrote(self, tmp_path: Path) -> None:
        """Names and raw data alike are byte strings there."""

        def byte_string(raw: bytes) -> bytes:
            return b"U" + bytes([len(raw)]) + raw if len(raw) < 256 else b"T" + struct.pack("<i", len(raw)) + raw

        def array(raw: bytes, size: int) -> bytes:
            made = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR"
            dtype = b"cnumpy\ndtype\n(U\x02f4K\x00K\x01tR(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
            return made + b"(K\x01(J" + struct.pack("<i", size) + b"t" + dtype + b"\x89" + byte_string(raw) + b"tb"

        want = {"text": np.zeros(3, "f4"), "raw": np.array([1.5, -2], "f4"), "long": np.arange(30_000, dtype="f4")}
        items = b"".join(byte_string(name.encode()) + array(a.tobytes(), a.size) for name, a in want.items())
        (tmp_path / "x.pdparams").write_bytes(b"\x80\x02}(" + items + b"u.")
        checkpoint = open_checkpoint(tmp_path / "x.pdparams")
        assert all(np.array_equal(checkpoint.read(name), a) for name, a in want.items())


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = torch_file(tmp_path / "x.bin")

    def refused(*args: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.open", refused)
    with pytest.raises(CheckpointError, match=r"x\.bin' cannot be read: Permission denied"):
        open_checkpoint(path)


def test_a_map_that_the_machine_refuses_is_made_read_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, real = torch_file(tmp_path / "x.bin"), mmap.mmap

    def small(handle: int, size: int, access: int) -> mmap.mmap:
        if access == mmap.ACCESS_COPY:
            raise OSError(12, "Cannot allocate memory")
        return real(handle, size, access=access)

    monkeypatch.setattr(mmap, "mmap", small)
    assert np.array_equal(open_checkpoint(path).read("plain"), as_numpy(tensors()["plain"]))


def test_rules_need_no_numpy() -> None:
    code = "import sys, zoo.checkpoint, zoo.checkpoint.rules; assert 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_written_torch_file_is_read_by_torch(tmp_path: Path) -> None:
    """Every element type, shapes without elements and without dimensions, and the same bytes each time."""
    import torch

    from zoo.checkpoint import write_torch
    from zoo.checkpoint.rules import TensorInfo

    source = {k: v for k, v in tensors(legacy=True).items() if k not in ("uint16",)}
    arrays = {name: as_numpy(tensor) for name, tensor in source.items()}
    kinds = {torch.bfloat16: "BF16", torch.float16: "F16", torch.float32: "F32", torch.float64: "F64"}
    kinds |= {torch.int64: "I64", torch.int32: "I32", torch.int16: "I16", torch.int8: "I8"}
    kinds |= {torch.uint8: "U8", torch.bool: "BOOL"}
    infos = [TensorInfo(name, kinds[source[name].dtype], array.shape) for name, array in arrays.items()]
    for file in ("one.pt", "two.pt"):
        write_torch(tmp_path / file, infos, iter(arrays.values()))
    assert (tmp_path / "one.pt").read_bytes() == (tmp_path / "two.pt").read_bytes()
    theirs = torch.load(tmp_path / "one.pt", weights_only=True)
    assert list(theirs) == list(source)
    for name, tensor in source.items():
        assert theirs[name].dtype == tensor.dtype and torch.equal(theirs[name], tensor.detach())
    with open_checkpoint(tmp_path / "one.pt") as ours:
        assert all(ours.read(name).tobytes() == array.tobytes() for name, array in arrays.items())
    with pytest.raises(CheckpointError, match="announced"):
        write_torch(tmp_path / "three.pt", infos, iter([]))
