"""Stories: somebody wants something, a small thing goes wrong, somebody tries, it turns, it ends.

A story is an opening, the steps of a plot and sometimes a closing. A vivid one has picturesque adjectives, sentences
about the sky and the wind, and a turn that surprises; a plain one does without. Labels: `plot`, `vivid`, `person`,
`friend`, `town`, `pet` and `pet_name` (of the person; not every plot has the pet in it).
"""

from __future__ import annotations

from trivium.world import lexicon, plots_friends, plots_lost, plots_outdoors, plots_ventures
from trivium.world.facts import many
from trivium.world.grammar import at, capital, indefinite
from trivium.world.lexicon import NUMBERS
from trivium.world.plots import Plot, Step
from trivium.world.state import Person, World
from trivium.world.writing import Dice, Written, mend

PLOTS: tuple[Plot, ...] = (*plots_lost.PLOTS, *plots_friends.PLOTS, *plots_ventures.PLOTS, *plots_outdoors.PLOTS)
_VIVID_SHARE = 0.4
_FRAGILE = ("cup", "bowl", "plate", "jar", "bottle", "vase", "clock", "lamp", "mirror")
_WILD = ("wolf", "bear", "lion", "tiger")


def story(r: Dice, world: World) -> Written:
    """One story of 60 to 160 words."""
    person = r.choice(world.people)
    third = r.choice(world.people)
    while third.name in (person.name, person.friend):
        third = r.choice(world.people)
    friend, plot, vivid = world.person(person.friend), r.choice(PLOTS), r.random() < _VIVID_SHARE
    slots = _slots(r, world, (person, friend, third), vivid)
    told = [_told(r, step, vivid) for step in plot.steps]
    if "{name}" not in told[0] or r.random() < 0.6:
        opening = r.choice(_OPENINGS)
        if "{friend}" not in opening and told[0].startswith("{name} "):
            told[0] = "{He} " + told[0].removeprefix("{name} ")
        told.insert(0, opening)
    if vivid:
        told.insert(r.choice((1, 2)), r.choice(_SCENERY))
    parts = [template.format_map(slots) for template in told]
    if r.random() < (0.8 if vivid else 0.2):
        parts.append(r.choice(_WARM if vivid or r.random() < 0.5 else _FLAT).format_map(slots))
    labels = {
        "plot": plot.name, "vivid": vivid, "person": person.name, "friend": friend.name, "town": person.town,
        "pet": person.pet, "pet_name": person.pet_name,
    }  # fmt: skip
    return mend(" ".join(part for part in parts if part)), labels


def _told(r: Dice, step: Step, vivid: bool) -> str:
    return r.choice(step.vivid if vivid and step.vivid and r.random() < 0.8 else step.plain)


def _slots(r: Dice, world: World, cast: tuple[Person, Person, Person], vivid: bool) -> dict[str, str]:
    person, friend, third = cast
    one, two = person.pronouns, friend.pronouns
    vivids = r.sample(lexicon.VIVID.all, 8)
    things, rooms, days = (r.sample(pool.all, 3) for pool in (lexicon.THINGS, lexicon.ROOMS, lexicon.DAYS))
    colours = r.sample(lexicon.COLOURS.all, 2)
    place, meal, animal = r.choice(lexicon.PLACES.all), r.choice(lexicon.MEALS.all), r.choice(lexicon.ANIMALS.all)
    number = NUMBERS[3 + int(r.random() * 7)]
    town2 = r.choice([town.name for town in world.towns if town.name != person.town])
    slots = {
        "name": person.name, "he": one.he, "him": one.him, "his": one.his, "He": one.He, "His": one.His,
        "friend": friend.name, "fhe": two.he, "fhim": two.him, "fhis": two.his, "FHe": two.He, "FHis": two.His,
        "third": third.name, "thirds": third.pronouns.his, "noun": person.noun, "trait": person.trait,
        "job": person.job, "fjob": friend.job, "town": person.town, "town2": town2, "place": place, "at_place": at(place),
        "room": rooms[0], "room2": rooms[1], "thing": things[0], "thing2": things[1], "thing3": things[2],
        "colour": colours[0], "colour2": colours[1], "day": days[0], "day2": days[1], "pet": person.pet,
        "pname": person.pet_name, "animal": animal, "foods": many(r.choice(lexicon.FOODS.all)), "meal": meal,
        "a_meal": indefinite(meal), "drink": r.choice(lexicon.DRINKS.all), "river": r.choice(lexicon.RIVERS.all),
        "number": number, "Number": capital(number), "season": r.choice(lexicon.SEASONS.all), "hobby": person.hobby,
        "glad": r.choice(lexicon.FEELINGS_GOOD.all), "sad": r.choice(lexicon.FEELINGS_BAD.all),
        "fragile": r.choice(_FRAGILE), "wild": r.choice(_WILD), "plant": r.choice(lexicon.PLANTS.all),
        "instrument": r.choice(lexicon.INSTRUMENTS.all), "vehicle": r.choice(("bus", "train", "boat", "tram")),
        "cart": r.choice(("cart", "car", "truck", "sledge")),
    }  # fmt: skip
    for index in range(4):
        slots[f"v{index + 1}"] = vivids[index] + " " if vivid and r.random() < 0.8 else ""
        slots[f"w{index + 1}"] = vivids[index + 4]
    return slots


_OPENINGS = (
    "{name} lived in {town}.",
    "{name} was a {job} in {town}.",
    "In {town} there lived a {trait} {noun} called {name}.",
    "There once was a {noun} called {name}, who lived in {town}.",
    "{name} lived in {town}, near the {v1}{river}.",
    "{name} was a {job}, and {friend}, a good friend, was a {fjob}.",
    "This is a story about {name} from {town}.",
    "In a {colour2} house in {town} lived {name}.",
    "{name} and {friend} were friends, and both of them were {trait}.",
    "Everybody in {town} knew {name}, the {job}.",
)
_SCENERY = (
    "The sky was {w3} and the wind was {w4}.",
    "The air was {w3}, like in a {w4} dream.",
    "A {w3} bird was singing in a {w4} tree.",
    "Over {town} stood a {w3} cloud in the {w4} sky.",
    "The {river} was {w3} in the {w4} light.",
    "Everything was as {w3} as a {w4} song.",
    "The trees were {w3}, and the clouds were like {w4} ships.",
    "Far away a {w3} bell was ringing in the {w4} air.",
    "A {w3} light fell on the {w4} roofs.",
)
_WARM = (
    "That night {name} slept, warm and happy.",
    "And they were friends for ever.",
    "{name} smiled all the way home.",
    "The stars over {town} seemed to smile.",
    "And the two friends laughed until the moon came up.",
    "{name} has never forgotten that day.",
    "It was the best day of the {season}.",
)
_FLAT = (
    "That is the end of the story.", "Then {he} went home.", "Then it was evening.", "So the day ended.", "That was on {day}."
)  # fmt: skip
