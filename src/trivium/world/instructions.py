"""The instructions of the little world: an endless, seeded stream of conversations, and the table of its families.

An instruction is a function of (seed, split, number). The split "train" uses trained phrasings, words and tasks only;
"heldout" goes through the three levels: unseen phrasings (every other one), unseen entities, unseen tasks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, count
from typing import Literal

from trivium.base.seeds import python_random
from trivium.base.words import Message
from trivium.world import (
    families_lists,
    families_lookup,
    families_lumi,
    families_open,
    families_reading,
    families_sentences,
    families_talk,
    families_texts,
    families_words,
)
from trivium.world.draws import Level
from trivium.world.families import Family

Split = Literal["train", "heldout"]
Reach = Literal["core", "all", "open"]
_LEVELS: tuple[Level, ...] = ("phrasing", "entity", "phrasing", "task")

FAMILIES: tuple[Family, ...] = (
    *families_lookup.FAMILIES,
    *families_reading.FAMILIES,
    *families_texts.FAMILIES,
    *families_sentences.FAMILIES,
    *families_lists.FAMILIES,
    *families_words.FAMILIES,
    *families_lumi.FAMILIES,
    *families_talk.FAMILIES,
    *families_open.FAMILIES,
)


# How often a family comes, relative to the others; the open families are about a quarter of the whole.
WEIGHTS: dict[str, float] = {
    "where_lives": 1.0, "who_has": 1.0, "fact": 1.0, "yes_no": 1.0, "where_is": 1.0, "colour_of": 1.0,
    "who_gave": 1.0, "who_got": 1.0, "fill_gap": 1.0, "follow_up": 1.0, "sentiment": 1.0, "headline": 1.0,
    "find_person": 1.0, "find_town": 1.0, "repeat": 1.0, "replace": 1.0, "join": 1.0, "past": 1.0,
    "list_item": 1.0, "next_item": 1.0, "count": 1.0, "reverse": 1.0, "remove": 1.0, "in_list": 1.0,
    "pick_kind": 1.0, "odd_one": 1.0, "kind_of": 1.0, "opposite": 1.0, "examples": 1.0, "codes": 1.0,
    "to_lumi": 1.25, "from_lumi": 1.25, "identity": 0.3, "greeting": 0.3, "thanking": 0.3,
    "story": 2.1, "description": 2.1, "thanks": 2.1, "invitation": 2.1, "review": 2.1,
}  # fmt: skip


# What a model of a million parameters learns in a minute or two. The others bind a name to a fact somewhere in a text,
# or compare words of a list; that comes late and all at once, and wants a longer run (docs/decisions.md).
CORE: dict[str, float] = {
    "sentiment": 1.0, "headline": 1.0, "find_person": 1.0, "find_town": 1.0, "repeat": 1.5, "replace": 1.0, "join": 1.0,
    "past": 1.0, "list_item": 1.0, "count": 1.0, "reverse": 1.0, "kind_of": 1.0, "opposite": 1.0, "examples": 1.0,
    "to_lumi": 1.0, "from_lumi": 1.0, "identity": 0.3, "greeting": 0.3, "thanking": 0.3,
    "story": 1.2, "description": 1.2, "thanks": 1.2, "invitation": 1.2, "review": 1.2,
}  # fmt: skip


_MIXES: dict[Reach, dict[str, float]] = {
    "core": CORE,
    "all": WEIGHTS,
    "open": {family.name: WEIGHTS[family.name] for family in families_open.FAMILIES},
}


@dataclass(frozen=True)
class Instruction:
    """One conversation; the last message is the assistant's answer. `verifiable`: there is one right answer."""

    messages: tuple[Message, ...]
    family: str
    level: Level
    verifiable: bool

    @property
    def answer(self) -> str:
        """What the assistant should say last."""
        return self.messages[-1].content


def instruction(seed: int, split: Split, number: int, reach: Reach = "all") -> Instruction:
    """Instruction `number` of a split: the same wherever it is asked for. `reach` "core" leaves out what is hard, "open"
    what has one right answer."""
    random = python_random(seed, "instruction", split, number)
    held_out = _held_out(reach)
    level = "train" if split == "train" else held_out[number % len(held_out)]
    families, shares = _mix(level, reach)
    (family,) = random.choices(families, cum_weights=shares)
    return Instruction(family.conversation(random, level), family.name, level, family.verifiable)


def instructions(seed: int, split: Split, start: int = 0, reach: Reach = "all") -> Iterator[Instruction]:
    """The endless stream of a split's instructions from number `start` on."""
    return (instruction(seed, split, number, reach) for number in count(start))


@cache
def _held_out(reach: Reach) -> tuple[Level, ...]:
    """The levels, in turn, that any family has something at."""
    return tuple(level for level in _LEVELS if _mix(level, reach)[0])


@cache
def _mix(level: Level, reach: Reach) -> tuple[tuple[Family, ...], tuple[float, ...]]:
    """The families that have something at `level`, and their cumulated weights."""
    weights = _MIXES[reach]
    families = tuple(family for family in FAMILIES if family.name in weights and family.allows(level))
    return families, tuple(accumulate(weights[family.name] for family in families))
