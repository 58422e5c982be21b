"""zoo serve: a model over HTTP."""

from __future__ import annotations

import argparse
import os
import warnings
from collections.abc import Sequence
from dataclasses import fields

from zoo import arguments, terminal
from zoo.errors import UsageError, to_install

KEY_VARIABLE = "ZOO_API_KEY"
EPILOG = f"""\
examples:
  zoo serve all-MiniLM-L6-v2
  zoo serve BAAI/bge-reranker-v2-m3 --port 8001 --max-batch-tokens 4096
  {KEY_VARIABLE}=... zoo serve runs/reviews --host 0.0.0.0 --name reviews
  curl localhost:8000/embed -H 'Content-Type: application/json' -d '{{"inputs": "a text"}}'
Routes: OpenAI's /v1/embeddings and /v1/models; /embed, /embed_sparse, /rerank, /predict, /similarity, /info of
text-embeddings-inference; /pipeline for every head; /health, /metrics. Requests that come together are answered
together. With ${KEY_VARIABLE} clients must send it as a bearer token.

exit codes:
  1    the model or a file went wrong, or the server ended by itself
  2    the command line makes no sense, or the address is taken
  130  stopped with Ctrl-C, 143 with SIGTERM: what was accepted is answered first; a second signal ends it at once
"""
PACKAGES = ("fastapi", "uvicorn")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = arguments.parser("serve", "Answers over HTTP, with the protocols of OpenAI and Hugging Face.", EPILOG)
    made.add_argument("model", metavar="MODEL", help="name or folder, as zoo.pipeline takes it")
    made.add_argument("--host", default="127.0.0.1", help="address to listen at; 0.0.0.0 for all (127.0.0.1)")
    made.add_argument("--port", default=8000, type=int, metavar="N", help="0 for a free one (8000)")
    made.add_argument("--task", default="", help="a pipeline, such as embeddings (those of the model's head)")
    made.add_argument("--name", default="", help="what clients call the model (its own name)")
    made.add_argument("--engine", default="auto", help="auto, openvino, paddle, onnxruntime, eager")
    made.add_argument("--precision", default="auto", help="auto, fp32, bf16")
    made.add_argument("--max-batch-tokens", type=int, metavar="N", help="of a batch, padding included (2,048)")
    made.add_argument("--max-batch-requests", type=int, metavar="N", help="answered together (512)")
    made.add_argument("--max-client-batch-size", type=int, metavar="N", help="texts of a request (2,048)")
    made.add_argument("--max-concurrent-requests", type=int, metavar="N", help="more get status 429 (512)")
    made.add_argument("--payload-limit", type=int, metavar="BYTES", help="of a body (2,000,000)")
    made.add_argument("--wait-ms", type=float, metavar="MS", help="that a batch waits for other clients (2)")
    made.add_argument("--grace", type=float, metavar="S", help="to answer what was accepted, when stopped (30)")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    return arguments.run(parser(), _main, argv)


def _main(given: argparse.Namespace) -> int:
    _check_packages()
    warnings.filterwarnings("ignore", message="No ccache found")
    from zoo.serve.limits import Limits
    from zoo.serve.start import start

    chosen = {field.name: getattr(given, field.name) for field in fields(Limits)}
    limits = Limits(**{name: value for name, value in chosen.items() if value is not None})
    key = os.environ.get(KEY_VARIABLE, "")
    with terminal.notes():
        return start(
            given.model, limits, given.host, given.port, task=given.task, name=given.name,
            engine=given.engine, precision=given.precision, key=key,
        )  # fmt: skip


def _check_packages() -> None:
    from importlib.util import find_spec

    for name in PACKAGES:
        if find_spec(name) is None:
            raise UsageError(f"`zoo serve` needs {name}.", to_install("serve"))


if __name__ == "__main__":
    raise SystemExit(main())
