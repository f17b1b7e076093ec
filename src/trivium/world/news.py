"""Short news: a headline and two to four sentences, with every named person, place and organisation marked.

Templates mark a name as [PER name], [LOC name] or [ORG name]; the marks are taken out and become `entities`, rows of
[start, end, type] in characters of the text, in order. Further labels: `headline`, `topic`.
"""

from __future__ import annotations

import re

from trivium.world import lexicon
from trivium.world.facts import many
from trivium.world.grammar import at, capital, plural
from trivium.world.lexicon import NUMBERS
from trivium.world.state import World
from trivium.world.writing import Dice, Written, mend

_MARK = re.compile(r"\[(PER|LOC|ORG) ([^\]]*)\]")


def news(r: Dice, world: World) -> Written:
    """One piece of news; the headline is its first line, or the first sentence where there is none."""
    topic = r.choice(tuple(_TOPICS))
    headlines, leads, bodies, ends = _TOPICS[topic]
    slots = _slots(r, world)
    headline = capital(r.choice(headlines).format_map(slots))
    parts = [r.choice(leads).format_map(slots)]
    parts += [way.format_map(slots) for way in r.sample(bodies, r.choice((1, 2, 2, 3)))]
    if r.random() < 0.5:
        parts.append(r.choice(ends).format_map(slots))
    gap = "\n" if headline.endswith("?") else r.choice(("\n", "\n", ". "))
    marked = mend(headline + gap + " ".join(capital(part) for part in parts))
    text, entities = unmark(marked)
    return text, {"topic": topic, "headline": unmark(mend(headline))[0], "entities": entities}


def unmark(marked: str) -> tuple[str, list[list[int | str]]]:
    """The text without its marks, and [start, end, type] of each marked name in it."""
    pieces: list[str] = []
    entities: list[list[int | str]] = []
    position = length = 0
    for match in _MARK.finditer(marked):
        before = marked[position : match.start()]
        start = length + len(before)
        pieces += (before, match[2])
        length = start + len(match[2])
        entities.append([start, length, match[1]])
        position = match.end()
    pieces.append(marked[position:])
    return "".join(pieces), entities


def _slots(r: Dice, world: World) -> dict[str, str]:
    one, two, three = r.sample(world.people, 3)
    town, town2 = r.sample(world.towns, 2)
    food, animal = r.choice(lexicon.FOODS.all), r.choice(lexicon.ANIMALS.all)
    place, built = r.choice(lexicon.PLACES.all), r.choice(_BUILT)
    more = 3 + int(r.random() * 9)
    number, less = NUMBERS[more], NUMBERS[1 + int(r.random() * (more - 1))]
    return {
        "one": f"[PER {one.name}]", "two": f"[PER {two.name}]", "three": f"[PER {three.name}]", "job": one.job,
        "he": one.pronouns.he, "He": one.pronouns.He, "his": one.pronouns.his, "job2": two.job,
        "town": f"[LOC {town.name}]", "town2": f"[LOC {town2.name}]", "river": f"[LOC {town.river}]",
        "org": f"[ORG {_organisation(r, world)}]", "org2": f"[ORG {_organisation(r, world)}]", "inn": f"[ORG {town.inn}]",
        "zoo": f"[ORG {town2.name} Zoo]",
        "school": f"[ORG {town.name} School]", "house": f"[ORG {town.name} {r.choice(_HOUSES)}]",
        "built": built, "at_place": at(place), "day": r.choice(lexicon.DAYS.all), "day2": r.choice(lexicon.DAYS.all),
        "number": number, "Number": capital(number), "less": less,
        "foods": many(food), "animal": animal, "animals": plural(animal), "thing": r.choice(lexicon.THINGS.all),
        "colour": r.choice(lexicon.COLOURS.all), "hobby": r.choice(lexicon.HOBBIES.all),
        "month": r.choice(lexicon.MONTHS.all), "weather": r.choice(lexicon.WEATHER.all),
        "season": r.choice(lexicon.SEASONS.all), "instrument": r.choice(lexicon.INSTRUMENTS.all),
    }  # fmt: skip


def _organisation(r: Dice, world: World) -> str:
    return f"{r.choice(world.towns).name} {r.choice(_BODIES)}"


_BUILT = ("park", "school", "library", "museum", "bridge", "hospital", "theatre", "bakery", "mill", "zoo", "workshop")
_HOUSES = ("School", "Museum", "Theatre", "Hospital", "Library")
_BODIES = (
    "School",
    "Museum",
    "Bank",
    "Theatre",
    "Hospital",
    "Choir",
    "Zoo",
    "Library",
    "Football Club",
    "Post",
    "Radio",
)

