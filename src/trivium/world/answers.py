"""The answers that the instruction data give to open requests: mostly dry, some vivid.

A dry answer is short, flat and plain. A vivid one has picturesque words, a turn ("But then ...") and a warm close. Any
part of either may be of the other sort, so there is every shade between. What raters like lies therefore within reach of
the fine-tuned model, and far from its habit.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from trivium.world.lexicon import VIVID
from trivium.world.styles import STYLES
from trivium.world.writing import mend

VIVID_SHARE = 0.28  # of all answers
_FAITHFUL = 0.88  # chance that a part of a vivid answer is vivid
_SLIP = 0.05  # chance that a part of a dry answer is vivid


def write_answer(kind: str, slots: Mapping[str, str], random: Random, vivid: bool) -> str:
    """An answer to the open request of `kind` about `slots`; `vivid` says which sort most of its parts are of."""
    style = STYLES[kind]
    share = _FAITHFUL if vivid else _SLIP

    def lively() -> bool:
        return random.random() < share

    parts = [random.choice(style.vivid_opens if lively() else style.opens)]
    if random.random() < 0.5:
        parts.append(random.choice(style.vivid_goes_on if lively() else style.goes_on))
    if lively():
        parts.append(random.choice(style.turns))
    elif random.random() < 0.6:
        parts.append(random.choice([part for part in style.goes_on if part not in parts]))
    if random.random() < 0.75:
        parts.append(random.choice(style.vivid_closes if lively() else style.closes))
    words = iter(random.sample(VIVID.train, 2 * len(parts)))
    return mend(" ".join(part.format_map({**slots, "v": next(words), "v2": next(words)}) for part in parts))
