"""`--all` against a hub that has every model under its real name, at small size."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.convert.conftest import Make
from tests.hub.server import HubServer
from zoo import hub, registry
from zoo.cards import Card
from zoo.hub.sources import ArchivePlace

CARDS = [c for f in registry.families() for c in f.cards if c.sources]
NAME = "FacebookAI/xlm-roberta-base"


def publish(server: HubServer, card: Card, folder: Path) -> None:
    """Puts a snapshot where the card says it is: on the Hub (at the pinned commit, if any) or on ModelScope.

    What is published as an archive only is here already, unpacked.
    """
    source = next((s for s in card.sources if s.kind in ("hub", "modelscope")), None)
    if source is None:
        shutil.copytree(folder, ArchivePlace(card.sources[0])._unpacked())
        return
    pinned = f"@{source.revision}" if source.revision else ""
    shutil.copytree(folder, server.root / source.kind / f"{source.id}{pinned}")


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, snapshot: Make) -> Iterator[HubServer]:
    with HubServer(tmp_path / "server") as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        for card in CARDS:
            if all(s.kind != "package" for s in card.sources):
                publish(server, card, snapshot(card.name))
        yield server


def test_all(server: HubServer, minilm_snapshot: Path, command, caplog: pytest.LogCaptureFixture) -> None:  # type: ignore[no-untyped-def]
    plan = json.loads(command("--all", "--dry-run", "--json")[1])
    assert {m["state"] for m in plan["models"]} == {"to do"} and plan["fetch"] > 0
    code, out, err = command("--all", "--json")
    done = json.loads(out)
    assert code == 0, err
    assert [m["name"] for m in done["models"]] == [c.name for c in CARDS]
    assert {m["status"] for m in done["models"]} == {"converted"}
    row = next(m for m in done["models"] if m["name"] == NAME)
    assert any("hidden_size=32" in note and "768" in note for note in row["notes"])  # said, and the file decides
    assert (hub.model_dir("BAAI/bge-m3") / "colbert_linear.pt").is_file()
    for card in CARDS:
        mark = json.loads((hub.model_dir(card.name) / "config.json").read_text())["zoo"]
        assert mark["family"] == card.family
    plan = json.loads(command("--all", "--dry-run", "--json")[1])
    assert {m["state"] for m in plan["models"]} == {"done"} and plan["fetch"] == 0
    weights = server.asked("*/resolve/*.safetensors", "GET")
    again = json.loads(command("--all", "--json")[1])
    assert {m["status"] for m in again["models"]} == {"already done"}
    assert server.asked("*/resolve/*.safetensors", "GET") == weights


def test_a_wildcard_and_a_revision(server: HubServer, tmp_path: Path, command) -> None:  # type: ignore[no-untyped-def]
    code, out, _ = command("microsoft/*", "--out", tmp_path / "out", "--json")
    assert code == 0 and len(json.loads(out)["models"]) == 2
    assert sorted(p.name for p in (tmp_path / "out").iterdir() if not p.name.startswith(".")) == [
        "microsoft--infoxlm-base",
        "microsoft--infoxlm-large",
    ]
    published = next((server.root / "hub" / "FacebookAI").glob("xlm-roberta-base*"))
    shutil.copytree(published, server.root / "hub" / f"{NAME}@v2")
    assert command(f"{NAME}@v2")[0] == 0
    certificate = json.loads((hub.model_dir(f"{NAME}@v2") / "certificate.json").read_text())
    assert certificate["source"]["id"] == NAME and len(certificate["source"]["revision"]) == 40


def test_one_damaged_model_does_not_stop_the_others(server: HubServer, command) -> None:  # type: ignore[no-untyped-def]
    (server.root / "hub" / "microsoft" / "infoxlm-base" / "pytorch_model.bin").write_bytes(
        b"<html>not found</html>"
    )
    code, out, _ = command("microsoft/*", "--json")
    rows = {m["name"]: m for m in json.loads(out)["models"]}
    assert code == 1
    assert (
        rows["microsoft/infoxlm-base"]["status"] == "failed" and rows["microsoft/infoxlm-base"]["error"]["message"]
    )
    assert rows["microsoft/infoxlm-large"]["status"] == "converted"


def test_a_pinned_commit_that_is_done_asks_nobody(
    server: HubServer, command, monkeypatch: pytest.MonkeyPatch
) -> None:  # type: ignore[no-untyped-def]
    commit = (
        json.loads(command("BAAI/bge-m3", "--json")[1])
        and json.loads((hub.model_dir("BAAI/bge-m3") / "certificate.json").read_text())["source"]["revision"]
    )
    assert command(f"BAAI/bge-m3@{commit}")[0] == 0
    shutil.rmtree(hub.env.hub_cache())
    server.requests.clear()
    code, out, _ = command(f"BAAI/bge-m3@{commit}", "--json")
    assert code == 0 and json.loads(out)["models"][0]["status"] == "already done"
    assert server.requests == []
