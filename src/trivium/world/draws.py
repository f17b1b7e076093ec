"""What an instruction is made of: words drawn from the pools, the trained or the held-out side of them.

A `Draw` holds the generator of one instruction. At the level "entity" it takes held-out words; where a pool has fewer
than are asked for, trained words make up the number. Words of one call are distinct and in random order.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from random import Random
from typing import Literal

from trivium.world import lexicon
from trivium.world.grammar import Pronouns, indefinite
from trivium.world.lexicon_pool import Pool
from trivium.world.state import pronouns_of

Level = Literal["train", "phrasing", "entity", "task"]
HELD_OUT_KIND = "clothes"  # the kind that no training instruction asks about
KINDS = tuple(kind for kind in lexicon.KINDS if kind != HELD_OUT_KIND)


@cache
def _nouns() -> Pool:
    pools = list(lexicon.KINDS.values())
    return Pool("nouns", tuple(w for p in pools for w in p.train), tuple(w for p in pools for w in p.held_out))


@cache
def _portable() -> Pool:
    """Things to carry; those with "an" are left out, so that one can take another's place after "a"."""
    sides = (lexicon.THINGS.train, lexicon.THINGS.held_out)
    return Pool("portable", *(tuple(word for word in side if indefinite(word).startswith("a ")) for side in sides))


class Draw:
    """The source of one instruction's words. `task` asks for the family's held-out task."""

    def __init__(self, random: Random, level: Level) -> None:
        self.random = random
        self.level = level
        self.held_out = level == "entity"
        self.task = level == "task"

    def chance(self, share: float) -> bool:
        """True in `share` of the draws."""
        return self.random.random() < share

    def some(self, pool: Pool, number: int) -> list[str]:
        """`number` distinct words of `pool`."""
        if not self.held_out:
            return self.random.sample(pool.train, number)
        held_out = self.random.sample(pool.held_out, min(number, len(pool.held_out)))
        return self.shuffled(held_out + self.random.sample(pool.train, number - len(held_out)))

    def shuffled(self, words: Sequence[str]) -> list[str]:
        """The words in random order."""
        return self.random.sample(words, len(words))

    def people(self, number: int) -> list[str]:
        return self.some(lexicon.NAMES, number)

    def towns(self, number: int) -> list[str]:
        return self.some(lexicon.TOWNS, number)

    def rooms(self, number: int) -> list[str]:
        return self.some(lexicon.ROOMS, number)

    def places(self, number: int) -> list[str]:
        return self.some(lexicon.PLACES, number)

    def colours(self, number: int) -> list[str]:
        return self.some(lexicon.COLOURS, number)

    def portable(self, number: int) -> list[str]:
        """Things that a hand can carry and that take the article "a"."""
        return self.some(_portable(), number)

    def kind(self) -> str:
        """A kind that training may ask about."""
        return self.random.choice(KINDS)

    def other_kinds(self, kind: str, number: int) -> list[str]:
        """Kinds besides `kind`, the held-out kind among them."""
        return self.random.sample([other for other in lexicon.KINDS if other != kind], number)

    def of_kind(self, kind: str, number: int) -> list[str]:
        return self.some(lexicon.KINDS[kind], number)

    def mixed(self, number: int) -> list[str]:
        """Nouns of any kind."""
        return self.some(_nouns(), number)

    def pronouns(self, name: str) -> Pronouns:
        """The pronouns of a person; a name that fits women and men gets either."""
        return pronouns_of(name, self.random)
