"""Pretrained models for PaddlePaddle whose conversion is proven. Importing it does not import paddle."""

__version__ = "0.1.0"
