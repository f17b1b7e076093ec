"""Single sentences with known parts, for instructions that copy, search or change a sentence.

`scene` names one person, one thing and one town; `deed` says what one person does, in the present and in the past.
"""

from __future__ import annotations

from typing import NamedTuple

from trivium.world.draws import Draw
from trivium.world.grammar import past, third

_SCENES = (
    "{name} took the {thing} to {town}.",
    "{name} bought a {thing} in {town}.",
    "In {town}, {name} found a {thing}.",
    "{name} lost the {thing} in {town}.",
    "{name} from {town} has a {thing}.",
    "Yesterday {name} saw a {thing} in {town}.",
    "The {thing} of {name} is in {town}.",
    "{name} went to {town} with a {thing}.",
    "On Monday {name} sold a {thing} in {town}.",
    "There is a {thing} for {name} in {town}.",
)
# What follows each verb: one noun of a pool, or nothing.
_DEEDS = {
    "walk": "to the {place}",
    "run": "to the {place}",
    "go": "to the {place}",
    "come": "to the {place}",
    "look": "at the {thing}",
    "sing": "in the {room}",
    "sleep": "in the {room}",
    "dance": "in the {room}",
    "play": "in the {room}",
    "sit": "in the {room}",
    "wait": "in the {room}",
    "buy": "a {thing}",
    "find": "a {thing}",
    "see": "a {thing}",
    "lose": "the {thing}",
    "take": "the {thing}",
    "open": "the {thing}",
    "clean": "the {room}",
    "paint": "the {room}",
    "like": "the {thing}",
    "want": "a {thing}",
    "bring": "the {thing}",
    "wash": "the {thing}",
    "have": "a {thing}",
}
# Verbs that training never asks to put into the past.
HELD_OUT_DEEDS = {"hide": "the {thing}", "sell": "the {thing}", "carry": "the {thing}", "stand": "in the {room}"}


class Scene(NamedTuple):
    """A sentence and the words that stand in it."""

    text: str
    name: str
    thing: str
    town: str


def scene(draw: Draw) -> Scene:
    """A sentence about a person, a thing and a town."""
    (name,), (thing,), (town,) = draw.people(1), draw.portable(1), draw.towns(1)
    return Scene(draw.random.choice(_SCENES).format(name=name, thing=thing, town=town), name, thing, town)


def deed(draw: Draw, name: str) -> tuple[str, str]:
    """What `name` does, in the present and in the past, without the full stop."""
    verb, rest = draw.random.choice(tuple((HELD_OUT_DEEDS if draw.task else _DEEDS).items()))
    if "{place}" in rest:
        words = rest.format(place=draw.places(1)[0])
    elif "{room}" in rest:
        words = rest.format(room=draw.rooms(1)[0])
    else:
        words = rest.format(thing=draw.portable(1)[0])
    return f"{name} {third(verb)} {words}", f"{name} {past(verb)} {words}"
