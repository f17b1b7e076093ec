"""Intervals: every score comes with one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from trivium.base.seeds import numpy_random

Z = 1.959964  # 97.5% quantile of the normal distribution
RESAMPLES = 2000


@dataclass(frozen=True)
class Estimate:
    """A value with its 95% interval and the number of items it stands on."""

    value: float
    low: float
    high: float
    items: int


def proportion(successes: int, items: int) -> Estimate:
    """A share with Wilson's interval (1927)."""
    if items == 0:
        return Estimate(math.nan, 0.0, 1.0, 0)
    share = successes / items
    centre = (share + Z * Z / (2 * items)) / (1 + Z * Z / items)
    half = Z * math.sqrt(share * (1 - share) / items + Z * Z / (4 * items * items)) / (1 + Z * Z / items)
    return Estimate(share, max(0.0, centre - half), min(1.0, centre + half), items)


def ratio(numerators: Sequence[float], denominators: Sequence[float], seed: int = 0) -> Estimate:
    """A ratio of sums with its percentile bootstrap interval over pairs (a mean over unequal groups)."""
    import numpy

    top, bottom = numpy.asarray(numerators, dtype=float), numpy.asarray(denominators, dtype=float)
    draws = numpy_random(seed, "bootstrap").integers(0, len(top), (RESAMPLES, len(top)))
    low, high = numpy.quantile(top[draws].sum(axis=1) / bottom[draws].sum(axis=1), [0.025, 0.975])
    return Estimate(float(top.sum() / bottom.sum()), float(low), float(high), len(top))


def mean(values: Sequence[float], seed: int = 0) -> Estimate:
    """A mean with its percentile bootstrap interval (Efron 1979) over items."""
    import numpy

    if not values:
        return Estimate(math.nan, math.nan, math.nan, 0)
    array = numpy.asarray(values, dtype=float)
    draws = numpy_random(seed, "bootstrap").integers(0, len(array), (RESAMPLES, len(array)))
    low, high = numpy.quantile(array[draws].mean(axis=1), [0.025, 0.975])
    return Estimate(float(array.mean()), float(low), float(high), len(array))
