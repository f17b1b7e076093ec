"""What a recipe says about low-rank adaptation. No torch here: recipes are read without it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trivium.base.config import Settings


class LoraSettings(Settings):
    """Size and place of the low-rank changes."""

    rank: int = Field(default=8, ge=1, description="of a change")
    alpha: float = Field(default=16.0, gt=0, description="a change counts alpha / rank times")
    rank_stabilised: bool = Field(default=False, description="alpha / sqrt(rank) instead (rsLoRA)")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="of what a change reads, while training")
    parts: list[Literal["attention", "feed_forward"]] = Field(
        default=["attention", "feed_forward"], min_length=1, description="of every block that are changed"
    )

    @property
    def scale(self) -> float:
        """By which a change is multiplied."""
        return self.alpha / (self.rank**0.5 if self.rank_stabilised else self.rank)
