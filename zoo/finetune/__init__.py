"""Finetuning: a loop that gives the same numbers every time, and its parts, which stand alone.

from zoo.finetune import FinetuneConfig, finetune
result = finetune(task="sst2", model="all-MiniLM-L6-v2", data="glue/SST-2", epochs=1)
print(result.summary, result.folder)
"""

from __future__ import annotations

from zoo.lazy import attach

TYPE_CHECKING = False
if TYPE_CHECKING:
    from zoo.finetune.child_tuning import ChildTuningAdamW as ChildTuningAdamW
    from zoo.finetune.config import FinetuneConfig as FinetuneConfig
    from zoo.finetune.recipes import settle as settle
    from zoo.finetune.result import Result as Result
    from zoo.finetune.run import finetune as finetune
    from zoo.finetune.suites import finetune_suite as finetune_suite

_HOMES = {
    "ChildTuningAdamW": "zoo.finetune.child_tuning",
    "FinetuneConfig": "zoo.finetune.config",
    "Result": "zoo.finetune.result",
    "finetune": "zoo.finetune.run",
    "finetune_suite": "zoo.finetune.suites",
    "settle": "zoo.finetune.recipes",
}
__all__ = ["ChildTuningAdamW", "FinetuneConfig", "Result", "finetune", "finetune_suite", "settle"]


__getattr__, __dir__ = attach(__name__, _HOMES)
