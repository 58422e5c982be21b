"""The rows of the pages about models and published numbers, from cards and ledger. Imports no framework."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import PurePosixPath

from zoo import published, registry
from zoo.cards import Card
from zoo.inference.pipelines import ALIASES
from zoo.published import ledger
from zoo.published.ledger import OPEN, PROVEN, REPRODUCED, Claim

SIZES = ((100e6, "1"), (400e6, "2"), (1e9, "3"))  # below so many parameters -> size
LARGEST, UNKNOWN_SIZE = "4", "0"
OTHERS = "others"  # family of a claim on a network without a card
NO_HEAD = "none"
MANY = "many"  # languages
MAX_RECIPES = 6  # commands of a model's page that measure or train


@dataclass(frozen=True)
class ModelRow:
    """A checkpoint as the pages show it."""

    card: Card

    @property
    def slug(self) -> str:
        """Gives the name of its page, without .html."""
        return slug(self.card.name)

    @property
    def title(self) -> str:
        """Gives its family's."""
        return registry.family(self.card.family).title

    @property
    def languages(self) -> tuple[str, ...]:
        """Gives the codes that it is filtered by."""
        codes = tuple(part.strip() for part in self.card.languages.split(","))
        return codes if all(len(code) == 2 for code in codes) else (MANY,)

    @property
    def heads(self) -> tuple[str, ...]:
        """Gives the heads that its files hold."""
        return self.card.heads or (NO_HEAD,)

    @property
    def size(self) -> str:
        """Gives the end of a key "size.N" of the words."""
        count = self.card.parameters
        return next((name for limit, name in SIZES if count < limit), LARGEST) if count else UNKNOWN_SIZE

    @property
    def licence(self) -> str:
        """Gives the licence without a remark in brackets."""
        return self.card.licence.partition(" (")[0]

    @cached_property
    def claims(self) -> tuple[Claim, ...]:
        """Gives what became of its published numbers."""
        return _claims_by_model().get(self.card.name, ())

    @property
    def state(self) -> str:
        """Gives how far it is proven: a published score measured again, a conversion at true size, or neither."""
        if any(claim.state == REPRODUCED for claim in self.claims):
            return REPRODUCED
        return PROVEN if ledger.proof_of(self.card.name) else OPEN

    def lines(self) -> list[tuple[str, str]]:
        """Gives what to type: the end of a key "type.X" of the words, and commands or Python."""
        name = self.card.name
        short = PurePosixPath(name).name.lower()
        found = [
            ("look", f"zoo info {name}\nzoo claims {name}"),
            ("convert", f"zoo convert {name} --out {short}"),
            ("load", f'import zoo\n\nmodel = zoo.load("{name}")'),
        ]
        if self.card.heads:
            kind = ALIASES.get(self.card.heads[0], self.card.heads[0])
            found.append(("pipeline", f'import zoo\n\npipe = zoo.pipeline("{kind}", "{name}")'))
        ways = dict.fromkeys(f"zoo {claim.way.command} --data DATA" for claim in self.claims if claim.way)
        own = f"zoo finetune --task classification --data reviews.csv --model {name} --out runs/reviews"
        found.append(("train", own))
        if ways:
            found.append(("measure", "\n".join(list(ways)[:MAX_RECIPES])))
        return found


@dataclass(frozen=True)
class LedgerRow:
    """A published number as the page shows it."""

    claim: Claim
    family: str  # name; OTHERS without a card

    @property
    def title(self) -> str:
        """Gives the family's title; OTHERS without a card."""
        return self.family if self.family == OTHERS else registry.family(self.family).title


@lru_cache(maxsize=1)
def models() -> tuple[ModelRow, ...]:
    """Gives every checkpoint, in the order of the families."""
    return tuple(ModelRow(registry.info(name)) for name in registry.list_models())


def model(page: str) -> ModelRow | None:
    """Gives the checkpoint of a page."""
    return next((row for row in models() if row.slug == page), None)


@lru_cache(maxsize=1)
def ledger_rows() -> tuple[LedgerRow, ...]:
    """Gives every published number, those of papers first."""
    families = {card.name: card.family for card in (row.card for row in models())}
    return tuple(LedgerRow(claim, families.get(claim.score.model, OTHERS)) for claim in ledger.claims())


@lru_cache(maxsize=1)
def _claims_by_model() -> dict[str, tuple[Claim, ...]]:
    found: dict[str, list[Claim]] = {}
    for claim in ledger.claims():
        found.setdefault(claim.score.model, []).append(claim)
    return {name: tuple(held) for name, held in found.items()}


def of_papers(row: ModelRow) -> list[Claim]:
    """Gives the claims of a checkpoint without those of mteb's results, which are thousands."""
    return [claim for claim in row.claims if claim.score.protocol != published.MTEB_PROTOCOL]


def counted(values: Iterable[Sequence[str]]) -> dict[str, int]:
    """Gives value -> how many rows have it, in the order in which they come."""
    return dict(Counter(value for row in values for value in row))


def slug(name: str) -> str:
    """Gives a model's name as that of a file."""
    return name.replace("/", "--")
