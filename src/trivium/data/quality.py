"""Quality rules: figures of a text, and presets that say between which limits they should lie.

Gopher: Rae et al. 2021, table A1 and section A1.1. C4: Raffel et al. 2020, section 2.2. FineWeb: Penedo et al. 2024, section
3.6. `web` joins Gopher's and FineWeb's as FineWeb does. The presets of the other domains are our own choices, for text that
those three throw away by the half. A text is scored and reported; whoever wants it dropped names a preset.
C4 also takes lines out of a text: here its verdict is given as if it had, and the text stays.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy
from pydantic import Field

from trivium.base.config import Settings
from trivium.data.words import Array, Words, runs

Preset = Literal["gopher", "c4", "fineweb", "web", "books", "code", "technical", "dialogue"]
STOP_WORDS = frozenset(("the", "be", "to", "of", "and", "that", "have", "with"))
ENDS = tuple(".!?\"'")
SENTENCE_ENDS = tuple(".!?\u3002\uff01\uff1f\uff61\u203c\u203d\u2047\u2048\u2049\u061f\u06d4\u0964\u0965")
POLICY = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")
SHORT_LINE = 30
LONGEST_C4_WORD = 1000
_PARAGRAPHS, _LINES, _CITATION = (
    re.compile(r"\n{2,}"),
    re.compile("\n+"),
    re.compile(r"\[\d*\]|\[edit\]|\[citation needed\]"),
)
_SENTENCE = re.compile(r"[.!?]+[\"')\]]*(?=\s|$)")


class QualitySettings(Settings):
    """Which presets are reported, and which one drops."""

    report: tuple[Preset, ...] = Field(default=("gopher", "fineweb"), description="presets whose verdicts are counted")
    drop: Preset | None = Field(
        default=None, description="the preset that a document must pass to be kept; none drops nothing"
    )


@dataclass(frozen=True)
class Limit:
    """A figure must not be below `least` nor above `most`."""

    figure: str
    least: float = float("-inf")
    most: float = float("inf")


_GOPHER = (
    Limit("words", 50, 100_000),
    Limit("word length", 3, 10),
    Limit("hashes per word", most=0.1),
    Limit("ellipses per word", most=0.1),
    Limit("lines with bullets", most=0.9),
    Limit("lines ending in an ellipsis", most=0.3),
    Limit("words with letters", least=0.8),
    Limit("stop words", least=2),
    Limit("repeated paragraphs", most=0.3),
    Limit("characters in repeated paragraphs", most=0.2),
    Limit("repeated lines", most=0.3),
    Limit("characters in repeated lines", most=0.2),
    *(Limit(f"characters in the top {n}-gram", most=most) for n, most in ((2, 0.2), (3, 0.18), (4, 0.16))),
    *(Limit(f"characters in repeated {n}-grams", most=(20 - n) / 100) for n in range(5, 11)),
)
_FINEWEB = (
    Limit("lines with end punctuation", least=0.12),
    Limit("short lines", most=0.67),
    Limit("characters in repeated lines (FineWeb)", most=0.01),
    Limit("newlines per word", most=0.3),
)
_C4 = (Limit("lorem ipsum", most=0), Limit("curly brackets", most=0), Limit("sentences that C4 keeps", least=5))
PRESETS: Mapping[Preset, tuple[Limit, ...]] = {
    "gopher": _GOPHER,
    "c4": _C4,
    "fineweb": _FINEWEB,
    "web": (*_GOPHER, *_FINEWEB),
    "books": (
        Limit("words", least=200),
        Limit("word length", 2.5, 10),
        Limit("words with letters", least=0.7),
        Limit("repeated lines", most=0.3),
        Limit("characters in repeated 10-grams", most=0.2),
    ),
    "code": (
        Limit("words", least=10),
        Limit("longest line", most=1000),
        Limit("line length", most=100),
        Limit("letters and digits", least=0.25),
        Limit("characters in repeated lines", most=0.5),
    ),
    "technical": (
        Limit("words", least=20),
        Limit("word length", 2, 14),
        Limit("words with letters", least=0.4),
        Limit("repeated lines", most=0.5),
        Limit("characters in repeated 10-grams", most=0.4),
        Limit("longest line", most=20_000),
    ),
    "dialogue": (
        Limit("words", least=10),
        Limit("word length", 2, 10),
        Limit("words with letters", least=0.6),
        Limit("repeated lines", most=0.4),
        Limit("characters in the top 4-gram", most=0.25),
    ),
}


def faults_of(words: Words, presets: Iterable[Preset]) -> dict[Preset, list[str]]:
    """For each preset the figures of the text that lie outside its limits; [] where it passes."""
    presets = tuple(presets)
    figures = figures_of(words, {limit.figure for preset in presets for limit in PRESETS[preset]})
    return {
        preset: [
            limit.figure for limit in PRESETS[preset] if not limit.least <= figures.get(limit.figure, 0.0) <= limit.most
        ]
        for preset in presets
    }


def figures_of(words: Words, wanted: Iterable[str] | None = None) -> dict[str, float]:
    """The figures called `wanted`, or all of them; groups of which none is wanted are not computed."""
    asked = None if wanted is None else set(wanted)
    found: dict[str, float] = {}
    for names, measure in _GROUPS:
        if asked is None or asked & names:
            found.update(measure(words))
    return found if asked is None else {name: found[name] for name in asked if name in found}


def _of_words(words: Words) -> Iterator[tuple[str, float]]:
    every = words.list
    count = max(len(every), 1)
    plain = [word for word in every if word.isalnum() or not _is_symbols(word)]
    yield "words", len(plain)
    yield "word length", sum(map(len, plain)) / max(len(plain), 1)
    yield "words with letters", sum([word.isalpha() or any(map(str.isalpha, word)) for word in every]) / count
    yield "stop words", len(STOP_WORDS.intersection(every))
    text = words.text
    yield "hashes per word", text.count("#") / count
    yield "ellipses per word", (text.count("...") + text.count("\u2026")) / count
    yield "newlines per word", text.count("\n") / count


def _is_symbols(word: str) -> bool:
    """Whether a word is made of punctuation alone; mathematical and other signs count as content."""
    return all(c in _SIGNS for c in word)


_SIGNS = frozenset(
    "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~\u2014\u2013\u201c\u201d\u2018\u2019\u201e\u00ab\u00bb\u2026\u3002\uff0c\u3001\u25ba"
)


def _of_lines(words: Words) -> Iterator[tuple[str, float]]:
    text = words.text
    lines = text.splitlines()
    count = max(len(lines), 1)
    yield "lines with bullets", sum(line.lstrip().startswith(("\u2022", "-")) for line in lines) / count
    yield "lines ending in an ellipsis", sum(line.rstrip().endswith(("...", "\u2026")) for line in lines) / count
    yield "longest line", max(map(len, lines), default=0)
    yield "line length", sum(map(len, lines)) / count
    yield "letters and digits", sum(map(str.isalnum, text)) / max(len(text), 1)


def _of_filled_lines(words: Words) -> Iterator[tuple[str, float]]:
    lines = [line for line in words.text.split("\n") if line.strip()]
    count = max(len(lines), 1)
    yield "lines with end punctuation", sum(line.endswith(SENTENCE_ENDS) for line in lines) / count
    yield "short lines", sum(len(line) <= SHORT_LINE for line in lines) / count
    _, characters = _repeated(lines)
    yield "characters in repeated lines (FineWeb)", characters / max(len(words.text) - words.text.count("\n"), 1)


def _of_repetition(words: Words) -> Iterator[tuple[str, float]]:
    size = max(len(words.text), 1)
    for what, parts in (("paragraphs", _PARAGRAPHS.split(words.text.strip())), ("lines", _LINES.split(words.text))):
        count, characters = _repeated(parts)
        yield f"repeated {what}", count / len(parts)
        yield f"characters in repeated {what}", characters / size


def _of_runs(words: Words) -> Iterator[tuple[str, float]]:
    size = max(len(words.text), 1)
    ends = numpy.concatenate(([0], numpy.cumsum(numpy.fromiter(map(len, words.list), numpy.int64, len(words.list)))))
    for length in (2, 3, 4):
        yield f"characters in the top {length}-gram", _top(words.cased, length, ends) / size
    places = numpy.arange(max(len(words.list) - 4, 0))  # where a run begins that is there more than once
    for length in range(5, 11):
        places = _places_of_repeats(words.cased, places, length)
        characters = _repeated_runs(words.cased, places, length, ends)
        yield f"characters in repeated {length}-grams", characters / size


def _of_c4(words: Words) -> Iterator[tuple[str, float]]:
    lorem = brackets = sentences = 0
    for raw in words.text.splitlines():
        pieces = raw.split()
        line = _CITATION.sub("", raw.strip())
        low = line.lower()
        if (
            any(len(piece) > LONGEST_C4_WORD for piece in pieces)
            or not line.endswith(ENDS)
            or line.endswith("...")
            or len(pieces) < 3
        ):
            continue
        lorem += "lorem ipsum" in low
        brackets += "{" in line
        if "javascript" not in low and not any(phrase in low for phrase in POLICY):
            sentences += max(len(_SENTENCE.findall(line)), 1)
    yield "lorem ipsum", lorem
    yield "curly brackets", brackets
    yield "sentences that C4 keeps", sentences


def _repeated(parts: list[str]) -> tuple[int, int]:
    """How many parts were there before, and how many characters those have."""
    if len(set(parts)) == len(parts):
        return 0, 0
    seen: set[str] = set()
    again = [part for part in parts if part in seen or seen.add(part)]  # type: ignore[func-returns-value]
    return len(again), sum(map(len, again))


def _top(numbers: Array, length: int, ends: Array) -> int:
    """Characters of the most frequent run (of equals the first), times how often it is there; its spaces count."""
    found = runs(numbers, length)
    if not len(found):
        return 0
    _, first, counts = numpy.unique(found, return_index=True, return_counts=True)
    most = int(counts.max())
    place = int(first[counts == most].min())
    return (int(ends[place + length] - ends[place]) + length - 1) * most


def _places_of_repeats(numbers: Array, places: Array, length: int) -> Array:
    """Those of `places` whose run of `length` words begins somewhere else too; a longer run repeats only where a shorter does."""
    places = places[places <= len(numbers) - length]
    if not len(places):
        return places
    found = runs(numbers, length)[places]
    order = numpy.argsort(found)
    same = found[order][1:] == found[order][:-1]
    again = numpy.zeros(len(places), bool)
    again[order[1:][same]] = True
    again[order[:-1][same]] = True
    return places[again]


def _repeated_runs(numbers: Array, places: Array, length: int, ends: Array) -> int:
    """Characters in runs that were there before, counted from left to right without overlap."""
    if not len(places):
        return 0
    seen: set[int] = set()
    free = characters = 0
    for place, value in zip(places.tolist(), runs(numbers, length)[places].tolist(), strict=True):
        if place < free:
            continue
        if value in seen:
            characters += int(ends[place + length] - ends[place])
            free = place + length
        else:
            seen.add(value)
    return characters


_GROUPS: tuple[tuple[frozenset[str], Callable[[Words], Iterator[tuple[str, float]]]], ...] = (
    (
        frozenset(("words", "word length", "words with letters", "stop words", "hashes per word", "ellipses per word"))
        | {"newlines per word"},
        _of_words,
    ),
    (
        frozenset(("lines with bullets", "lines ending in an ellipsis", "longest line", "line length"))
        | {"letters and digits"},
        _of_lines,
    ),
    (
        frozenset(("lines with end punctuation", "short lines", "characters in repeated lines (FineWeb)")),
        _of_filled_lines,
    ),
    (
        frozenset(f"{what}{of}" for of in ("paragraphs", "lines") for what in ("repeated ", "characters in repeated ")),
        _of_repetition,
    ),
    (
        frozenset(f"characters in the top {n}-gram" for n in (2, 3, 4))
        | {f"characters in repeated {n}-grams" for n in range(5, 11)},
        _of_runs,
    ),
    (frozenset(limit.figure for limit in _C4), _of_c4),
)
