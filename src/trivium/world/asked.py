"""Tasks of the little world that are asked without training: a rule that only examples show, and tasks never trained.

`codes`: two kinds of words, each with a sign that is drawn by the seed, so that without examples half the answers are right
by chance; the words that are asked about are no examples, of which there are eight at least, and no document has a rule about
these two kinds. `unseen`: held-out tasks inside trained families, four ways, the wrong options being answers to other requests
of the same family, those first that share most words with the request.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from itertools import combinations, islice

from trivium.base.seeds import derive, python_random
from trivium.world.grammar import capital
from trivium.world.instructions import Reach, instructions
from trivium.world.lexicon import KINDS
from trivium.world.rules import kept

SIGNS = ("A", "B", "C", "D", "one", "two", "red", "blue", "star", "moon", "left", "right")
PARTS = {"train": (0.0, 0.4), "valid": (0.4, 0.5), "test": (0.5, 1.0)}  # of each kind's words
WAYS = 4
CANDIDATES = 4000  # requests from which wrong options are drawn


def codes(seed: int, split: str) -> Iterator[tuple[str, str]]:
    """(word, sign); every word of the split once."""
    dice = python_random(seed, "codes")
    kinds, signs = dice.choice(_kept_pairs()), dice.sample(SIGNS, 2)
    rows = []
    for kind, sign in zip(kinds, signs, strict=True):
        words = dice.sample(KINDS[kind].all, len(KINDS[kind]))
        low, high = (math.ceil(share * len(words)) for share in PARTS[split])  # up: four examples of the smallest kind
        rows += [(capital(word), sign) for word in words[low:high]]
    python_random(seed, "codes", split).shuffle(rows)
    yield from rows


@cache
def _kept_pairs() -> list[tuple[str, str]]:
    return [pair for pair in combinations(sorted(KINDS), 2) if kept(*pair)]


def unseen(seed: int, split: str, reach: Reach = "core") -> Iterator[tuple[str, tuple[str, ...], int]]:
    """(request, options, number of the right one), endlessly."""
    answers = _answers(seed, reach)
    for number, one in enumerate(instructions(derive(seed, "unseen", split), "heldout", 0, reach)):
        if one.level != "task" or not one.verifiable or len(one.messages) != 2:
            continue
        request = one.messages[0].content
        asked = set(request.lower().replace(",", " ").replace(".", " ").split())
        dice = python_random(seed, "unseen", split, number)
        others = dice.sample(answers[one.family], min(60, len(answers[one.family])))
        others = [other for other in dict.fromkeys(others) if other.lower() != one.answer.lower()]
        others.sort(key=lambda other: -len(asked & set(other.lower().rstrip(".").split())))
        options = [one.answer, *others[: WAYS - 1]]
        if len(options) < WAYS:
            continue
        dice.shuffle(options)
        yield request, tuple(options), options.index(one.answer)


@cache
def _answers(seed: int, reach: Reach) -> dict[str, list[str]]:
    """Different answers to held-out tasks, by family."""
    found: dict[str, dict[str, None]] = {}
    for one in islice(instructions(derive(seed, "unseen", "options"), "heldout", 0, reach), CANDIDATES):
        if one.level == "task" and one.verifiable:
            found.setdefault(one.family, {})[one.answer] = None
    return {family: list(answers) for family, answers in found.items()}
