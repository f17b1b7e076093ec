"""Short passages of facts about two or three people, and what they do and do not say.

A fact is (person, relation, value). The person asked about and another one share the asked relation, so the name decides
the answer; a silent passage lacks the fact that is asked for but speaks of the person.
"""

from __future__ import annotations

from trivium.world import lexicon
from trivium.world.draws import Draw
from trivium.world.grammar import indefinite, plural
from trivium.world.lexicon_pool import Pool

STATEMENTS = {
    "town": "{name} lives in {value}",
    "job": "{name} is {a_value}",
    "thing": "{name} has {a_value}",
    "pet": "{name} has {a_value}",
    "clothes": "{name} has {a_value}",
    "favourite food": "{name}'s favourite food is {value}",
    "favourite colour": "{name}'s favourite colour is {value}",
    "hobby": "{name}'s hobby is {value}",
}
_POOLS = {
    "town": lexicon.TOWNS,
    "job": lexicon.JOBS,
    "thing": lexicon.THINGS,
    "pet": lexicon.PETS,
    "clothes": lexicon.CLOTHES,
    "favourite food": Pool(
        "foods", *(tuple(map(plural, side)) for side in (lexicon.FOODS.train, lexicon.FOODS.held_out))
    ),
    "favourite colour": lexicon.COLOURS,
    "hobby": lexicon.HOBBIES,
}
_EXTRA = ("town", "job", "thing", "favourite food", "favourite colour", "hobby")
_HAD = frozenset(("thing", "pet", "clothes"))


def statement(name: str, relation: str, value: str) -> str:
    """The fact as a clause without its full stop."""
    return STATEMENTS[relation].format(name=name, value=value, a_value=indefinite(value))


class Passage:
    """Facts about two people, in random order; `relations` are known of both, and one or two more facts stand beside."""

    def __init__(self, draw: Draw, *relations: str, silent: bool = False) -> None:
        """`silent` leaves the first relation of `name`, the person asked about, out of the passage."""
        self.name, self.other = draw.people(2)
        self._facts: dict[tuple[str, str], str] = {}
        for relation in relations:
            self._facts[self.name, relation], self._facts[self.other, relation] = draw.some(_POOLS[relation], 2)
        # One thing a person, or "has" would be unclear.
        taken = {*relations, *(_HAD if not _HAD.isdisjoint(relations) else ())}
        rest = draw.random.sample([relation for relation in _EXTRA if relation not in taken], 3 - len(relations))
        for place, relation in enumerate(rest):
            who = self.name if (silent and place == 0) or draw.chance(0.5) else self.other
            self._facts[who, relation] = draw.some(_POOLS[relation], 1)[0]
        if silent:
            del self._facts[self.name, relations[0]]
        sentences = [f"{statement(name, relation, value)}." for (name, relation), value in self._facts.items()]
        self.text = " ".join(draw.shuffled(sentences))

    def value(self, relation: str, name: str | None = None) -> str:
        """What the passage says about `name`, or about the person asked about."""
        return self._facts[name or self.name, relation]
