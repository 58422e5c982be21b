"""Tells how the tags of a file mark entities: the scheme, and the way in which they are spelled."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from zoo import metrics
from zoo.errors import UsageError
from zoo.files import clean, quote

OUTSIDE_TAG = "O"
TAG_PATTERN = re.compile(r"([A-Z])-(.+)")
SCHEME_LETTERS = {"IOB2": "BI", "IOBES": "BIES", "BILOU": "BILU", "BMES": "BMES"}
LOOSE_LETTERS = {"IOB1": "BI", "IOE1": "IE", "IOE2": "IE", "IO": "I"}
SCHEME_ALIASES = {"BIO": "IOB2", "IOB": "IOB2", "BIO2": "IOB2", "BIO1": "IOB1", "BIOES": "IOBES", "BIESO": "IOBES",
           "BILUO": "BILOU", "BMESO": "BMES", "BMEWO": "BMES", "NONE": "", "PLAIN": ""}  # fmt: skip
SINGLE_LETTERS = {"W": "S"}  # BMEWO's letter of an entity of one word
OUTSIDE_SPELLINGS = (OUTSIDE_TAG, "o", "0", "_")
SPELLING_PATTERNS = {  # how letter and kind are put together -> pattern
    "B-KIND": r"(?P<letter>[BIESLUMW])-(?P<kind>.+)",
    "b-kind": r"(?P<letter>[BIESLUMWbieslumw])-(?P<kind>.+)",
    "B_KIND": r"(?P<letter>[BIESLUMWbieslumw])[_:./|](?P<kind>.+)",
    "KIND-B": r"(?P<kind>.+)[-_:./|](?P<letter>[BIESLUMWbieslumw])",
    "B": r"(?P<letter>[BIESLUMW])(?P<kind>)",
}
NO_KIND = "_"  # the kind of tags that have none
SURE_SPELLING = "B-KIND"


@dataclass(frozen=True)
class TagReading:
    """The meaning of the tags of a file.

    Attributes:
        scheme: of the tags that are learned; empty for tags that mark no spans.
        file_scheme: the file's own scheme, where the tags are turned into IOB2; else empty.
        spelled: tag of the file -> tag that is learned, before the scheme is changed; without those that stay.
        notes: what a user should know about it.
    """

    scheme: str = ""
    file_scheme: str = ""
    spelled: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def tags(self, tags: Sequence[str]) -> list[str]:
        """Gives the tags that are learned for those of a file."""
        return learned(tags, self.spelled, self.file_scheme)

    def all_tags(self, tags: Iterable[str]) -> set[str]:
        """Gives every tag that the kinds of these tags can have: training data need not have the rare ones."""
        kinds = {found[2] for tag in tags if (found := TAG_PATTERN.fullmatch(tag))}
        made = {f"{letter}-{kind}" for letter in SCHEME_LETTERS.get(self.scheme, "") for kind in kinds}
        return made | set(tags)


def learned(tags: Sequence[str], spelled: Mapping[str, str], file_scheme: str) -> list[str]:
    """Gives the tags that are learned for those of a file, see `TagReading`."""
    made = [spelled.get(tag, tag) for tag in tags] if spelled else list(tags)
    return metrics.as_iob2(made) if file_scheme else made


def written(tags: Sequence[str], spelled: Mapping[str, str], file_scheme: str) -> list[str]:
    """Gives tags as the file they were learned from has them: `learned`, backwards."""
    made = metrics.tags_of(metrics.spans(tags), len(tags), file_scheme) if file_scheme else list(tags)
    back = {tag: name for name, tag in reversed(list(spelled.items()))}
    return [back.get(tag, tag) for tag in made]


def scheme_of(tags: Iterable[str]) -> str:
    """Gives how tags are meant, from their first letters; empty for tags that mark no spans."""
    found = [TAG_PATTERN.fullmatch(tag) for tag in tags if tag != OUTSIDE_TAG]
    if not found or not all(found):
        return ""
    letters = {match[1] for match in found if match}
    return next((scheme for scheme, known in SCHEME_LETTERS.items() if letters <= set(known)), "")


def reading_of(sentences: Iterable[Sequence[str]], asked: str | None = None) -> TagReading:
    """Finds out how the tags of sentences are meant.

    Args:
        sentences: tags of each.
        asked: a scheme's name, "none" for tags that mark no spans; None to find it.

    Raises:
        UsageError: there is no such scheme, or the tags are not of it.
    """
    sentences = list(sentences)
    tags = sorted({tag for sentence in sentences for tag in sentence})
    if asked is not None:
        asked = _named(asked)
    if asked == "":
        return TagReading(notes=("each tag by itself",))
    form, spelled = _spelling(tags, asked)
    if not form:
        return _plain(tags, asked)
    made = [[spelled.get(tag, tag) for tag in sentence] for sentence in sentences]
    letters = {tag[0] for sentence in made for tag in sentence if tag != OUTSIDE_TAG}
    scheme = asked or _scheme(letters, made)
    known = {**SCHEME_LETTERS, **LOOSE_LETTERS}[scheme]
    if not letters <= set(known):
        raise UsageError(
            f"Tags of {scheme} begin with {', '.join(known)}, and not {', '.join(sorted(letters - set(known)))}.",
            "Leave scheme= out, and it is found.",
        )
    notes = [f"spelled {form}, such as {quote(next(iter(spelled)))}"] if spelled else []
    begins = _begins(made) if scheme == "IOB2" else 0
    notes += [f"{begins} entities begin with I-, which the strict reading does not count"] if begins else []
    if scheme in LOOSE_LETTERS:
        return TagReading("IOB2", scheme, spelled, tuple(notes))
    return TagReading(scheme, "", spelled, tuple(notes))


def _named(asked: str) -> str:
    name = asked.strip().upper().replace("-", "")
    name = SCHEME_ALIASES.get(name, name)
    if name and name not in SCHEME_LETTERS and name not in LOOSE_LETTERS:
        known = ", ".join([*SCHEME_LETTERS, *LOOSE_LETTERS])
        raise UsageError(
            f"There is no scheme {quote(asked)} of tags.", f"One of {known}; none for each tag by itself."
        )
    return name


def _spelling(tags: Sequence[str], asked: str | None) -> tuple[str, dict[str, str]]:
    """Gives how tags are put together, and those spelled otherwise than B-KIND; "" when they mark no spans."""
    for form, pattern in SPELLING_PATTERNS.items():
        found = {tag: re.fullmatch(pattern, tag) for tag in tags}
        inside = {tag: match for tag, match in found.items() if match}
        outside = [tag for tag in tags if tag not in inside]
        if not inside or len(outside) > 1 or not set(outside) <= set(OUTSIDE_SPELLINGS):
            continue
        letters = {SINGLE_LETTERS.get(m["letter"].upper(), m["letter"].upper()) for m in inside.values()}
        if not any(letters <= set(known) for known in (*SCHEME_LETTERS.values(), *LOOSE_LETTERS.values())):
            continue
        # Tags of other purposes may look so too: believe those only that say where entities begin or end.
        if form != SURE_SPELLING and not asked and not ("B" in letters and len(letters) > 1):
            continue
        made = {tag: _canonical(match) for tag, match in inside.items()} | dict.fromkeys(outside, OUTSIDE_TAG)
        return form, {tag: name for tag, name in made.items() if tag != name}
    if asked == "IO" and tags:
        return "KIND", {
            tag: OUTSIDE_TAG if tag in OUTSIDE_SPELLINGS else f"I-{tag}" for tag in tags if tag != OUTSIDE_TAG
        }
    return "", {}


def _canonical(match: re.Match[str]) -> str:
    letter = match["letter"].upper()
    return f"{SINGLE_LETTERS.get(letter, letter)}-{match['kind'] or NO_KIND}"


def _scheme(letters: set[str], sentences: Sequence[Sequence[str]]) -> str:
    """Gives the scheme of tags B-KIND, from their letters and, where these leave it open, their order."""
    if letters == {"I"}:
        return "IO"
    if letters == {"I", "E"}:
        ends = [t for s in sentences for t, after in zip(s, [*s[1:], OUTSIDE_TAG], strict=True) if _ends(t, after)]
        return "IOE2" if all(tag[0] == "E" for tag in ends) else "IOE1"
    if letters == {"B", "I"} and _begins(sentences):
        apart = any(
            tag[0] == "B" and before[1:] != tag[1:]
            for sentence in sentences
            for before, tag in zip([OUTSIDE_TAG, *sentence], sentence, strict=False)
        )
        return "IOB2" if apart else "IOB1"
    return next(scheme for scheme, known in SCHEME_LETTERS.items() if letters <= set(known))


def _ends(tag: str, after: str) -> bool:
    return tag != OUTSIDE_TAG and after[1:] != tag[1:]


def _begins(sentences: Sequence[Sequence[str]]) -> int:
    """Counts the entities that begin with an I."""
    return sum(
        tag[0] == "I" and before[1:] != tag[1:]
        for sentence in sentences
        for before, tag in zip([OUTSIDE_TAG, *sentence], sentence, strict=False)
    )


def _plain(tags: Sequence[str], asked: str | None) -> TagReading:
    """Gives tags that mark no spans; names those that keep the others from doing so."""
    if asked:
        raise UsageError(
            f"The tags are not of {asked}: {clean(', '.join(tags[:8]))}.", "Leave scheme= out, and it is found."
        )
    inside = [tag for tag in tags if re.fullmatch(SPELLING_PATTERNS[SURE_SPELLING], tag)]
    odd = [tag for tag in tags if tag not in inside and tag not in OUTSIDE_SPELLINGS]
    note = "each tag by itself"
    if inside and odd:
        note += f", for {', '.join(map(quote, odd[:4]))} is not spelled as {quote(inside[0])} is"
    return TagReading(notes=(note,))
