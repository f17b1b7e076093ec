"""Intervals: every score comes with one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from trivium.base.seeds import numpy_random

Z = 1.959964  # 97.5% quantile of the normal distribution
RESAMPLES = 2000
# 97.5% quantiles of Student's distribution, by degrees of freedom from 1 to 30; beyond, the normal's is within 2%.
STUDENT = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip


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


def resampled_rows(
    rows: Sequence[Sequence[float]], statistic: Callable[[Sequence[Sequence[float]]], float], seed: int = 0
) -> Estimate:
    """A statistic of whole rows with its percentile bootstrap interval over them."""
    draws = numpy_random(seed, "bootstrap").integers(0, len(rows), (RESAMPLES // 4, len(rows)))
    found = sorted(statistic([rows[number] for number in draw]) for draw in draws.tolist())
    edge = round(0.025 * (len(found) - 1))
    return Estimate(statistic(rows), found[edge], found[-1 - edge], len(rows))


def over_seeds(values: Sequence[float]) -> Estimate:
    """A mean over a few repetitions, at least two, with Student's interval (1908): it may reach beyond what a score can be."""
    count = len(values)
    assert count > 1, "one repetition says nothing of the spread"
    centre = math.fsum(values) / count
    spread = math.sqrt(math.fsum((value - centre) ** 2 for value in values) / (count - 1))
    half = (STUDENT[count - 2] if count - 2 < len(STUDENT) else Z) * spread / math.sqrt(count)
    return Estimate(centre, centre - half, centre + half, count)


def crossed(values: Sequence[Sequence[float]], seed: int = 0) -> Estimate:
    """The mean over draws (rows) and items (columns), with a percentile bootstrap interval over both at once (Owen 2007):
    other items could have been asked, and other examples drawn."""
    import numpy

    table = numpy.asarray(values, dtype=float)  # (draws, items)
    draws, items = table.shape
    if not items:
        return Estimate(math.nan, math.nan, math.nan, 0)
    random = numpy_random(seed, "bootstrap")
    rows = random.multinomial(draws, [1 / draws] * draws, RESAMPLES) / draws
    columns = random.multinomial(items, [1 / items] * items, RESAMPLES) / items
    low, high = numpy.quantile(((rows @ table) * columns).sum(axis=1), [0.025, 0.975])
    return Estimate(float(table.mean()), float(low), float(high), items)
