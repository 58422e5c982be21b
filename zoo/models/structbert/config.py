"""config.json of StructBERT and BERT."""

from __future__ import annotations

from zoo.models.common.config import EncoderConfig as Config

__all__ = ["Config"]
