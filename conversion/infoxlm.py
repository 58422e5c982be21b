"""InfoXLM: microsoft/infoxlm-*, the network of XLM-R with other weights."""

from __future__ import annotations

from dataclasses import replace

from conversion import xlmr

REFERENCE = replace(xlmr.REFERENCE, family="infoxlm")
