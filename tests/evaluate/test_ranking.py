"""Hit rate, NDCG and the recommenders, each against numbers that were worked out by hand."""

from __future__ import annotations

from math import log2, sqrt

import pytest

from trivium.evaluate.ranking import gain, hit, rank_of, rank_scores, ranks, recommenders
from trivium.task.items import Chosen

THINGS = ("bell", "coin", "drum", "egg")


def taken(history: str, right: str) -> Chosen:
    return Chosen(f"took: {history}", THINGS, THINGS.index(right))


def test_ranks_count_from_one_and_ties_go_to_what_stands_first() -> None:
    assert [rank_of([0.1, 0.9, 0.5], number) for number in range(3)] == [3, 1, 2]
    assert [rank_of([0.5, 0.5, 0.7], number) for number in range(3)] == [2, 3, 1]


def test_hit_rate_and_ndcg_by_hand() -> None:
    found = rank_scores([1, 3, 10, 11])
    assert found["hit_10"].value == 3 / 4
    assert found["ndcg_10"].value == pytest.approx((1 + 1 / 2 + 1 / log2(11) + 0) / 4)
    assert (hit(2, places=1), gain(2, places=2)) == (0.0, pytest.approx(1 / log2(3)))


def test_popularity_and_neighbours_by_hand() -> None:
    train = [taken("bell", "coin"), taken("bell", "coin"), taken("drum", "coin"), taken("drum", "egg")]
    # Right in training: coin 3, egg 1. Cosines: bell-coin 2/sqrt(2*3) = 0.82, drum-coin 1/sqrt(2*3) = 0.41,
    # drum-egg 1/sqrt(2*1) = 0.71.
    assert 1 / sqrt(2 * 1) > 1 / sqrt(2 * 3)
    asked = [taken("drum", "egg"), taken("bell", "coin"), taken("bell, drum", "coin"), taken("coin", "coin")]
    found = recommenders(train, asked)
    assert found["popularity"] == [2, 1, 1, 1]
    # drum: egg before coin. bell: coin alone is near. Both: coin 1.22 before egg 0.71. What is there already comes last.
    assert found["item_knn"] == [1, 1, 1, 4]


def test_where_nothing_is_known_neighbours_are_ordered_by_popularity() -> None:
    train = [taken("bell", "coin"), taken("bell", "coin"), taken("bell", "drum")]
    assert recommenders(train, [taken("egg", "coin"), taken("egg", "drum")])["item_knn"] == [1, 2]


def test_few_options_are_not_ranked() -> None:
    assert not ranks([taken("bell", "coin")])
    assert ranks([Chosen("q", tuple(map(str, range(11))), 0)])
