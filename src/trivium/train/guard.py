"""The guard: stops training with an explanation when the loss stops being a number or leaves its course."""

from __future__ import annotations

import math

from trivium.base.errors import TrainingError

SMOOTHING = 0.95
SPIKE_NATS = 2.0  # above the running mean; ordinary batches differ by tenths
PATIENCE = 5  # one bad batch is not a spike
WARMUP = 20


class Guard:
    """Watches the loss of each step against its running mean."""

    def __init__(self) -> None:
        self.mean = 0.0
        self.seen = 0
        self.high = 0

    def check(self, step: int, loss: float) -> None:
        """Raises TrainingError where `loss` (nats) is not finite, or has been far above its mean for several steps."""
        if not math.isfinite(loss):
            raise TrainingError(
                f"the loss is {loss} at step {step}; the last good checkpoint is kept. Lower optimizer.learning_rate "
                "(half is a good try), or set precision: float32"
            )
        if self.seen >= WARMUP and loss > self.mean + SPIKE_NATS:
            self.high += 1
            if self.high >= PATIENCE:
                raise TrainingError(
                    f"the loss rose from about {self.mean:.2f} to {loss:.2f} nats and stayed there until step {step}; the last "
                    "good checkpoint is kept. Lower optimizer.learning_rate (half is a good try) or raise schedule.warmup"
                )
            return
        self.high = 0
        share = SMOOTHING if self.seen else 0.0
        self.mean = share * self.mean + (1.0 - share) * loss
        self.seen += 1

    def check_gradient(self, step: int, norm: float) -> None:
        """Raises TrainingError where the gradient's norm is not finite, or exactly zero."""
        if not math.isfinite(norm):
            raise TrainingError(
                f"the gradient's norm is {norm} at step {step}; the last good checkpoint is kept. Lower "
                "optimizer.learning_rate, or set precision: float32"
            )
        if norm == 0.0:
            raise TrainingError(
                f"the gradient is zero at step {step}: nothing is learned; is there a target in every batch?"
            )

    def state(self) -> dict[str, float]:
        return {"mean": self.mean, "seen": self.seen, "high": self.high}

    def load_state(self, state: dict[str, float]) -> None:
        self.mean, self.seen, self.high = float(state["mean"]), int(state["seen"]), int(state["high"])
