"""The guard: stops training with an explanation when the loss stops being a number or leaves its course, or when the
gradient has died.

While something looks wrong no checkpoint is written by the clock, so the newest one is from before the trouble.
"""

from __future__ import annotations

import math
from collections import deque

from trivium.base.errors import TrainingError

SMOOTHING = 0.95
SPIKE_NATS = 2.0  # above the running mean; ordinary batches differ by tenths
PATIENCE = 5  # one bad batch is not a spike, and one without a gradient not a dead model
WARMUP = 20
SHOWN = 5  # losses that a message tells
KEPT = "the last good checkpoint is kept"


class Guard:
    """Watches the loss of each step against its running mean, and the gradient's norm."""

    def __init__(self) -> None:
        self.mean = 0.0
        self.seen = 0
        self.high = 0
        self.dead = 0
        self._losses: deque[float] = deque(maxlen=SHOWN)  # for words alone, so not in the state

    @property
    def calm(self) -> bool:
        """Whether nothing looks wrong: what is saved now is good to go back to."""
        return self.high == 0 and self.dead == 0

    def check(self, step: int, loss: float) -> None:
        """Raises TrainingError where `loss` (nats) is not finite, or has been far above its mean for several steps."""
        if not math.isfinite(loss):
            raise TrainingError(
                f"the loss is {loss} at step {step}{self._before()}; {KEPT}. Lower optimizer.learning_rate and "
                "optimizer.adam_learning_rate (half is a good try), or set precision: float32"
            )
        self._losses.append(loss)
        if self.seen >= WARMUP and loss > self.mean + SPIKE_NATS:
            self.high += 1
            if self.high >= PATIENCE:
                raise TrainingError(
                    f"the loss rose from about {self.mean:.2f} to {loss:.2f} nats and stayed there until step {step}; {KEPT}. "
                    "Lower optimizer.learning_rate (half is a good try) or raise schedule.warmup"
                )
            return
        self.high = 0
        share = SMOOTHING if self.seen else 0.0
        self.mean = share * self.mean + (1.0 - share) * loss
        self.seen += 1

    def check_gradient(self, step: int, norm: float) -> None:
        """Raises TrainingError where the gradient's norm is not finite, or has been exactly zero for several steps."""
        if not math.isfinite(norm):
            raise TrainingError(
                f"the gradient's norm is {norm} at step {step}, the loss {self._newest()}; {KEPT}. Lower "
                "optimizer.learning_rate and optimizer.adam_learning_rate, or set precision: float32"
            )
        self.dead = self.dead + 1 if norm == 0.0 else 0
        if self.dead >= PATIENCE:
            raise TrainingError(
                f"the gradient has been zero for {self.dead} steps, until step {step}, at a loss of {self._newest()}: nothing is "
                f"learned; {KEPT}. Is there a target in every batch? If there is, all units are dead: start again with a "
                "lower optimizer.learning_rate"
            )

    def _before(self) -> str:
        """The losses before, as words."""
        told = ", ".join(f"{loss:.2f}" for loss in self._losses)
        return f", after {told}" if told else ""

    def _newest(self) -> str:
        return f"{self._losses[-1]:.2f} nats" if self._losses else "not known"

    def state(self) -> dict[str, float]:
        return {"mean": self.mean, "seen": self.seen, "high": self.high, "dead": self.dead}

    def load_state(self, state: dict[str, float]) -> None:
        self.mean, self.seen, self.high = float(state["mean"]), int(state["seen"]), int(state["high"])
        self.dead = int(state.get("dead", 0))
