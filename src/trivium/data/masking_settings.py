"""What a recipe says about hidden tokens. No numpy here: recipes are read without it."""

from __future__ import annotations

from pydantic import Field, model_validator

from trivium.base.config import Settings


class MaskSettings(Settings):
    """How much is hidden, and what stands in its place."""

    rate: float = Field(default=0.3, gt=0, lt=1, description="share of a row's tokens that is to be found")
    split: tuple[float, float, float] = Field(
        default=(0.8, 0.1, 0.1), description="shares of these that become the mask, become another token, stay"
    )
    whole_words: bool = Field(default=False, description="the tokens of a word are hidden together")

    @model_validator(mode="after")
    def _adds_up(self) -> MaskSettings:
        if min(self.split) < 0 or abs(sum(self.split) - 1) > 1e-6:
            raise ValueError(f"split is {list(self.split)}; three shares that add up to 1, such as [0.8, 0.1, 0.1]")
        return self
