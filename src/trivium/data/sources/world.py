"""The built-in world as a source: documents, instructions and open requests, as many as are asked for.

The world writes without end; this module counts, drops repetitions and turns what it gets into rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from trivium.base.config import Settings
from trivium.data.intake import Intake, Item

CHARACTERS_PER_TOKEN = 4  # of a small vocabulary on the world's English, about


class WorldSource(Settings):
    """How much of the world."""

    kind: Literal["world"] = "world"
    tokens: int = Field(default=3_000_000, ge=1000, description="tokens of documents, about: one for every four characters")
    instructions: int = Field(default=20_000, ge=0)
    heldout_instructions: int = Field(default=1_000, ge=0)
    prompts: int = Field(default=3_000, ge=0, description="open requests, for rating and alignment")
    heldout_prompts: int = Field(default=300, ge=0)
