"""Who may import whom below the commands: files, weights, tokenizers, networks."""

from __future__ import annotations

from tests.import_rules.row import FRAMEWORKS, LIGHT, Row

LIBRARY = (
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
)
