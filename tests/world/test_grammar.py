"""English forms, against forms written out by hand."""

from __future__ import annotations

import pytest

from trivium.world import grammar, lexicon


@pytest.mark.parametrize(
    ("word", "expected"),
    [("apple", "an"), ("hat", "a"), ("hour", "an"), ("honest", "an"), ("umbrella", "an"), ("useless", "a"), ("usual", "a"),
     ("Ann", "an"), ("one", "a"), ("old", "an"), ("house", "a"), ("university", "a")],
)  # fmt: skip
def test_article(word: str, expected: str) -> None:
    assert grammar.article(word) == expected


@pytest.mark.parametrize(
    ("noun", "expected"),
    [("dog", "dogs"), ("fox", "foxes"), ("cherry", "cherries"), ("monkey", "monkeys"), ("wolf", "wolves"), ("mouse", "mice"),
     ("sheep", "sheep"), ("tomato", "tomatoes"), ("bread", "bread"), ("old knife", "old knives"), ("bus", "buses"),
     ("peach", "peaches"), ("brush", "brushes"), ("toy", "toys"), ("goose", "geese"), ("child", "children"),
     ("piece of furniture", "pieces of furniture")],
)  # fmt: skip
def test_plural(noun: str, expected: str) -> None:
    assert grammar.plural(noun) == expected


@pytest.mark.parametrize(
    ("lemma", "third", "past", "participle", "gerund"),
    [("walk", "walks", "walked", "walked", "walking"), ("carry", "carries", "carried", "carried", "carrying"),
     ("stop", "stops", "stopped", "stopped", "stopping"), ("go", "goes", "went", "gone", "going"),
     ("have", "has", "had", "had", "having"), ("be", "is", "was", "been", "being"),
     ("wash", "washes", "washed", "washed", "washing"),
     ("dance", "dances", "danced", "danced", "dancing"), ("see", "sees", "saw", "seen", "seeing"),
     ("travel", "travels", "travelled", "travelled", "travelling"), ("play", "plays", "played", "played", "playing"),
     ("give", "gives", "gave", "given", "giving"), ("fix", "fixes", "fixed", "fixed", "fixing"),
     ("try", "tries", "tried", "tried", "trying")],
)  # fmt: skip
def test_verb_forms(lemma: str, third: str, past: str, participle: str, gerund: str) -> None:
    forms = (grammar.third(lemma), grammar.past(lemma), grammar.participle(lemma), grammar.gerund(lemma))
    assert forms == (third, past, participle, gerund)


def test_no_regular_rule_is_used_for_an_irregular_verb() -> None:
    assert not set(lexicon.REGULAR_VERBS) & lexicon.IRREGULAR_VERBS.keys()
    for lemma in (*lexicon.DEEDS_THING, *lexicon.DEEDS_ANIMAL):
        assert lemma in lexicon.REGULAR_VERBS or lemma in lexicon.IRREGULAR_VERBS, lemma


def test_lists_quotations_and_places() -> None:
    assert [grammar.join("abc"[:n]) for n in (1, 2, 3)] == ["a", "a and b", "a, b and c"]
    assert grammar.indefinite("bread") == "bread"
    assert grammar.indefinite("old hat") == "an old hat"
    assert grammar.spoken_part("Come here.") + " said Ann." == 'Come here," said Ann.'
    assert grammar.spoken_part("Who is it?") == 'Who is it?"'
    assert (grammar.at("forest"), grammar.at("market"), grammar.at("hill")) == (
        "in the forest",
        "at the market",
        "on the hill",
    )
