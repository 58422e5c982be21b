"""`zoo list` and `zoo info`: what the zoo knows about checkpoints. Imports no framework."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict

from zoo import arguments, published, registry, terminal
from zoo.cards import Card, Family
from zoo.errors import UnknownModelError

EXIT_CODES = f"""
exit codes:
  0    done
  2    there is no such model or family, or the command line makes no sense
{terminal.STOPPED}"""
LIST_EXAMPLES = f"""\
examples:
  zoo list "*large*"             every card whose name, alias or family matches
  zoo list --family funnel
{EXIT_CODES}"""
INFO_EXAMPLES = f"""\
examples:
  zoo info xlm-roberta-base      sizes, licence, sources, published scores
{EXIT_CODES}"""


def list_main(argv: Sequence[str] | None = None) -> int:
    """Runs `zoo list` and returns its exit code."""
    made = arguments.parser("list", "The checkpoints that the zoo knows.", LIST_EXAMPLES)
    made.add_argument("pattern", nargs="?", default="*", help='a name with wildcards, such as "xlm-roberta*"')
    made.add_argument("--family", help="only this family")
    made.add_argument("--json", action="store_true", help="machine-readable output")
    return arguments.run(made, _list, argv)


def info_main(argv: Sequence[str] | None = None) -> int:
    """Runs `zoo info` and returns its exit code."""
    made = arguments.parser("info", "Everything that is known about one checkpoint.", INFO_EXAMPLES)
    made.add_argument("name", help="name or alias; see `zoo list`")
    made.add_argument("--json", action="store_true", help="machine-readable output")
    return arguments.run(made, _info, argv)


def _list(given: argparse.Namespace) -> None:
    chosen = registry.family(given.family) if given.family else None
    cards = [registry.info(name) for name in registry.list_models(given.pattern)]
    cards = [card for card in cards if chosen is None or card.family == chosen.name]
    if not cards:
        where = f" of the family {chosen.name}" if chosen else ""
        raise UnknownModelError(f"No model{where} matches '{given.pattern}'.", registry.suggest(given.pattern))
    if given.json:
        terminal.print_json([_plain(card) for card in cards])
        return
    rows = [(c.name, c.family, _count(c), _weights(c), c.languages, ", ".join(c.heads)) for c in cards]
    terminal.table(rows, ("name", "family", "params", "file", "languages", "heads"), right=(2, 3))
    print(f"\n{len(cards)} models. Any other repository of the Hub with one of these networks loads as well.")


def _count(card: Card) -> str:
    return f"{card.parameters / 1e6:.4g}M" if card.parameters else "-"


def _weights(card: Card) -> str:
    known = [source.size for source in card.sources if source.size]
    return terminal.size(known[0]) if known else "-"


def _plain(card: Card) -> dict[str, object]:
    """A card as JSON, with what its family adds."""
    scores = [asdict(score) for score in card.scores]
    return {**asdict(card), "scores": scores, "paper": registry.family(card.family).paper}


def _info(given: argparse.Namespace) -> None:
    card = registry.info(given.name)
    if given.json:
        terminal.print_json(_plain(card))
        return
    print(card.name)
    terminal.fields(facts(card, registry.family(card.family)))
    if card.scores:
        print("\nPublished scores")
        rows = [
            ("/".join(filter(None, (s.task, s.language))), s.metric, f"{s.value:g}", s.split, s.source, s.note)
            for s in card.scores
        ]
        terminal.table(rows, ("task", "metric", "score", "split", "published in", "note"), right=(2,))
        elsewhere = sum(score.model == card.name for score in published.mteb())
        more = f"; {elsewhere:,} more in {published.MTEB_SOURCE}" if elsewhere else ""
        print(f"\n`zoo claims {card.name}` says which of them are reproduced here{more}.")


def facts(card: Card, family: Family) -> list[tuple[str, str]]:
    """Gives what is known about a checkpoint: name, or "" where the last one goes on, and value."""
    sizes = ", ".join(f"{name} {value}" for name, value in card.config.items())
    found = [
        ("family", f"{family.title}, {family.paper}"),
        ("architecture", card.architecture),
        ("sizes", sizes or "not established"),
        ("parameters", f"{card.parameters:,}" if card.parameters else "not established"),
        ("languages", card.languages),
        ("licence", card.licence),
        ("heads", ", ".join(card.heads) or "none; any head can be added untrained"),
        ("also called", ", ".join(card.aliases)),
        ("prompts", ", ".join(f"{name} {text!r}" for name, text in card.prompts.items())),
    ]
    for n, source in enumerate(card.sources):
        pinned = f" @ {source.revision}" if source.revision else ""
        size = f", {terminal.size(source.size)}" if source.size else ""
        found.append(("" if n else "sources", f"{source.kind}: {source.id}{pinned}{size}"))
        found += [("", f"  sha256 of {file}: {digest}") for file, digest in source.sha256.items()]
    found += [("checked", card.checked), ("use", f'zoo.load("{card.name}")')]
    return [(name, value) for name, value in found if value]
