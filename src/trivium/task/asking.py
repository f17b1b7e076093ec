"""How a declared task is asked without training: with how many examples, drawn how often, and how an option is scored."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from trivium.base.config import Settings

Scoring = Literal["sum", "per_token", "per_character", "calibrated", "constrained", "whole"]
SCORINGS: tuple[Scoring, ...] = ("sum", "per_token", "per_character", "calibrated", "constrained")


class Asking(Settings):
    """Zero-shot and few-shot: no weight changes, the examples stand in the prompt."""

    shots: tuple[int, ...] = Field(default=(0,), min_length=1, description="examples in the prompt, one score for each")
    seeds: int = Field(default=3, ge=1, description="draws of the examples, for each phrasing")
    items: int = Field(default=500, ge=1, description="test items that are asked, the first ones")
    view: Literal["auto", "prompt", "cloze"] = Field(
        default="auto", description="auto: cloze for a masked model where the task has one, else prompt"
    )
    scoring: Scoring = Field(
        default="sum", description="how options compare, for the main score; the others are told beside it"
    )
    answers: Literal["auto", "options", "free"] = Field(
        default="auto", description="score the options, or let the model write; auto: options where there are some"
    )
    whole: bool = Field(
        default=False, description="a masked model also scores the whole text, a pass for each of its tokens"
    )

    @field_validator("shots")
    @classmethod
    def _rising(cls, shots: tuple[int, ...]) -> tuple[int, ...]:
        if any(one < 0 for one in shots):
            raise ValueError("a number of examples is 0 or more")
        return tuple(sorted(set(shots)))
