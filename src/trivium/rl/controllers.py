"""A weight of the KL that finds itself: more where the policy moves too far, less where it hardly moves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MOST_ERROR = 0.2


@dataclass
class AdaptiveKL:
    """weight *= 1 + clip(KL / target - 1, -0.2, 0.2) * answers / horizon (Ziegler et al. 2019, section 2.2).

    `target` is in nats an answer, 0 for a weight that stays; `horizon` in answers: a horizon's worth of answers at the far end
    of the clip changes the weight by a fifth, because a faster one swings.
    """

    weight: float
    target: float
    horizon: float

    def update(self, kl: float, answers: float) -> None:
        """Adapt to the mean `kl` of that many answers."""
        if self.target:
            error = min(max(kl / self.target - 1.0, -MOST_ERROR), MOST_ERROR)
            self.weight *= 1.0 + error * min(1.0, answers / self.horizon)

    def state(self) -> dict[str, Any]:
        return {"weight": self.weight}

    def load_state(self, state: dict[str, Any]) -> None:
        self.weight = float(state["weight"])
