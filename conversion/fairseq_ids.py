"""Compares the ids of a fairseq folder with those that fairseq's README prints: `python -m conversion.fairseq_ids`.

It needs XLM-R's SentencePiece model, where the snapshots of conversion/random_snapshot.py take it from.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from conversion.random_snapshot import ASSETS
from zoo.models.xlmr.config import Config
from zoo.models.xlmr.tokenizer import load
from zoo.tokenization import load_tokenizer

# fairseq, examples/xlmr/README.md.
PRINTED = {
    "Hello world!": [0, 35378, 8999, 38, 2],
    "你好，世界": [0, 6, 124084, 4, 3221, 2],
    "नमस्ते दुनिया": [0, 68700, 97883, 29405, 2],
    "مرحبا بالعالم": [0, 665, 193478, 258, 1705, 77796, 2],
    "Bonjour le monde": [0, 84602, 95, 11146, 2],
}
LAST_ID = 250001  # <mask>


def main() -> int:
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        model = ASSETS / "xlm-roberta-base" / "sentencepiece.bpe.rebuilt.model"
        shutil.copyfile(model, folder / "sentencepiece.bpe.model")
        pieces = load_tokenizer(folder).engine.tokens[4:-1]
        (folder / "dict.txt").write_text("".join(f"{piece} 1\n" for piece in pieces), encoding="utf-8")
        tokenizer = load(folder, Config(vocab_size=LAST_ID + 1, max_position_embeddings=514))
        found = {text: tokenizer(text, return_tensors="np")["input_ids"][0].tolist() for text in PRINTED}
    wrong = [text for text, ids in PRINTED.items() if found[text] != ids]
    print(f"{len(PRINTED) - len(wrong)} of {len(PRINTED)} equal; <mask> is {tokenizer.mask_token_id}")
    return int(bool(wrong) or tokenizer.mask_token_id != LAST_ID)


if __name__ == "__main__":
    sys.exit(main())
