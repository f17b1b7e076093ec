"""Objectives and divergences of policy gradients on log-probabilities: ratio, clip, KL. Functions on tensors.

Legend: B answers, T tokens.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

LARGEST_LOG_RATIO = 20.0  # exp of more is no number to learn from
Denominator = Literal["sequence", "token", "constant"]


def kl_to_reference(policy: Tensor, reference: Tensor, mask: Tensor) -> Tensor:
    """Sum over tokens of log policy - log reference (the estimator k1), in nats: (B, T) to (B,). It may be negative."""
    return ((policy - reference) * mask).sum(dim=-1)


def penalised(returns: Tensor, kl: Tensor, weight: float) -> Tensor:
    """returns - weight * kl, (B,); where the weight is 0 the KL need not be known."""
    return returns - weight * kl if weight else returns


def k3(policy: Tensor, reference: Tensor) -> Tensor:
    """exp(-d) - 1 + d for d = log policy - log reference, elementwise: never negative, of low variance (Schulman 2020).

    Its gradient is not that of the reverse KL: as a penalty in the loss it holds the policy less than k1 in the reward does.
    """
    difference = (policy - reference).clamp(-LARGEST_LOG_RATIO, LARGEST_LOG_RATIO)
    return torch.exp(-difference) - 1.0 + difference


def ratios(policy: Tensor, old: Tensor) -> Tensor:
    """policy / old, from their log-probabilities, elementwise."""
    return torch.exp((policy - old).clamp(-LARGEST_LOG_RATIO, LARGEST_LOG_RATIO))


def clipped(policy: Tensor, old: Tensor, advantages: Tensor, low: float, high: float) -> tuple[Tensor, Tensor]:
    """max(-A r, -A clip(r, 1 - low, 1 + high)) with r = policy / old (Schulman et al. 2017, eq. 7; two ends as in Yu et
    al. 2025), elementwise, and where the clip decides (bool)."""
    ratio = ratios(policy, old)
    plain = -advantages * ratio
    cut = -advantages * ratio.clamp(1.0 - low, 1.0 + high)
    return torch.maximum(plain, cut), cut > plain


def token_weights(mask: Tensor, denominator: Denominator, limit: int) -> Tensor:
    """What each token counts in a sum over tokens, (B, T), before the sum is divided by `answers_or_tokens`.

    `sequence`: 1 / the answer's length (Shao et al. 2024); `token`: 1 (Yu et al. 2025, eq. 8); `constant`: 1 / `limit`, the
    most tokens that an answer may have (Liu et al. 2025).
    """
    inside = mask.float()
    if denominator == "sequence":
        return inside / inside.sum(dim=1, keepdim=True).clamp(min=1.0)
    return inside / limit if denominator == "constant" else inside


def clipped_value_error(values: Tensor, old: Tensor, returns: Tensor, clip: float) -> Tensor:
    """max((v - R)^2, (old + clip(v - old, -clip, clip) - R)^2) / 2, elementwise (Schulman's released PPO; Huang et al.
    2022, detail 9): a value that has moved by more than `clip` gains nothing by moving on."""
    near = old + (values - old).clamp(-clip, clip)
    return 0.5 * torch.maximum((values - returns).square(), (near - returns).square())
