"""Writes conversion/keys: key, element type and shape of every tensor of the published files, without the numbers.

`python -m conversion.headers` makes them from the transformers classes at true size on the meta device (and from
the real file where an installed package carries it). The tests read them, so that every key table is tested for
completeness at true size with no torch and no network.
"""

from __future__ import annotations

import json
from pathlib import Path

from conversion.prove import MODELS, published
from conversion.random_snapshot import header
from conversion.reference import reference_of
from zoo import hub, registry
from zoo.cards import Card
from zoo.checkpoint import open_checkpoint

KEYS = Path(__file__).parent / "keys"
TOO_LARGE = ("facebook/xlm-roberta-xl", "facebook/xlm-roberta-xxl")  # to be proven whole


def document(card: Card) -> str:
    """The file for one card: one tensor a line."""
    if real := published(card):
        with open_checkpoint(real) as checkpoint:
            tensors = {name: (info.dtype, info.shape) for name, info in checkpoint.infos.items()}
        config = json.loads((real / "config.json").read_text(encoding="utf-8"))
        source = "header of the published file"
    else:
        tensors, config = (
            header(card),
            {
                **reference_of(card.family, card.architecture).published,
                **card.config,
                "architectures": [card.architecture],
            },
        )
        source = "transformers' class at the published size, in the form of the published file"
    head = json.dumps({"name": card.name, "source": source, "config": config}, ensure_ascii=False)
    rows = ",\n".join(f" {json.dumps(k)}: {json.dumps([d, list(s)])}" for k, (d, s) in tensors.items())
    return f'{head[:-1]},\n"tensors": {{\n{rows}\n}}}}\n'


def main() -> None:
    for name in (*MODELS, *TOO_LARGE):
        card = registry.info(name)
        if not card.parameters:  # its published sizes are not known
            continue
        path = KEYS / f"{hub.folder_name(card.name)}.json"
        path.write_text(document(card), encoding="utf-8")
        print(path)


if __name__ == "__main__":
    main()
