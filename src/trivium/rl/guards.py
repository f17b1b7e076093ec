"""Guards of a policy-gradient loop: what stops it, in plain words.

What only looks bad, and stops nothing, is said by `trivium.rl.panel`.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from torch import Tensor

from trivium.base.errors import TrainingError
from trivium.optim.optimizer import Optimizer
from trivium.rl.rollouts import Mismatch

MISMATCH_NATS = 1e-4  # in the root mean square; same weights, same precision: rounding gives some 1e-6
BAD_STEPS = 3


@dataclass
class Guards:
    """State is counters; `kl_budget` is in nats a sequence, 0 for none. `skipped` counts all steps that were left out because
    their gradient was not finite, `broken` those in a row by the name of who learns."""

    kl_budget: float
    over_budget: int = 0
    unscorable: int = 0
    skipped: int = 0
    broken: dict[str, int] = field(default_factory=dict)

    def check_rewards(self, step: int, rewards: Tensor) -> None:
        """Raises TrainingError when for several steps in a row not one reward is a number."""
        self.unscorable = 0 if bool(rewards.isfinite().any()) else self.unscorable + 1
        if self.unscorable >= BAD_STEPS:
            raise TrainingError(
                f"no answer could be scored for {BAD_STEPS} steps (now step {step}); look at the reward model"
            )

    def check_mismatch(self, step: int, found: Mismatch) -> None:
        """Raises TrainingError where sampler and trainer disagree about the same tokens. One token among a thousand that is off
        by 0.003 nats is enough; what rounding makes of a single one is not (docs/decisions.md)."""
        if not found.typical < MISMATCH_NATS:
            raise TrainingError(
                f"at step {step} the sampler's and the trainer's log-probabilities differ by {found.typical:.2g} nats in the "
                f"root mean square (at most {MISMATCH_NATS}), {found.largest:.2g} where most; the policy gradient would be wrong"
            )

    def step(self, step: int, optimizer: Optimizer, factor: float, who: str = "policy") -> float:
        """Let `optimizer` step, or leave the step out where the gradient is not finite. Returns the gradient's norm.

        Raises TrainingError where several in a row are not.
        """
        norm = optimizer.norm()
        if math.isfinite(norm):
            self.broken[who] = 0
            optimizer.step(factor, norm)
        else:
            self.broken[who], self.skipped = self.broken.get(who, 0) + 1, self.skipped + 1
        optimizer.zero_gradients()
        if self.broken[who] >= BAD_STEPS:
            raise TrainingError(
                f"the {who}'s gradient was not finite for {BAD_STEPS} updates in a row, until step {step}; each was left out "
                "and the weights are those of before; lower optimizer.adam_learning_rate, or look at the reward"
            )
        return float(norm)

    def spent(self, kl: float) -> bool:
        """True once the mean KL has been over its budget for several steps: time to stop and keep what there is."""
        self.over_budget = self.over_budget + 1 if self.kl_budget and kl > self.kl_budget else 0
        return self.over_budget >= BAD_STEPS

    def state(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if name != "kl_budget"}

    def load_state(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)
