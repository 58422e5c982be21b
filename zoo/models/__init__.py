"""The one list of families. Each is a folder here whose `__init__` holds `FAMILY` (see zoo/cards.py)."""

FAMILIES = ("xlmr", "xlmr_xl", "infoxlm", "structbert", "funnel", "palm", "veco")
