"""Guards of a policy-gradient loop: what stops it, what it says, in plain words."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from trivium.base.errors import TrainingError

MISMATCH_NATS = 1e-2  # same weights, same precision: rounding gives about 1e-6
BAD_STEPS = 3


@dataclass
class Guards:
    """State is two counters; `kl_budget` is in nats a sequence, 0 for none."""

    kl_budget: float
    over_budget: int = 0
    unscorable: int = 0

    def check_rewards(self, step: int, rewards: Tensor) -> None:
        """Raises TrainingError when for several steps in a row not one reward is a number."""
        self.unscorable = 0 if bool(rewards.isfinite().any()) else self.unscorable + 1
        if self.unscorable >= BAD_STEPS:
            raise TrainingError(
                f"no answer could be scored for {BAD_STEPS} steps (now step {step}); look at the reward model"
            )

    def check_mismatch(self, step: int, difference: float) -> None:
        """Raises TrainingError where sampler and trainer disagree about the same tokens."""
        if not difference < MISMATCH_NATS:
            raise TrainingError(
                f"at step {step} the sampler's and the trainer's log-probabilities differ by {difference:.2g} nats (at most "
                f"{MISMATCH_NATS}); the policy gradient would be wrong"
            )

    def spent(self, kl: float) -> bool:
        """True once the mean KL has been over its budget for several steps: time to stop and keep what there is."""
        self.over_budget = self.over_budget + 1 if self.kl_budget and kl > self.kl_budget else 0
        return self.over_budget >= BAD_STEPS

    def state(self) -> dict[str, int]:
        return {"over_budget": self.over_budget, "unscorable": self.unscorable}

    def load_state(self, state: dict[str, int]) -> None:
        self.over_budget, self.unscorable = state["over_budget"], state["unscorable"]


def zero_spread(returns: Tensor) -> float:
    """Share of groups (P, G) whose answers all scored the same: they teach nothing."""
    return float((returns.amax(dim=1) - returns.amin(dim=1) < torch.finfo(torch.float32).eps).float().mean())
