"""Whether one model is better than another on the same items: the mean difference, its interval, and a paired test.

Items, not models, are what is drawn at random; a test that forgets that the items are the same finds too little.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from trivium.base.seeds import numpy_random
from trivium.evaluate.intervals import Estimate, mean

FLIPS = 10_000
EXACT = 16  # items that differ; up to so many all signs are gone through


@dataclass(frozen=True)
class Paired:
    """`difference` is the first minus the second, with its bootstrap interval; `p` is two-sided; `better` and `worse` count
    the items."""

    difference: Estimate
    p: float
    better: int
    worse: int

    @property
    def differs(self) -> bool:
        """Whether chance alone would give such a difference in less than 5 of 100 cases."""
        return self.p < 0.05


def paired(one: Sequence[float], two: Sequence[float], seed: int = 0) -> Paired:
    """The first model's scores of the items against the second's.

    Where every difference has one size (right or wrong), the test is McNemar's exact one (1947), otherwise Fisher's
    permutation of signs (1935): all of them where few items differ, else `FLIPS` drawn by the seed.
    """
    assert len(one) == len(two)
    gaps = [a - b for a, b in zip(one, two, strict=True)]
    differing = [gap for gap in gaps if gap != 0.0]
    better = sum(gap > 0 for gap in differing)
    worse = len(differing) - better
    if len({abs(gap) for gap in differing}) <= 1:
        p = _binomial(better, worse)
    else:
        p = _signs(differing, seed)
    return Paired(mean(gaps, seed), p, better, worse)


def _binomial(better: int, worse: int) -> float:
    """The share of fair coins that fall at least as unevenly."""
    tosses, least = better + worse, min(better, worse)
    tail = sum(math.comb(tosses, heads) for heads in range(least + 1)) / 2**tosses
    return float(min(1.0, 2.0 * tail))


def _signs(gaps: Sequence[float], seed: int) -> float:
    import numpy

    values = numpy.asarray(gaps)
    if len(gaps) <= EXACT:
        numbers = numpy.arange(2 ** len(gaps))[:, None]
        signs = 1 - 2 * ((numbers >> numpy.arange(len(gaps))) & 1)
        more = 0
    else:
        signs = 1 - 2 * numpy_random(seed, "signs").integers(0, 2, (FLIPS, len(gaps)))
        more = 1  # the signs as they are count too
    extreme = numpy.abs(signs @ values) >= abs(values.sum()) - 1e-12
    return float((extreme.sum() + more) / (len(signs) + more))
