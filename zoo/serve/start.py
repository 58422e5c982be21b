"""From a command line to a server that listens: the address first, then the model."""

from __future__ import annotations

import logging
import os

from zoo import terminal
from zoo.inference.pipelines import pipeline
from zoo.map.model import pipeline_for
from zoo.serve.app import Application
from zoo.serve.limits import Limits
from zoo.serve.model import ServedModel
from zoo.serve.server import address_of, bind, serve

log = logging.getLogger("zoo")


def start(
    model: str | os.PathLike[str],
    limits: Limits,
    host: str = "127.0.0.1",
    port: int = 8000,
    *,
    task: str = "",
    name: str = "",
    engine: str = "auto",
    precision: str = "auto",
    key: str = "",
) -> int:
    """Serves a model until a signal comes.

    Args:
        model: name or folder, as `zoo.pipeline` takes it.
        limits: of the server.
        host, port: the address; port 0 for a free one.
        task: a pipeline; "" for those of the model's head.
        name: what clients call the model; "" for its own name.
        engine, precision: see `zoo.inference.engines.choose`.
        key: that clients must send; "" for none.

    Raises:
        UsageError: the address is taken, or no pipeline works with the model.
        ZooError: what `zoo.pipeline` says.
    """
    with bind(host, port) as bound:
        deployed = pipeline(task or pipeline_for(os.fspath(model)), model, engine, precision).deployed
        served = ServedModel(deployed, task, name, limits.max_batch_tokens)
        if not key and host not in ("127.0.0.1", "::1", "localhost"):
            log.warning("Everybody who reaches %s may ask; $ZOO_API_KEY sets a key.", host)
        application = Application(served, limits, key)
        runs = f"{deployed.choice.engine}, {deployed.choice.precision}"
        terminal.note(f"{address_of(bound)} has {served.name} ({runs}): {', '.join(served.routes)}")
        return serve(application, bound, limits)
