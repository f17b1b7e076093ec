"""Echoes: documents that repeat and copy. Copying is what small models learn last, and reading rests on it.

This is the table of their forms and weights; the writers are in `echoes_lists`, `echoes_games` and `echoes_words`. Labels:
`form`, `repeats` (each is said at least twice, apart from its first letter), and `pairs` where there are some.
"""

from __future__ import annotations

from trivium.world import echoes_games, echoes_lists, echoes_words
from trivium.world.state import World
from trivium.world.writing import Dice, Writer, Written, mend

_FORMS: tuple[tuple[int, Writer], ...] = (
    (9, echoes_lists.lesson),
    (2, echoes_lists.roll_call),
    (3, echoes_lists.errand),
    (4, echoes_games.message),
    (3, echoes_games.repeat_after_me),
    (2, echoes_games.memory_game),
    (2, echoes_games.song),
    (2, echoes_games.queue),
    (2, echoes_games.gifts),
    (2, echoes_games.code),
    (1, echoes_games.doubles),
    (2, echoes_words.tenses),
    (2, echoes_words.joined),
    (3, echoes_words.replaced),
    (2, echoes_words.names_found),
    (1, echoes_words.opposites),
    (2, echoes_words.contrasts),
    (2, echoes_words.kinds),
)
_DRAWN = tuple(write for weight, write in _FORMS for _ in range(weight))


def echo(r: Dice, world: World) -> Written:
    """One echo of any form."""
    text, labels = r.choice(_DRAWN)(r, world)
    return mend(text), labels
