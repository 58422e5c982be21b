"""`zoo` as a user sees it, and the environment that it reports."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import zoo
from tests.hub.server import HubServer
from zoo import env, hub, registry, terminal
from zoo.__main__ import main
from zoo.errors import HubError, UsageError

HEAVY = ("paddle", "numpy", "torch", "transformers", "huggingface_hub", "safetensors", "rich")


def test_list_is_aligned_text_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "palm*"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["name", "family", "params", "file", "languages", "heads"]
    assert len({line.index("palm ") for line in lines[1:9]}) == 1
    assert lines[-1].startswith("8 models.")


def test_list_as_json_holds_whole_cards(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--json", "--family", "infoxlm"]) == 0
    cards = json.loads(capsys.readouterr().out)
    assert [c["name"] for c in cards] == ["microsoft/infoxlm-base", "microsoft/infoxlm-large"]
    assert cards[0]["sources"][0]["id"] == "microsoft/infoxlm-base" and len(cards[0]["scores"]) > 40


def test_info_shows_everything_on_the_card(capsys: pytest.CaptureFixture[str]) -> None:
    card = registry.info("minilm")
    assert main(["info", "minilm"]) == 0
    text = capsys.readouterr().out
    for part in (card.name, card.licence, "22,713,216", *card.aliases, card.checked, "82.03", "spearman"):
        assert part in text
    for source in card.sources:
        assert source.id in text and source.sha256["model.safetensors"] in text


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["info", "xlm-roberta-bas"], "Did you mean 'FacebookAI/xlm-roberta-base'"),
        (["list", "no-such-*"], "No model matches 'no-such-*'"),
        (["list", "--family", "bert"], "Families: xlmr"),
    ],
)
def test_an_error_is_one_paragraph_and_code_2(
    argv: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == "" and said in err and err.startswith("error: ") and "Traceback" not in err
    assert main([*argv, "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["message"]


def test_doctor_reports_what_is_here(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ZOO_HOME", str(tmp_path))
    (tmp_path / "models/org--name").mkdir(parents=True)
    (tmp_path / "models/org--name/model.safetensors").write_bytes(b"x" * 1000)
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads/.model.bin.part").touch()
    assert main(["doctor", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["versions"]["python"] == sys.version.split()[0]
    assert report["machine"]["cores"] == env.cores() and report["machine"]["disk free"] > 0
    assert report["caches"][0]["names"] == ["org--name"] and report["caches"][0]["bytes"] == 1000
    assert report["switches"]["ZOO_HOME"] == str(tmp_path)
    assert "interrupted download" in report["problems"][0]
    assert main(["doctor"]) == 0
    assert "1 models, 1 kB" in capsys.readouterr().out


@pytest.fixture
def hub_with_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    with HubServer(tmp_path) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        server.add("org/tiny", {"config.json": "{}", "model.safetensors": b"weights"})
        yield server


def test_doctor_asks_the_hubs_only_when_told(
    hub_with_a_model: HubServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["doctor", "--online", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["hubs"] == {hub_with_a_model.url: "answers"}
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert main(["doctor", "--online", "--json"]) == 0
    assert "does not answer" in json.loads(capsys.readouterr().out)["hubs"]["http://127.0.0.1:9"]
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    assert main(["doctor", "--online", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)["hubs"].values()) == {"offline by request"}


def test_doctor_finds_a_damaged_file(hub_with_a_model: HubServer, capsys: pytest.CaptureFixture[str]) -> None:
    weights = hub.resolve("org/tiny").path / "model.safetensors"
    assert main(["doctor", "--verify", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["problems"] == []
    weights.resolve().write_bytes(b"other!!")
    assert main(["doctor", "--verify", "--json"]) == 0
    assert "damaged" in json.loads(capsys.readouterr().out)["problems"][0]


# Nothing heavy is imported


@pytest.mark.parametrize(
    "code",
    [
        "import zoo; dir(zoo)",
        "import zoo; zoo.list_models(); zoo.info('xlmr-base')",
        "from zoo.__main__ import main; main(['list'])",
        "from zoo.__main__ import main; main(['info', 'xlmr-base', '--json'])",
        "from zoo.__main__ import main; main(['doctor'])",
        "from zoo import hub; hub.resolve('minilm'); hub.plan('minilm')",
    ],
)
def test_nothing_heavy_is_imported(code: str) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "zoo" in imported
    assert not imported & set(HEAVY)


def test_the_front_of_the_package() -> None:
    assert zoo.list_models is registry.list_models and zoo.info is registry.info
    assert {"load", "list_models", "info"} <= set(dir(zoo)) and set(zoo.__all__) <= set(dir(zoo))
    with pytest.raises(AttributeError, match="no attribute 'convert_all'"):
        zoo.convert_all  # noqa: B018


def test_a_closed_pipe_is_quiet() -> None:
    command = f"{sys.executable} -m zoo list | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("name") and done.stderr == ""


@pytest.mark.parametrize(("columns", "ruled"), [(120, True), (80, True), (50, False)])
def test_a_terminal_gets_every_column(columns: int, ruled: bool) -> None:
    """Beside each other, in lines that are divided at spaces and slashes; or below each other."""
    master, slave = pty.openpty()
    variables = os.environ | {"COLUMNS": str(columns), "TERM": "xterm-256color"}
    with subprocess.Popen([sys.executable, "-m", "zoo", "list", "funnel*"], stdout=slave, env=variables) as process:
        os.close(slave)
        content = b""
        while chunk := _read(master):
            content += chunk
    text = re.sub(r"\x1b\[[0-9;]*m", "", content.decode())
    assert process.returncode == 0
    for said in (
        "funnel-transformer/",
        "intermediate-base",
        "family",
        "params",
        "file",
        "languages",
    ):
        assert said in text
    assert ("─" in text) is ruled and text.count("languages") == (1 if ruled else 10)
    assert max(len(line) for line in text.split("10 models")[0].splitlines()) <= columns


def _read(master: int) -> bytes:
    try:
        return os.read(master, 4096)
    except OSError:  # the other end has gone
        return b""


# The helper that every command uses


def test_run_turns_errors_into_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    def fails(error: BaseException) -> int:
        raise error

    assert terminal.run(lambda: None) == 0 and terminal.run(lambda: 3) == 3
    assert terminal.run(lambda: fails(HubError("no", "do this"))) == 1
    assert capsys.readouterr().err == "error: no\ndo this\n"
    assert terminal.run(lambda: fails(UsageError("no"))) == 2
    assert terminal.run(lambda: fails(KeyboardInterrupt())) == 130
    assert terminal.run(lambda: fails(HubError("no", "do this")), as_json=True) == 1
    out = capsys.readouterr().out
    assert json.loads(out) == {"error": {"type": "HubError", "message": "no", "hint": "do this"}}
    with pytest.raises(ZeroDivisionError):
        terminal.run(lambda: 1 // 0)


def test_progress_in_a_log_is_two_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with terminal.Progress("model.bin", 2_000_000) as progress:
        for _ in range(1000):
            progress.add(2000)
    assert capsys.readouterr().err == "model.bin: 2 kB of 2 MB\nmodel.bin: 2 MB of 2 MB\n"
    with terminal.Progress("model.bin", 0):
        pass
    assert capsys.readouterr().err == "", "nothing came, so there is nothing to say"


def test_sizes_for_people() -> None:
    assert [terminal.size(n) for n in (0, 999, 1000, 524_000_000, 2_240_000_000)] == [
        "0 B",
        "999 B",
        "1 kB",
        "524 MB",
        "2.24 GB",
    ]


# The environment


def test_folders_follow_the_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "z"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "h"))
    assert env.home() == tmp_path / "z" == hub.cache_dir() and env.hub_cache() == tmp_path / "h/hub"
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "c"))
    assert env.hub_cache() == tmp_path / "c"
    monkeypatch.setenv("HF_ENDPOINT", "https://hf-mirror.com/")
    assert env.hub_endpoint() == "https://hf-mirror.com"
    monkeypatch.setenv("MODELSCOPE_DOMAIN", "modelscope.example")
    assert env.modelscope_endpoint() == "https://modelscope.example"


@pytest.mark.parametrize(
    "variables", [{}, {"HF_HOME": "/tmp/a"}, {"HF_HUB_CACHE": "/tmp/b"}, {"XDG_CACHE_HOME": "/tmp/c"}]
)
def test_the_cache_is_where_huggingface_hub_has_it(variables: dict[str, str]) -> None:
    code = (
        "from huggingface_hub import constants; from zoo import env; print(constants.HF_HUB_CACHE, env.hub_cache())"
    )
    clean = {k: v for k, v in os.environ.items() if k not in ("HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=clean | variables)
    theirs, ours = done.stdout.split()
    assert theirs == ours, done.stderr


def test_cores_respect_affinity_and_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2, 3, 4, 5, 6, 7})
    monkeypatch.setattr(env, "_cgroup_quota", lambda: 0)
    assert env.cores() == 8
    monkeypatch.setattr(env, "_cgroup_quota", lambda: 3)
    assert env.cores() == 3


@pytest.mark.parametrize("first", ["", "import paddle; "])
@pytest.mark.parametrize(
    ("wanted", "threads"), [("3", 3), ("1", 1), ("2,1", 2), (None, env.cores()), ("0", env.cores())]
)
def test_one_thread_setting(first: str, wanted: str | None, threads: int) -> None:
    code = "import os; from zoo import env; print(env.use_all_cores(), os.environ.get('OMP_NUM_THREADS'))"
    variables = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    variables |= {} if wanted is None else {"OMP_NUM_THREADS": wanted}
    if first and wanted == "2,1":
        pytest.skip("paddle itself does not start with a list")
    done = subprocess.run([sys.executable, "-c", first + code], capture_output=True, text=True, env=variables)
    found, left = done.stdout.split()
    assert int(found) == threads, done.stderr
    assert wanted in ("2,1", "0") or left == str(wanted), "what paddle wrote there would reach child processes"


@pytest.mark.parametrize(("wanted", "threads"), [("1", 1), (None, 4), ("3", 3)])
def test_processes_of_a_launcher_divide_the_cores(wanted: str | None, threads: int) -> None:
    """Paddle's launcher writes a 1 into what they are started with, unless the user has written something."""
    code = "from zoo import env; env.cores = lambda: 8; print(env.threads())"
    ours = {"PADDLE_TRAINER_ID": "0", "PADDLE_CURRENT_ENDPOINT": "10.0.0.1:6070"}
    ours |= {"PADDLE_TRAINER_ENDPOINTS": "10.0.0.1:6070,10.0.0.1:6071,10.0.0.2:6070"}
    launcher = (
        "import os, subprocess, sys; os.environ.setdefault('OMP_NUM_THREADS', '1');"
        f"os.environ.update({ours!r}); subprocess.run([sys.executable, '-c', {code!r}], check=True)"
    )
    variables = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    variables |= {} if wanted is None else {"OMP_NUM_THREADS": wanted}
    done = subprocess.run([sys.executable, "-c", launcher], capture_output=True, text=True, env=variables)
    assert done.stdout.split() == [str(threads)], done.stderr


