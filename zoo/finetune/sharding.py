"""Which process updates which parameter, and what the processes tell each other for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from paddle import Tensor

from zoo.finetune import parallel
from zoo.finetune.optimisation import squared_norms


class Owners:
    """Who updates which parameter: every process all of them, or each its share (ZeRO's first stage, 1910.02054).

    In shares a gradient is added up at the owner alone and dropped on the others. An optimiser passes over what has
    no gradient, so it makes states for its own share only; then the owner sends the new weights to the others. What
    is computed is the same.

    Args:
        parameters: what is trained, in the same order on every process.
        sharded: in shares; of one process without effect.
    """

    def __init__(self, parameters: Sequence[Tensor], sharded: bool) -> None:
        self.parameters = list(parameters)
        self.sharded = sharded and parallel.world() > 1
        self.owners = _shares([p.size for p in self.parameters], parallel.world() if self.sharded else 1)

    @property
    def own(self) -> set[str]:
        """Paddle's names of the parameters that this process updates."""
        mine = parallel.rank() if self.sharded else 0
        return {p.name for p, owner in zip(self.parameters, self.owners, strict=True) if owner == mine}

    def add_gradients(self) -> None:
        """Adds up every gradient over all processes, where it is needed."""
        if not self.sharded:
            parallel.add(p.grad for p in self.parameters if p.grad is not None)
            return
        for p, owner in zip(self.parameters, self.owners, strict=True):
            if p.grad is not None:
                parallel.add_at(p.grad, owner)
                if owner != parallel.rank():
                    p.grad = None

    def gradient_norm(self) -> float:
        """The Euclidean norm of all gradients together, the same on every process; inf or nan if one of them is."""
        squares = squared_norms(self.parameters)
        if self.sharded:
            parallel.add([squares])  # each is 0 but on one process
        return float(squares.sum().sqrt())

    def send_weights(self) -> None:
        """Gives every process the weights that others have updated."""
        if self.sharded:
            for p, owner in zip(self.parameters, self.owners, strict=True):
                parallel.same([p], owner)

    def collected(self, tensors: Mapping[str, Tensor]) -> tuple[dict[str, tuple[int, ...]], Iterator[np.ndarray]]:
        """What the processes have together, brought to the first one, one tensor at a time.

        Args:
            tensors: of this process, float32; one that several have is taken from the first of them.

        Returns:
            Name -> shape, and the arrays in this order. The other processes get no arrays, and must ask for them
            all the same: theirs are sent then.
        """
        have = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
        if not self.sharded:
            return have, (tensors[name].numpy() for name in have)
        found: dict[str, tuple[int, tuple[int, ...]]] = {}
        for rank, part in enumerate(parallel.gather_objects(have)):
            for name, shape in part.items():
                found.setdefault(name, (rank, shape))
        return {name: shape for name, (_, shape) in found.items()}, self._moved(tensors, found)

    def _moved(
        self, tensors: Mapping[str, Tensor], found: Mapping[str, tuple[int, tuple[int, ...]]]
    ) -> Iterator[np.ndarray]:
        for name, (owner, shape) in found.items():
            if owner == 0 and parallel.rank() == 0:
                yield tensors[name].numpy()
            elif owner:
                moved = parallel.copy_of(tensors.get(name), owner, shape)
                if parallel.rank() == 0:
                    yield moved.numpy()


def _shares(sizes: Sequence[int], count: int) -> list[int]:
    """Gives each of some sizes to one of `count`, so that all get about the same: the largest first."""
    given, held = [0] * len(sizes), [0] * count
    for place in sorted(range(len(sizes)), key=lambda n: -sizes[n]):
        given[place] = held.index(min(held))
        held[given[place]] += sizes[place]
    return given
