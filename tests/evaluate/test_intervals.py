"""Intervals cover the truth about as often as they say."""

from __future__ import annotations

import numpy
import pytest

from trivium.evaluate.intervals import mean, proportion


def test_wilson_by_hand() -> None:
    estimate = proportion(8, 10)
    assert (estimate.value, estimate.items) == (0.8, 10)
    assert estimate.low == pytest.approx(0.4902, abs=1e-4)
    assert estimate.high == pytest.approx(0.9433, abs=1e-4)
    assert proportion(10, 10).high == pytest.approx(1.0)


def test_a_share_is_covered_at_its_stated_rate() -> None:
    random = numpy.random.default_rng(0)
    hits = [
        proportion(int(count), 80).low <= 0.9 <= proportion(int(count), 80).high
        for count in random.binomial(80, 0.9, 2000)
    ]
    assert 0.92 < sum(hits) / len(hits) < 0.98


def test_a_mean_is_covered_at_its_stated_rate() -> None:
    random = numpy.random.default_rng(1)
    hits = 0
    for _ in range(200):
        estimate = mean(random.normal(3.0, 2.0, 60).tolist())
        hits += estimate.low <= 3.0 <= estimate.high
    assert 0.88 < hits / 200 <= 1.0
