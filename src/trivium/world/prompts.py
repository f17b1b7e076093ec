"""Open requests for the preference phase: an endless, seeded stream, split by what a request is about.

They are the requests of the open instruction families, in the same words. Person, topic and town decide the side, so a
held-out request is about three that no training request and no training instruction brings together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Literal

from trivium.base.seeds import python_random
from trivium.base.words import Message
from trivium.world.draws import Draw
from trivium.world.families_open import FAMILIES, draw_slots

Split = Literal["train", "heldout"]


@dataclass(frozen=True)
class OpenRequest:
    """One request: `id` is unique within a seed, `messages` hold the user's turn, `kind` is the family's name."""

    id: str
    messages: tuple[Message, ...]
    kind: str


def prompt(seed: int, split: Split, number: int) -> OpenRequest:
    """Request `number` of a split: the same wherever it is asked for."""
    random = python_random(seed, "prompt", split, number)
    family = random.choice(FAMILIES)
    slots = draw_slots(Draw(random, "train" if split == "train" else "phrasing"), family.name)
    text = random.choice(family.train).format_map(slots)
    return OpenRequest(f"{family.name}-{split}-{number}", (Message("user", text),), family.name)


def prompts(seed: int, split: Split) -> Iterator[OpenRequest]:
    """The endless stream of a split's requests."""
    return (prompt(seed, split, number) for number in count())
