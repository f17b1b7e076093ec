"""English forms: articles, plurals, verb forms, lists, capital letters, pronouns. Pure functions of words.

They are exact for the words of the lexicon and regular elsewhere; nothing here chooses at random.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from trivium.world.lexicon import DOUBLING, IRREGULAR_PLURALS, IRREGULAR_VERBS, MASS, PREPOSITIONS

_VOWELS = "aeiou"
# Spelled with a vowel, spoken with a consonant, and the other way round.
_CONSONANT_SOUND = ("uni", "use", "usual", "eu", "one", "once")
_VOWEL_SOUND = ("hour", "honest")


@dataclass(frozen=True)
class Pronouns:
    """The five forms of a person's pronoun, in lower case; `He` and `His` begin a sentence."""

    he: str
    him: str
    his: str
    himself: str
    He: str
    His: str


SHE = Pronouns("she", "her", "her", "herself", "She", "Her")
HE = Pronouns("he", "him", "his", "himself", "He", "His")


@cache
def article(word: str) -> str:
    """ "a" or "an", as `word` is spoken."""
    lower = word.lower()
    if lower.startswith(_VOWEL_SOUND):
        return "an"
    return "an" if lower[0] in _VOWELS and not lower.startswith(_CONSONANT_SOUND) else "a"


@cache
def indefinite(noun: str) -> str:
    """`noun` with "a" or "an"; a mass noun ("bread") stays bare. The noun is the last word of "old hat"."""
    return noun if noun.rsplit(" ", 1)[-1] in MASS else f"{article(noun)} {noun}"


@cache
def plural(noun: str) -> str:
    """The plural of `noun`; of two words ("old hat") the last one changes, and a mass noun stays as it is."""
    head, _, last = noun.rpartition(" ")
    if noun in IRREGULAR_PLURALS:
        return IRREGULAR_PLURALS[noun]
    if head:
        return f"{head} {plural(last)}"
    if noun in MASS:
        return noun
    if noun.endswith(("s", "x", "ch", "sh")):
        return noun + "es"
    if noun.endswith("y") and noun[-2] not in _VOWELS:
        return noun[:-1] + "ies"
    return noun + "s"


def _with_ending(lemma: str, ending: str) -> str:
    """`lemma` with "ed" or "ing", spelled as it should be."""
    if lemma in DOUBLING:
        return lemma + lemma[-1] + ending
    if lemma.endswith("e") and not lemma.endswith("ee"):
        return lemma[:-1] + ending
    if ending == "ed" and lemma.endswith("y") and lemma[-2] not in _VOWELS:
        return lemma[:-1] + "ied"
    return lemma + ending


@cache
def third(lemma: str) -> str:
    """What he or she does: "walks", "carries", "has"."""
    if lemma in ("be", "have"):
        return {"be": "is", "have": "has"}[lemma]
    if lemma.endswith(("s", "x", "ch", "sh", "o")):
        return lemma + "es"
    if lemma.endswith("y") and lemma[-2] not in _VOWELS:
        return lemma[:-1] + "ies"
    return lemma + "s"


@cache
def past(lemma: str) -> str:
    """What was done yesterday: "walked", "went"."""
    return IRREGULAR_VERBS[lemma][0] if lemma in IRREGULAR_VERBS else _with_ending(lemma, "ed")


@cache
def participle(lemma: str) -> str:
    """What has been done: "walked", "gone"."""
    return IRREGULAR_VERBS[lemma][1] if lemma in IRREGULAR_VERBS else _with_ending(lemma, "ed")


@cache
def gerund(lemma: str) -> str:
    """What is being done: "walking", "running"."""
    return "being" if lemma == "be" else _with_ending(lemma, "ing")


@cache
def at(place: str) -> str:
    """Being at a place of the lexicon: "at the market", "in the forest", "on the hill"."""
    return f"{PREPOSITIONS.get(place, 'at')} the {place}"


def join(words: Sequence[str], last: str = "and") -> str:
    """ "a", "a and b", "a, b and c"."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"


def spoken_part(sentence: str) -> str:
    """`sentence` as it ends before "said Ann": the full stop becomes a comma, and the quotation mark follows."""
    return f'{sentence[:-1]},"' if sentence.endswith(".") else f'{sentence}"'


def capital(text: str) -> str:
    """`text` with its first letter in upper case."""
    return text[:1].upper() + text[1:]
