"""Tokenizers, built from the files of a model's own folder. No network, no paddle."""

from zoo.tokenization.layout import BERT, FUNNEL, ROBERTA, Layout
from zoo.tokenization.load import load_tokenizer
from zoo.tokenization.tokenizer import Tokenizer

__all__ = ["BERT", "FUNNEL", "ROBERTA", "Layout", "Tokenizer", "load_tokenizer"]
