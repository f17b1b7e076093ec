"""Which documents and paragraphs were there before: exactly, or nearly. Same answer for any number of workers.

Everything is decided over the whole corpus in its order (by source, then file, then place): the first one stays. Numbers
are sorted a partition at a time, so memory is bounded by a setting, beside eight bytes a document. Near-duplicates meet
by bands of their signatures, are compared by the whole of them, and form groups (union-find, the smallest member being the root).
Legend: N things in the corpus's order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy
from pydantic import Field

from trivium.base.config import Settings
from trivium.data.minhash import bands_of, likeness
from trivium.data.words import Array

BYTES_SORTED = 40  # that a number costs while its partition is sorted
PAIRS_AT_ONCE = 1 << 14


class DuplicateSettings(Settings):
    """Which duplicates are dropped, beside exact ones, which always are."""

    near: bool = Field(default=False, description="drop documents that are nearly another one (MinHash)")
    similarity: float = Field(
        default=0.7,
        ge=0.3,
        le=1,
        description="estimated Jaccard similarity from which two documents are nearly the same",
    )
    words: int = Field(default=5, ge=1, le=32, description="words in a run, for the similarity")
    bands: int = Field(
        default=14, ge=1, le=64, description="bands of the signature; more of them find less similar pairs"
    )
    rows: int = Field(default=8, ge=1, le=32, description="hash functions in a band; more of them find fewer")
    paragraphs: bool = Field(default=False, description="take paragraphs out that stood in an earlier document")
    least_paragraph: int = Field(
        default=100, ge=1, description="characters that a paragraph must have to be looked for"
    )
    memory_megabytes: int = Field(default=256, ge=8, description="memory that sorting takes at most")
    keep_index: bool = Field(default=False, description="leave index/, against which a later corpus can be compared")
    against: tuple[Path, ...] = Field(
        default=(), description="the index/ folders of earlier corpora; what is there is dropped"
    )

    @property
    def functions(self) -> int:
        return self.bands * self.rows


def repeats(keys: Sequence[Callable[[], Array]], memory: int) -> Array:
    """bool (N,): whether a key stood before. `keys` give, in order, arrays uint64 (n,) or (n, 2) when they are called."""
    sizes = [len(load()) for load in keys]
    found = numpy.zeros(sum(sizes), bool)
    for part in _partitions(sum(sizes), memory):
        numbers, places = _of_partition(keys, part)
        if len(places):
            order = numpy.lexsort((places, *numbers.T))
            numbers, places = numbers[order], places[order]
            found[places[1:][(numbers[1:] == numbers[:-1]).all(axis=1)]] = True
    return found


def near_duplicates(signatures: Sequence[Array], settings: DuplicateSettings, keep: Array) -> Array:
    """int64 (N,): for each document the first one of its group; itself where it is that, or is not in `keep` (N,).

    `signatures` are uint32 (n, H) arrays in order, mapped or in memory.
    """
    starts = numpy.concatenate(([0], numpy.cumsum([len(one) for one in signatures])))
    roots = numpy.arange(starts[-1])
    for band in range(settings.bands):
        loads = [_band_loader(one, band, settings) for one in signatures]
        for part in _partitions(int(starts[-1]), settings.memory_megabytes << 20):
            numbers, places = _of_partition(loads, part)
            numbers, places = numbers[keep[places], 0], places[keep[places]]
            order = numpy.lexsort((places, numbers))
            for first, second in _pairs(numbers[order], places[order]):
                alike = likeness(_rows(signatures, starts, first), _rows(signatures, starts, second))
                for one, other in zip(
                    first[alike >= settings.similarity], second[alike >= settings.similarity], strict=True
                ):
                    _join(roots, int(one), int(other))
    for place in numpy.flatnonzero(roots != numpy.arange(len(roots))).tolist():
        roots[place] = _root(roots, place)
    return roots


def _band_loader(signatures: Array, band: int, settings: DuplicateSettings) -> Callable[[], Array]:
    rows = settings.rows
    return lambda: bands_of(numpy.asarray(signatures[:, band * rows : (band + 1) * rows]), 1)[0]


def _partitions(count: int, memory: int) -> Iterator[tuple[int, int]]:
    """(number, of how many) partitions, so many that one can be sorted in `memory` bytes."""
    parts = max(1, -(-count * BYTES_SORTED // memory))
    return ((number, parts) for number in range(parts))


def _of_partition(keys: Sequence[Callable[[], Array]], part: tuple[int, int]) -> tuple[Array, Array]:
    """The keys (n, 1 or 2) of a partition, and their places (n,)."""
    number, parts = part
    found, places, start = [], [], 0
    for load in keys:
        values = load()
        values = values[:, None] if values.ndim == 1 else values
        here = (
            numpy.flatnonzero((values[:, 0] >> numpy.uint64(17)) % numpy.uint64(parts) == number) if parts > 1 else None
        )
        found.append(values if here is None else values[here])
        places.append(start + (numpy.arange(len(values)) if here is None else here))
        start += len(values)
    width = max((one.shape[1] for one in found), default=1)
    empty: Array = numpy.empty((0, width), numpy.uint64)
    return numpy.concatenate([empty, *found]), numpy.concatenate([numpy.empty(0, numpy.int64), *places])


def _pairs(numbers: Array, places: Array) -> Iterator[tuple[Array, Array]]:
    """Pairs of places with the same number, sorted: each with the first of its group and with the one before it."""
    if len(numbers) < 2:
        return
    same = numbers[1:] == numbers[:-1]
    later = numpy.flatnonzero(same) + 1
    begins = numpy.concatenate(([True], ~same))
    first = numpy.maximum.accumulate(numpy.where(begins, numpy.arange(len(numbers)), 0))
    for start in range(0, len(later), PAIRS_AT_ONCE):
        some = later[start : start + PAIRS_AT_ONCE]
        yield places[first[some]], places[some]
        apart = some[first[some] != some - 1]
        if len(apart):
            yield places[apart - 1], places[apart]


def _rows(signatures: Sequence[Array], starts: Array, places: Array) -> Array:
    """uint32 (len(places), H) from wherever they lie."""
    homes = numpy.searchsorted(starts, places, side="right") - 1
    rows = numpy.empty((len(places), signatures[0].shape[1]), numpy.uint32)
    for home in numpy.unique(homes).tolist():
        inside = homes == home
        rows[inside] = signatures[home][places[inside] - starts[home]]
    return rows


def _root(roots: Array, place: int) -> int:
    while (above := int(roots[place])) != place:
        roots[place] = roots[above]
        place = int(roots[place])
    return place


def _join(roots: Array, one: int, other: int) -> None:
    first, second = _root(roots, one), _root(roots, other)
    if first != second:
        roots[max(first, second)] = min(first, second)
