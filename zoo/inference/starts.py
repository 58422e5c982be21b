"""The start of a model that lies on disk: what it came to is kept, so that the next one reads no weights.

The first start loads the network, whose weights are part of the name of its compiled graph; see cache.py. The next
one opens that graph as long as no file of the model has changed, and needs no paddle where the engine needs none.
"""

from __future__ import annotations

import logging
import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from zoo.errors import ZooError
from zoo.files import Fields
from zoo.inference import cache, verdicts
from zoo.inference.choice import Choice
from zoo.inference.graph import Graph
from zoo.inference.kinds import ENGINES, versions
from zoo.inference.known import Known, code_stamp
from zoo.model_files import Description, find
from zoo.model_folder import ModelFolder

if TYPE_CHECKING:
    from zoo.models.common.base import Model

log = logging.getLogger("zoo")


class Start:
    """A start of a model.

    Args:
        model: a name or a folder, as of `zoo.load`.
        task, engine, precision: what is asked for; see `zoo.inference.deployed.deploy`.

    Raises:
        UnknownModelError, HubError: no such model, or its files cannot be had.
    """

    def __init__(self, model: str | os.PathLike[str], task: str | None, engine: str, precision: str) -> None:
        self.name = os.fspath(model)
        self.folder, self.card = find(model)
        question = {
            "start": [task, engine, precision],
            "engines": {name: versions(name) for name in ENGINES},
            "machine": verdicts.here(),
            "code": code_stamp(),
        }
        self._known = Known(question, self.folder)

    def earlier(self) -> tuple[Graph, Choice, Description] | None:
        """Gives what an earlier start came to, and says what it said; None when there was none or files changed."""
        found = self._known.read()
        if found is None:
            return None
        about = Fields(found, "a start")
        try:
            graph = cache.entry(about.text("graph", ""))
            engine, precision, why = (
                about.below("choice").text(name, "") for name in ("engine", "precision", "why")
            )
            notes, config = about.items("notes", [], str), about.object("config", {})
            if graph is None or engine not in ENGINES:
                return None
            described = Description.of(ModelFolder.of(self.folder, config), self.card)
        except ZooError:
            return None
        for note in notes:
            log.warning("%s: %s", self.name, note)
        return graph, Choice(engine, precision, why), described

    def keep(self, model: Model, choice: Choice, graph: str) -> None:
        """Keeps what the start came to, unless tensors were made new: those are other ones each time.

        Args:
            model: as it was loaded.
            choice: as `zoo.inference.engines.choose` gave it.
            graph: name of the graph in the cache; empty for none.
        """
        origin: Any = model.origin
        if graph and not origin.new:
            content = {"graph": graph, "choice": asdict(choice), "config": model.description()}
            self._known.write({**content, "notes": list(origin.notes)})
