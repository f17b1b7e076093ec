"""A small world: some people and what is true of them, drawn from (seed, split, number).

Facts are drawn anew for every world, so a reader learns them from the text and cannot know them by heart. Job, traits
and belongings are independent of the pronoun. This module holds what is true; how it is told is left to others.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from random import Random
from typing import Literal, NamedTuple

from trivium.base.seeds import python_random
from trivium.world import lexicon
from trivium.world.grammar import HE, SHE, Pronouns
from trivium.world.lexicon_pool import Pool

Side = Literal["all", "train", "held_out"]
_AGES = ("child", "child", "young", "middle", "middle", "old")
_YEARS = {
    "child": ("six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    "young": ("twenty",),
    "middle": ("thirty", "forty", "fifty"),
    "old": ("sixty", "seventy", "eighty"),
}
_WOMEN, _EITHER = frozenset(lexicon.WOMEN.all), frozenset(lexicon.EITHER.all)


class Person(NamedTuple):
    """One person. `friend` and `sibling` are names in the same world; `sibling` is "" where there is none.

    `thing` is a portable object with `thing_colour`; `house` is the colour of the house; `job` is "pupil" for a child.
    """

    name: str
    pronouns: Pronouns
    age: str  # "child", "young", "middle" or "old"
    years: str  # a number in words
    town: str
    job: str
    pet: str
    pet_name: str
    food: str
    colour: str
    house: str
    thing: str
    thing_colour: str
    hobby: str
    trait: str
    friend: str
    sibling: str

    @property
    def is_child(self) -> bool:
        """Whether this person goes to school."""
        return self.age == "child"

    @property
    def noun(self) -> str:
        """ "boy", "girl", "man" or "woman"."""
        if self.age == "child":
            return "girl" if self.pronouns is SHE else "boy"
        return "woman" if self.pronouns is SHE else "man"


class Town(NamedTuple):
    """One town and what it is known for. `kind` is "town", "village" or "port"."""

    name: str
    kind: str
    river: str
    food: str  # what it is known for, in the plural or as a mass noun's singular
    places: tuple[str, str, str]
    inn: str  # the restaurant's name, without "the"
    market_day: str


@dataclass(frozen=True)
class World:
    """People and towns that belong together. Names are unique within a world; friends come in pairs, siblings too."""

    people: tuple[Person, ...]
    towns: tuple[Town, ...]

    def person(self, name: str) -> Person:
        """The person called `name`; a KeyError where there is none."""
        return self._people[name]

    def town(self, name: str) -> Town:
        """The town called `name`; a KeyError where there is none."""
        return self._towns[name]

    @cached_property
    def _people(self) -> dict[str, Person]:
        return {person.name: person for person in self.people}

    @cached_property
    def _towns(self) -> dict[str, Town]:
        return {town.name: town for town in self.towns}


def side_of(pool: Pool, side: Side) -> tuple[str, ...]:
    """The words of `pool` on one side; all of them where the pool holds none out."""
    if side == "all" or not pool.held_out:
        return pool.all
    return pool.train if side == "train" else pool.held_out


@cache
def _columns(side: Side) -> tuple[tuple[str, ...], ...]:
    """The pools that people are drawn from, in the order in which `_person` reads them."""
    pools = (lexicon.JOBS, lexicon.PETS, lexicon.PET_NAMES, lexicon.FOODS, lexicon.COLOURS, lexicon.THINGS)
    return tuple(side_of(pool, side) for pool in (*pools, lexicon.HOBBIES, lexicon.TRAITS))


def pronouns_of(name: str, random: Random) -> Pronouns:
    """The pronouns of somebody called `name`: drawn for the names of `EITHER`, fixed for the others."""
    if name in _EITHER:
        return SHE if random.random() < 0.5 else HE
    return SHE if name in _WOMEN else HE


def _person(random: Random, name: str, towns: tuple[Town, ...], ties: tuple[str, str], side: Side) -> Person:
    draw = random.random
    jobs, pets, pet_names, foods, colours, things, hobbies, traits = _columns(side)
    age = _AGES[int(draw() * len(_AGES))]
    return Person(
        name=name,
        pronouns=pronouns_of(name, random),
        age=age,
        years=_YEARS[age][int(draw() * len(_YEARS[age]))],
        town=towns[int(draw() * len(towns))].name,
        job="pupil" if age == "child" else jobs[int(draw() * len(jobs))],
        pet=pets[int(draw() * len(pets))],
        pet_name=pet_names[int(draw() * len(pet_names))],
        food=foods[int(draw() * len(foods))],
        colour=colours[int(draw() * len(colours))],
        house=colours[int(draw() * len(colours))],
        thing=things[int(draw() * len(things))],
        thing_colour=colours[int(draw() * len(colours))],
        hobby=hobbies[int(draw() * len(hobbies))],
        trait=traits[int(draw() * len(traits))],
        friend=ties[0],
        sibling=ties[1],
    )


def _town(random: Random, name: str, side: Side) -> Town:
    first, second, third = random.sample(side_of(lexicon.PLACES, side), 3)
    return Town(
        name=name,
        kind=random.choice(("town", "town", "village", "port")),
        river=random.choice(lexicon.RIVERS.all),
        food=random.choice(side_of(lexicon.FOODS, side)),
        places=(first, second, third),
        inn=f"{random.choice(_INN_FIRST)} {random.choice(_INN_LAST)}",
        market_day=random.choice(lexicon.DAYS.all),
    )


def draw_world(random: Random, side: Side = "all", people: int | None = None) -> World:
    """A world from `random`, its words from one side of the pools; 8 to 20 people unless `people` (even) says."""
    names = side_of(lexicon.NAMES, side)
    number = people or 2 * random.randint(4, 10)
    chosen = random.sample(names, min(number, len(names)))
    town_names = random.sample(side_of(lexicon.TOWNS, side), 3 + number // 6)
    towns = tuple(_town(random, name, side) for name in town_names)
    rows = []
    for index, name in enumerate(chosen):
        friend = chosen[index ^ 1]
        # Numbers one and two of each eight are siblings; their friends are numbers zero and three.
        other = {1: index + 1, 2: index - 1}.get(index % 8, index)
        sibling = chosen[other] if other != index and other < len(chosen) else ""
        rows.append(_person(random, name, towns, (friend, sibling), side))
    return World(tuple(rows), towns)


@lru_cache(maxsize=8)
def world(seed: int, split: str, number: int) -> World:
    """World `number` of (seed, split): the same wherever it is asked for; no world is in two splits."""
    return draw_world(python_random(seed, "world", split, number))


_INN_FIRST = ("Golden", "Blue", "Old", "Happy", "Red", "Silver", "Quiet", "Green", "White", "Merry")
_INN_LAST = ("Spoon", "Goose", "Lantern", "Kettle", "Bear", "Apple", "Table", "Swan", "Mill", "Onion")
