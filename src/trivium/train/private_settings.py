"""What a recipe says about training with differential privacy. No torch here: recipes are read without it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from trivium.base.config import Settings


class PrivateTrainingSettings(Settings):
    """DP-SGD (Abadi et al. 2016): each row's gradient is clipped, and noise is added to their sum."""

    epsilon: float | None = Field(default=3.0, gt=0, description="the most that is spent; null where `noise` is given")
    delta: float | None = Field(
        default=None, gt=0, lt=1, description="chance that the guarantee does not hold; none: 1 / (10 x rows)"
    )
    noise: float | None = Field(
        default=None, gt=0, description="standard deviation over `clip`; none: what `epsilon` needs"
    )
    clip: float = Field(default=1.0, gt=0, description="the largest norm that a row's gradient keeps")
    copies: Literal["together", "apart"] = Field(
        default="together",
        description="rows that are the same: together: they count once, and the guarantee is for all of them; apart: each alone",
    )
    accountant: Literal["prv", "rdp"] = Field(default="prv", description="how epsilon is counted (Opacus)")

    @model_validator(mode="after")
    def _one_of_them(self) -> PrivateTrainingSettings:
        if (self.epsilon is None) == (self.noise is None):
            raise ValueError("give epsilon, or noise with epsilon: null: each follows from the other")
        return self
