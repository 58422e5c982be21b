"""Every engine computes what the network computes, for every family, head, batch, length and padding."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import openvino
import pytest

from tests.tiny_models import CASES, batch, tiny
from zoo import env
from zoo.errors import InputError, UsageError
from zoo.inference import engines, static
from zoo.inference.engines import Choice, Engine, base, choose, module_of
from zoo.inference.engines.eager import Eager
from zoo.inference.graph import Graph, inputs_of
from zoo.inference.static import outputs_of

COMPILED = ("paddle", "openvino", "onnxruntime")
SHAPES = [(2, 5), (1, 1), (3, 12), (2, 127), (2, 5)]
FEW = {("structbert", "embedding"), ("xlmr", "multiple-choice"), ("funnel", "qa-beam")}
EVERY = [pytest.param(*case, marks=() if case in FEW else pytest.mark.slow) for case in CASES]
no_wheel = pytest.mark.skipif(sys.version_info >= (3, 13), reason="paddle2onnx has no wheel for Python 3.13")


@pytest.mark.parametrize("engine", ["paddle", "openvino", pytest.param("onnxruntime", marks=no_wheel)])
@pytest.mark.parametrize(("family", "task"), EVERY)
def test_same_as_eager(tmp_path: Path, family: str, task: str | None, engine: str) -> None:
    model = tiny(family, task)
    eager, module = Eager(model), module_of(engine)
    compiled = module.open_graph(module.write(model, tmp_path), "fp32")
    assert (compiled.name, compiled.precision) == (engine, "fp32")
    assert (compiled.inputs, compiled.outputs) == (eager.inputs, eager.outputs)
    for shape in SHAPES:
        given = batch(*shape, task)
        got, wanted = compiled(given), eager(given)
        assert tuple(got) == tuple(wanted)
        for name in wanted:
            assert got[name].shape == wanted[name].shape
            difference = np.abs(got[name] - wanted[name])
            assert difference.max() <= 1e-4, (name, shape)
            assert np.mean(difference <= 1e-5) > 0.95, (name, shape)


@pytest.mark.parametrize("family", ["structbert", "xlmr", "palm"])
def test_no_integer_is_computed_in_floats(tmp_path: Path, family: str) -> None:
    """OpenVINO would compute it in bfloat16, where 361 is 360."""
    graph = module_of("openvino").write(tiny(family, "mlm" if family == "palm" else None), tmp_path)
    for op in openvino.Core().read_model(graph.folder / "model.xml").get_ordered_ops():
        if op.get_type_name() == "Convert" and op.output(0).get_element_type().is_integral():
            assert not op.input(0).get_element_type().is_real(), op.get_friendly_name()


@pytest.mark.parametrize("family", ["structbert", "xlmr"])
def test_odd_lengths_in_bf16(tmp_path: Path, family: str) -> None:
    model = tiny(family, None, max_position_embeddings=600)
    compiled = module_of("openvino").open_graph(module_of("openvino").write(model, tmp_path), "bf16")
    for length in (361, 515):
        given = batch(2, length)
        found, wanted = compiled(given)["last_hidden_state"], Eager(model)(given)["last_hidden_state"]
        assert np.abs(found - wanted).mean() < 0.05 * np.abs(wanted).mean(), length


def test_funnel_in_bf16(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Sines come from a table: angles in bfloat16 would be those of other positions."""
    module, model = module_of("openvino"), tiny("funnel", None)
    graph = module.write(model, tmp_path)
    operators = {op.get_type_name() for op in openvino.Core().read_model(tmp_path / "model.xml").get_ops()}
    assert not operators & {"Sin", "Cos"}
    compiled = engines.open_graph(graph, Choice("openvino", "bf16", ""), model)
    for length in (5, 361, 1021, 1022, 1023, 1024):
        given = batch(2, length)
        found, wanted = compiled(given)["last_hidden_state"], Eager(model)(given)["last_hidden_state"]
        assert np.abs(found - wanted).mean() < 0.05 * np.abs(wanted).mean(), length
    with pytest.raises(InputError, match="has 1025 tokens; the model reads 1024"):  # the table ends there
        compiled(batch(1, 1025))
    monkeypatch.setattr(env, "computes_bf16", lambda: True)
    assert (choose(model).engine, choose(model).precision) == ("openvino", "bf16")


