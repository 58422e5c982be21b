"""Notebooks as pages of the site: their cells as Markdown, so that no package is needed to show them."""

from __future__ import annotations

import json
from typing import Any


def as_markdown(notebook: str) -> str:
    """Gives the texts of a notebook's cells, and its code in blocks: bash where it begins with `!`, else Python."""
    parts = []
    for cell in json.loads(notebook)["cells"]:
        lines = "".join(cell["source"]).splitlines()
        if cell["cell_type"] == "code":
            typed = lines[0].startswith("!")
            lines = ["```bash" if typed else "```python", *(line.removeprefix("!") for line in lines), "```"]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def setup(app: Any) -> dict[str, bool]:
    """Tells Sphinx how to read a notebook."""
    from myst_parser.parsers.sphinx_ import MystParser

    class Notebook(MystParser):
        supported = ("notebook",)

        def parse(self, inputstring: str, document: Any) -> None:
            super().parse(as_markdown(inputstring), document)

    app.add_source_suffix(".ipynb", "notebook")
    app.add_source_parser(Notebook)
    return {"parallel_read_safe": True}
