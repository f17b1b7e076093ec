"""What a recipe says about optimizer and schedule. No torch here: recipes are read without it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trivium.base.config import Settings


class OptimizerSettings(Settings):
    """`learning_rate` is for hidden matrices; `adam_learning_rate` for embeddings, heads and vectors, and for all
    parameters where `name` is adamw."""

    name: Literal["auto", "muon", "adamw"] = Field(
        default="auto",
        description="auto takes muon where its products are a small share of a step; adamw: for everything",
    )
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
    weight_decay: float = Field(default=0.0, ge=0, description="of what `decayed` says")
    decayed: Literal["hidden", "matrices", "all"] = Field(
        default="hidden", description="the matrices inside the blocks; with embeddings and head; with norms and biases"
    )
    clip: float = Field(default=1.0, gt=0, description="largest norm of the whole gradient")
    average: float = Field(
        default=0.0, ge=0, lt=1, description="decay a step of a running average of the weights (EMA); 0: none is kept"
    )
    average_is_final: bool = Field(
        default=True, description="the average, where one is kept, is the model that is left"
    )


class ScheduleSettings(Settings):
    """How the learning rates go up and down."""

    name: Literal["wsd", "cosine", "linear", "constant"] = Field(
        default="wsd", description="after the warm-up: flat, then linear down; a cosine; linear; or flat"
    )
    warmup: int = Field(default=20, ge=0, description="steps of linear warm-up")
    decay_share: float = Field(default=0.5, ge=0, le=1, description="share of the steps that decays; wsd's alone")
    floor: float = Field(default=0.0, ge=0, le=1, description="share of the rates that the decay ends at")
