"""Slow twins of the advantages: sums written out, one number at a time."""

from __future__ import annotations


def generalised(
    rewards: list[float], values: list[float], gamma: float, decay: float
) -> tuple[list[float], list[float]]:
    """A_t = sum over l of (gamma decay)^l delta_{t+l}, as the paper has it (Schulman et al. 2016, eq. 16), and A_t + V_t."""
    following = [*values[1:], 0.0]
    deltas = [r + gamma * after - here for r, after, here in zip(rewards, following, values, strict=True)]
    advantages = [
        sum((gamma * decay) ** later * delta for later, delta in enumerate(deltas[place:]))
        for place in range(len(deltas))
    ]
    return advantages, [one + value for one, value in zip(advantages, values, strict=True)]


def normalised(returns: list[float]) -> list[float]:
    """(r - mean) / (sd + 1e-4), the deviation with one degree of freedom less."""
    mean = sum(returns) / len(returns)
    spread = (sum((r - mean) ** 2 for r in returns) / (len(returns) - 1)) ** 0.5
    return [(r - mean) / (spread + 1e-4) for r in returns]
