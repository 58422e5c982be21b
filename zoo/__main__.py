"""`python -m zoo`: what there is (list, info) and whether this machine is ready (doctor). Imports no framework."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict

from zoo import registry, terminal
from zoo.cards import Card, Family
from zoo.errors import UnknownModelError

DESCRIPTION = "The pretrained models that the zoo knows, and whether this machine is ready to run them."
EXAMPLES = f"""\
examples:
  python -m zoo list "*large*"             every card whose name, alias or family matches
  python -m zoo list --family funnel
  python -m zoo info xlm-roberta-base      sizes, licence, sources, published scores
  python -m zoo doctor                     versions, cores, disk, caches
  python -m zoo.convert --help             bring a checkpoint to Paddle

exit codes:
  0    done
  1    something is missing, or a hub did not answer
  2    the command line makes no sense
{terminal.STOPPED}"""


def parser() -> argparse.ArgumentParser:
    """The command line of `python -m zoo`."""
    top = argparse.ArgumentParser(
        "python -m zoo",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="list | info | doctor")
    listing = commands.add_parser("list", help="the checkpoints that the zoo knows")
    listing.add_argument("pattern", nargs="?", default="*", help='a name with wildcards, such as "funnel*"')
    listing.add_argument("--family", help="only this family")
    info = commands.add_parser("info", help="everything that is known about one checkpoint")
    info.add_argument("name", help="name or alias; see `list`")
    doctor = commands.add_parser(
        "doctor", help="is this machine ready: versions, cores, memory, disk, caches, hubs"
    )
    doctor.add_argument("--online", action="store_true", help="also ask the hubs whether they answer")
    doctor.add_argument("--verify", action="store_true", help="also read every cached weight file again")
    doctor.add_argument("--clear-compiled", action="store_true", help="first delete the compiled networks")
    for command in (listing, info, doctor):
        command.add_argument("--json", action="store_true", help="machine-readable output")
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    args = parser().parse_args(argv)
    return terminal.run(lambda: _command(args), as_json=args.json)


def _command(args: argparse.Namespace) -> int:
    if args.command == "list":
        _list(args.pattern, args.family, args.json)
    elif args.command == "info":
        _info(registry.info(args.name), args.json)
    else:
        from zoo import doctor

        if args.clear_compiled:
            doctor.clear_compiled()
        doctor.run(online=args.online, verify=args.verify, as_json=args.json)
    return 0


def _list(pattern: str, family: str | None, as_json: bool) -> None:
    chosen = registry.family(family) if family else None
    cards = [registry.info(n) for n in registry.list_models(pattern)]
    cards = [c for c in cards if chosen is None or c.family == chosen.name]
    if not cards:
        where = f" of the family {chosen.name}" if chosen else ""
        raise UnknownModelError(f"No model{where} matches '{pattern}'.", registry.suggest(pattern))
    if as_json:
        terminal.print_json([_plain(c) for c in cards])
        return
    rows = [(c.name, c.family, _count(c), _weights(c), c.languages, ", ".join(c.heads), _state(c)) for c in cards]
    header = ("name", "family", "params", "file", "languages", "heads", "")
    terminal.table(rows, header, right=(2, 3), fold=(0, 4, 5), optional=(4, 5, 1, 3))
    print(f"\n{len(cards)} models. Any other repository of the Hub with one of these networks loads as well.")


def _state(card: Card) -> str:
    return "not yet" if registry.family(card.family).not_yet else ""


def _count(card: Card) -> str:
    if not card.parameters:
        return "-"
    return f"{card.parameters / 1e6:.4g}M"


def _weights(card: Card) -> str:
    known = [s.size for s in card.sources if s.size]
    return terminal.size(known[0]) if known else "-"


def _plain(card: Card) -> dict[str, object]:
    """A card as JSON, with what its family adds."""
    family = registry.family(card.family)
    return {
        **asdict(card),
        "scores": [asdict(s) for s in card.scores],
        "paper": family.paper,
        "not_yet": family.not_yet,
    }


def _info(card: Card, as_json: bool) -> None:
    if as_json:
        terminal.print_json(_plain(card))
        return
    family = registry.family(card.family)
    print(card.name)
    terminal.fields(_facts(card, family))
    if card.scores:
        print("\nPublished scores")
        rows = [
            ("/".join(filter(None, (s.task, s.language))), s.metric, f"{s.value:g}", s.split, s.source, s.note)
            for s in card.scores
        ]
        terminal.table(rows, ("task", "metric", "score", "split", "published in", "note"), right=(2,), fold=(4, 5))


def _facts(card: Card, family: Family) -> list[tuple[str, str]]:
    sizes = ", ".join(f"{k} {v}" for k, v in card.config.items())
    facts = [
        ("family", f"{family.title}, {family.paper}"),
        ("architecture", card.architecture),
        ("sizes", sizes or "not established"),
        ("parameters", f"{card.parameters:,}" if card.parameters else "not established"),
        ("languages", card.languages),
        ("licence", card.licence),
        ("heads", ", ".join(card.heads) or "none; any head can be added untrained"),
        ("also called", ", ".join(card.aliases)),
    ]
    for n, source in enumerate(card.sources):
        pinned = f" @ {source.revision}" if source.revision else ""
        size = f", {terminal.size(source.size)}" if source.size else ""
        facts.append(("" if n else "sources", f"{source.kind}: {source.id}{pinned}{size}"))
        facts += [("", f"  sha256 of {file}: {digest}") for file, digest in source.sha256.items()]
    facts += [("checked", card.checked), ("not yet", family.not_yet)]
    if not family.not_yet:
        facts.append(("use", f'zoo.load("{card.name}")'))
    return [(name, value) for name, value in facts if value]


if __name__ == "__main__":
    sys.exit(main())
