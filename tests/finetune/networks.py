"""A random network in the form of a published folder, made without torch."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.conftest import ABSENT, SHARED

SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 128,
    "type_vocab_size": 2,
}
VOCABULARIES = {"bert-base-uncased": 30522, "bert-base-chinese": 21128}


def network(folder: Path, vocabulary: str) -> Path:
    """Writes a converted folder of a bare BERT with random weights.

    Args:
        folder: to write.
        vocabulary: a folder of shared/assets.
    """
    if not SHARED.is_dir():
        pytest.skip(ABSENT)
    import paddle

    from zoo.models.common.base import Origin
    from zoo.models.structbert.config import Config
    from zoo.models.structbert.model import build

    source = folder.parent / "source"
    source.mkdir(parents=True)
    shutil.copyfile(SHARED / "assets" / vocabulary / "vocab.txt", source / "vocab.txt")
    about = {"model_type": "bert", "architectures": ["BertModel"]}
    content = {**SIZES, **about, "vocab_size": VOCABULARIES[vocabulary]}
    (source / "config.json").write_text(json.dumps(content), "utf-8")
    paddle.seed(1)
    model = build(Config.from_dict(content), None, pooler=True)
    model.origin = Origin("structbert", "BertModel", "zoo.models.structbert", source, None)
    model.save(folder)
    return folder
