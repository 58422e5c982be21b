"""The tokenizer of XLM-R XL: XLM-R's. The last 878 rows of the table of words belong to no token."""

from zoo.models.xlmr.tokenizer import load as load
