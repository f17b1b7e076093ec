"""A start with smaller batches or shorter rows: which windows each step holds, as pure functions of its number.

A step takes the next windows of the seeded order, however many it holds, so none is lost and none comes twice; shorter rows
are windows cut into equal pieces, so a step sees the same tokens either way.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from pydantic import Field

from trivium.base.config import Settings

if TYPE_CHECKING:
    from trivium.base.words import Batch


class GrowthSettings(Settings):
    """Where steps begin smaller. A zero means: at once as large as later."""

    batch_size: int = Field(default=0, ge=0, description="rows in the first step; 0: as many as later")
    batch_steps: int = Field(default=0, ge=0, description="steps over which they grow, evenly")
    length: int = Field(
        default=0, ge=0, description="tokens in the first rows: `length` halved some times; 0: all of it"
    )
    length_steps: int = Field(
        default=0, ge=0, description="steps until rows have all of it, doubling at even distances"
    )


class Growth:
    """How many windows of `length` tokens each step holds, and into how many rows each is cut."""

    def __init__(self, batch_size: int, length: int, settings: GrowthSettings) -> None:
        self.batch_size, self.length = batch_size, length
        self.start = settings.batch_size or batch_size
        self.batch_steps = settings.batch_steps if settings.batch_size else 0
        self.most_pieces = length // settings.length if settings.length else 1
        self.length_steps = settings.length_steps if self.most_pieces > 1 else 0

    @property
    def steps(self) -> int:
        """The first step that is as large as all later ones."""
        return max(self.batch_steps, self.length_steps)

    def windows(self, step: int) -> int:
        """How many windows the 0-based `step` holds."""
        if step >= self.batch_steps:
            return self.batch_size
        return self.start + (self.batch_size - self.start) * step // self.batch_steps

    def first(self, step: int) -> int:
        """The number of the step's first window: how many all steps before it hold."""
        grown = min(step, self.batch_steps)
        more = self.batch_size - self.start
        # the sum of floor(more * i / n) over i < grown, in one pass over at most `batch_steps` numbers
        small = self.start * grown + sum(more * number // self.batch_steps for number in range(grown))
        return small + self.batch_size * (step - grown)

    def pieces(self, step: int) -> int:
        """Into how many rows each window of the step is cut."""
        if step >= self.length_steps:
            return 1
        doublings = self.most_pieces.bit_length() - 1
        return self.most_pieces >> (step * doublings // self.length_steps)


def cut(batch: Batch, pieces: int) -> Batch:
    """Rows cut into equal pieces, (B, T) to (B * pieces, T / pieces); a piece does not see the one before it."""
    if pieces == 1:
        return batch
    fields = ("tokens", "targets", "weights", "segments", "positions")
    width = batch.tokens.shape[1] // pieces
    parts = {name: getattr(batch, name) for name in fields}
    return dataclasses.replace(
        batch, **{name: part.reshape(-1, width) for name, part in parts.items() if part is not None}
    )


def faults_of(settings: GrowthSettings, batch_size: int, length: int) -> list[str]:
    """What does not fit, a sentence each."""
    faults = []
    if settings.batch_size > batch_size:
        faults.append(
            f"growth.batch_size is {settings.batch_size}; it must be at most batch_size, which is {batch_size}"
        )
    if bool(settings.batch_size) != bool(settings.batch_steps):
        faults.append("growth.batch_size and growth.batch_steps belong together: give both, or neither")
    if bool(settings.length) != bool(settings.length_steps):
        faults.append("growth.length and growth.length_steps belong together: give both, or neither")
    if settings.length and (length % settings.length or (length // settings.length).bit_count() != 1):
        halves = ", ".join(str(length >> times) for times in range(1, 8) if not length % (1 << times))
        faults.append(
            f"growth.length is {settings.length}; it must be length ({length}) halved some times: {halves or length}"
        )
    return faults
