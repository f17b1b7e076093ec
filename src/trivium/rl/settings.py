"""What every policy gradient is told: its draws, its leash, how it is watched. No torch here: recipes are read without it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from trivium.model.lora_settings import LoraSettings
from trivium.optim.settings import OptimizerSettings, ScheduleSettings
from trivium.rl.reward_settings import RewardedSettings


class PolicySettings(RewardedSettings):
    """Steps, group sizes, the leash and the looks."""

    steps: int = Field(default=100, ge=1, description="draws, each learned from")
    prompts_per_step: int = Field(default=16, ge=1, description="requests in a step")
    answers_per_prompt: int = Field(default=8, ge=2, description="G: answers to each request")
    max_new_tokens: int = Field(default=48, ge=1, description="length limit of an answer, in tokens")
    temperature: float = Field(
        default=1.0, gt=0, description="of the draws; the policy that learns is the model at this temperature"
    )
    instruction_weight: float = Field(default=1.0, ge=0, description="weight of the instruction-tuning loss beside it")
    instruction_tokens: int = Field(default=1024, ge=64, description="tokens of instructions in a step, about")
    kl_weight: float = Field(default=0.05, ge=0, description="beta: reward units a nat of KL costs")
    kl_budget: float = Field(default=30.0, ge=0, description="nats a sequence; above it for three steps, stop. 0: none")
    unended_reward: float = Field(default=-2.0, description="reward of an answer that met the length limit")
    micro_batches: int = Field(default=2, ge=1, description="parts in which a step's answers are learned from")
    look_every: int = Field(
        default=10, ge=0, description="steps between looks at requests that are not trained on. 0: none"
    )
    look_requests: int = Field(default=64, ge=1, description="such requests, at most a quarter of all")
    fresh_ratings: Literal["none", "simulated:world"] = Field(
        default="none", description="who judges, at each look, new answers against the tuned model's"
    )
    keep: Literal["best", "last"] = Field(
        default="best", description="the model that is left: of the best look, or of the last step"
    )
    lora: LoraSettings | None = Field(
        default=None, description="train low-rank changes alone; the reference is then the model without them"
    )
    optimizer: OptimizerSettings = OptimizerSettings(name="adamw", adam_learning_rate=3e-4, beta2=0.95)
    schedule: ScheduleSettings = ScheduleSettings(warmup=5, decay_share=0.3)

    @model_validator(mode="after")
    def _rater_knows_the_requests(self) -> PolicySettings:
        if self.fresh_ratings != "none" and self.prompts != "open":
            raise ValueError("fresh_ratings judge answers to open requests; set prompts: open, or fresh_ratings: none")
        return self

    @property
    def updates(self) -> int:
        """How often the policy is stepped for each draw."""
        return 1
