"""A shop whose customers have tastes: histories, what they want next, and simulated clicks on what is suggested.

Things of a kind stand in a ring. A customer likes one kind and goes along its ring, or goes on from another place of it; the
thing that is wanted next is the one behind the last of that kind. Half of what a customer took was not wanted but shown: the
same few things in everybody's window, the first of them most often. What the log says was taken next is wanted in one case of
five; held-out items and clicks tell what is wanted. A click is simulated, and is called so wherever it is told: 1 or 0, drawn
once and for all for a history and a suggestion, with these chances:

    0.95  what is wanted next      0.5  behind it in the ring      0.1  another thing of the kind      0.02  anything else
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import count
from random import Random
from typing import NamedTuple

from trivium.base.seeds import derive, python_random
from trivium.base.words import Document, Message
from trivium.world import lexicon
from trivium.world.documents import LICENSE

KINDS = ("clothes", "tool", "food", "plant", "furniture")
OF_A_KIND = 16  # things in a ring, where there are so many
SHOWN = (8, 4, 2, 1, 1)  # how often each thing in the window is taken, beside the others
SHOWN_SHARE, LOGGED_SHARE = 0.5, 0.8  # of a history, and of the next thing in the log
JUMP_SHARE = 0.5  # of the steps
LENGTHS = (6, 7, 8)
VISITS = 8  # in a document
WORLD = 0  # the rings and the window are the same for all seeds, so that a click can be judged by the words alone
CHANCES = (0.95, 0.5)
SAME_KIND, OTHER = 0.1, 0.02


class Visit(NamedTuple):
    """What a customer took, in order, and the next thing: wanted, and as the log has it."""

    history: tuple[str, ...]
    wanted: str
    logged: str

    @property
    def request(self) -> str:
        """As it is put to a model."""
        return f"A customer took: {', '.join(self.history)}. What next?"


@cache
def rings() -> dict[str, tuple[str, ...]]:
    """The things of each kind in the order in which they are wanted."""
    dice = python_random(WORLD, "shop rings")
    found = {}
    for kind in KINDS:
        things = lexicon.KINDS[kind].all
        found[kind] = tuple(dice.sample(things, min(OF_A_KIND, len(things))))
    return found


@cache
def window() -> tuple[str, ...]:
    """What everybody is shown, in the order of `SHOWN`."""
    return tuple(python_random(WORLD, "shop window").sample(catalogue(), len(SHOWN)))


@cache
def catalogue() -> tuple[str, ...]:
    """All things, by name."""
    return tuple(sorted(thing for ring in rings().values() for thing in ring))


def visit(seed: int, split: str, number: int) -> Visit:
    """Visit `number` of a split: the same wherever it is asked for."""
    dice = python_random(seed, "shop", split, number)
    ring = rings()[dice.choice(KINDS)]
    weights = {thing: weight for thing, weight in zip(window(), SHOWN, strict=True) if thing not in ring}

    def shown() -> str:
        return dice.choices(list(weights), list(weights.values()))[0]

    wanted, history = ring[0], [ring[0]]
    while wanted in history:
        place, history = dice.randrange(len(ring)), []
        for step in range(dice.choice(LENGTHS)):
            if step >= 2 and dice.random() < SHOWN_SHARE:
                history.append(shown())
            else:
                place = dice.randrange(len(ring)) if dice.random() < JUMP_SHARE else (place + 1) % len(ring)
                history.append(ring[place])
        wanted = ring[(place + 1) % len(ring)]
    logged = shown() if dice.random() < LOGGED_SHARE else wanted
    return Visit(tuple(history), wanted, logged)


def log(seed: int, split: str, visits: int) -> Iterator[Document]:
    """The first visits of a split as text: what was taken, in order, the next thing as the log has it."""
    for first in range(0, visits, VISITS):
        taken = [visit(seed, split, number) for number in range(first, min(first + VISITS, visits))]
        lines = [f"A customer took: {', '.join((*one.history, one.logged))}." for one in taken]
        yield Document(f"shop-{split}-{first // VISITS:06d}", "\n".join(lines), "shop", LICENSE, {"kind": "log"})


def next_things(seed: int, split: str) -> Iterator[tuple[str, tuple[str, ...], int]]:
    """(request, the whole catalogue, number of the next thing in it), without end: as logged to train on, as wanted elsewhere."""
    things = catalogue()
    for number in count():
        one = visit(seed, split, number)
        yield one.request, things, things.index(one.logged if split == "train" else one.wanted)


def conversations(seed: int, split: str) -> Iterator[tuple[Message, Message]]:
    """A request and the next thing, without end."""
    for request, things, right in next_things(seed, split):
        yield Message("user", request), Message("assistant", things[right])


def click(prompt: str, answer: str, reference: str | None = None) -> float | None:
    """Whether the simulated customer of a request clicks on the thing that an answer suggests: 1 or 0, and 0 for what is no thing
    of the shop. None where the prompt is no request of the shop. `reference` is not read."""
    found = re.search(r"took: (.*)\. What next\?", prompt)
    if found is None:
        return None
    thing = answer.strip().rstrip(".").lower()
    chance = chance_of(tuple(found[1].split(", ")), thing)
    return float(Random(derive(WORLD, "click", found[1], thing)).random() < chance)


def chance_of(history: tuple[str, ...], thing: str) -> float:
    """The chance of a click, as the header has it. A history begins with two things of the kind that is liked."""
    if thing not in catalogue():
        return 0.0
    ring = next(ring for ring in rings().values() if history[0] in ring)
    last = max(number for number, one in enumerate(history) if one in ring)
    ahead = (ring.index(thing) - ring.index(history[last]) - 1) % len(ring) if thing in ring else -1
    if ahead < 0:
        return OTHER
    return CHANCES[ahead] if ahead < len(CHANCES) else SAME_KIND
