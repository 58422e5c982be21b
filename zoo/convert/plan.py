"""What a conversion would do, before it does anything: which models, where to, how many bytes, what is done."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from zoo import hub, registry
from zoo.cards import Card
from zoo.checkpoint.keymap import KeyMap
from zoo.convert.certificate import Certificate, rules_version
from zoo.convert.memory import Needs
from zoo.errors import UnknownModelError, UsageError, ZooError
from zoo.files import user_path
from zoo.mark import Mark
from zoo.paddlenlp import TORCH, table

WILDCARD_SIGNS = "*?["
FORMATS = ("paddle", "torch", "paddlenlp")
WEIGHT_ENDINGS = (".safetensors", ".bin", ".pt", ".pdparams")
# A process with paddle in it, before it holds a tensor.
PROCESS_BYTES = 500_000_000


@dataclass(frozen=True)
class Job:
    """One model to convert: the name as hub.refer reads it, and the folder to publish."""

    name: str
    target: Path


@dataclass(frozen=True)
class Planned:
    """A job and what it needs, in bytes; 0 is unknown.

    Attributes:
        fetch, cached: of the published files, those to be fetched and those that are here.
        memory, disk: of the conversion.
        state: "to do", "done" or "not reachable".
        error, hint: why the files cannot be had, and what to do; the sizes are then the card's.
        network: what the network takes afterwards, None where its size is not known.
    """

    name: str
    licence: str
    fetch: int
    cached: int
    memory: int
    disk: int
    target: str
    state: str
    error: str = ""
    hint: str = ""
    network: Needs | None = None


def names_of(given: Sequence[str], everything: bool) -> list[str]:
    """The models a command line means, each once.

    Raises:
        UsageError: no name, or names beside --all.
        UnknownModelError: a wildcard that matches nothing.
    """
    if everything == bool(given):
        raise UsageError("Give names or --all, not both." if given else "Give the name of a model, or --all.")
    if everything:
        cards = (card for family in registry.families() for card in family.cards)
        return [card.name for card in cards if card.sources]  # the others are fetched by hand
    names: list[str] = []
    for name in given:
        names += _expand(name) if any(c in name for c in WILDCARD_SIGNS) and not Path(name).exists() else [name]
    return list(dict.fromkeys(names))


def _expand(pattern: str) -> list[str]:
    found = registry.list_models(pattern)
    if not found:
        raise UnknownModelError(f"'{pattern}' matches no model of the zoo.", "See `zoo list`.")
    return found


def jobs_of(names: Sequence[str], to: str, out: Path | None, several: bool) -> list[Job]:
    """Where each model goes: `out` itself for one name, a folder per model in it for several, else the cache.

    Raises:
        UsageError: a local folder without --out, or two names with one target.
    """
    jobs = [Job(name, _target(name, to, out, several)) for name in names]
    by_target: dict[Path, str] = {}
    for job in jobs:
        if (other := by_target.setdefault(job.target, job.name)) != job.name:
            raise UsageError(f"'{other}' and '{job.name}' would both be written to '{job.target}'.")
    return jobs


def _target(name: str, to: str, out: Path | None, several: bool) -> Path:
    asked = hub.refer(name)
    label = f"{asked.name}@{asked.revision}" if asked.revision else asked.name
    here = user_path(asked.name).resolve().name  # of a run the run's name, not best/
    folder = hub.folder_name(label if asked.folder is None else here)
    if out is not None:
        return out / folder if several else out
    if asked.folder is not None:
        raise UsageError(f"'{name}' is a folder; say where the converted one goes.", "Add --out DIR.")
    return hub.model_dir(label) if to == "paddle" else hub.cache_dir() / to / folder


def survey(job: Job, verify: bool) -> Planned:
    """What a job needs. Reads, asks the hub for sizes, fetches no weights and writes nothing.

    When the hub does not answer, the sizes are the card's and `error` says so.
    """
    card, error, hint = None, "", ""
    sizes: dict[str, int] = {}
    fetch = cached = weights = 0
    try:
        asked = hub.refer(job.name)
        card = asked.card
        files = hub.plan(job.name)
        sizes = {f.name: f.size for f in files}
        weights = max(sizes.values(), default=0)
        fetch = sum(f.size for f in files if not f.cached)
        cached = sum(f.size for f in files if f.cached)
        if asked.folder is not None:
            weights = sum(p.stat().st_size for p in asked.folder.iterdir() if p.suffix in WEIGHT_ENDINGS)
    except ZooError as failure:
        error, hint = failure.message, failure.hint
        fetch = weights = next((s.size for s in card.sources if s.size), 4 * card.parameters) if card else 0
    network = Needs.of(card.parameters, card.config) if card and card.parameters else None
    if is_done(job.target, sizes, verify):
        return Planned(job.name, _licence(card), 0, cached, 0, 0, str(job.target), "done", network=network)
    disk = 4 * card.parameters if card and card.parameters else weights
    memory = memory_needed(card.config if card else {}, disk, verify) if disk else 0
    state = "not reachable" if error else "to do"
    return Planned(
        job.name, _licence(card), fetch, cached, memory, disk, str(job.target), state, error, hint, network
    )


def _licence(card: Card | None) -> str:
    return card.licence if card else "see its page"


def memory_needed(config: Mapping[str, object], weights: int, verify: bool) -> int:
    """An estimate: the largest tensor twice (as it is in the file and as it is written), or to verify, one network
    with its gradients and the logits of the longest text."""
    vocab, hidden = (int(str(config.get(k, 0))) for k in ("vocab_size", "hidden_size"))
    largest = vocab * hidden * 4 or weights // 4
    if not verify:
        return PROCESS_BYTES + 2 * largest
    return PROCESS_BYTES + largest + 2 * weights + 3 * 512 * vocab * 4


def is_done(target: Path, sizes: Mapping[str, int], verify: bool) -> bool:
    """Whether the target is what today's rules would make of these files, judged by names and sizes alone."""
    try:
        old = current(target, verify)
    except ZooError:
        return False
    return old is not None and all(sizes.get(file.name, file.size) in (0, file.size) for file in old.files)


def current(target: Path, verify: bool) -> Certificate | None:
    """The certificate of a folder that today's rules made, whole and (if asked for) verified."""
    old = Certificate.read(target)
    if old is None or old.trimming or (verify and not old.verified):
        return None
    mark = Mark(old.family, old.architecture)
    if old.rules != rules_version(keymap_for(mark, old.source.get("form", TORCH))):
        return None
    weights = target / old.weights.name
    return old if weights.is_file() and weights.stat().st_size == old.weights.size else None


def keymap_for(mark: Mark, form: str = TORCH) -> KeyMap:
    """The key table behind the mark of a converted folder.

    Args:
        form: whose keys, see `zoo.keys`.
    """
    _, architecture = registry.family_of(mark.put({}))
    return table(architecture, form).prefer(architecture.task)


def free_at(path: Path) -> int:
    """Free bytes where a folder will be made."""
    there = next(p for p in (path.absolute(), *path.absolute().parents) if p.exists())
    return shutil.disk_usage(there).free
