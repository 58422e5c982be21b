"""Writes checkpoints beside the training: the states are copied, and a thread writes the copies."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from zoo import env, signals
from zoo.finetune import checkpoints
from zoo.finetune.events import CheckpointSaved, Event

log = logging.getLogger("zoo")
ROOM = 2  # free memory for a copy, in sizes of the copy


class Saver:
    """Writes one checkpoint at a time; the next one waits for it.

    Args:
        folder: of the run's checkpoints.
        keep: newest ones that stay.
        tell: is told of each checkpoint that is on disk, by the thread that calls here.
    """

    def __init__(self, folder: Path, keep: int, tell: Callable[[Event], None]) -> None:
        self.folder, self.keep, self.tell = folder, keep, tell
        self.thread: threading.Thread | None = None
        self.over = threading.Event()  # a join that a signal interrupts takes its thread for ended
        self.update = 0
        self.saved: Path | None = None
        self.error: BaseException | None = None

    def save(
        self,
        update: int,
        weights: Mapping[str, np.ndarray],
        shapes: Mapping[str, tuple[int, ...]],
        states: Iterator[np.ndarray],
        about: Any,
        goes_on: bool,
    ) -> None:
        """Copies what is to be saved and returns while it is written; where memory is short, when it is written.

        Args:
            update: updates done.
            weights: copies of the model's, float32, which nobody changes any more.
            shapes, states: of the optimiser, as `checkpoints.save` takes them; the arrays are copies too.
            about: anything that JSON can hold.
            goes_on: there is training to be done meanwhile.

        Raises:
            CheckpointError: this checkpoint or the one before could not be written.
        """
        self.finish()
        self.update = update
        size = 4 * sum(int(np.prod(shape)) for shape in shapes.values())
        beside = goes_on and ROOM * size < env.memory()
        held = iter(list(states)) if beside else states
        save = partial(checkpoints.save, self.folder, update, weights, shapes, held, about, self.keep)
        if beside:
            self.over.clear()
            self.thread = threading.Thread(target=self._write, args=(save,), name="checkpoint")
            self.thread.start()
        else:
            with signals.deferred():  # with the removal of the older ones
                self._write(save)
            self.look()

    def _write(self, save: Callable[[], Path]) -> None:
        try:
            self.saved = save()
        except BaseException as error:  # is raised where the training can stop for it
            self.error = error
        finally:
            self.over.set()

    def look(self) -> None:
        """Tells of a checkpoint that is on disk by now.

        Raises:
            CheckpointError: it could not be written; the older ones stay as they are.
        """
        if self.thread is None or self.over.is_set():
            self.finish()

    def finish(self) -> None:
        """Waits for the checkpoint that is being written, and does as `look` does."""
        self.wait()
        error, saved = self.error, self.saved
        self.error = self.saved = None
        if error is not None:
            raise error
        if saved is not None:
            self.tell(CheckpointSaved(self.update, saved))

    def wait(self) -> None:
        """Returns when nothing is being written."""
        if self.thread is not None:
            self.over.wait()
            self.thread = None

    def stop(self) -> None:
        """Waits, for a run that ends by another error; that of the checkpoint is only said."""
        self.wait()
        if self.error is not None:
            log.warning("%s", self.error)
