"""Duplicates: the fast way finds what the slow one finds, bands meet as theory says, memory does not change the answer."""

from __future__ import annotations

import random

import numpy
import pytest

from tests.reference.duplicates import jaccard, slow_groups
from trivium.data.duplicates import DuplicateSettings, near_duplicates, repeats
from trivium.data.minhash import bands_of, likeness, signature
from trivium.data.words import Array, Words

WORDS = [f"w{number}" for number in range(4000)]


def pair(draw: random.Random, changed: float, count: int = 300) -> tuple[str, str]:
    """Two texts, the second with a share of the first one's words replaced, in one stretch each so that runs survive."""
    first = [draw.choice(WORDS) for _ in range(count)]
    cut = round(changed * count)
    return " ".join(first), " ".join([*first[:-cut], *(draw.choice(WORDS) for _ in range(cut))] if cut else first)


def signed(*texts: str) -> Array:
    return numpy.stack([signature(Words(text), 5, 112) for text in texts])


def test_a_signature_estimates_jaccard_without_bias() -> None:
    draw = random.Random(1)
    wrong = []
    for changed in (0.05, 0.15, 0.3, 0.5):
        for _ in range(20):
            one, other = pair(draw, changed)
            rows = signed(one, other)
            wrong.append(float(likeness(rows[:1], rows[1:])[0]) - jaccard(one, other, 5))
    assert abs(sum(wrong) / len(wrong)) < 0.01
    assert max(map(abs, wrong)) < 4.5 * 0.5 / 112**0.5  # standard deviations of a mean of 112 draws


def test_bands_meet_as_often_as_theory_says() -> None:
    draw = random.Random(2)
    met, expected = 0, 0.0
    for _ in range(250):
        one, other = pair(draw, 0.12)
        numbers = bands_of(signed(one, other), 14)
        met += bool((numbers[:, 0] == numbers[:, 1]).any())
        expected += 1 - (1 - jaccard(one, other, 5) ** 8) ** 14
    assert abs(met - expected) / 250 < 0.05


def test_case_and_punctuation_make_no_difference() -> None:
    rows = signed("The fox, the OLD fox; ran home.", "the fox the old fox ran home", "Short", "short!", "...", "")
    assert (rows[0] == rows[1]).all() and (rows[2] == rows[3]).all() and (rows[4] == rows[5]).all()
    assert not (rows[0] == rows[2]).any()


@pytest.mark.parametrize("memory", [8, 64])
def test_groups_are_those_of_the_slow_twin(memory: int, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(3)
    texts = []
    for _ in range(40):
        one, other = pair(draw, draw.choice((0.0, 0.02, 0.1, 0.6)))
        texts += [one, other]
    draw.shuffle(texts)
    rows = signed(*texts)
    settings = DuplicateSettings(near=True, similarity=0.7, memory_megabytes=memory)
    if memory == 8:
        monkeypatch.setattr("trivium.data.duplicates.BYTES_SORTED", 1 << 20)  # many partitions
    keep = numpy.ones(len(texts), bool)
    keep[7] = False
    expected = slow_groups(rows, 14, 0.7, keep)
    for cuts in ([], [30], [10, 11, 55]):  # as one unit leaves them, or several
        found = near_duplicates(numpy.split(rows, cuts), settings, keep)
        assert found.tolist() == expected
    assert len(set(expected)) < len(texts)


def test_unrelated_texts_are_never_called_near() -> None:
    draw = random.Random(4)
    rows = signed(*(" ".join(draw.choice(WORDS) for _ in range(40)) for _ in range(450)))  # 1e5 pairs
    found = near_duplicates([rows], DuplicateSettings(near=True), numpy.ones(len(rows), bool))
    assert (found == numpy.arange(len(rows))).all()


@pytest.mark.parametrize("each", [1, 1 << 20])
def test_repeats_are_the_later_ones(each: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trivium.data.duplicates.BYTES_SORTED", each)
    draw = numpy.random.default_rng(5)
    keys = draw.integers(0, 30, (200, 2)).astype(numpy.uint64) << numpy.uint64(20)
    parts = numpy.split(keys, [0, 60, 61, 150])
    found = repeats([lambda part=part: part for part in parts], 8 << 20)  # type: ignore[misc]
    seen: set[tuple[int, ...]] = set()
    for row, again in zip(keys.tolist(), found.tolist(), strict=True):
        assert again == (tuple(row) in seen)
        seen.add(tuple(row))