# headlines, first sentences, further sentences, last sentences
_TOPICS: dict[str, tuple[tuple[str, ...], ...]] = {
    "opening": (
        ("New {built} in {town}", "{town} has a new {built}", "{one} opens a {built} in {town}"),
        (
            "On {day} {one} opened a new {built} in {town}.",
            "{town} has a new {built} since {day}.",
            "In {month} {one} and {two} built a {built} in {town}. Now it is open.",
        ),
        (
            "{org} gave {number} coins for it.",
            '"We have waited for it for {number} years," said {two}.',
            "Many people came from {town2} to see it.",
            "{three} cut the {colour} ribbon.",
            "It is open every day but {day2}.",
        ),
        ("{one} is happy.", "The next {built} will be in {town2}.", "There were {foods} for everybody."),
    ),
    "prize": (
        ("{one} wins a prize", "Prize for {one} from {town}", "{org} gives prize to {one}"),
        (
            "{one}, a {job} from {town}, has won the prize of {org}.",
            "On {day} {org} gave its prize to {one} from {town}.",
            "The {season} prize of {org} goes to {one}.",
        ),
        (
            "{two} was second, and {three} was third.",
            "{He} won it for {his} {foods}.",
            '"I cannot believe it," said {one}.',
            "{one} has worked in {town2} for {number} years.",
            "The prize is a {colour} {thing}.",
        ),
        ("{one} will share the prize with {two}.", "Everybody in {town} is proud.", "{org2} sent flowers."),
    ),
    "animal": (
        ("{animal} runs through {town}", "A {animal} in the streets of {town}", "{one} finds a {animal} in {town}"),
        (
            "On {day} a {animal} ran through {town}.",
            "A {animal} from {zoo} was free for {number} hours on {day}.",
            "{one} from {town} found a {animal} {at_place} on {day}.",
        ),
        (
            "It ate the {foods} of {two}.",
            "{two}, a {job2}, caught it near the {river}.",
            '"I have never seen such a {animal}," said {three}.',
            "Nobody was hurt.",
            "Children from {school} came to look at it.",
        ),
        ("Now it is back home.", "{one} was very happy about it.", "{zoo} thanks {two}."),
    ),
    "weather": (
        ("Storm over {town}", "{weather} days in {town}", "The {river} is too high"),
        (
            "A storm came over {town} on {day}.",
            "The {season} was {weather} in {town} and {town2}.",
            "After {number} {weather} days the {river} is too high.",
        ),
        (
            "{house} was closed until {day2}.",
            "The roof of {house} is gone.",
            "{one} lost {number} trees.",
            "{two} from {town2} helped with a boat.",
            '"It was the worst night of my life," said {three}.',
        ),
        ("On {day2} the sun will shine again.", "Nobody was hurt.", "{one} thanks everybody who helped."),
    ),
    "match": (
        ("{town} beats {town2}", "{town} wins against {town2}", "{one} wins the match for {town}"),
        (
            "On {day} {town} won against {town2}.",
            "{town} beat {town2} by {number} to {less} on {day}.",
            "In front of {org} {one} won the match for {town}.",
        ),
        (
            "{one} was the best player.",
            "{two} fell and had to go home.",
            "{three} played for {town2} for the first time.",
            "{org2} paid for the {colour} shirts.",
            "It was {weather}, and the ground was wet.",
        ),
        ("The next match is on {day2}.", '"We will be back," said {three}.', "There was a party at the {inn}."),
    ),
    "lost": (
        ("Who has seen the {thing}?", "{thing} of {one} is gone", "{org} looks for a {thing}"),
        (
            "A {colour} {thing} is gone from {org} in {town}.",
            "{one} from {town} has lost a {colour} {thing}.",
            "Since {day} nobody has seen the {thing} of {one}.",
        ),
        (
            "{two} saw it last on {day} {at_place}.",
            "{one} will give {number} coins to the one who finds it.",
            "{three} has looked for it in {town2}.",
            "It is {number} years old.",
            "{org2} helps to look for it.",
        ),
        ("If you have seen it, go to {two}.", "Please look in your houses.", '"I only want it back," said {one}.'),
    ),
    "concert": (
        ("{one} plays in {town}", "Music at the {inn}", "{org} and {one} sing in {town}"),
        (
            "On {day} {one} played the {instrument} at the {inn} in {town}.",
            "{one}, a {job}, gave a concert in {town} on {day}.",
            "{org} and {one} made music in {town}.",
        ),
        (
            "{two} sang with a friend.",
            "People from {town2} came by boat on the {river}.",
            "{three} danced until {number} o'clock.",
            '"It was wonderful," said {two}.',
            "{Number} people clapped for an hour.",
        ),
        ("The next concert is on {day2}.", "{one} will be in {town2} in {month}.", "The coins go to {org2}."),
    ),
    "visit": (
        ("{one} visits {town}", "{one} is in {town}", "Guest from {town2} in {town}"),
        (
            "{one} from {town2} visited {town} on {day}.",
            "On {day} {one}, a {job} from {town2}, came to {town}.",
            "{town} has a guest: {one} from {town2}.",
        ),
        (
            "{He} met {two} and {three} {at_place}.",
            "{He} saw {org} and walked along the {river}.",
            "{two} gave {one} a {colour} {thing}.",
            '"I like the {foods} here," said {one}.',
            "Pupils from {school} sang a song.",
        ),
        ("{He} stays until {day2}.", "In {month} {two} will visit {town2}.", "{one} slept at the {inn}."),
    ),
}  # fmt: skip