@pytest.mark.parametrize("family", ["structbert", "xlmr"])
@pytest.mark.parametrize("name", COMPILED)
def test_what_a_network_has_no_rows_for(name: str, family: str, tmp_path: Path) -> None:
    """OpenVINO's look-ups would give zeros."""
    if engines.missing(name):
        pytest.skip(f"{name} is not installed")
    model = tiny(family, None)
    graph = module_of(name).write(model, tmp_path)
    compiled = engines.open_graph(graph, Choice(name, "fp32", ""), model)
    longest = model.config.longest
    assert longest == {"structbert": 140, "xlmr": 138}[family]
    usual = batch(1, longest)
    wanted = Eager(model)(usual)["last_hidden_state"]
    np.testing.assert_allclose(compiled(usual)["last_hidden_state"], wanted, atol=1e-4)
    with pytest.raises(InputError, match=f"has {longest + 1} tokens; the model reads {longest}"):
        compiled(batch(1, longest + 1))
    for wrong in (-1, model.config.vocab_size):
        with pytest.raises(InputError, match=f"input_ids holds {wrong}"):
            compiled({**usual, "input_ids": np.full_like(usual["input_ids"], wrong)})


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Graph]:
    """One network for each engine that is installed."""
    made = {}
    for name in COMPILED:
        if not engines.missing(name):
            made[name] = module_of(name).write(tiny(), tmp_path_factory.mktemp(name))
    return made


def runs(graphs: dict[str, Graph]) -> list[Engine]:
    return [Eager(tiny()), *(module_of(name).open_graph(graph, "fp32") for name, graph in graphs.items())]


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_bf16_is_near(graphs: dict[str, Graph], precision: str) -> None:
    """int8: of a graph that is not quantised, so what is left in bfloat16 or float32."""
    given = batch(3, 12)
    wanted = Eager(tiny())(given)["logits"]
    for name in set(graphs) & ({"paddle", "openvino"} if precision == "bf16" else {"openvino"}):
        engine = module_of(name).open_graph(graphs[name], precision)
        assert engine.precision == precision
        np.testing.assert_allclose(engine(given)["logits"], wanted, atol=0.1)


def test_one_engine_from_eight_threads(graphs: dict[str, Graph]) -> None:
    given = [batch(1 + n % 3, 3 + n % 11) for n in range(40)]
    for engine in runs(graphs):
        wanted = [engine(one)["logits"] for one in given]
        with ThreadPoolExecutor(8) as pool:
            check(list(pool.map(lambda one, e=engine: e(one)["logits"], given)), wanted, engine.name)


def test_two_engines_in_two_threads(graphs: dict[str, Graph]) -> None:
    given = [batch(1 + n % 3, 3 + n % 11) for n in range(20)]
    found = runs(graphs)
    wanted = [[engine(one)["logits"] for one in given] for engine in found]
    for first, second in ((0, 1), *((n, n) for n in range(1, len(found)))):  # eager and compiled; twice the same
        pair = (found[first], runs(graphs)[second])
        with ThreadPoolExecutor(2) as pool:
            made = list(pool.map(lambda engine: [engine(one)["logits"] for one in given], pair))
        check(made[0], wanted[first], pair[0].name)
        check(made[1], wanted[second], pair[1].name)


def check(got: Sequence[np.ndarray], wanted: Sequence[np.ndarray], name: str) -> None:
    for one, other in zip(got, wanted, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5, err_msg=name)


def test_answers_are_not_shared(graphs: dict[str, Graph]) -> None:
    """What a call returned stays as it is when the engine runs again."""
    for engine in runs(graphs):
        kept = engine(batch(2, 9))["logits"]
        before = kept.copy()
        engine(batch(2, 8))
        engine({name: array[::-1] for name, array in batch(2, 9).items()})
        np.testing.assert_array_equal(kept, before, err_msg=engine.name)


def test_bad_batches(graphs: dict[str, Graph]) -> None:
    for engine in runs(graphs):
        given = {**batch(2, 9), "labels": np.zeros(2)}  # what a graph does not take is left aside
        assert engine(given)["logits"].shape == (2, 2)
        with pytest.raises(InputError, match="one shape"):
            engine({**given, "attention_mask": given["attention_mask"][:, :4]})
        types = given.pop("token_type_ids")
        np.testing.assert_array_equal(
            engine(given)["logits"], engine({**given, "token_type_ids": np.zeros_like(types)})["logits"]
        )
        del given["attention_mask"]
        with pytest.raises(InputError, match="attention_mask"):
            engine(given)


def test_names_are_found_without_a_change() -> None:
    model = tiny("structbert", "qa")
    model.train()
    assert outputs_of(model) == ("start_logits", "end_logits")
    assert model.training and inputs_of(tiny("xlmr")) == ("input_ids", "attention_mask")


