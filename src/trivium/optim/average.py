"""A running average of the weights (EMA; Polyak and Juditsky 1992): often a better model than the last weights.

    a <- d a + (1 - d) w        d = min(decay, (1 + t) / (10 + t)) at the t-th step

The bound on d lets a short run forget its first weights. The slow twin stands in tests/reference.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn


class Average:
    """The average of some named parameters; in float32, where they are."""

    def __init__(self, parameters: Iterable[tuple[str, nn.Parameter]], decay: float) -> None:
        self.decay, self.count = decay, 0
        named = list(parameters)
        self.names = [name for name, _ in named]
        self.weights = [parameter.data for _, parameter in named]
        self.values = [weight.clone() for weight in self.weights]

    def step(self) -> None:
        """Take in the weights as they are now."""
        self.count += 1
        decay = min(self.decay, (1 + self.count) / (10 + self.count))
        torch._foreach_lerp_(self.values, self.weights, 1.0 - decay)

    def swap(self) -> None:
        """Exchange weights and average, in place; its own inverse."""
        for weight, value in zip(self.weights, self.values, strict=True):
            held = weight.clone()
            weight.copy_(value)
            value.copy_(held)

    def state(self) -> dict[str, Tensor]:
        values = {f"average.{name}": value for name, value in zip(self.names, self.values, strict=True)}
        return values | {"average_count": torch.tensor(float(self.count))}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self.count = int(state["average_count"].item())
        for name, value in zip(self.names, self.values, strict=True):
            value.copy_(state[f"average.{name}"])
