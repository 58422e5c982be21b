"""A family's facts are in its folder: no other file of the zoo names one, and those that need a fact ask for it."""

from __future__ import annotations

from benchmarks.house import ROOT, Tree, places_that_name_a_family
from zoo.checkpoint.weight_files import WEIGHT_FILES, WRAPPER_KEYS
from zoo.registry import families

LAYOUT = "Funnel's tokenizer is one of transformers' classes; a folder's files choose it, whatever network is there"
# File that names a family in its code -> why it may. Docstrings and comments are not counted.
ALLOWED = {
    "zoo/listing.py": "the example of --family has to give one",
    "zoo/tokenization/__init__.py": LAYOUT,
    "zoo/tokenization/classes.py": LAYOUT,
    "zoo/tokenization/load.py": LAYOUT,
}


def test_no_other_file_names_a_family() -> None:
    found = {place.partition(":")[0] for place in places_that_name_a_family(Tree(ROOT))}
    assert found == set(ALLOWED)


def test_what_families_call_their_files_is_read() -> None:
    assert any(family.weight_files for family in families())
    for family in families():
        assert set(family.weight_files) <= set(WEIGHT_FILES) and set(family.wrapper_keys) <= set(WRAPPER_KEYS)


def test_families_have_names_of_their_own() -> None:
    """A key or file that the zoo reads anyway is no family's."""
    for names in (WEIGHT_FILES, WRAPPER_KEYS):
        assert len(set(names)) == len(names)
