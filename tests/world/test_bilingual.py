"""Lumi: the rules hold for every translation, and every lesson's pairs are exact."""

from __future__ import annotations

from random import Random

import pytest

from trivium.base.words import Document
from trivium.world.bilingual import (
    ADJECTIVES,
    LIFELESS,
    LIVING,
    NOUN_POOL,
    NUMERALS,
    PEOPLE,
    SMALL,
    VERBS,
    Clause,
    NounPhrase,
    english,
    random_clause,
    random_noun_phrase,
    random_phrase,
    random_sentence,
    read,
    translate,
)
from trivium.world.grammar import plural
from trivium.world.lexicon import COLOURS

NUMBERS, STEMS = {two: one for one, two in NUMERALS.items()}, {stem: one for one, stem in ADJECTIVES.items()}


def to_english(lumi: str) -> str:
    """A slow reader of Lumi phrases, which knows the rules from the language's side."""
    words = lumi.split()
    number = NUMBERS.get(words[0], "")
    noun = words[-1]
    many = noun.endswith("i")
    singular = noun.removesuffix("i")
    living = singular.endswith("ak")
    assert living or singular.endswith("el")
    table = {two: one for one, two in (LIVING if living else LIFELESS).items()}
    adjectives = words[bool(number) : -1]
    for word in adjectives:
        assert word[-1] == ("a" if living else "e")
    head = plural(table[singular]) if many else table[singular]
    return " ".join([number or "the", *(STEMS[word[:-1]] for word in adjectives), head])


def test_the_header_s_example() -> None:
    clause = Clause(NounPhrase("dog", "red", True), "see", NounPhrase("house"))
    assert (english(clause), translate(clause)) == ("The red dogs see the house.", "Sola runaki domel vim.")
    assert translate(clause._replace(negative=True)) == "Sola runaki domel na vim."
    assert english(clause._replace(negative=True)) == "The red dogs do not see the house."


def test_phrases_translate_back() -> None:
    random = Random(0)
    for _ in range(3000):
        one, two = random_phrase(random)
        assert to_english(two) == one
        assert english(read(one)) == one
        assert translate(read(one)) == two


def test_sentences_end_with_the_verb_and_translate_back() -> None:
    random = Random(1)
    verbs = {two: one for one, two in VERBS.items()}
    for _ in range(3000):
        clause = random_clause(random)
        words = translate(clause).removesuffix(".").lower().split()
        assert verbs[words.pop()] == clause.verb
        assert (words[-1] == "na") == clause.negative
        words = words[: len(words) - clause.negative]
        split = len(translate(clause.subject).split())
        assert to_english(" ".join(words[:split])) == english(clause.subject)
        assert to_english(" ".join(words[split:])) == english(clause.object)
        assert read(english(clause)) == clause


def test_no_word_of_lumi_means_two_things() -> None:
    stems = [
        *LIVING.values(),
        *LIFELESS.values(),
        *ADJECTIVES.values(),
        *VERBS.values(),
        *NUMERALS.values(),
        *SMALL.values(),
    ]
    assert len(stems) == len(set(stems))
    assert 50 <= len(stems) <= 70
    assert all(word.endswith("ak") for word in LIVING.values())
    assert all(word.endswith("el") for word in LIFELESS.values())


def test_held_out_nouns_stay_out() -> None:
    random = Random(2)
    for _ in range(500):
        assert random_noun_phrase(random, "train").noun in NOUN_POOL.train
        assert random_noun_phrase(random, "held_out").noun in NOUN_POOL.held_out
        one, _ = random_sentence(random, "held_out")
        clause = read(one)
        assert isinstance(clause, Clause)
        assert {clause.subject.noun, clause.object.noun} <= set(NOUN_POOL.held_out)


def test_people_have_no_colour_and_are_nobody_s_object() -> None:
    random = Random(3)
    for _ in range(2000):
        clause = random_clause(random)
        assert clause.object.noun not in PEOPLE
        assert clause.subject.noun not in PEOPLE or clause.subject.adjective not in COLOURS


@pytest.mark.parametrize(
    "text", ["the dog sees", "The dog.", "two dog", "the purple dog", "", "The dog sees the house"]
)
def test_other_english_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="Lumi"):
        read(text)


def test_lessons_name_exactly_what_they_translate(by_kind: dict[str, list[Document]]) -> None:
    pairs = 0
    for one in by_kind["bilingual"]:
        for source, target in one.meta["pairs"]:
            pairs += 1
            assert translate(read(source)) == target
            lower = one.text.lower()
            assert source.rstrip(".").lower() in lower
            assert target.rstrip(".").lower() in lower
    assert pairs > 1000