def test_choice_follows_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "missing", lambda engine: [])
    for flags, precision in (
        ({"avx512_bf16"}, "bf16"),
        ({"amx_bf16"}, "bf16"),
        ({"avx2"}, "fp32"),
        (set(), "fp32"),
    ):
        monkeypatch.setattr(env, "cpu_flags", lambda flags=flags: frozenset(flags))
        chosen = choose(tiny())
        assert (chosen.engine, chosen.precision) == ("openvino", precision)
        assert choose(tiny(), "onnxruntime").precision == "fp32"
        assert choose(tiny(), precision="bf16").precision == "bf16"  # the caller's word
    monkeypatch.setattr(engines, "missing", lambda engine: ["openvino"] if engine == "openvino" else [])
    assert choose(tiny()).engine == "paddle"
    assert "openvino would be faster" in choose(tiny()).why
    assert choose(tiny(), precision="fp32").engine == "paddle"


@pytest.mark.parametrize(
    ("engine", "precision", "message"),
    [
        ("tensorrt", "auto", r"engine='tensorrt' is unknown.*\n.*openvino"),
        ("auto", "fp16", r"precision='fp16' is unknown"),
        ("auto", "int8", r"quantised.*\n.*zoo export"),
        ("onnxruntime", "bf16", r"fp32, not in bf16.*\n.*precision='fp32', or engine='openvino'"),
        ("eager", "bf16", r"fp32, not in bf16"),
    ],
)
def test_choices_that_do_not_work(
    engine: str, precision: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "missing", lambda engine: [])
    with pytest.raises(UsageError, match=message):
        choose(tiny(), engine, precision)


def test_two_gigabytes_do_not_go_through_onnx(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    model = tiny()
    count = sum(parameter.size for parameter in model.parameters())
    assert static.weight_bytes(model) == 4 * count
    monkeypatch.setattr(static, "ONNX_LIMIT", 4 * count)
    assert choose(model).engine == choose(model, "openvino").engine == "openvino"
    with pytest.raises(UsageError, match="2 GB"):
        choose(model, "onnxruntime")
    with pytest.raises(UsageError, match="2 GB"):
        static.to_onnx(model, tmp_path / "model.onnx")


def test_an_engine_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(engines.ENGINES, "openvino", engines.Kind("OpenVINO", ("no-such-package",)))
    with pytest.raises(UsageError, match=r"needs no-such-package\.\npip install no-such-package"):
        choose(tiny(), "openvino")
    assert choose(tiny()).engine == "paddle"


def test_batches_side_by_side(graphs: dict[str, Graph], monkeypatch: pytest.MonkeyPatch) -> None:
    """The same answers, also of a thread that knows nothing of it, and afterwards."""
    monkeypatch.setattr(env, "threads", lambda: 2)
    given = [batch(1 + n % 3, 3 + n % 11) for n in range(40)]
    for name, graph in graphs.items():
        engine = module_of(name).open_graph(graph, "fp32")
        wanted = [engine(one)["logits"] for one in given]
        with base.side_by_side(engine, base.MANY_BATCHES) as threads, ThreadPoolExecutor(threads + 1) as pool:
            assert threads == (2 if name == "openvino" else 1)
            check(list(pool.map(lambda one, e=engine: e(one)["logits"], given)), wanted, name)
        check([engine(one)["logits"] for one in given], wanted, name)
        with base.side_by_side(engine, base.MANY_BATCHES - 1) as threads:
            assert threads == 1
        monkeypatch.setattr(env, "threads", lambda: 1)
        with base.side_by_side(engine, base.MANY_BATCHES) as threads:
            assert threads == 1
        monkeypatch.setattr(env, "threads", lambda: 2)


def test_the_environment_is_as_before(graphs: dict[str, Graph], monkeypatch: pytest.MonkeyPatch) -> None:
    module = module_of("openvino")
    monkeypatch.delenv(module.PRIMITIVE_CACHE, raising=False)
    for before in (None, "7"):
        if before:
            monkeypatch.setenv(module.PRIMITIVE_CACHE, before)
        module.open_graph(graphs["openvino"], "fp32")
        assert os.environ.get(module.PRIMITIVE_CACHE) == before


def test_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    trimmed: list[int] = []
    monkeypatch.setattr(base, "_malloc_trim", lambda: trimmed.append)
    turns = base.CallPool("one")
    for n in range(base.CALLS_PER_TRIM * 2):
        with pytest.raises(InputError), turns() as thing:  # an error lets the next one in
            assert thing == "one"
            raise InputError(str(n))
    assert trimmed == [0, 0]
