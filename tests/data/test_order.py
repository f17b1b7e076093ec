"""The computed permutation: a bijection, the same for one number and for many, and not in any visible order."""

from __future__ import annotations

import numpy
import pytest

from trivium.data.order import permute


@pytest.mark.parametrize("count", [1, 2, 3, 7, 100, 4097])
def test_every_number_goes_somewhere_else_exactly_once(count: int) -> None:
    for seed, epoch in ((0, 0), (0, 1), (9, 3)):
        places = permute(numpy.arange(count), count, seed, epoch)
        assert sorted(places.tolist()) == list(range(count))


@pytest.mark.parametrize("count", [1, 2, 3, 7, 100, 4097, 10**12])
def test_one_number_goes_where_it_goes_among_many(count: int) -> None:
    chosen = numpy.unique(numpy.linspace(0, count - 1, 50).astype(numpy.int64))
    many = permute(chosen.reshape(-1, 1), count, 4, 2)
    assert many.shape == (len(chosen), 1)
    assert many.ravel().tolist() == [permute(number, count, 4, 2) for number in chosen.tolist()]


def test_every_arrangement_of_four_is_about_equally_frequent() -> None:
    """Chi-squared with 23 degrees of freedom is below 63 in all but one of 100,000 cases."""
    found: dict[tuple[int, ...], int] = {}
    for epoch in range(4800):
        arrangement = tuple(permute(number, 4, 1, epoch) for number in range(4))
        found[arrangement] = found.get(arrangement, 0) + 1
    assert len(found) == 24
    assert sum((count - 200) ** 2 / 200 for count in found.values()) < 63


def test_neighbours_are_apart_and_epochs_and_seeds_differ() -> None:
    count = 10_000
    places = permute(numpy.arange(count), count, 1, 0)
    assert abs(numpy.corrcoef(numpy.arange(count), places)[0, 1]) < 0.05
    assert abs(numpy.corrcoef(places[:-1], places[1:])[0, 1]) < 0.05
    for other in (permute(numpy.arange(count), count, 1, 1), permute(numpy.arange(count), count, 2, 0)):
        assert (other == places).mean() < 0.002


def test_a_number_out_of_range_is_our_mistake() -> None:
    with pytest.raises(AssertionError):
        permute(5, 5, 0)
    with pytest.raises(AssertionError):
        permute(numpy.array([0, 7]), 5, 0)
