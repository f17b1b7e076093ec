"""Which source a sample comes from, as a pure function of its number: shares by weight, exact at every prefix.

The sources are the leaves of a binary tree. At a node whose left side has the share p, the n-th sample goes left if
floor((n + 1) p + 1/2) > floor(n p + 1/2), and is then the floor(n p + 1/2)-th one there. So after any number of samples each
side of a node is off its share by at most a half, and a source by less than the depth of the tree. A source that is used up
leaves, and the others go on in their proportion. Nothing is stored but a few numbers for each such moment.
Legend: B samples, S sources.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy

Array = numpy.ndarray[Any, Any]


@dataclass(frozen=True)
class _Node:
    """A source (`leaf`), or two sides of which the left one has the share `left_share`."""

    leaf: int = -1
    left_share: float = 0.0
    sides: tuple[_Node, _Node] | None = None


@dataclass(frozen=True)
class _Stretch:
    """From sample `start` on the sources are drawn by `tree`; before it source s has given `before[s]` samples."""

    start: int
    tree: _Node | None
    before: tuple[int, ...]


class Mixture:
    """Sources mixed by `weights`; source s gives at most `limits[s]` samples (None: any number)."""

    def __init__(self, weights: Sequence[float], limits: Sequence[int | None]) -> None:
        assert len(weights) == len(limits) > 0 and min(weights) > 0, (weights, limits)
        self._stretches = list(_stretches(weights, limits))

    @property
    def total(self) -> int | None:
        """How many samples there are; None where some source has no limit."""
        last = self._stretches[-1]
        return last.start if last.tree is None else None

    def draw(self, samples: Array) -> tuple[Array, Array]:
        """For sample numbers (B,): the source of each, and how many samples that source gave before it, int64 (B,)."""
        sources, places = numpy.empty(len(samples), numpy.int64), numpy.empty(len(samples), numpy.int64)
        for stretch, after in zip(self._stretches, [*self._stretches[1:], None], strict=True):
            inside = samples >= stretch.start
            if after is not None:
                inside &= samples < after.start
            if inside.any():
                assert stretch.tree is not None, f"sample {int(samples.max())} of {stretch.start}"
                found, place = _draw(stretch.tree, samples[inside] - stretch.start)
                sources[inside], places[inside] = found, place + numpy.array(stretch.before)[found]
        return sources, places


def _draw(tree: _Node, numbers: Array) -> tuple[Array, Array]:
    if tree.sides is None:
        return numpy.full(len(numbers), tree.leaf, numpy.int64), numbers
    before, after = _left(numbers, tree.left_share), _left(numbers + 1, tree.left_share)
    goes_left = after > before
    sources, places = numpy.empty(len(numbers), numpy.int64), numpy.empty(len(numbers), numpy.int64)
    for side, there, own in ((tree.sides[0], goes_left, before), (tree.sides[1], ~goes_left, numbers - before)):
        sources[there], places[there] = _draw(side, own[there])
    return sources, places


def _left(numbers: Array, share: float) -> Array:
    return numpy.floor(numbers * share + 0.5).astype(numpy.int64)


def _stretches(weights: Sequence[float], limits: Sequence[int | None]) -> Iterator[_Stretch]:
    start, before = 0, [0] * len(weights)
    while True:
        open_sources = [s for s, limit in enumerate(limits) if limit is None or before[s] < limit]
        tree = _tree(open_sources, weights) if open_sources else None
        yield _Stretch(start, tree, tuple(before))
        ends = (
            [_reaches(tree, s, limit - before[s]) for s in open_sources if (limit := limits[s]) is not None]
            if tree
            else []
        )
        if not ends:
            return
        length = min(ends)
        for source, count in _counts(tree, length):
            before[source] += count
        start += length


def _tree(sources: Sequence[int], weights: Sequence[float]) -> _Node:
    """The two lightest are joined first (Huffman 1952), so that heavy sources lie near the root."""
    open_nodes = [(weights[source], source, _Node(leaf=source)) for source in sources]
    while len(open_nodes) > 1:
        open_nodes.sort(key=lambda node: (node[0], node[1]))
        (light, first, one), (heavy, second, other), *rest = open_nodes
        joined = _Node(left_share=light / (light + heavy), sides=(one, other))
        open_nodes = [*rest, (light + heavy, min(first, second), joined)]
    return open_nodes[0][2]


def _counts(tree: _Node | None, number: int) -> Iterator[tuple[int, int]]:
    """(source, samples among the first `number`) for each source of the tree."""
    if tree is not None and tree.sides is None:
        yield tree.leaf, number
    elif tree is not None and tree.sides is not None:
        left = int(_left(numpy.array([number]), tree.left_share)[0])
        yield from _counts(tree.sides[0], left)
        yield from _counts(tree.sides[1], number - left)


def _reaches(tree: _Node, source: int, count: int) -> int:
    """The smallest number of samples among which `source` has `count`."""
    low, high = 0, 1
    while dict(_counts(tree, high))[source] < count:
        low, high = high, 2 * high
    while low + 1 < high:
        middle = (low + high) // 2
        low, high = (low, middle) if dict(_counts(tree, middle))[source] >= count else (middle, high)
    return high
