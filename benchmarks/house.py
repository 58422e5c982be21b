"""How the code is kept, in figures: long files and functions, riddles, circles, double facts, pages, examples.

`python -m benchmarks.house --before REVISION --save` reads two trees, the one at a revision and this one, and
writes both columns.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import common

ROOT = Path(__file__).parents[1]
LONG_FILE, LONG_FUNCTION = 300, 40
FAMILIES = ("xlmr", "xlmr_xl", "infoxlm", "funnel", "structbert", "palm", "veco")
PUBLIC = {  # what `import zoo` gives, and where it is defined
    "load": "zoo/loading.py",
    "pipeline": "zoo/inference/pipelines/__init__.py",
    "list_models": "zoo/registry.py",
    "info": "zoo/registry.py",
    "finetune": "zoo/finetune/run.py",
    "generate": "zoo/models/common/seq2seq.py",
    "save": "zoo/models/common/base.py",
    "encode": "zoo/models/common/sentence_transformers/encoder.py",
    "search": "zoo/models/common/sentence_transformers/encoder.py",
    "export": "zoo/export/run.py",
}


@dataclass
class Tree:
    """A checkout, read once.

    Attributes:
        root: its folder.
        sources: path below the root -> syntax tree, of the Python files in zoo/.
    """

    root: Path
    sources: dict[str, ast.Module] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for file in sorted((self.root / "zoo").rglob("*.py")):
            self.sources[file.relative_to(self.root).as_posix()] = ast.parse(file.read_text("utf-8"))

    def lines(self, name: str) -> list[str]:
        """The lines of a file; none when it is not there."""
        file = self.root / name
        return file.read_text("utf-8").splitlines() if file.is_file() else []


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def long_files(tree: Tree) -> list[str]:
    """Files of zoo/ with more than 300 lines."""
    return [name for name in tree.sources if len(tree.lines(name)) > LONG_FILE]


def long_functions(tree: Tree) -> list[str]:
    """Functions of zoo/ with more than 40 lines of code, their docstring and signature not counted."""
    return [
        f"{name}:{node.name}"
        for name, source in tree.sources.items()
        for node in functions(source)
        if _code_lines(node) > LONG_FUNCTION
    ]


def _code_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    return (node.end_lineno or 0) - body[0].lineno + 1 if body else 0


def constants(tree: Tree) -> list[tuple[str, str]]:
    """File and name of every constant of a module."""
    found = []
    for name, source in tree.sources.items():
        for node in source.body:
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            for target in targets if isinstance(node, ast.Assign | ast.AnnAssign) else []:
                for part in target.elts if isinstance(target, ast.Tuple) else [target]:
                    if isinstance(part, ast.Name) and part.id.isupper() and not part.id.startswith("_"):
                        found.append((name, part.id))
    return found


def one_word_constants(tree: Tree) -> list[str]:
    """Constants whose name is one word."""
    return [f"{name}:{constant}" for name, constant in constants(tree) if "_" not in constant]


def uses_of_any(tree: Tree) -> list[str]:
    """Places where a type is `Any`."""
    return [
        f"{name}:{node.lineno}"
        for name, source in tree.sources.items()
        for node in ast.walk(source)
        if isinstance(node, ast.Name) and node.id == "Any"
    ]


def circles(tree: Tree) -> list[str]:
    """Groups of modules that import each other, type hints included."""
    graph = {_module(name): set(_imports(source)) for name, source in tree.sources.items()}
    graph = {name: {_known(part, graph) for part in parts} - {name, ""} for name, parts in graph.items()}
    return [" ".join(sorted(group)) for group in _groups(graph) if len(group) > 1]


def _module(name: str) -> str:
    return name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _imports(source: ast.Module) -> Iterator[str]:
    """Modules that a file imports when it is imported, and those of its type hints."""
    stack: list[ast.AST] = list(source.body)
    while stack:
        node = stack.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        stack.extend(ast.iter_child_nodes(node))


def _known(name: str, graph: dict[str, set[str]]) -> str:
    parent = name.rpartition(".")[0]
    return name if name in graph else parent if parent in graph else ""


def _groups(graph: dict[str, set[str]]) -> Iterator[set[str]]:
    """Strongly connected parts, by what each module reaches."""
    reach: dict[str, set[str]] = {}
    for start in graph:
        seen, stack = set(), [start]
        while stack:
            for name in graph[stack.pop()]:
                if name not in seen:
                    seen.add(name)
                    stack.append(name)
        reach[start] = seen
    done: set[str] = set()
    for name in graph:
        if name not in done and name in reach[name]:
            group = {other for other in reach[name] if name in reach[other]}
            done |= group
            yield group


def import_rows(tree: Tree) -> list[str]:
    """Rows of the table of imports."""
    names = ("tests/import_rules.py", *(f"tests/import_rules/{part}.py" for part in ("library", "commands")))
    return re.findall(r"^    Row\(", "\n".join(line for name in names for line in tree.lines(name)), re.M)


def places_that_name_a_family(tree: Tree) -> list[str]:
    """Lines of code outside a family's folder with a family's name in an import, a definition or a string."""
    found = []
    for name, source in tree.sources.items():
        if (
            name.startswith(tuple(f"zoo/models/{family}/" for family in FAMILIES))
            or name == "zoo/models/__init__.py"
        ):
            continue
        docs = {id(node.body[0].value) for node in ast.walk(source) if _has_docstring(node)}  # type: ignore[attr-defined]
        for node in ast.walk(source):
            text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
            text = "" if id(node) in docs else text
            text = f"{node.module}" if isinstance(node, ast.ImportFrom) else text
            text = getattr(node, "name", None) or text  # of a class, a function or what is imported
            if any(re.search(rf"(?<![a-z]){family}(?![a-z])", text.lower()) for family in FAMILIES):
                found.append(f"{name}:{node.lineno}")  # type: ignore[attr-defined]
    return found


def _has_docstring(node: ast.AST) -> bool:
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    return isinstance(node, kinds) and ast.get_docstring(node) is not None


def functions_that_hash(tree: Tree) -> list[str]:
    """Functions of zoo/ that feed a digest themselves."""
    return [
        f"{name}:{node.name}"
        for name, source in tree.sources.items()
        for node in functions(source)
        if re.search(r"hashlib\.(sha256|file_digest|md5|sha1|new)\(", ast.unparse(node))
    ]


def published_twice(tree: Tree) -> list[str]:
    """Recipes with a published score, where cards or a ledger hold one too."""
    cards = {
        float(node.value)
        for name, source in tree.sources.items()
        if name.startswith("zoo/models/") and name.endswith("__init__.py")
        for call in ast.walk(source)
        if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("Score")
        for node in ast.walk(call)
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float)
    }
    found = []
    for file in sorted((tree.root / "zoo/recipes").glob("*.toml")):
        for value in re.findall(r"score *= *([\d.]+)", file.read_text("utf-8")):
            if float(value) in cards:
                found.append(f"{file.name}:{value}")
    return found


def pages(tree: Tree, language: str) -> list[str]:
    """Pages of the documentation in a language."""
    files = [f for f in (tree.root / "docs").rglob("*.md") if "node_modules" not in f.parts]
    chinese = [f for f in files if ".zh." in f.name or "zh" in f.relative_to(tree.root).parts]
    chosen = chinese if language == "zh" else [f for f in files if f not in chinese]
    return [f.relative_to(tree.root).as_posix() for f in chosen]


def without_example(tree: Tree) -> list[str]:
    """Public names whose docstring has no example."""
    found = []
    for name, file in PUBLIC.items():
        source = tree.sources.get(file)
        docs = [ast.get_docstring(node) or "" for node in functions(source) if node.name == name] if source else []
        if not any(">>>" in text or "Example" in text for text in docs):
            found.append(name)
    return found


ROWS: dict[str, Callable[[Tree], list[str]]] = {
    "Python files in zoo/": lambda tree: list(tree.sources),
    "files over 300 lines": long_files,
    "functions over 40 lines of code": long_functions,
    "constants": lambda tree: [f"{n}:{c}" for n, c in constants(tree)],
    "constants of one word": one_word_constants,
    "uses of Any": uses_of_any,
    "circles of imports": circles,
    "rows of the import table": import_rows,
    "places that name a family": places_that_name_a_family,
    "functions that hash": functions_that_hash,
    "published scores that stand twice": published_twice,
    "lines of README.md": lambda tree: tree.lines("README.md"),
    "words of README.md": lambda tree: "\n".join(tree.lines("README.md")).split(),
    "pages in English": lambda tree: pages(tree, "en"),
    "pages in Chinese": lambda tree: pages(tree, "zh"),
    "public names without an example": without_example,
}


def at(revision: str, folder: Path) -> Tree:
    """The tree of a revision, unpacked in a folder."""
    packed = subprocess.run(["git", "archive", revision], cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
    return Tree(folder)


def main(argv: list[str] | None = None) -> int:
    """Prints the table; with --save writes it, with --list names what a row counts."""
    made = argparse.ArgumentParser(prog="python -m benchmarks.house", description=__doc__)
    made.add_argument("--before", metavar="REVISION", help="another tree for the first column")
    made.add_argument("--list", choices=ROWS, metavar="ROW", help="name what a row counts in this tree")
    made.add_argument("--save", action="store_true", help="write benchmarks/results/house.csv")
    given = made.parse_args(argv)
    now = Tree(ROOT)
    if given.list:
        print("\n".join(ROWS[given.list](now)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        before = at(given.before, Path(folder)) if given.before else None
        rows = [
            {"what": what, "before": len(count(before)) if before else "", "now": len(count(now))}
            for what, count in ROWS.items()
        ]
    for row in rows:
        print(f"{row['what']:<36} {row['before']!s:>7} {row['now']:>7}")
    if given.save:
        common.write("house", f"python -m benchmarks.house --before {given.before}", rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
