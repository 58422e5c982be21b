"""Names the libraries that compute metrics, and says what to install where one is missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module

from zoo.errors import UsageError, to_install

# (head, metric) -> library; what is not here is counted by our own code.
LIBRARY_BY_METRIC = {
    ("classification", "f1"): "sklearn",
    ("classification", "macro-f1"): "sklearn",
    ("classification", "matthews"): "sklearn",
    ("classification", "pearson"): "scipy",
    ("classification", "spearman"): "scipy",
    ("embedding", "pearson"): "scipy",
    ("embedding", "spearman"): "scipy",
    ("generation", "bleu"): "sacrebleu",
    ("generation", "chrf"): "sacrebleu",
    **{("generation", name): "rouge_score" for name in ("rouge1", "rouge2", "rougeL", "rougeLsum")},
    ("tagging", "f1"): "seqeval",
    ("tagging", "f1-strict"): "seqeval",
}


def check(head: str, metrics: Iterable[str]) -> None:
    """Raises UsageError where a library is missing that one of the metrics needs."""
    for name in metrics:
        with extra():
            if library := LIBRARY_BY_METRIC.get((head, name)):
                import_module(library)


@contextmanager
def extra() -> Iterator[None]:
    """Turns the failed import of a library inside the block into the command that installs it.

    Raises:
        UsageError: it is not.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise UsageError(f"This metric needs the library {error.name}.", to_install("finetune")) from None
