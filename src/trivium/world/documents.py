"""The documents of the little world: document i of (seed, split), a pure function of the three.

`MIX` is the one table of kinds, their share and who writes them. Sixteen documents in a row are about the same world, so
that a fact comes up more than once; worlds of different splits are different worlds. Each document's `meta` has "kind"
and the exact labels that its writer names.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator
from itertools import accumulate, count
from typing import Literal

from trivium.base.seeds import derive
from trivium.base.words import Document
from trivium.world.bilingual_lessons import bilingual
from trivium.world.dialogues import dialogue
from trivium.world.echoes import echo
from trivium.world.letters import letter
from trivium.world.news import news
from trivium.world.notes import note
from trivium.world.pages import page
from trivium.world.reviews import review
from trivium.world.rules import rule
from trivium.world.state import world
from trivium.world.stories import story
from trivium.world.writing import Dice, Writer

Split = Literal["train", "valid"]
LICENSE = "CC0-1.0"
DOCUMENTS_PER_WORLD = 16

MIX: tuple[tuple[str, float, Writer], ...] = (
    ("story", 0.20, story),
    ("letter", 0.05, letter),
    ("page", 0.10, page),
    ("dialogue", 0.10, dialogue),
    ("review", 0.07, review),
    ("news", 0.07, news),
    ("bilingual", 0.05, bilingual),
    ("echo", 0.24, echo),
    ("note", 0.12, note),
)
_BOUNDS = tuple(accumulate(share for _, share, _ in MIX))


def document(seed: int, split: Split, number: int) -> Document:
    """Document `number` (from 0) of a split; the same text on every machine, whatever was asked for before."""
    random = Dice(derive(seed, "document", split, number))
    kind, _, write = MIX[min(bisect(_BOUNDS, random.random()), len(MIX) - 1)]
    text, labels = write(random, world(seed, split, number // DOCUMENTS_PER_WORLD))
    return Document(f"world-{split}-{number:06d}", text, "world", LICENSE, {"kind": kind, **labels})


def documents(seed: int, split: Split, start: int = 0) -> Iterator[Document]:
    """The documents of a split from number `start` on, without end."""
    return (document(seed, split, number) for number in count(start))


def rules(seed: int, split: Split) -> Iterator[Document]:
    """Documents that each show a rule by examples, without end; they come beside those of the mix where they are asked for."""
    for number in count():
        text, labels = rule(Dice(derive(seed, "rule", split, number)))
        yield Document(f"world-rule-{split}-{number:06d}", text, "world", LICENSE, {"kind": "rule", **labels})
