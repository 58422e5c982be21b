"""Proves conversions at true size and writes conversion/reports: `python -m conversion.prove NAME... | --all`.

For each model: a snapshot in the form of the published file (random weights where the real ones are not on this
machine), `zoo convert --verify`, `--to torch`, and a bit-by-bit comparison of what came back.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

from conversion import random_snapshot
from zoo import hub, registry, terminal
from zoo.cards import Card
from zoo.checkpoint import open_checkpoint
from zoo.convert.certificate import Certificate
from zoo.convert.to_paddle import companions
from zoo.errors import ParityError, ZooError

REPORTS = Path(__file__).parent / "reports"
MODELS = (
    "sentence-transformers/all-MiniLM-L6-v2",
    "microsoft/infoxlm-base",
    "microsoft/infoxlm-large",
    "FacebookAI/xlm-roberta-base",
    "FacebookAI/xlm-roberta-large",
    "structbert-en-large",
    "structbert-zh-large",
    *(card.name for card in registry.family("funnel").cards),
    "palm-zh-base",
    "palm2-chinese-base",
    "veco-large",
    "veco-large-nlg",
)

# A card's network at another size: name of its report -> card, values of config.json.
VARIANTS: dict[str, tuple[str, dict[str, object]]] = {
    "veco-large-nlg-24-6": ("veco-large-nlg", {"decoder_layers": 6}),  # what the translation recipe trains
    # At its own width: whole, two of it with their gradients are 56 GB.
    # At their own width and lengths.
    "bge-m3-4-layers": ("BAAI/bge-m3", {"num_hidden_layers": 4, "vocab_size": 4000}),
    "bge-reranker-v2-m3-4-layers": ("BAAI/bge-reranker-v2-m3", {"num_hidden_layers": 4, "vocab_size": 4000}),
    "xlm-roberta-xl-4-layers": ("facebook/xlm-roberta-xl", {"num_hidden_layers": 4, "vocab_size": 4000}),
}


def published(card: Card) -> Path | None:
    """The real files, where an installed package carries them."""
    if not any(source.kind == "package" for source in card.sources):
        return None
    return hub.resolve(card.name).path


def convert(*arguments: str) -> None:
    """Runs the command as a user does.

    Raises:
        ParityError: it failed; its own words.
    """
    command = [sys.executable, "-m", "zoo.convert", *arguments]
    if subprocess.run(command, check=False).returncode:
        raise ParityError(f"`zoo convert {' '.join(arguments)}` failed.")


def round_trip(before: Path, after: Path, dropped: Collection[str] = ()) -> dict[str, int]:
    """Compares every tensor of two folders bit by bit; those that the conversion dropped are not there again.

    Raises:
        ParityError: a tensor is missing, added or differs in type, shape or a bit.
    """
    with open_checkpoint(before) as one, open_checkpoint(after) as two:
        kept = {name: info for name, info in one.infos.items() if name not in dropped}
        if kept.keys() != two.infos.keys():
            raise ParityError(f"The keys differ: {sorted(kept.keys() ^ two.infos.keys())[:3]}.")
        for name, info in kept.items():
            if info != two.infos[name] or one.read(name).tobytes() != two.read(name).tobytes():
                raise ParityError(f"'{name}' is not bit-identical after torch -> Paddle -> torch.")
        return {"tensors": len(one.infos), "bit_identical": len(two.infos)}


def files_back(before: Path, after: Path) -> list[str]:
    """Names of the small files beside the weights, which must be the same bytes after torch -> Paddle -> torch.

    Raises:
        ParityError: one is not.
    """
    names = companions(before)
    if other := [name for name in names if (before / name).read_bytes() != (after / name).read_bytes()]:
        raise ParityError(f"'{other[0]}' is not the same file after torch -> Paddle -> torch.")
    return names


def prove(name: str, work: Path) -> dict[str, Any]:
    """Proves one model; returns its report."""
    of, config = VARIANTS.get(name, (name, {}))
    card = registry.info(of)
    real = published(card)
    source = real or random_snapshot.write(card, work / "upstream", config=config)
    convert(str(source), "--out", str(work / "paddle"), "--verify")
    convert(str(work / "paddle"), "--out", str(work / "torch"), "--to", "torch")
    certificate = Certificate.read(work / "paddle")
    assert certificate is not None
    return {
        "name": name if config else card.name,
        "weights": "published" if real else "random, in the form of the published file",
        "command": f"python -m conversion.prove {name if config else card.name}",
        "round_trip": round_trip(source, work / "torch", certificate.coverage.dropped),
        "files_back": files_back(source, work / "torch"),
        "coverage": vars(certificate.coverage),
        "rules": certificate.rules,
        "versions": certificate.versions,
        "date": certificate.date,
        "parity": certificate.parity,
    }


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m conversion.prove", description=__doc__)
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"cards or {', '.join(VARIANTS)}; --all means {', '.join((*MODELS, *VARIANTS))}",
    )
    parser.add_argument("--all", action="store_true", help="every model that has a report")
    arguments = parser.parse_args(argv)
    names = (*MODELS, *VARIANTS) if arguments.all else arguments.names or parser.error("give names or --all")
    failed = 0
    for name in names:
        with tempfile.TemporaryDirectory(prefix="zoo-prove-") as work:
            try:
                report = prove(name, Path(work))
            except ZooError as error:
                print(f"error: {name}: {error}", file=sys.stderr)
                failed += 1
                continue
        path = REPORTS / f"{hub.folder_name(report['name'])}.json"
        path.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        print(f"{report['name']}: {report['parity']['verdict']}; {path}")
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(terminal.run(main))
