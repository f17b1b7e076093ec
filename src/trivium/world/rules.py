"""Documents that show a rule by examples: from them a model learns to learn from the examples in a prompt.

A document has one rule and rows that follow it, each a word or a phrase with its sign. Signs, words and the way of writing are
drawn anew for every document, so what a sign stands for is told by the rows before and by nothing else. The forms:

    kind     the kind of the word decides, and few words come twice: "Hen A. Plum B. Goose A."
    colour   the colour decides, whatever has it: "Green hen = star. Red plum = moon. Green coat = star."
    book     every word has a sign of its own, and comes again: "Hen two; Plum one; Hen two"

A fifth of the pairs of kinds is kept for asking (`world.asked`): no document has a rule about both.
"""

from __future__ import annotations

from functools import cache
from itertools import combinations

from trivium.base.seeds import python_random
from trivium.world import lexicon
from trivium.world.echoes_lists import NOUNS
from trivium.world.grammar import capital
from trivium.world.lexicon import KINDS
from trivium.world.writing import Dice, Written, mend

_PLAIN = ("A", "B", "C", "D", "one", "two", "three", "star", "moon", "left", "right", "yes", "no")
SIGNS = (*_PLAIN, "red", "blue", "green")
KEPT_SHARE = 0.2  # of the pairs of kinds, for asking
LEAST_ROWS, MOST_ROWS = 8, 24
_FORMS = ("kind", "kind", "colour", "book")
# Most rows have nothing between word and sign: there a model finds the sign behind the word, where attention to the token before
# is enough. Of rows with a mark between alone a small model learns nothing in as many steps (docs/decisions.md).
_BARE = ("{word} {sign}. ", "{word} {sign}, ", "{word} {sign}; ", "{word} {sign}\n")
_MARKED = ("{word}: {sign}. ", "{word} = {sign}. ", "{word} -> {sign}\n", "{word} is {sign}. ")
_ROWS = (*_BARE, *_BARE, *_MARKED)
_THINGS = sorted(NOUNS)
_PHRASES = ("the {colour} {thing}", "{colour} {thing}", "a {colour} {thing}")


@cache
def kept(one: str, other: str) -> bool:
    """Whether rules about these two kinds are for asking alone."""
    return python_random(0, "rules", *sorted((one, other))).random() < KEPT_SHARE


def shown(dice: Dice, number: int) -> list[str]:
    """So many kinds, no two of which are kept for asking."""
    while True:
        kinds = dice.sample(sorted(KINDS), number)
        if not any(kept(*pair) for pair in combinations(kinds, 2)):
            return kinds


def rule(dice: Dice) -> Written:
    """A document; its labels are the `form` and, in `signs`, what has which sign."""
    form = dice.choice(_FORMS)
    rows, signs = {"kind": _kind, "colour": _colour, "book": _book}[form](dice)
    row = dice.choice(_ROWS)
    text = "".join(capital(row.format(word=word, sign=sign)) for word, sign in rows)
    return mend(text.rstrip(" \n,;")), {"form": form, "signs": signs}


Rows = list[tuple[str, str]]


def _number(dice: Dice) -> int:
    return LEAST_ROWS + int(dice.random() * (MOST_ROWS - LEAST_ROWS + 1))


def _kind(dice: Dice) -> tuple[Rows, dict[str, str]]:
    kinds = shown(dice, dice.choice((2, 2, 3)))
    meaning = dict(zip(kinds, dice.sample(SIGNS, len(kinds)), strict=True))
    drawn = [dice.choice(kinds) for _ in range(_number(dice))]
    return [(dice.choice(KINDS[kind].all), meaning[kind]) for kind in drawn], meaning


def _colour(dice: Dice) -> tuple[Rows, dict[str, str]]:
    colours = dice.sample(lexicon.COLOURS.all, dice.choice((2, 2, 3, 4)))
    meaning = dict(zip(colours, dice.sample(_PLAIN, len(colours)), strict=True))
    phrase = dice.choice(_PHRASES)
    drawn = [dice.choice(colours) for _ in range(_number(dice))]
    return [(phrase.format(colour=one, thing=dice.choice(_THINGS)), meaning[one]) for one in drawn], meaning


def _book(dice: Dice) -> tuple[Rows, dict[str, str]]:
    words = dice.sample(_THINGS, dice.choice((3, 4, 5, 6)))
    meaning = {word: dice.choice(SIGNS) for word in words}
    drawn = words + [dice.choice(words) for _ in range(_number(dice))]
    return [(word, meaning[word]) for word in drawn], meaning
