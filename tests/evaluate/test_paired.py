"""Paired tests against figures worked out by hand, and intervals against what they claim, in simulations."""

from __future__ import annotations

import math

import numpy
import pytest

from trivium.evaluate.intervals import crossed, mean, proportion, ratio
from trivium.evaluate.paired import paired


def test_right_and_wrong_are_compared_by_mcnemar_s_exact_test() -> None:
    """8 items only the first has, 2 only the second: p = 2 (1 + 10 + 45) / 2^10."""
    found = paired([1.0] * 8 + [0.0] * 2 + [1.0] * 10, [0.0] * 8 + [1.0] * 2 + [1.0] * 10)
    assert (found.better, found.worse) == (8, 2)
    assert found.p == pytest.approx(2 * 56 / 1024) and not found.differs
    assert found.difference.value == pytest.approx(6 / 20) and found.difference.items == 20


def test_other_scores_are_compared_by_permuting_signs() -> None:
    """Gaps 1, 2, 3: of the 8 signings 2 have a sum as far from 0."""
    assert paired([1.0, 2.0, 3.0], [0.0, 0.0, 0.0]).p == pytest.approx(2 / 8)
    assert paired([0.5, 0.2], [0.5, 0.2]).p == 1.0
    random = numpy.random.default_rng(0)
    base = random.normal(size=200)
    assert paired((base + 0.3 + 0.1 * random.normal(size=200)).tolist(), base.tolist()).p < 0.001


def test_models_that_are_alike_are_told_apart_in_five_of_a_hundred_cases() -> None:
    random = numpy.random.default_rng(1)
    told = sum(
        paired((one := random.normal(size=12)).tolist(), (one + random.normal(size=12)).tolist()).differs
        for _ in range(200)
    )
    assert told / 200 < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 200)


@pytest.mark.parametrize("kind", ["share", "mean", "ratio", "crossed"])
def test_intervals_cover_at_their_rate(kind: str) -> None:
    """Of 300 samples of known truth about 95 in 100 have it in their interval; a tenth of slack for small samples."""
    random = numpy.random.default_rng(2)
    covered = 0
    for number in range(300):
        if kind == "share":
            found, truth = proportion(int(random.binomial(80, 0.3)), 80), 0.3
        elif kind == "mean":
            found, truth = mean(random.exponential(size=80).tolist(), number), 1.0
        elif kind == "ratio":
            sizes = random.integers(1, 9, 80)
            found, truth = ratio((sizes * random.exponential(size=80)).tolist(), sizes.tolist(), number), 1.0
        else:
            table = random.normal(size=80) + 0.3 * random.normal(size=(6, 80)) + 0.1 * random.normal(size=(6, 1))
            found, truth = crossed(table.tolist(), number), 0.0
        covered += found.low <= truth <= found.high
    assert 0.90 <= covered / 300 <= 0.99
