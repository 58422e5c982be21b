"""Whether reduced precision computes what float32 does, kept beside each compiled network. Imports no framework."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from zoo import env
from zoo.errors import ZooError
from zoo.files import Fields, read_object, write_json
from zoo.inference.kinds import ENGINES, versions

log = logging.getLogger("zoo")

# What is right is far within: bfloat16 has 8 bits, and over the layers of an encoder its cosine stays above 0.999.
# What was reported wrong, of OpenVINO 2026.4 on processors with avx512_bf16 and without AMX, has 0.28 to 0.65.
LEAST_COSINE = 0.99  # to float32, at least
LARGEST_DIFFERENCE = 0.1  # difference, at most, as a share of float32's largest value


@dataclass(frozen=True)
class Verdict:
    """What a comparison with float32 gave.

    Attributes:
        engine, precision: what was compared.
        cosine: the least of all outputs.
        largest: difference, as a share of float32's largest value; the most of all outputs.
    """

    engine: str
    precision: str
    cosine: float
    largest: float

    @property
    def trusted(self) -> bool:
        """Whether it may be used; what is no number may not."""
        return self.cosine >= LEAST_COSINE and self.largest <= LARGEST_DIFFERENCE

    def __str__(self) -> str:
        return f"cosine {self.cosine:.4f}, largest difference {self.largest:.1%} of the largest value"


def here() -> str:
    """Names this processor: a verdict does not hold on another one."""
    return sha256(" ".join([env.cpu(), *sorted(env.cpu_flags())]).encode()).hexdigest()[:16]


def read(folder: Path, engine: str, precision: str) -> Verdict | None:
    """What is known of a network on this machine and with the engine's version of today; None when nothing is."""
    try:
        fields = Fields(read_object(folder / _name(engine, precision)), str(folder))
        if fields.object("versions", {}) != versions(engine):
            return None
        cosine, largest = fields.number("cosine", None), fields.number("largest", None)
    except (OSError, ZooError):
        return None
    return None if cosine is None or largest is None else Verdict(engine, precision, cosine, largest)


def write(folder: Path, verdict: Verdict) -> None:
    """Keeps a verdict where that can be done."""
    content = {**asdict(verdict), "versions": versions(verdict.engine)}
    try:
        # No number is in no JSON: it is kept as what is furthest from right.
        content |= {"cosine": _finite(verdict.cosine, -1.0), "largest": _finite(verdict.largest, 1e9)}
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / _name(verdict.engine, verdict.precision), content, replace=True)
    except (OSError, ZooError) as error:
        log.debug("the verdict on %s is not kept: %s", folder, error)


def all_of(cache: Path) -> Iterator[Verdict]:
    """Every verdict of this machine below a folder, with the engines' versions of today."""
    for engine, kind in ENGINES.items():
        for precision in (*kind.precisions, "int8"):
            for file in sorted(cache.glob(f"*/{_name(engine, precision)}")):
                if found := read(file.parent, engine, precision):
                    yield found


def _name(engine: str, precision: str) -> str:
    return f"trust-{engine}-{precision}-{here()}.json"


def _finite(value: float, other: float) -> float:
    return value if abs(value) < 1e9 else other
