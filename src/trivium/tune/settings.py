"""How a model is adapted to a task: settings that the stages which do so share. No torch: recipes are checked without it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from trivium.base.config import Settings
from trivium.model.lora_settings import LoraSettings
from trivium.optim.settings import OptimizerSettings, ScheduleSettings
from trivium.task.declaration import HEADLESS, Task


class StoppingSettings(Settings):
    """Early stopping; the best look is restored."""

    monitor: str = Field(description="the score of the validation items that is watched, such as accuracy")
    mode: Literal["max", "min"] = Field(description="whether more of it is better")
    patience: int = Field(default=3, ge=1, description="looks without a better one before training stops")


class TuningSettings(Settings):
    """What is adapted, steps and rates."""

    view: Literal["auto", "head", "prompt"] = Field(
        default="auto", description="how the model meets the task; auto: prompt to generate, head for the rest"
    )
    method: Literal["full", "head", "lora"] = Field(
        default="full", description="train everything, the head alone, or low-rank changes and the head"
    )
    lora: LoraSettings = LoraSettings()
    layer_decay: float = Field(
        default=1.0, gt=0, le=1, description="of the learning rate, from each block to the one below"
    )
    epochs: float = Field(default=4.0, gt=0, description="how often each training item is seen")
    least_steps: int = Field(default=100, ge=1, description="optimizer steps that few items get all the same")
    batch_size: int = Field(
        default=32, ge=1, description="rows in an optimizer step; of texts with several, about so many"
    )
    length: int = Field(default=0, ge=0, description="tokens in a row, at most; 0 for all that the model reads")
    evaluate_every: int = Field(default=0, ge=0, description="steps between looks at the validation items; 0: an epoch")
    early_stopping: StoppingSettings | None = Field(default=None, description="none: the last step is kept")
    optimizer: OptimizerSettings = OptimizerSettings(name="adamw", adam_learning_rate=0.001, weight_decay=0.01)
    schedule: ScheduleSettings = ScheduleSettings(warmup=20, decay_share=0.9)
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto", description="of the matrix products; auto measures which is faster; weights are always float32"
    )

    @model_validator(mode="after")
    def _fits(self) -> TuningSettings:
        if self.optimizer.name == "muon" and (self.method == "lora" or self.layer_decay < 1):
            raise ValueError("optimizer.name is muon; lora and layer_decay need adamw")
        return self

    def by_head(self, task: Task) -> bool:
        """Whether the model gets a head for the task, and is not asked in words."""
        return task.kind not in HEADLESS if self.view == "auto" else self.view == "head"

    def faults(self, task: Task) -> list[str]:
        """What of these does not fit the task, a sentence each."""
        faults = []
        if self.view == "prompt" and task.views.prompt is None:
            faults.append("view is prompt; the task has no views.prompt")
        if self.length and task.views.head.windows:
            faults.append("length: with views.head.windows each is as long as the model reads; leave length out")
        if self.view == "head" and task.kind in HEADLESS:
            faults.append(f"view is head; a task of kind {task.kind} is asked in words: leave view out")
        return faults
