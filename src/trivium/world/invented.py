"""A world whose people, towns and things have names that were never heard before.

A model that is taught with few names learns which names there are, and answers with one of those whatever it reads. With
words that it meets once, it has to look.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trivium.world import lexicon
from trivium.world.lexicon_pool import words
from trivium.world.state import Person, Town, World
from trivium.world.writing import Dice

FIRST = words("b br ch d dr f fl g gr h j k kl l m n p pl r s sh st t tr v w z")
MIDDLE = ("a", "e", "i", "o", "u", "ai", "ea", "ou")
LAST = ("", "", "n", "r", "l", "m", "sk", "nt", "rd", "ck")
PERSON = (
    "name", "town", "job", "pet", "pet_name", "food", "colour", "house", "thing", "thing_colour", "hobby", "trait",
    "friend", "sibling",
)  # fmt: skip
TOWN = ("name", "river", "food")
_KNOWN = {word.lower() for pool in vars(lexicon).values() if isinstance(pool, lexicon.Pool) for word in pool}


class _Words:
    """An invented word for each word, the same one again for the same; with a capital for what had one."""

    def __init__(self, dice: Dice) -> None:
        self._dice = dice
        self._given: dict[str, str] = {"": "", "pupil": "pupil"}  # a pupil goes to school

    def __call__(self, word: str) -> str:
        while word not in self._given:
            syllables = (
                self._dice.choice(FIRST) + self._dice.choice(MIDDLE) for _ in range(self._dice.choice((1, 2, 2)))
            )
            made = "".join(syllables) + self._dice.choice(LAST)
            if len(made) > 3 and made not in _KNOWN and made not in {one.lower() for one in self._given.values()}:
                self._given[word] = made.capitalize() if word[0].isupper() else made
        return self._given[word]


def invent(dice: Dice, world: World) -> World:
    """The same world under other words: whoever lived together still does."""
    new = _Words(dice)

    def told(one: Person | Town, parts: Sequence[str]) -> dict[str, Any]:
        return {part: new(getattr(one, part)) for part in parts}

    towns = tuple(town._replace(**told(town, TOWN)) for town in world.towns)
    return World(tuple(person._replace(**told(person, PERSON)) for person in world.people), towns)
