"""How Sphinx builds the site: `make docs`, and tests/test_docs.py with warnings as errors."""

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("ZOO_OFFLINE", "1")

project = "paddle-model-zoo"
author = "the authors of paddle-model-zoo"
copyright = author
release = import_module("zoo").__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "docs.notebooks"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3


# Only references of pages to pages are checked; the types in signatures belong to other projects.
nitpicky = True
default_role = "literal"  # docstrings write code in single backticks
nitpick_ignore_regex = [("py:.*", ".*")]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_use_ivar = True
napoleon_use_rtype = False

language = "en"
html_theme = "furo"
html_title = "paddle-model-zoo"
html_static_path = ["_static"]
html_css_files = ["zoo.css"]
html_js_files = ["filter.js"]
html_show_sourcelink = False
html_copy_source = False
html_search_options = {"type": "default"}


def setup(app: Any) -> None:
    """Adds the pages of models and published numbers that `zoo ui` has too: browse/ of the site."""
    app.connect("build-finished", write_pages)


def write_pages(app: Any, error: Exception | None) -> None:
    """Writes them when the other pages of the site are written."""
    if error is None and app.builder.format == "html":
        import_module("zoo.ui.pages").write(Path(app.outdir, "browse"))
