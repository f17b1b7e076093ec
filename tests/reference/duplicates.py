"""Near-duplicates the slow way: every pair compared."""

from __future__ import annotations

import re
from typing import Any

import numpy


def shingles(text: str, length: int) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+(?:['’-]\w+)*", text.lower())
    return {tuple(words[at : at + length]) for at in range(len(words) - length + 1)}


def jaccard(one: str, other: str, length: int) -> float:
    first, second = shingles(one, length), shingles(other, length)
    return len(first & second) / len(first | second)


def slow_groups(
    signatures: numpy.ndarray[Any, Any], bands: int, similarity: float, keep: numpy.ndarray[Any, Any]
) -> list[int]:
    """For each row the smallest of its group; a pair is joined if a band is equal and enough places are."""
    count = len(signatures)
    group = list(range(count))
    for one in range(count):
        for other in range(one):
            if keep[one] and keep[other]:
                same = signatures[one] == signatures[other]
                if same.reshape(bands, -1).all(axis=1).any() and same.mean() >= similarity:
                    old, new = max(group[one], group[other]), min(group[one], group[other])
                    group = [new if member == old else member for member in group]
    return group
