"""The running average of one number, as its formula says."""

from __future__ import annotations


def averages(weights: list[float], decay: float) -> list[float]:
    """The average after each of `weights[1:]`; it starts as `weights[0]`."""
    value, found = weights[0], []
    for step, weight in enumerate(weights[1:], 1):
        bounded = min(decay, (1 + step) / (10 + step))
        value = bounded * value + (1 - bounded) * weight
        found.append(value)
    return found
