"""What a recipe says about optimizer and schedule. No torch here: recipes are read without it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trivium.base.config import Settings


class OptimizerSettings(Settings):
    """`learning_rate` is for hidden matrices; `adam_learning_rate` for embeddings, heads and vectors, and for all
    parameters where `name` is adamw."""

    name: Literal["muon", "adamw"] = Field(default="muon", description="adamw takes all parameters")
    learning_rate: float = Field(
        default=0.02, gt=0, le=10, description="Muon's, on the matrices inside the blocks; not used by adamw"
    )
    adam_learning_rate: float = Field(
        default=0.006, gt=0, le=10, description="AdamW's: embeddings, head and norms, or everything"
    )
    momentum: float = Field(default=0.95, ge=0, lt=1, description="Muon's")
    beta1: float = Field(default=0.9, ge=0, lt=1, description="AdamW's first moment")
    beta2: float = Field(default=0.98, ge=0, lt=1, description="AdamW's second moment")
    epsilon: float = Field(default=1e-8, gt=0, description="AdamW's")
    weight_decay: float = Field(default=0.0, ge=0, description="of the matrices inside the blocks")
    clip: float = Field(default=1.0, gt=0, description="largest norm of the whole gradient")


class ScheduleSettings(Settings):
    """Warmup-stable-decay of the learning rates."""

    warmup: int = Field(default=20, ge=0, description="steps of linear warm-up")
    decay_share: float = Field(default=0.5, ge=0, le=1, description="share of the steps that decays linearly to zero")
