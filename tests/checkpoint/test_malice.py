"""Nothing of a pickle runs, what it asked for is named, and no file costs memory that it does not have."""

from __future__ import annotations

import builtins
import io
import os
import pickle
import pickletools
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.checkpoint.weight_files import Carrier, legacy_with, text, torch_file
from zoo.checkpoint import open_checkpoint
from zoo.errors import CheckpointError


class Calls:
    """Pickles to a call of a function."""

    def __init__(self, function: Any, *args: Any) -> None:
        self.call = function, args

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


def touch(trace: Path) -> str:
    return f"touch '{trace}'"


class TestNothingRuns:
    @pytest.mark.parametrize("protocol", range(6))
    @pytest.mark.parametrize(
        ("function", "named"),
        [
            (os.system, r"\w+\.system"),
            (subprocess.check_output, r"\w+\.check_output"),
            (builtins.eval, r"\w+\.eval"),
            (builtins.exec, r"\w+\.exec"),
            (builtins.getattr, r"\w+\.getattr"),
            (builtins.__import__, r"\w+\.__import__"),
            (builtins.open, r"\w+\.open"),
            (torch.load, r"torch\.serialization\.load"),
            (torch.hub.load, r"torch\.hub\.load"),
            (np.load, r"numpy\.\S*load"),
        ],
    )
    def test_a_call_is_refused_and_named(
        self, tmp_path: Path, carrier: Carrier, function: Any, named: str, protocol: int
    ) -> None:
        trace = tmp_path / "trace"
        carrier(tmp_path / "x.bin", pickle.dumps({"w": Calls(function, touch(trace))}, protocol))
        with pytest.raises(CheckpointError, match=rf"asks to run '{named}'"):
            open_checkpoint(tmp_path / "x.bin")
        assert not trace.exists()

    @pytest.mark.parametrize(
        ("pickled", "named"),
        [
            (b"cos\nsystem\n(S'id'\ntR.", "os.system"),
            (b"(S'id'\nios\nsystem\n.", "os.system"),
            (b"(cos\nsystem\nS'id'\no.", "os.system"),
            (b"\x80\x02cposix\nsystem\n" + text("id") + b"\x85R.", "posix.system"),
            (b"\x80\x04" + text("os") + text("system") + b"\x93" + text("id") + b"\x85R.", "os.system"),
            # an attribute path, and a module that itself is allowed
            (b"\x80\x04" + text("torch._utils") + text("_rebuild_tensor_v2.__globals__") + b"\x93.", "__globals__"),
            (b"\x80\x04" + text("collections") + text("OrderedDict.__init__") + b"\x93.", "__init__"),
            (b"\x80\x04" + text("torch") + text("os.system") + b"\x93.", "torch.os.system"),
            (b"\x80\x04" + text("numpy") + text("testing.os") + b"\x93.", "testing.os"),
            (b"\x80\x02ctorch\nos\n.", "torch.os"),
            (b"\x80\x02cbuiltins\ngetattr\n.", "builtins.getattr"),
            (b"\x80\x02c__builtin__\neval\n.", "__builtin__.eval"),
            (b"\x80\x02cnumpy\nload\n.", "numpy.load"),
            (b"\x80\x02ctorch.jit._script\nunpackage_script_module\n.", "unpackage_script_module"),
            (b"\x80\x02coperator\nattrgetter\n.", "operator.attrgetter"),
            (b"\x80\x02cfunctools\npartial\n.", "functools.partial"),
        ],
    )
    def test_every_way_to_name_a_function(
        self, tmp_path: Path, carrier: Carrier, pickled: bytes, named: str
    ) -> None:
        carrier(tmp_path / "x.bin", pickled)
        with pytest.raises(CheckpointError, match=named.replace(".", r"\.")):
            open_checkpoint(tmp_path / "x.bin")

    @pytest.mark.parametrize(
        "pickled",
        [
            # BUILD on what must not have attributes: a class, a tuple, a name
            b"\x80\x02ccollections\nOrderedDict\n}" + text("__call__") + text("x") + b"sb.",
            b"\x80\x02)}" + text("a") + b"K\x01sb.",
            b"\x80\x02ctorch\nfloat32\n}b.",
            b"\x80\x02cargparse\nNamespace\n)\x81K\x01b.",
            # calls of what is no function, and of allowed ones with arguments that make no sense
            b"\x80\x02" + text("os") + text("id") + b"\x85R.",
            b"\x80\x02ctorch\nfloat32\n)R.",
            b"\x80\x02ccollections\nOrderedDict\nK\x05R.",
            b"\x80\x02ccollections\nOrderedDict\nK\x05\x85R.",
            b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(NK\x00))\x89NtR.",
            b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n)R.",
            b"\x80\x02ctorch._tensor\n_rebuild_from_type_v2\n(ccollections\nOrderedDict\nN)NtR.",
            b"\x80\x02ccopyreg\n_reconstructor\n(cbuiltins\nobject\nh\x00NtR.",
            b"\x80\x02ccopyreg\n_reconstructor\n(ccollections\nOrderedDict\ncbuiltins\nobject\nNtR.",
            b"\x80\x02c_codecs\nencode\n" + text("x") + text("rot13") + b"\x86R.",
            b"\x80\x02c_codecs\nencode\nK\x01\x85R.",
            b"\x80\x02cnumpy\ndtype\nK\x01\x85R.",
            b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n(cbuiltins\nobject\nK\x00NtR.",
            # broken stack machines
            b"\x80\x02R.", b"\x80\x02b.", b"\x80\x02t.", b"\x80\x02(.", b"\x80\x02.",
            b"\x80\x02K\x01K\x02s.", b"\x80\x02h\x05.",
            b"\x80\x02}(K\x01u.", b"\x80\x02]K\x01K\x02s.", b"\x80\x02}]K\x01s.",
            b"\x80\x02}}K\x01s.", b"\x80\x02NK\x01a.",
            b"\x80\x02q\x00.", b"\x80\x022.", b"\x80\x020.", b"\x80\x02e.", b"\x80\x09N.",
            b"\x80\x02\x82\x01.", b"\x80\x05\x97.",
            b"\x80\x02)\x86Q.", b"\x80\x02P0\n.", b"\x80\x02" + text("module") + b"\x85Q.", b"\x80\x02NQ.",
            b"(S'unquoted\ntR.", b"(S'a\\x41'\nt.", b"(Ix\nt.", b"(Fx\nt.",
            b"(L" + b"9" * 5000 + b"L\nt.", b"(V\\u0041\nt.",
            b"\x80\x02X\x01\x00\x00\x00\xff.",
            b"\x80\x02(lb.",
        ],
    )  # fmt: skip
    def test_rubbish_is_an_error(self, tmp_path: Path, carrier: Carrier, pickled: bytes) -> None:
        carrier(tmp_path / "x.bin", pickled)
        with pytest.raises(CheckpointError):
            open_checkpoint(tmp_path / "x.bin")

    def test_object_arrays_and_foreign_dtypes_are_refused(self, tmp_path: Path, carrier: Carrier) -> None:
        objects = np.array([Calls(os.system, "id")], dtype=object)
        carrier(tmp_path / "x.bin", pickle.dumps({"w": objects}, 2))
        with pytest.raises(CheckpointError, match=r"system"):
            open_checkpoint(tmp_path / "x.bin")
        for array in (
            np.array([None]),
            np.zeros(2, "c8"),
            np.zeros(2, "M8[s]"),
            np.zeros(1, "f4,i4"),
            np.zeros(2, "U3"),
        ):
            carrier(tmp_path / "x.bin", pickle.dumps({"w": array}, 2))
            with pytest.raises(CheckpointError):
                open_checkpoint(tmp_path / "x.bin")

    def test_numpy_scalars_of_objects_run_nothing(self, tmp_path: Path) -> None:
        """numpy's own `scalar` unpickles bytes for object dtypes; ours keeps nothing of it."""
        trace = tmp_path / "trace"
        inner = pickle.dumps(Calls(os.system, touch(trace)))
        scalar = np.float64(1).__reduce__()[0]
        path = torch_file(tmp_path / "x.bin", {"w": torch.ones(1), "n": Calls(scalar, np.dtype("O"), inner)})
        assert list(open_checkpoint(path).infos) == ["w"]
        assert not trace.exists()

    def test_no_module_is_imported(self, tmp_path: Path) -> None:
        (tmp_path / "evil.py").write_text("raise SystemExit('imported')")
        (tmp_path / "x.bin").write_bytes(legacy_with(b"\x80\x02cevil\nthing\n)R."))
        code = (
            "import sys, pathlib\nfrom zoo.checkpoint import open_checkpoint\nfrom zoo.errors import ZooError\n"
            "try:\n    open_checkpoint(pathlib.Path(sys.argv[1]))\nexcept ZooError as error:\n    print(error)\n"
            "assert not {'evil', 'torch'} & set(sys.modules), 'imported'"
        )
        environ = {**os.environ, "PYTHONPATH": os.pathsep.join([os.getcwd(), str(tmp_path)])}
        run = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "x.bin")], capture_output=True, text=True, env=environ
        )
        assert run.returncode == 0 and "'evil.thing'" in run.stdout, run.stderr


