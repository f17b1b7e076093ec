"""What every alignment is told that learns from answers as they stand: by pairs, by verdicts, by the best of some. No torch
here: recipes are read without it."""

from __future__ import annotations

from pydantic import Field

from trivium.base.config import Settings
from trivium.model.lora_settings import LoraSettings
from trivium.optim.settings import OptimizerSettings, ScheduleSettings


class TuningSettings(Settings):
    """How often the answers are seen, what holds the policy, rates."""

    epochs: float = Field(default=1.0, gt=0, description="how often each answer to learn from is seen")
    instruction_weight: float = Field(default=1.0, ge=0, description="weight of the instruction-tuning loss beside it")
    instruction_tokens: int = Field(default=1024, ge=64, description="tokens of instructions in a step, about")
    lora: LoraSettings | None = Field(
        default=None, description="train low-rank changes alone; the reference is then the model without them"
    )
    optimizer: OptimizerSettings = OptimizerSettings(name="adamw", adam_learning_rate=3e-4, beta2=0.95)
    schedule: ScheduleSettings = ScheduleSettings(warmup=5, decay_share=0.8)
