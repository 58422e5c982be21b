"""Who may import whom among the commands, inference, and what is not in the wheel."""

from __future__ import annotations

from tests.import_rules.row import FRAMEWORKS, LIGHT, Row

COMMANDS = (
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
    Row("zoo/inference/graph.py", parts="zoo.batching zoo.errors"),
    Row("zoo/inference/choice.py", parts="zoo.env zoo.inference.kinds"),
    Row("zoo/inference/verdicts.py", parts="zoo.errors zoo.env zoo.files zoo.inference.kinds"),
    Row(
        "zoo/inference/*",
        packages=f"{FRAMEWORKS} filelock paddle2onnx nncf openvino onnxruntime",
        parts=f"{LIGHT} zoo.arguments zoo.registry zoo.env zoo.terminal zoo.hub zoo.checkpoint zoo.models"
        " zoo.loading zoo.outline zoo.model_files zoo.model_folder zoo.batching zoo.tokenization zoo.search"
        " zoo.tasks zoo.metrics zoo.inference",
    ),
)

# Not in the wheel. The proof may use everything; the others only what a user can.
OUTSIDE = (
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
