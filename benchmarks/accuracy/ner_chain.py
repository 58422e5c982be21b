"""The chain of docs/ner.md on People's Daily, measured: `python -m benchmarks.accuracy.ner_chain`

The first 1000 sentences of train and all of dev to learn from, every eighth of them kept as the development set;
every fourth of test (1,159) to be scored and run. Needs the extras `export`, `int8` and `finetune`.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from benchmarks import common
from examples.ner_chain import chain, plot, show

COMMAND = "python -m benchmarks.accuracy.ner_chain"
HELD = common.SHARED / "data/peoples_daily_ner"
WORK = common.ROOT / "build/ner"
PLOT = common.ROOT / "docs/ner.png"
KEPT = 8  # every so many-th sentence is the development set
RUN = 4  # every so many-th sentence of test is run


def people(folder: Path) -> Path:
    """example.train, .dev and .test."""
    folder.mkdir(parents=True, exist_ok=True)
    sentences = [s for name in ("train.head1000", "dev") for s in held(name)]
    parts = {"train": [s for n, s in enumerate(sentences) if n % KEPT], "dev": sentences[::KEPT]}
    for split, kept in (*parts.items(), ("test", held("test")[::RUN])):
        (folder / f"example.{split}").write_text("\n\n".join(kept) + "\n", "utf-8")
    return folder


def held(name: str) -> list[str]:
    """The sentences of a file, as they stand there."""
    return (HELD / f"example.{name}").read_text("utf-8").strip().split("\n\n")


def main() -> None:
    """Runs the chain, writes results/ner_chain.* and the plot of docs/ner.md."""
    argparse.ArgumentParser(prog=COMMAND, description=__doc__.partition("\n")[0]).parse_args()
    lines = chain(people(WORK / "data"), WORK)
    show(lines)
    plot(lines, PLOT)
    print(f"wrote {common.write('ner_chain', COMMAND, [asdict(one) for one in lines]).relative_to(common.ROOT)}")


if __name__ == "__main__":
    main()
