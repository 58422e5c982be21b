"""The extra that holds the metrics' libraries."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from zoo.errors import UsageError, to_install


@contextmanager
def extra() -> Iterator[None]:
    """Around an import: says what to install when the library is not there.

    Raises:
        UsageError: it is not.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise UsageError(f"This metric needs the library {error.name}.", to_install("finetune")) from None