@pytest.mark.parametrize(
    ("vendor", "flags", "path"),
    [
        ("GenuineIntel", env.MKL_PATHS["7"], ""),
        ("", env.MKL_PATHS["7"], ""),
        ("AuthenticAMD", env.MKL_PATHS["7"] | env.MKL_PATHS["5"], "7"),
        ("HygonGenuine", {"avx2", "fma"}, "5"),
        ("AuthenticAMD", {"avx2"}, ""),
    ],
)
def test_mkl_takes_the_best_path(monkeypatch: pytest.MonkeyPatch, vendor: str, flags: set[str], path: str) -> None:
    monkeypatch.setattr(env, "cpu_vendor", lambda: vendor)
    monkeypatch.setattr(env, "cpu_flags", lambda: frozenset(flags))
    assert env.mkl_path() == path


def test_the_users_path_for_mkl_stays() -> None:
    code = "import os; from zoo import env; env.use_all_cores(); print(os.environ.get(env.MKL_PATH_VARIABLE, ''))"
    for given, expected in (("0", "0"), (None, env.mkl_path())):
        variables = {k: v for k, v in os.environ.items() if k != env.MKL_PATH_VARIABLE}
        variables |= {} if given is None else {env.MKL_PATH_VARIABLE: given}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=variables)
        assert done.stdout.strip() == expected, done.stderr


