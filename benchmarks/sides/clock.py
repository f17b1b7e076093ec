"""The clock of a Hugging Face Trainer, for the sides that run one."""

from __future__ import annotations

import time
from typing import Any

from transformers import TrainerCallback


class Clock(TrainerCallback):
    """Notes when each step ends."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_step_end(self, *arguments: Any, **named: Any) -> None:
        self.times.append(time.perf_counter())
