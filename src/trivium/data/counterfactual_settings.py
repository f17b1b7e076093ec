"""What a recipe says about counterfactual twins and planted canaries. Light: recipes are read with it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from trivium.base.config import Settings


class CounterfactualSettings(Settings):
    """Twins of training documents in which paired terms (he and she, father and mother) are exchanged. English alone."""

    share: float = Field(default=0.0, ge=0, le=1, description="of the training documents that get one; 0: none do")
    how: Literal["add", "replace"] = Field(
        default="add", description="beside the document (augmentation), or in its place (substitution)"
    )
    names: bool = Field(default=False, description="first names are exchanged too, by a list of pairs")
    terms: Path | None = Field(default=None, description="more pairs: a table of two columns, divided by a tab")


class CanarySettings(Settings):
    """Made-up secrets, planted so that what a model remembers can be measured (Carlini et al. 2019)."""

    copies: tuple[int, ...] = Field(
        default=(),
        description="how often each planted canary is in the training text, such as [1, 4, 16, 64]; none: none are",
    )
    each: int = Field(default=4, ge=1, description="canaries for each number of copies")
    controls: int = Field(default=128, ge=100, description="canaries that are planted nowhere, to be compared with")
    digits: int = Field(default=3, ge=2, le=12, description="of a secret: 10 to that power are possible")
    into: Literal["documents", "instructions"] = Field(
        default="documents", description="where they are planted; instructions are what fine-tuning learns from"
    )

    @model_validator(mode="after")
    def _fits(self) -> CanarySettings:
        if any(count < 1 for count in self.copies) or len(set(self.copies)) < len(self.copies):
            raise ValueError("copies: different numbers, each at least 1")
        return self
