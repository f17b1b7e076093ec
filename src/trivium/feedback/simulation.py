"""Simulated raters, for trying the machinery: their names begin with 'simulated:', wherever their answers go.

    P(a is chosen) = (1 - noise) * sigmoid((u_a - u_b) / temperature + position_bias + length_bias * (len_a - len_b) / 100)
                     + noise / 2

for a shown first and b second; a spammer is a rater with noise 1. Utilities are given by whoever plants them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any


@dataclass(frozen=True)
class SimulatedRater:
    """How such a rater chooses: `position_bias` towards the first, `length_bias` towards 100 characters more, in logits."""

    name: str
    temperature: float = 1.0
    noise: float = 0.05
    position_bias: float = 0.0
    length_bias: float = 0.0

    def __post_init__(self) -> None:
        assert self.name.startswith("simulated:"), "a simulated rater must say so in its name"

    def chance(self, utilities: Sequence[float], lengths: Sequence[int] = (0, 0)) -> float:
        """The chance of choosing what is shown first; utilities and lengths in the order of the screen."""
        logit = (utilities[0] - utilities[1]) / self.temperature + self.position_bias
        logit += self.length_bias * (lengths[0] - lengths[1]) / 100
        return (1 - self.noise) / (1 + math.exp(-logit)) + self.noise / 2

    def judge(self, utilities: Sequence[float], texts: Sequence[str], random: Random) -> dict[str, Any]:
        """A judgement in the places of the screen; one draw from `random`."""
        first = random.random() < self.chance(utilities, [len(text) for text in texts])
        return {"verdict": "prefer", "preferred": 0 if first else 1, "strength": 2}