class TestViews:
    """A state dict of one tensor whose description is made up."""

    def view(self, path: Path, legacy: bool, offset: Any, shape: Any, strides: Any) -> Path:
        class Made:
            def __reduce__(self) -> tuple[Any, ...]:
                storage = torch.arange(10.0).untyped_storage()
                typed = torch.storage.TypedStorage(wrap_storage=storage, dtype=torch.float32, _internal=True)
                return torch._utils._rebuild_tensor_v2, (typed, offset, shape, strides, False, {})

        return torch_file(path, {"w": Made()}, legacy)

    @pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
    @pytest.mark.parametrize(
        ("offset", "shape", "strides"),
        [
            (0, (11,), (1,)), (1, (10,), (1,)), (10, (1,), (1,)), (0, (2, 5), (6, 1)), (0, (4,), (4,)),
            (-1, (2,), (1,)), (0, (2,), (-1,)), (9, (2,), (-1,)), (0, (-1,), (1,)),
            (0, (2,), (1, 1)), (0, (2, 2), (1,)),
            (0, (1 << 40,), (0,)), (0, (1 << 20, 1 << 20), (0, 0)), (1 << 70, (1,), (1,)), (0, (1 << 70,), (1,)),
            (0, (2,), (1 << 70,)), (0.0, (2,), (1,)), (None, (2,), (1,)),
            (0, None, (1,)), (0, (2,), None), (0, (2.0,), (1,)),
            (True, (2,), (1,)), (0, ("2",), (1,)), (0, (1,) * 40, (1,) * 40), (0, (0, 1 << 62), (1, 1)),
        ],
    )  # fmt: skip
    def test_beyond_the_storage(self, tmp_path: Path, legacy: bool, offset: Any, shape: Any, strides: Any) -> None:
        path = self.view(tmp_path / "x.bin", legacy, offset, shape, strides)
        with pytest.raises(CheckpointError, match="'w'"):
            open_checkpoint(path)

    @pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
    @pytest.mark.parametrize(
        ("offset", "shape", "strides", "want"),
        [(0, (10,), (1,), range(10)), (9, (1,), (7,), [9]), (1, (3,), (4,), [1, 5, 9]), (2, (3,), (0,), [2, 2, 2])],
    )
    def test_just_inside(
        self, tmp_path: Path, legacy: bool, offset: Any, shape: Any, strides: Any, want: Any
    ) -> None:
        path = self.view(tmp_path / "x.bin", legacy, offset, shape, strides)
        assert open_checkpoint(path).read("w").tolist() == [float(n) for n in want]


def test_the_malice_is_real(tmp_path: Path) -> None:
    """What the tests above refuse does run in pickle; otherwise they would prove nothing."""
    trace = tmp_path / "trace"
    evil = pickle.dumps({"w": Calls(os.system, touch(trace))}, 2)
    assert "system" in "".join(str(arg) for _, arg, _ in pickletools.genops(evil))
    pickle.load(io.BytesIO(evil))
    assert trace.exists()


HOSTILE_NAMES = ("\x1b[2J", "a\u202eb", "\ud800", "a\nb", "k" * 10_000)


@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=lambda text: ascii(text[:12]))
def test_names_that_a_terminal_obeys_are_refused_and_escaped(tmp_path: Path, name: str) -> None:
    storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + b"K\x00tQ"
    raw = name.encode("utf-8", "surrogatepass")
    key = b"X" + struct.pack("<I", len(raw)) + raw
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\x00K\x00\x85K\x01\x85\x89}tR"
    path = tmp_path / "x.bin"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}" + key + tensor + b"s.")
        archive.writestr("archive/data/0", b"")
    with pytest.raises(CheckpointError, match="is no name of one") as caught:
        open_checkpoint(path)
    assert caught.value.message.isprintable() and len(caught.value.message) < 500