def test_offline_switches(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not env.offline()
    for value, expected in (("0", False), ("", False), ("1", True), ("TRUE", True), ("yes", True)):
        monkeypatch.setenv("HF_HUB_OFFLINE", value)
        assert env.offline() is expected


def test_an_error_reaches_the_terminal_without_what_it_obeys(capsys: pytest.CaptureFixture[str]) -> None:
    from zoo import terminal
    from zoo.errors import UsageError

    def fail() -> int:
        raise UsageError("a\x1b[31mb\u202ec\ud800d", "first\nsecond\x07")

    assert terminal.run(fail) == 2
    assert capsys.readouterr().err == "error: a\\x1b[31mb\\u202ec\\ud800d\nfirst\nsecond\\x07\n"
    assert terminal.run(fail, as_json=True) == 2
    printed = capsys.readouterr().out
    assert json.loads(printed)["error"]["message"] == "a\x1b[31mb\u202ec\ud800d"
    assert all(c.isprintable() or c == "\n" for c in printed)


def test_a_note_is_without_what_a_terminal_obeys(capsys: pytest.CaptureFixture[str]) -> None:
    import logging

    from zoo import terminal

    with terminal.notes():
        logging.getLogger("zoo").warning("%s is odd", "a\x1b[31m\u202e")
    assert capsys.readouterr().err == "note: a\\x1b[31m\\u202e is odd\n"


@pytest.mark.parametrize("level", [None, "0"])
def test_commands_keep_paddles_remarks_to_its_developers_away(level: str | None) -> None:
    code = """
from zoo import terminal
def command():
    import paddle
    paddle.enable_static()
    paddle.arange(3)
terminal.run(command)
"""
    environ = {name: value for name, value in os.environ.items() if name != "GLOG_minloglevel"}
    environ |= {"GLOG_minloglevel": level} if level else {}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environ, check=True)
    assert bool(re.search(r"^W\d{4} .*\.cc:\d+\]", done.stderr, re.M)) == (level is not None)
