"""Who may import whom, as a table (see CONTRIBUTING.md), and the checker that reads it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from tests.import_rules.commands import COMMANDS, OUTSIDE
from tests.import_rules.library import LIBRARY
from tests.import_rules.row import Row

TABLE = (*LIBRARY, *COMMANDS, *OUTSIDE)


def imports(source: str, path: str) -> Iterator[tuple[int, str]]:
    """Line and dotted name of every import of a file, also inside functions; not those for type checkers only.

    `from package import name` counts as `package.name`, because `name` may be a module.
    """
    package = Path(path).with_suffix("").parts[:-1]
    stack: list[ast.AST] = [ast.parse(source)]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            stack.extend(node.orelse)
            continue
        stack.extend(ast.iter_child_nodes(node))
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = [*package[: len(package) - node.level + 1]] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{stem}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module") and node.args:
            name = node.args[0]
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                yield node.lineno, name.value


def row_of(path: str, table: tuple[Row, ...] = TABLE) -> Row | None:
    """The row that speaks for a file. `*` stops at a folder in the middle of a pattern, not at its end."""
    for row in table:
        deep = row.files.endswith("/*")
        if fnmatchcase(path, row.files) and (deep or path.count("/") == row.files.count("/")):
            return row
    return None


def violations(source: str, path: str, table: tuple[Row, ...] = TABLE) -> list[str]:
    """What a file imports against the table, one line each."""
    row = row_of(path, table)
    if row is None:
        return [f"{path}: no row of the table in tests/import_rules speaks for this file"]
    here = ".".join(Path(path).parts[:-1])
    parts = row.parts.format(here=here).split()
    found = []
    for line, name in imports(source, path):
        top = name.partition(".")[0]
        own = top in ("zoo", "conversion", "benchmarks", "tests", "examples")
        if top in sys.stdlib_module_names or (not own and top in row.packages.split()):
            continue
        if own and any(name == part or name.startswith(f"{part}.") for part in parts):
            continue
        found.append(f"{path}:{line}: imports {name}; may import {row.packages} {row.parts}".rstrip())
    return found
