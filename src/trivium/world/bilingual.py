"""Lumi: an invented language of about sixty words, with an exact translation from English.

Its rules: what lives has a noun in -ak, what does not has one in -el; an adjective stands before its noun and agrees
with it, -a for the living and -e for things; many is the suffix -i on the noun; there is no article; the verb comes
last and never changes, with "na" before it for "not". "The red dogs see the house." is "Sola runaki domel vim."
"""

from __future__ import annotations

from functools import cache
from random import Random
from typing import NamedTuple

from trivium.world.grammar import capital, plural, third
from trivium.world.lexicon import COLOURS, Pool
from trivium.world.state import Side, side_of

LIVING = {
    "dog": "runak", "cat": "mitak", "horse": "torak", "cow": "bumak", "wolf": "grivak", "bear": "hosak",
    "owl": "nulak", "bee": "zisak", "man": "vanak", "woman": "lenak", "child": "pikak", "friend": "sorak",
}  # fmt: skip
LIFELESS = {
    "house": "domel", "tree": "videl", "river": "flomel", "apple": "pomel", "book": "litel", "key": "kirel",
    "hat": "kapel", "stone": "rukel", "ball": "bolel", "boat": "nabel", "lamp": "lumel", "bell": "dingel",
}  # fmt: skip
ADJECTIVES = {
    "red": "sol", "blue": "fim", "green": "hul", "white": "bal", "black": "dor", "big": "gorb", "small": "pit",
    "old": "ket", "new": "nov", "good": "jon", "beautiful": "lil", "strong": "tug",
}  # fmt: skip
VERBS = {
    "see": "vim", "love": "amur", "find": "tros", "carry": "beld", "want": "kuor", "follow": "segu", "hear": "odir",
    "draw": "skrin", "hold": "tenk", "know": "sapi",
}  # fmt: skip
NUMERALS = {"two": "du", "three": "tam", "four": "kar"}
SMALL = {"and": "o", "not": "na", "yes": "ya", "no": "nai", "hello": "halu", "thank you": "mersa"}

PEOPLE = frozenset({"man", "woman", "child", "friend"})
NOUNS = {**LIVING, **LIFELESS}
# Nouns that no training instruction asks to translate.
NOUN_POOL = Pool(
    "lumi_nouns",
    tuple(noun for noun in NOUNS if noun not in ("owl", "friend", "stone", "bell")),
    ("owl", "friend", "stone", "bell"),
)


class NounPhrase(NamedTuple):
    """ "the red dogs", "two red dogs", "the dog". `number` is a word of NUMERALS or "", and asks for `many`."""

    noun: str
    adjective: str = ""
    many: bool = False
    number: str = ""


class Clause(NamedTuple):
    """ "The dog sees the house.", with "does not" where `negative`."""

    subject: NounPhrase
    verb: str
    object: NounPhrase
    negative: bool = False


Parse = NounPhrase | Clause


def english(parse: Parse) -> str:
    """The English of a parse: a phrase in lower case, a sentence with its capital and full stop."""
    if isinstance(parse, NounPhrase):
        noun = plural(parse.noun) if parse.many else parse.noun
        return _spaced(parse.number or "the", parse.adjective, noun)
    subject, verb, thing, negative = parse
    if negative:
        verb = f"do not {verb}" if subject.many else f"does not {verb}"
    elif not subject.many:
        verb = third(verb)
    return capital(f"{english(subject)} {verb} {english(thing)}.")


def translate(parse: Parse) -> str:
    """The Lumi of a parse, by the rules in the header; exact, and unambiguous up to articles."""
    if isinstance(parse, NounPhrase):
        noun = NOUNS[parse.noun] + ("i" if parse.many else "")
        return _spaced(NUMERALS.get(parse.number, ""), agree(parse.adjective, parse.noun), noun)
    not_ = "na" if parse.negative else ""
    return capital(_spaced(translate(parse.subject), translate(parse.object), not_, VERBS[parse.verb]) + ".")


def _spaced(*words: str) -> str:
    return " ".join(word for word in words if word)


