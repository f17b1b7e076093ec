"""Schemes of tagged words: IOB1, BIO and BIOES, one turned into another, and the best legal sequence.

A span is (first word, word after the last, type). In BIO every span begins with B-; in IOB1 only one that follows a span
of its own type at once; in BIOES spans of one word are S- and the last word of a longer one is E-. `none` has no spans:
each tag is a class. (Ramshaw and Marcus 1995; Tjong Kim Sang and Veenstra 1999; Ratinov and Roth 2009.)

Legend: T words, L tags.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from numpy import ndarray

Scheme = Literal["bio", "bioes", "iob1", "none"]
Span = tuple[int, int, str]
OUTSIDE = "O"
_LETTERS: dict[str, str] = {"bio": "BI", "iob1": "BI", "bioes": "BIES"}
FORBIDDEN = -1e9  # finite, so that a sum of two is still a number


class BrokenScheme(ValueError):
    """A tag that cannot stand where it stands; `word` counts from 0."""

    def __init__(self, word: int, message: str) -> None:
        self.word = word
        super().__init__(message)


class Rules(NamedTuple):
    """What may begin (L,), what may follow what (L, L), what may end (L,): 0 where allowed, else `FORBIDDEN`."""

    begin: ndarray[Any, Any]
    follow: ndarray[Any, Any]
    end: ndarray[Any, Any]


def parts_of(tag: str, scheme: Scheme) -> tuple[str, str]:
    """('B', 'PER') of 'B-PER', ('O', '') of 'O'. Raises ValueError for what is no tag of the scheme."""
    if tag == OUTSIDE:
        return OUTSIDE, ""
    letter, dash, kind = tag.partition("-")
    if not dash or not kind or letter not in _LETTERS[scheme]:
        letters = ", ".join(f"{one}-TYPE" for one in _LETTERS[scheme])
        raise ValueError(f"'{tag}' is no tag of {scheme}; known: O, {letters}")
    return letter, kind


def spans_of(tags: Sequence[str], scheme: Scheme) -> list[Span]:
    """The spans of a sequence, in order. Raises BrokenScheme, with the word, where the sequence breaks its scheme."""
    spans: list[Span] = []
    start: int | None = None
    open_kind, before = "", (OUTSIDE, "")
    for place, tag in enumerate([*tags, OUTSIDE]):
        try:
            letter, kind = here = parts_of(tag, scheme)
        except ValueError as error:
            raise BrokenScheme(place, str(error)) from None
        if place < len(tags) and not _may_follow(before, here, scheme):
            raise BrokenScheme(place, f"'{tag}' cannot stand {_after(tags, place)} in {scheme}; {_ADVICE[scheme]}")
        if place == len(tags) and not _may_end(before, scheme):
            raise BrokenScheme(place - 1, f"'{tags[-1]}' cannot stand at the end in {scheme}; {_ADVICE[scheme]}")
        if start is not None and (letter in "OBS" or kind != open_kind):
            spans.append((start, place, open_kind))
            start = None
        if start is None and letter != OUTSIDE:
            start, open_kind = place, kind
        before = here
    return spans


def tags_of(spans: Iterable[Span], length: int, scheme: Scheme) -> list[str]:
    """The tags of spans that do not overlap, in a scheme with spans."""
    tags = [OUTSIDE] * length
    ends: dict[int, str] = {}
    for start, end, kind in sorted(spans):
        if scheme == "iob1":
            first = "B" if ends.get(start) == kind else "I"
        else:
            first = "S" if scheme == "bioes" and end == start + 1 else "B"
        tags[start:end] = [f"{first}-{kind}", *[f"I-{kind}"] * (end - start - 1)]
        if scheme == "bioes" and end > start + 1:
            tags[end - 1] = f"E-{kind}"
        ends[end] = kind
    return tags


def convert(tags: Sequence[str], old: Scheme, new: Scheme) -> list[str]:
    """The same spans in another scheme. Raises BrokenScheme as `spans_of` does."""
    if "none" in (old, new):
        assert old == new, f"{old} cannot become {new}"
        return list(tags)
    return tags_of(spans_of(tags, old), len(tags), new)


def names_in(tags: Iterable[str], old: Scheme, new: Scheme) -> list[str]:
    """Every tag of scheme `new` that the types in `tags` (scheme `old`) can have, sorted, O first."""
    if new == "none":
        return sorted(set(tags))
    kinds = sorted({parts_of(tag, old)[1] for tag in set(tags)} - {""})
    return [OUTSIDE, *(f"{letter}-{kind}" for kind in kinds for letter in _LETTERS[new])]


def rules(names: Sequence[str], scheme: Scheme) -> Rules:
    """What may stand where, for tags numbered by their place in `names`."""
    import numpy

    size = len(names)
    if scheme == "none":
        return Rules(numpy.zeros(size), numpy.zeros((size, size)), numpy.zeros(size))
    parts = [parts_of(name, scheme) for name in names]
    allowed = [[_may_follow(one, two, scheme) for two in parts] for one in parts]
    begin = [_may_follow((OUTSIDE, ""), one, scheme) for one in parts]
    end = [_may_end(one, scheme) for one in parts]
    return Rules(*(numpy.where(numpy.array(table, bool), 0.0, FORBIDDEN) for table in (begin, allowed, end)))


def best_sequence(scores: ndarray[Any, Any], given: Rules) -> list[int]:
    """The legal sequence of the highest sum of `scores` (T, L), by Viterbi's algorithm (1967); ties to the lower number."""
    import numpy

    best = scores[0] + given.begin  # (L,)
    came: list[ndarray[Any, Any]] = []
    for row in scores[1:]:
        ways = best[:, None] + given.follow  # (L before, L now)
        came.append(ways.argmax(axis=0))
        best = ways.max(axis=0) + row
    path = [int(numpy.argmax(best + given.end))]
    for back in reversed(came):
        path.append(int(back[path[-1]]))
    return path[::-1]


def _may_follow(before: tuple[str, str], here: tuple[str, str], scheme: Scheme) -> bool:
    (first, kind), (letter, other) = before, here
    if scheme == "iob1":
        return letter != "B" or (first != OUTSIDE and kind == other)
    inside = first in "BI" and (scheme == "bioes" or first != OUTSIDE)
    if letter in "IE":
        return inside and kind == other
    return scheme == "bio" or not inside


def _may_end(last: tuple[str, str], scheme: Scheme) -> bool:
    return scheme != "bioes" or last[0] not in "BI"


def _after(tags: Sequence[str], place: int) -> str:
    return f"after '{tags[place - 1]}'" if place else "at the beginning"


_ADVICE = {
    "bio": "a span begins with B- (if the file is IOB1, say scheme: iob1)",
    "iob1": "B- stands only between two spans of one type (if the file is BIO, say scheme: bio)",
    "bioes": "a span is S-, or begins with B- and ends with E-",
}
