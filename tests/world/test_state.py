"""Worlds: consistent, drawn from one side of the pools, and without a tie between job and pronoun."""

from __future__ import annotations

from collections import Counter

import pytest

from trivium.base.seeds import python_random
from trivium.world import lexicon
from trivium.world.grammar import HE, SHE
from trivium.world.lexicon_pool import Pool
from trivium.world.state import Side, draw_world, world


def test_the_same_world_is_drawn_again() -> None:
    first = world(4, "train", 7)
    world.cache_clear()
    assert world(4, "train", 7) == first


@pytest.mark.parametrize("number", range(60))
def test_people_and_towns_fit_together(number: int) -> None:
    here = world(0, "train", number)
    names = [person.name for person in here.people]
    assert 8 <= len(names) <= 30
    assert len(set(names)) == len(names)
    for person in here.people:
        assert here.town(person.town).name == person.town
        assert here.person(person.friend).friend == person.name != person.friend
        if person.sibling:
            assert here.person(person.sibling).sibling == person.name
            assert person.sibling not in (person.name, person.friend)
        assert (person.job == "pupil") == person.is_child
        assert person.noun in ({"girl", "woman"} if person.pronouns is SHE else {"boy", "man"})
        if person.name in lexicon.WOMEN:
            assert person.pronouns is SHE
        if person.name in lexicon.MEN:
            assert person.pronouns is HE


@pytest.mark.parametrize("side", ["train", "held_out"])
def test_a_world_of_one_side_holds_no_word_of_the_other(side: Side) -> None:
    def allowed(pool: Pool) -> tuple[str, ...]:
        return pool.train if side == "train" else pool.held_out

    for number in range(50):
        here = draw_world(python_random(0, "side", side, number), side, 4)
        for person in here.people:
            assert person.name in allowed(lexicon.NAMES)
            assert person.town in allowed(lexicon.TOWNS)
            assert person.is_child or person.job in allowed(lexicon.JOBS)
            assert person.pet in allowed(lexicon.PETS)
            assert person.food in allowed(lexicon.FOODS)
            assert {person.colour, person.house, person.thing_colour} <= set(allowed(lexicon.COLOURS))
            assert person.thing in allowed(lexicon.THINGS)


def test_job_trait_and_hobby_are_independent_of_the_pronoun() -> None:
    people = [person for number in range(2500) for person in world(1, "train", number).people]
    women = sum(person.pronouns is SHE for person in people) / len(people)
    assert abs(women - 0.5) < 0.01
    for field in ("job", "trait", "hobby", "age", "thing"):
        everybody = Counter(getattr(person, field) for person in people)
        she = Counter(getattr(person, field) for person in people if person.pronouns is SHE)
        for value, number in everybody.items():
            bound = 4.5 * 0.5 / number**0.5  # four and a half standard deviations of a fair coin
            assert abs(she[value] / number - women) < bound, (field, value)


def test_pools_hold_out_a_seventh_and_no_word_twice() -> None:
    for pool in (
        lexicon.NAMES,
        lexicon.TOWNS,
        lexicon.JOBS,
        lexicon.FOODS,
        lexicon.ANIMALS,
        lexicon.THINGS,
        lexicon.PLACES,
    ):
        assert 0.12 <= len(pool.held_out) / len(pool) <= 0.2, pool.name
        assert not set(pool.train) & set(pool.held_out)
        assert pool.all == pool.train + pool.held_out
    of_kind = [word for pool in lexicon.KINDS.values() for word in pool]
    assert len(of_kind) == len(set(of_kind))
    for small, large in ((lexicon.PETS, lexicon.ANIMALS), (lexicon.MEALS, lexicon.FOODS)):
        assert set(small.train) <= set(large.train)
        assert set(small.held_out) <= set(large.held_out)
    assert lexicon.WORK.keys() == lexicon.WORKPLACES.keys() == set(lexicon.JOBS)


def test_women_and_men_are_as_many_on_each_side() -> None:
    assert len(lexicon.WOMEN.train) == len(lexicon.MEN.train)
    assert len(lexicon.WOMEN.held_out) == len(lexicon.MEN.held_out)


def test_a_pool_with_a_word_twice_is_refused() -> None:
    with pytest.raises(AssertionError, match="twice"):
        Pool("pets", ("dog", "cat"), ("cat",))
