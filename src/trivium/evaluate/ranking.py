"""Ranking: how high the right one of many options stands, and what simple recommenders do with the same items.

    hit rate at k = share of items whose right option is among the first k
    NDCG at k     = mean of 1 / log2(1 + rank) where the rank is at most k, else 0

One option is right, so the ideal gain is 1 (Järvelin and Kekäläinen 2002). Ranks count from 1; of options that are worth the
same those that stand first come first, for models and baselines alike.

- popularity: options by how often they are right in training;
- item-kNN: the cosine between what is named in the question and the option, over training items in which both are named or
  right (Sarwar et al. 2001), the options of the question itself last; where nothing is known, by popularity.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence

from trivium.evaluate.intervals import Estimate, mean
from trivium.task.items import Chosen

PLACES = 10  # k
NOTES = {f"hit_{PLACES}": "right option among the first ten", f"ndcg_{PLACES}": "1 / log2(1 + rank), to rank ten"}
_WORD = re.compile(r"\w+")


def rank_of(scores: Sequence[float], right: int) -> int:
    """The place, from 1, of option `right` when options are sorted by falling score."""
    before = sum(one > scores[right] for one in scores)
    return 1 + before + sum(one == scores[right] for one in scores[:right])


def hit(rank: int, places: int = PLACES) -> float:
    """1 where the right one is among the first `places`, else 0."""
    return float(rank <= places)


def gain(rank: int, places: int = PLACES) -> float:
    """NDCG of one item whose right option has this rank."""
    return 1 / math.log2(1 + rank) if rank <= places else 0.0


def names(places: int = PLACES) -> tuple[str, str]:
    """What the two scores are called."""
    return f"hit_{places}", f"ndcg_{places}"


def rank_scores(ranks: Sequence[int]) -> dict[str, Estimate]:
    """Hit rate and NDCG of all items."""
    first, second = names()
    return {first: mean([hit(one) for one in ranks]), second: mean([gain(one) for one in ranks])}


def ranks(items: Sequence[Chosen]) -> bool:
    """Whether there are so many options that a rank says more than whether the first one is right."""
    return all(len(one.options) > PLACES for one in items)


def recommenders(train: Sequence[Chosen], items: Sequence[Chosen]) -> dict[str, list[int]]:
    """The rank of each item's right option, by the baseline's name."""
    counts = Counter(one.options[one.right] for one in train)
    near = _cosines([_basket(one) for one in train])
    found: dict[str, list[int]] = {"popularity": [], "item_knn": []}
    for item in items:
        common = [float(counts[option]) for option in item.options]
        found["popularity"].append(rank_of(common, item.right))
        named = _named(item)
        likely = [sum(near.get((one, option), 0.0) for one in named) for option in item.options]
        most = max(common, default=0.0) + 1
        mixed = [
            -1.0 if option in named else near_it + often / most * 1e-6
            for option, near_it, often in zip(item.options, likely, common, strict=True)
        ]
        found["item_knn"].append(rank_of(mixed, item.right))
    return found


def _named(item: Chosen) -> frozenset[str]:
    """The options that the question names, as whole words."""
    words = set(_WORD.findall(item.question.lower()))
    return frozenset(option for option in item.options if set(_WORD.findall(option.lower())) <= words)


def _basket(item: Chosen) -> frozenset[str]:
    return _named(item) | {item.options[item.right]}


def _cosines(baskets: Sequence[frozenset[str]]) -> Mapping[tuple[str, str], float]:
    """The cosine of every two different options that are in one basket: n(a and b) / sqrt(n(a) n(b))."""
    single: Counter[str] = Counter()
    both: Counter[tuple[str, str]] = Counter()
    for basket in baskets:
        single.update(basket)
        both.update((one, other) for one in basket for other in basket if one != other)
    return {pair: number / math.sqrt(single[pair[0]] * single[pair[1]]) for pair, number in both.items()}
