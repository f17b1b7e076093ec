"""Bilingual documents: lessons, glossaries and talk in English and Lumi, every translation exact.

Label: `pairs`, rows of [English, Lumi] of all phrases and sentences that the text translates.
"""

from __future__ import annotations

from trivium.world.bilingual import (
    ADJECTIVES,
    LIFELESS,
    LIVING,
    NOUNS,
    NUMERALS,
    PEOPLE,
    SMALL,
    VERBS,
    Clause,
    NounPhrase,
    english,
    random_noun_phrase,
    random_phrase,
    random_sentence,
    translate,
)
from trivium.world.grammar import capital
from trivium.world.state import World
from trivium.world.writing import Dice, Writer, Written

Pair = tuple[str, str]
_NOUNS, _ADJECTIVES = tuple(NOUNS), tuple(ADJECTIVES)
_WORDS: tuple[Pair, ...] = (
    *NOUNS.items(), *VERBS.items(), *NUMERALS.items(), *SMALL.items(),
    *((adjective, f"{stem}a or {stem}e") for adjective, stem in ADJECTIVES.items()),
)  # fmt: skip


def bilingual(r: Dice, world: World) -> Written:
    """One bilingual document of any form."""
    return r.choice(_FORMS)(r, world)


def _labels(pairs: list[Pair]) -> dict[str, list[list[str]]]:
    return {"pairs": [list(pair) for pair in pairs]}


def _phrases(r: Dice, world: World) -> Written:
    shape = r.choice(_PHRASE)
    pairs = [random_phrase(r) for _ in range(r.choice((3, 4, 5)))]
    pupil = r.choice(world.people).name
    lines = [
        shape.format(english=one, lumi=two, English=capital(one), Lumi=capital(two), pupil=pupil) for one, two in pairs
    ]
    return " ".join(lines), _labels(pairs)


_PHRASE = (
    "In Lumi, '{english}' is '{lumi}'.",
    "'{lumi}' is Lumi for '{english}'.",
    "English: {english}. Lumi: {lumi}.",
    "Lumi: {lumi}. English: {english}.",
    "How do you say '{english}' in Lumi? You say '{lumi}'.",
    "What does '{lumi}' mean? It means '{english}'.",
    '"What is {english} in Lumi?" "{Lumi}," says {pupil}.',
    "'{english}' in Lumi is '{lumi}'.",
)


def _sentences(r: Dice, world: World) -> Written:
    shape = r.choice(_SENTENCE)
    pairs = [random_sentence(r) for _ in range(r.choice((2, 3, 4)))]
    teacher = r.choice(world.people).name
    lines = [shape.format(english=one, lumi=two, teacher=teacher) for one, two in pairs]
    return r.choice((" ", "\n")).join(lines), _labels(pairs)


_SENTENCE = (
    "English: {english} Lumi: {lumi}",
    "Lumi: {lumi} English: {english}",
    '"{english}" In Lumi we say, "{lumi}"',
    '"{lumi}" In English this is, "{english}"',
    '{teacher} says in English, "{english}" Then {teacher} says it in Lumi, "{lumi}"',
    "How do you say this in Lumi? {english} You say: {lumi}",
    "What does this mean? {lumi} It means: {english}",
)


def _glossary(r: Dice, world: World) -> Written:
    """A few words, and a sentence made of them."""
    clause = Clause(
        NounPhrase(r.choice(tuple(LIVING)[:8]), r.choice(_ADJECTIVES), r.random() < 0.4),
        r.choice(tuple(VERBS)),
        NounPhrase(r.choice(tuple(LIFELESS)), r.choice(_ADJECTIVES), r.random() < 0.4),
        r.random() < 0.2,
    )
    words = [clause.subject.noun, clause.verb, clause.object.noun]
    rows = [f"{word} = {NOUNS.get(word) or VERBS[word]}" for word in words]
    for phrase in (clause.subject, clause.object):
        rows.append(f"{phrase.adjective} = {_agreeing(phrase)}")
    r.shuffle(rows)
    pair = (english(clause), translate(clause))
    parts = [(english(clause.subject), translate(clause.subject)), (english(clause.object), translate(clause.object))]
    middle = " ".join(f"'{one}' is '{two}'." for one, two in parts) if r.random() < 0.6 else ""
    text = " ".join(part for part in (f"Words: {', '.join(rows)}.", middle, f"{pair[0]} {pair[1]}") if part)
    return text, _labels([*(parts if middle else []), pair])


def _agreeing(phrase: NounPhrase) -> str:
    return ADJECTIVES[phrase.adjective] + ("a" if phrase.noun in LIVING else "e")


def _word_list(r: Dice, world: World) -> Written:
    shape = r.choice(("{}: {}.", "{} is {}.", "'{}' is '{}' in Lumi.", "{} = {}."))
    pairs = r.sample(_WORDS, r.choice((5, 6, 8)))
    opening = r.choice(("English and Lumi. ", "Some words of Lumi. ", ""))
    return opening + " ".join(shape.format(*pair) for pair in pairs), {"pairs": []}


def _rule(r: Dice, world: World) -> Written:
    """One rule of the language and examples of it."""
    noun, other = r.sample(_NOUNS, 2)
    living, lifeless = r.choice(tuple(LIVING)[:8]), r.choice(tuple(LIFELESS))
    adjective = r.choice(_ADJECTIVES)
    rule, phrases = r.choice(
        (
            (
                "One is short, many ends in i.",
                [NounPhrase(noun), NounPhrase(noun, many=True), NounPhrase(other), NounPhrase(other, many=True)],
            ),
            (
                "With what lives the adjective ends in a, with things it ends in e.",
                [NounPhrase(living, adjective), NounPhrase(lifeless, adjective)],
            ),
            (
                "Lumi has no word for the. The number stands first.",
                [NounPhrase(noun), NounPhrase(other, "", True, "two"), NounPhrase(living, adjective, True, "three")],
            ),
            (
                "An adjective stands before its noun.",
                [NounPhrase(living), NounPhrase(living, adjective), NounPhrase(living, adjective, True)],
            ),
        )
    )
    pairs = [(english(phrase), translate(phrase)) for phrase in phrases]
    if r.random() < 0.4:
        pairs.append(random_sentence(r))
        rule += " The verb comes last."
    lines = [f"{one} {two}" if one.endswith(".") else f"'{one}' is '{two}'." for one, two in pairs]
    return f"{rule} {' '.join(lines)}", _labels(pairs)


def _guided(r: Dice, world: World) -> Written:
    """The same phrase with one thing changed after another."""
    phrase = random_noun_phrase(r)._replace(many=False, number="")
    steps = [phrase, phrase._replace(many=True), phrase._replace(many=True, number=r.choice(tuple(NUMERALS)))]
    other = r.choice([noun for noun in (LIVING if phrase.noun in LIVING else LIFELESS) if noun not in PEOPLE])
    steps.append(phrase._replace(noun=other))
    pairs = [(english(one), translate(one)) for one in steps]
    asker, knower = (person.name for person in r.sample(world.people, 2))
    shape = r.choice(("{asker}: {one}? {knower}: {two}.", '"{one}?" "{two}."', "{one}: {two}."))
    lines = [shape.format(asker=asker, knower=knower, one=capital(one), two=capital(two)) for one, two in pairs]
    return " ".join(lines), _labels(pairs)


_FORMS: tuple[Writer, ...] = (
    _phrases,
    _phrases,
    _phrases,
    _sentences,
    _sentences,
    _glossary,
    _word_list,
    _rule,
    _guided,
)
