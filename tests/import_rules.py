"""Who may import whom, as a table (see CONTRIBUTING.md), and the checker that reads it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

LIGHT = (
    "zoo.familiar zoo.lazy zoo.version zoo.errors zoo.cards zoo.published zoo.mark zoo.files zoo.signals"
    " zoo.processes"
)
FRAMEWORKS = "paddle numpy"


@dataclass(frozen=True)
class Row:
    """What the files of a pattern may import beside the standard library.

    Attributes:
        files: pattern of paths; the first row that matches a file counts.
        packages: top-level names of other distributions.
        parts: modules of this repository, with everything below them. `{here}` is the file's own folder.
    """

    files: str
    packages: str = ""
    parts: str = ""


TABLE = (
    # Standard library only: `list`, `info` and `--help` stay instant.
    Row("zoo/errors.py"),
    Row("zoo/familiar.py"),
    Row("zoo/published/__init__.py"),
    Row("zoo/published/ledger.py", parts="zoo.published"),
    Row("zoo/cards.py", parts="zoo.published"),
    Row("zoo/processes.py"),
    Row("zoo/signals.py", parts="zoo.processes"),
    # Reading and writing of files, for everything below; locks import late.
    Row("zoo/files/*", packages="filelock", parts="zoo.errors zoo.signals zoo.files"),
    Row("zoo/version.py"),
    Row("zoo/lazy.py"),
    Row("zoo/__init__.py", parts="zoo.lazy zoo.version"),
    Row("zoo/models/__init__.py"),
    Row("zoo/models/common/__init__.py"),
    Row("zoo/models/*/__init__.py", parts="zoo.cards"),
    Row(
        "zoo/models/*/keymap.py",
        parts="zoo.checkpoint.keymap zoo.checkpoint.rules zoo.checkpoint.dialect zoo.models.structbert.keymap"
        " zoo.models.xlmr.keymap",
    ),
    Row("zoo/checkpoint/rules.py"),
    Row("zoo/checkpoint/keymap.py", parts="zoo.errors zoo.files zoo.checkpoint.rules"),
    Row("zoo/checkpoint/shapes.py", parts="zoo.errors zoo.files zoo.checkpoint.rules"),
    Row("zoo/checkpoint/dialect.py", parts="zoo.checkpoint.keymap"),
    Row("zoo/mark.py", parts="zoo.errors zoo.files"),
    Row("zoo/registry.py", parts=f"{LIGHT} zoo.models"),
    Row("zoo/paddlenlp.py", parts=f"{LIGHT} zoo.registry zoo.checkpoint.dialect zoo.checkpoint.keymap"),
    Row("zoo/configs.py", parts=f"{LIGHT} zoo.registry zoo.paddlenlp zoo.checkpoint"),
    # Which key table reads a file and which head it has, for loading and converting alike.
    Row("zoo/keys.py", packages="numpy", parts=f"{LIGHT} zoo.paddlenlp zoo.checkpoint"),
    Row("zoo/weights.py", packages="numpy", parts=f"{LIGHT} zoo.keys zoo.checkpoint"),
    Row("zoo/adapters.py", packages="numpy", parts="zoo.errors zoo.files zoo.checkpoint"),
    Row("zoo/model_folder.py", parts=f"{LIGHT} zoo.configs zoo.registry zoo.keys zoo.checkpoint zoo.models"),
    # `env` starts paddle's threads, `terminal` draws on a terminal; both import late.
    Row("zoo/env.py", packages="paddle", parts="zoo.signals"),
    Row("zoo/terminal.py", packages="rich", parts="zoo.errors zoo.files zoo.signals"),
    Row("zoo/arguments.py", parts="zoo.familiar zoo.errors zoo.files zoo.terminal"),
    Row("zoo/batching.py", packages="numpy"),
    # Vectors in, rows out; knows no network. The index is an extra behind one file.
    Row("zoo/search/__init__.py", parts="zoo.lazy zoo.search"),
    Row("zoo/search/__main__.py", parts="zoo zoo.arguments zoo.terminal zoo.errors zoo.files zoo.search"),
    Row("zoo/search/mapped.py", parts="zoo.errors zoo.files zoo.map zoo.search"),
    Row("zoo/search/index.py", packages="numpy usearch", parts="zoo.errors zoo.files zoo.search"),
    Row("zoo/search/*", packages="numpy", parts="zoo.errors zoo.files zoo.search"),
    Row("zoo/listing.py", parts=f"{LIGHT} zoo.arguments zoo.terminal zoo.registry"),
    Row("zoo/claims.py", parts=f"{LIGHT} zoo.arguments zoo.terminal zoo.registry"),
    Row(
        "zoo/doctor.py",
        parts="zoo.arguments zoo.terminal zoo.env zoo.hub zoo.files zoo.inference.kinds zoo.inference.verdicts",
    ),
    Row("zoo/__main__.py", parts="zoo"),
    # Files in, arrays out. What a family's publishers call their files is the family's.
    Row("zoo/checkpoint/weight_files.py", parts="zoo.registry"),
    Row(
        "zoo/checkpoint/*",
        packages="numpy safetensors filelock",
        parts=f"{LIGHT} zoo.checkpoint zoo.terminal zoo.env",
    ),
    Row(
        "zoo/hub/*",
        packages="numpy safetensors filelock huggingface_hub certifi",
        parts=f"{LIGHT} zoo.hub zoo.checkpoint zoo.registry zoo.env zoo.terminal zoo.version",
    ),
    Row(
        "zoo/tokenization/tensors.py", packages="numpy paddle", parts="zoo.tokenization.options"
    ),  # itself imported late
    Row(
        "zoo/tokenization/*",
        packages="numpy tokenizers sentencepiece",
        parts="zoo.errors zoo.files zoo.tokenization",
    ),
    # Networks. A family sees its own folder and the shared blocks, never another family.
    Row(
        "zoo/models/common/*",
        packages=FRAMEWORKS,
        parts=f"{LIGHT} zoo.env zoo.batching zoo.checkpoint zoo.tokenization zoo.search zoo.models.common",
    ),
    # XL has XLM-R's sizes, heads and tokenizer.
    Row(
        "zoo/models/xlmr_xl/*",
        packages=FRAMEWORKS,
        parts="zoo.errors zoo.files zoo.models.common zoo.models.xlmr {here}",
    ),
    Row(
        "zoo/models/*/tokenizer.py",
        packages="numpy",
        parts="zoo.errors zoo.files zoo.tokenization zoo.models.common {here}",
    ),
    Row(
        "zoo/models/infoxlm/*",
        packages=FRAMEWORKS,
        parts="zoo.errors zoo.files zoo.models.common zoo.models.xlmr {here}",
    ),
    Row("zoo/models/palm/v2/__init__.py"),
    Row("zoo/models/palm/v2/keymap.py", parts="zoo.checkpoint.keymap zoo.checkpoint.rules"),
    Row(
        "zoo/models/palm/v2/tokenizer.py",
        packages="numpy",
        parts="zoo.errors zoo.files zoo.tokenization zoo.models.palm.tokenizer {here}",
    ),
    Row(
        "zoo/models/palm/v2/*", packages=FRAMEWORKS, parts="zoo.errors zoo.files zoo.models.common zoo.models.palm"
    ),
    Row("zoo/models/xlmr/config.py", parts="zoo.errors zoo.files zoo.checkpoint.rules zoo.models.common"),
    Row("zoo/models/veco/config.py", parts="zoo.errors zoo.files zoo.checkpoint.rules zoo.models.common"),
    Row(
        "zoo/models/*",
        packages=FRAMEWORKS,
        parts="zoo.errors zoo.files zoo.env zoo.batching zoo.models.common {here}",
    ),
    Row(
        "zoo/model_files.py",
        parts=f"{LIGHT} zoo.hub zoo.keys zoo.model_folder zoo.checkpoint zoo.models zoo.tokenization",
    ),
    Row(
        "zoo/outline.py",
        packages=FRAMEWORKS,
        parts=f"{LIGHT} zoo.model_files zoo.model_folder zoo.checkpoint zoo.models",
    ),
    Row(
        "zoo/loading.py",
        packages=FRAMEWORKS,
        parts=f"{LIGHT} zoo.registry zoo.outline zoo.model_files zoo.model_folder zoo.keys zoo.weights zoo.adapters"
        " zoo.env zoo.checkpoint zoo.models zoo.tokenization",
    ),
    # Commands. `convert` never sees finetune or tasks, and finetune never convert.
    Row(
        "zoo/convert/*",
        packages="numpy filelock rich",
        parts=f"{LIGHT} zoo.arguments zoo.registry zoo.configs zoo.model_folder zoo.keys zoo.paddlenlp zoo.env"
        " zoo.terminal zoo.hub zoo.checkpoint zoo.models zoo.tokenization zoo.loading"
        " zoo.outline zoo.convert conversion",
    ),
    Row(
        "zoo/metrics/*",
        packages="numpy scipy sklearn seqeval sacrebleu rouge_score",
        parts="zoo.errors zoo.files zoo.search zoo.metrics",
    ),
    Row(
        "zoo/tasks/*",
        packages="numpy datasets pyarrow",
        parts="zoo.errors zoo.files zoo.metrics zoo.tokenization zoo.tasks",
    ),
    # The flags, and what they are checked with: no paddle, so that `--help` and `--show` stay instant.
    Row("zoo/finetune/config.py", parts="zoo.errors"),
    Row(
        "zoo/finetune/flags.py",
        packages="jsonargparse",
        parts="zoo.errors zoo.files zoo.finetune.config zoo.finetune.elsewhere",
    ),
    Row(
        "zoo/finetune/recipes.py",
        packages="tomli",
        parts="zoo.familiar zoo.errors zoo.files zoo.published zoo.registry zoo.tasks zoo.finetune.config"
        " zoo.finetune.flags",
    ),
    Row(
        "zoo/finetune/trackers.py",
        packages="aim mlflow tensorboardX visualdl",
        parts="zoo.errors zoo.files zoo.signals zoo.finetune.tracker_stores",
    ),
    Row("zoo/evaluate/__init__.py"),
    Row(
        "zoo/evaluate/__main__.py",
        parts="zoo.arguments zoo.terminal zoo.errors zoo.files zoo.tasks zoo.finetune zoo.evaluate",
    ),
    Row("zoo/evaluate/plot.py", packages="matplotlib", parts="zoo.tasks zoo.evaluate"),
    Row(
        "zoo/evaluate/*",
        packages="numpy",
        parts=f"{LIGHT} zoo zoo.terminal zoo.models zoo.search.compare zoo.tasks zoo.finetune.data zoo.inference"
        " zoo.evaluate",
    ),
    Row("zoo/export/__init__.py"),
    Row("zoo/export/__main__.py", parts="zoo.arguments zoo.terminal zoo.errors zoo.files zoo.export"),
    Row(
        "zoo/export/*",
        packages="numpy nncf openvino",
        parts=f"{LIGHT} zoo.env zoo.terminal zoo.hub zoo.models zoo.loading zoo.model_files zoo.batching"
        " zoo.tasks zoo.inference zoo.export",
    ),
    Row("zoo/predict.py", parts="zoo.arguments zoo.terminal zoo.errors zoo.files zoo.tasks zoo.finetune"),
    # Answers by an export's engine too.
    Row(
        "zoo/finetune/trained_model.py",
        parts=f"{LIGHT} zoo.terminal zoo.models zoo.loading zoo.model_files zoo.batching zoo.tasks zoo.inference"
        " zoo.finetune",
    ),
    # Ends with the comparison of its runs, which reads them as any others.
    Row(
        "zoo/finetune/experiment.py",
        parts="zoo.errors zoo.files zoo.signals zoo.terminal zoo.finetune zoo.compare",
    ),
    Row(
        "zoo/finetune/*",
        packages=f"{FRAMEWORKS} jinja2 markupsafe scipy",
        parts=f"{LIGHT} zoo.arguments zoo.registry zoo.env zoo.terminal zoo.hub zoo.model_folder zoo.checkpoint"
        " zoo.models zoo.loading zoo.adapters zoo.model_files zoo.batching zoo.tokenization zoo.tasks zoo.metrics"
        " zoo.finetune",
    ),
    Row("zoo/compare/__init__.py"),
    Row("zoo/compare/__main__.py", parts="zoo.arguments zoo.terminal zoo.files zoo.compare"),
    Row(
        "zoo/compare/*",
        packages="numpy scipy",
        parts="zoo.errors zoo.files zoo.tasks.scores zoo.finetune zoo.compare",
    ),
    Row("zoo/bench/__init__.py"),
    Row("zoo/bench/__main__.py", parts="zoo.arguments zoo.terminal zoo.files zoo.bench.measure"),
    Row("zoo/bench/plot.py", packages="matplotlib", parts="zoo.bench.measure"),
    Row("zoo/bench/peers.py", packages="numpy torch transformers", parts=f"{LIGHT} zoo.env zoo.registry"),
    Row("zoo/bench/*", packages="numpy", parts=f"{LIGHT} zoo.env zoo.inference zoo.tasks.saved zoo.bench"),
    Row("zoo/map/__init__.py"),
    Row("zoo/map/__main__.py", parts="zoo.arguments zoo.terminal zoo.errors zoo.files zoo.map.work"),
    # Ray and pyarrow are extras, each behind one file.
    Row("zoo/map/cluster.py", packages="ray", parts=f"{LIGHT} zoo.env zoo.map"),
    Row("zoo/map/parquet.py", packages="numpy pyarrow", parts=f"{LIGHT} zoo.map"),
    Row(
        "zoo/map/*",
        packages="numpy",
        parts=f"{LIGHT} zoo.env zoo.terminal zoo.model_files zoo.tasks zoo.inference zoo.map",
    ),
    # FastAPI and uvicorn are the extra `serve`; its command asks for them before it imports them.
    Row("zoo/serve/__init__.py"),
    Row("zoo/serve/__main__.py", parts="zoo.arguments zoo.terminal zoo.errors zoo.serve"),
    Row(
        "zoo/serve/*",
        packages="numpy anyio fastapi starlette pydantic pydantic_core uvicorn",
        parts=f"{LIGHT} zoo zoo.terminal zoo.batching zoo.search.compare zoo.tasks zoo.inference zoo.map.model"
        " zoo.serve",
    ),
    # One local page. The server's libraries are an extra, behind one file.
    Row("zoo/ui/__init__.py"),
    Row("zoo/ui/words.py"),
    Row("zoo/ui/catalogue.py", parts=f"{LIGHT} zoo.registry zoo.inference.pipelines zoo.ui"),
    Row("zoo/ui/app.py", packages="starlette", parts="zoo.errors zoo.ui"),
    Row("zoo/ui/__main__.py", packages="uvicorn", parts="zoo.arguments zoo.terminal zoo.errors zoo.files zoo.ui"),
    Row(
        "zoo/ui/*",
        parts=f"{LIGHT} zoo.registry zoo.listing zoo.claims zoo.tasks zoo.inference.pipelines zoo.finetune"
        " zoo.compare zoo.ui",
    ),
    # `mine` reads pairs as finetuning does.
    Row("zoo/mine/__init__.py"),
    Row("zoo/mine/__main__.py", parts="zoo.arguments zoo.terminal zoo.files zoo.finetune.config zoo.mine"),
    Row(
        "zoo/mine/*",
        packages="numpy",
        parts="zoo.errors zoo.files zoo.terminal zoo.loading zoo.models.common zoo.tasks zoo.mine",
    ),
    # `trim` converts on the way and writes the certificate of a conversion.
    Row("zoo/trim/__init__.py"),
    Row("zoo/trim/__main__.py", parts="zoo.arguments zoo.terminal zoo.files zoo.trim"),
    Row(
        "zoo/trim/*",
        packages="numpy paddle tokenizers",
        parts=f"{LIGHT} zoo.terminal zoo.env zoo.batching zoo.paddlenlp zoo.model_folder zoo.outline zoo.loading"
        " zoo.checkpoint zoo.tokenization zoo.models zoo.convert zoo.tasks.saved zoo.trim",
    ),
    # What the doctor knows of engines without importing one.
    Row("zoo/inference/kinds.py"),
    Row("zoo/inference/graph.py", parts="zoo.errors"),
    Row("zoo/inference/choice.py", parts="zoo.env zoo.inference.kinds"),
    Row("zoo/inference/verdicts.py", parts="zoo.errors zoo.env zoo.files zoo.inference.kinds"),
    Row(
        "zoo/inference/*",
        packages=f"{FRAMEWORKS} filelock paddle2onnx nncf openvino onnxruntime",
        parts=f"{LIGHT} zoo.arguments zoo.registry zoo.env zoo.terminal zoo.hub zoo.checkpoint zoo.models"
        " zoo.loading zoo.outline zoo.model_files zoo.model_folder zoo.batching zoo.tokenization zoo.search"
        " zoo.tasks zoo.metrics zoo.inference",
    ),
    # Not in the wheel. The proof may use everything; the others only what a user can.
    Row(
        "conversion/*",
        packages="numpy paddle torch transformers safetensors sentencepiece tokenizers paddlenlp modelscope",
        parts="zoo conversion",
    ),
    # Run the torch original as the proofs do.
    Row("benchmarks/parity/funnel_compare.py", packages="numpy paddle torch", parts="zoo benchmarks conversion"),
    Row(
        "benchmarks/parity/funnel_grid.py",
        packages="numpy paddle torch transformers",
        parts="zoo benchmarks conversion",
    ),
    # Compares with the libraries below ours, and with the rules as the tests have them.
    Row(
        "benchmarks/parity/tokenization.py",
        packages="transformers tokenizers sentencepiece",
        parts="zoo.tokenization benchmarks tests.tokenization.reference",
    ),
    Row(
        "benchmarks/parity/lora.py", packages="numpy paddle torch transformers peft", parts="zoo benchmarks"
    ),  # peft in an environment of its own
    # Runs beside sentence-transformers, in an environment of their own.
    Row(
        "benchmarks/parity/interop*.py",
        packages="numpy torch transformers safetensors sentencepiece sentence_transformers rich",
        parts="zoo benchmarks",
    ),
    Row(
        "benchmarks/parity/sentence_training.py",
        packages="numpy paddle torch sentence_transformers datasets",
        parts="zoo benchmarks",
    ),
    # Measures an example as it is.
    Row(
        "benchmarks/faults/documents.py",
        packages="numpy paddle sentencepiece tokenizers torch",
        parts="zoo benchmarks",
    ),
    Row("benchmarks/two_nodes.py", packages="ray"),
    Row("benchmarks/faults/readers.py", parts="benchmarks tests.hub"),
    Row("benchmarks/accuracy/ner_chain.py", parts="benchmarks examples.ner_chain"),
    Row(
        "benchmarks/*",
        packages="numpy paddle torch transformers onnxruntime openvino nncf scipy matplotlib rich",
        parts="zoo benchmarks",
    ),
    Row("examples/*", packages="numpy paddle rich matplotlib", parts="zoo"),
    Row("constraints/*"),
)


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
        return [f"{path}: no row of the table in tests/import_rules.py speaks for this file"]
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
