"""Schemes of tags: round trips on random spans, what each scheme refuses, and Viterbi against every sequence there is."""

from __future__ import annotations

import itertools

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivium.task.tags import BrokenScheme, Scheme, Span, best_sequence, convert, names_in, rules, spans_of, tags_of

SCHEMES: tuple[Scheme, ...] = ("bio", "bioes", "iob1")
BORDERS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(1, 3), st.sampled_from(["PER", "creative-work"])), max_size=5
)


def spans_from(steps: list[tuple[int, int, str]]) -> tuple[list[Span], int]:
    spans, place = [], 0
    for gap, length, kind in steps:
        spans.append((place + gap, place + gap + length, kind))
        place += gap + length
    return spans, place + 1


@given(BORDERS)
def test_every_scheme_tells_the_same_spans(steps: list[tuple[int, int, str]]) -> None:
    spans, length = spans_from(steps)
    for scheme in SCHEMES:
        tags = tags_of(spans, length, scheme)
        assert spans_of(tags, scheme) == spans
        for other in SCHEMES:
            assert convert(convert(tags, scheme, other), other, scheme) == tags


def test_iob1_begins_with_i_but_between_two_of_a_kind() -> None:
    assert tags_of([(0, 2, "A"), (2, 3, "A"), (3, 4, "B")], 4, "iob1") == ["I-A", "I-A", "B-A", "I-B"]


@pytest.mark.parametrize(
    ("tags", "scheme", "word"),
    [
        (["O", "I-A"], "bio", 1),
        (["B-A", "I-B"], "bio", 1),
        (["I-A"], "bioes", 0),
        (["B-A", "O"], "bioes", 1),
        (["O", "B-A"], "bioes", 1),
        (["S-A", "E-A"], "bioes", 1),
        (["B-A"], "iob1", 0),
        (["I-A", "B-B"], "iob1", 1),
        (["O", "X-A"], "bio", 1),
        (["O", "B-"], "bio", 1),
    ],
)
def test_a_broken_sequence_is_told_with_its_word(tags: list[str], scheme: Scheme, word: int) -> None:
    with pytest.raises(BrokenScheme) as told:
        spans_of(tags, scheme)
    assert told.value.word == word
    assert scheme in str(told.value)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_viterbi_finds_the_best_of_all_legal_sequences(scheme: Scheme) -> None:
    names = names_in(
        ["B-A", "I-A", "B-B"] if scheme != "iob1" else ["I-A", "I-B"], "bio" if scheme != "iob1" else "iob1", scheme
    )
    random = numpy.random.default_rng(0)

    def legal(sequence: tuple[int, ...]) -> bool:
        try:
            spans_of([names[number] for number in sequence], scheme)
        except BrokenScheme:
            return False
        return True

    sequences = [one for one in itertools.product(range(len(names)), repeat=4) if legal(one)]
    changed = 0
    for _ in range(20):
        scores = random.normal(size=(4, len(names)))
        best = max(sequences, key=lambda one: sum(scores[place, tag] for place, tag in enumerate(one)))
        assert best_sequence(scores, rules(names, scheme)) == list(best)
        changed += list(best) != scores.argmax(axis=1).tolist()
    assert changed > 5  # the rules decided something


def test_without_spans_each_word_is_free() -> None:
    scores = numpy.array([[0.0, 1.0], [2.0, 1.0]])
    assert best_sequence(scores, rules(["NOUN", "VERB"], "none")) == [1, 0]