def agree(adjective: str, noun: str) -> str:
    """The Lumi form of an English `adjective` beside `noun`; "" for ""."""
    return adjective and ADJECTIVES[adjective] + ("a" if noun in LIVING else "e")


def read(text: str) -> Parse:
    """The parse of what `english` writes; ValueError for any other phrase or sentence."""
    words = text.rstrip(".").split()
    words[:1] = [word.lower() for word in words[:1]]
    parse = _read_clause(words) if text.endswith(".") else _read_phrase(words)
    if parse is None or english(parse) != text:
        raise ValueError(
            f"{text!r} is not English of the Lumi lessons, such as 'two red dogs' or 'The man sees the key.'"
        )
    return parse


def _read_phrase(words: list[str]) -> NounPhrase | None:
    if len(words) not in (2, 3):
        return None
    noun = _SINGULAR.get(words[-1], words[-1])
    adjective = words[1] if len(words) == 3 else ""
    if noun not in NOUNS or (adjective and adjective not in ADJECTIVES):
        return None
    number = words[0] if words[0] in NUMERALS and words[-1] in _SINGULAR else ""
    return NounPhrase(noun, adjective, words[-1] in _SINGULAR, number)


def _read_clause(words: list[str]) -> Clause | None:
    place = next((index for index, word in enumerate(words) if word in _VERB_FORMS or word in ("do", "does")), 0)
    negative = words[place] not in _VERB_FORMS
    rest = words[place + 2 * negative :]
    subject, thing = _read_phrase(words[:place]), _read_phrase(rest[1:])
    if subject is None or thing is None or rest[0] not in _VERB_FORMS:
        return None
    return Clause(subject, _VERB_FORMS[rest[0]], thing, negative)


def random_noun_phrase(random: Random, side: Side = "all", nouns: frozenset[str] = frozenset(NOUNS)) -> NounPhrase:
    """A phrase with one of `nouns` on `side` of NOUN_POOL; most have an adjective, and people have no colour."""
    noun = random.choice(_on_side(side, nouns))
    adjectives = _CHARACTERS if noun in PEOPLE else _ADJECTIVES
    many = random.random() < 0.4
    return NounPhrase(
        noun,
        random.choice(adjectives) if random.random() < 0.7 else "",
        many,
        random.choice(_NUMERALS) if many and random.random() < 0.4 else "",
    )


def random_clause(random: Random, side: Side = "all") -> Clause:
    """A sentence about somebody alive who sees, finds or holds an animal or a thing."""
    subject = random_noun_phrase(random, side, _SUBJECTS)
    thing = random_noun_phrase(random, side, _OBJECTS)
    while thing.noun == subject.noun:
        thing = random_noun_phrase(random, side, _OBJECTS)
    return Clause(subject, random.choice(_VERBS), thing, random.random() < 0.2)


def random_phrase(random: Random, side: Side = "all") -> tuple[str, str]:
    """A noun phrase in English and in Lumi, such as ("the red dogs", "sola runaki")."""
    phrase = random_noun_phrase(random, side)
    return english(phrase), translate(phrase)


def random_sentence(random: Random, side: Side = "all") -> tuple[str, str]:
    """A sentence in English and in Lumi, such as ("The man sees the key.", "Vanak kirel vim.")."""
    clause = random_clause(random, side)
    return english(clause), translate(clause)


@cache
def _on_side(side: Side, nouns: frozenset[str]) -> tuple[str, ...]:
    return tuple(noun for noun in side_of(NOUN_POOL, side) if noun in nouns)


_SUBJECTS, _OBJECTS = frozenset(LIVING), frozenset(NOUNS) - PEOPLE
_ADJECTIVES, _VERBS, _NUMERALS = tuple(ADJECTIVES), tuple(VERBS), tuple(NUMERALS)
_CHARACTERS = tuple(adjective for adjective in ADJECTIVES if adjective not in COLOURS and adjective != "new")
_SINGULAR = {plural(noun): noun for noun in NOUNS}
_VERB_FORMS = {form: verb for verb in VERBS for form in (verb, third(verb))}
