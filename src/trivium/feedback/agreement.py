"""How far raters agree beyond chance: Krippendorff's alpha with an interval, and what agreement allows at best.

    alpha = 1 - D_o / D_e

D_o is the mean difference between two raters of the same item, D_e that between any two answers (Krippendorff 2011,
"Computing Krippendorff's alpha-reliability"). 1 is full agreement, 0 what chance gives. The interval is a percentile
bootstrap over items. Legend: U items, C categories, R resamples.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy

from trivium.base.seeds import numpy_random

Metric = Literal["nominal", "ordinal", "interval"]
RESAMPLES = 400


@dataclass(frozen=True)
class Alpha:
    """The value with its 95% interval, and how many items had two answers or more; not a number where none had."""

    value: float
    low: float
    high: float
    items: int


def alpha(
    units: Sequence[Sequence[Hashable]], categories: Sequence[Hashable], metric: Metric = "nominal", seed: int = 0
) -> Alpha:
    """Krippendorff's alpha of `units`, each the answers to one item; `categories` in order, numbers for 'interval'."""
    place = {name: number for number, name in enumerate(categories)}
    shared = [unit for unit in units if len(unit) > 1]
    if not shared:
        return Alpha(math.nan, math.nan, math.nan, 0)
    size = len(categories)
    parts = numpy.zeros((len(shared), size, size))  # (U, C, C)
    for number, unit in enumerate(shared):
        counts = numpy.bincount([place[answer] for answer in unit], minlength=size).astype(float)
        parts[number] = (numpy.outer(counts, counts) - numpy.diag(counts)) / (len(unit) - 1)
    weights = numpy.array([float(str(name)) for name in categories]) if metric == "interval" else None
    draws = numpy_random(seed, "alpha").multinomial(len(shared), [1 / len(shared)] * len(shared), RESAMPLES)  # (R, U)
    flat = parts.reshape(len(shared), -1)
    resampled = (draws @ flat).reshape(-1, size, size)  # (R, C, C)
    values = [_alpha_of(matrix, metric, weights) for matrix in resampled]
    low, high = numpy.quantile(values, [0.025, 0.975])
    return Alpha(_alpha_of(parts.sum(axis=0), metric, weights), float(low), float(high), len(shared))


def _alpha_of(coincidences: numpy.ndarray, metric: Metric, weights: numpy.ndarray | None) -> float:
    totals = coincidences.sum(axis=1)  # (C,)
    every = totals.sum()
    distance = _distances(totals, metric, weights)
    expected = (numpy.outer(totals, totals) - numpy.diag(totals)) * distance / (every - 1)
    observed = coincidences * distance
    return 1.0 if expected.sum() == 0 else float(1 - observed.sum() / expected.sum())


def _distances(totals: numpy.ndarray, metric: Metric, weights: numpy.ndarray | None) -> numpy.ndarray:
    size = len(totals)
    if metric == "nominal":
        return 1.0 - numpy.eye(size)
    if weights is not None:
        return numpy.asarray((weights[:, None] - weights[None, :]) ** 2)
    below = numpy.concatenate([[0.0], numpy.cumsum(totals)])
    middle = (below[:-1] + below[1:]) / 2  # sums between c and k, half of both ends left out
    return numpy.asarray((middle[:, None] - middle[None, :]) ** 2)


def ceiling(answers: Mapping[str, Sequence[str]]) -> tuple[float, int] | None:
    """The most that any predictor of these raters can be right on pairs, and on how many pairs of answers it stands.

    Of two raters of one pair a share a prefers the same. For the chance m of the likelier answer, (2m - 1)^2 has the mean
    2a - 1, so by Jensen the mean of m is (1 + sqrt(2a - 1)) / 2 at most. None where no item has two preferences.
    """
    same, every = 0.0, 0
    for said in answers.values():
        preferences = [one for one in said if one in ("first", "second")]
        firsts = preferences.count("first")
        pairs = math.comb(len(preferences), 2)
        same += math.comb(firsts, 2) + math.comb(len(preferences) - firsts, 2)
        every += pairs
    if every == 0:
        return None
    return (1 + math.sqrt(max(0.0, 2 * same / every - 1))) / 2, every
