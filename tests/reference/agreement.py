"""Krippendorff's alpha as its definition reads: every pair of values, within units and over all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import permutations


def slow_alpha(units: Sequence[Sequence[int]], distance: Callable[[int, int], float]) -> float:
    """1 - observed / expected disagreement; units of one value say nothing."""
    shared = [unit for unit in units if len(unit) > 1]
    values = [value for unit in shared for value in unit]
    observed = sum(distance(one, two) / (len(unit) - 1) for unit in shared for one, two in permutations(unit, 2)) / len(
        values
    )
    expected = sum(distance(one, two) for one, two in permutations(values, 2)) / (len(values) * (len(values) - 1))
    return 1 - observed / expected


def ordinal_distance(units: Sequence[Sequence[int]]) -> Callable[[int, int], float]:
    """The squared count of values from one to the other, the halves of both ends left out."""
    values = [value for unit in units if len(unit) > 1 for value in unit]

    def distance(one: int, two: int) -> float:
        low, high = sorted((one, two))
        between = sum(low <= value <= high for value in values)
        return (between - (values.count(low) + values.count(high)) / 2) ** 2 if low != high else 0.0

    return distance
