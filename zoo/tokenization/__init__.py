"""Builds tokenizers from the files of a model's own folder. No network, no paddle."""

from zoo.tokenization.layout import BERT_LAYOUT, FUNNEL_LAYOUT, ROBERTA_LAYOUT, Layout
from zoo.tokenization.load import load_tokenizer
from zoo.tokenization.tokenizer import Tokenizer

__all__ = ["BERT_LAYOUT", "FUNNEL_LAYOUT", "ROBERTA_LAYOUT", "Layout", "Tokenizer", "load_tokenizer"]
