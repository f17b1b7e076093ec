"""Losses as they stand in the papers, one term after the other."""

from __future__ import annotations

import torch
from torch import Tensor


def cross_entropy_sum(hidden: Tensor, weight: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    total = hidden.new_zeros(())
    for row, target, share in zip(
        hidden.reshape(-1, hidden.shape[-1]), targets.reshape(-1), weights.reshape(-1), strict=True
    ):
        logits = weight @ row
        total = total - share * (logits[target] - torch.log(torch.exp(logits).sum()))
    return total


def leave_one_out(rewards: list[float]) -> list[float]:
    result = []
    for number, reward in enumerate(rewards):
        others = rewards[:number] + rewards[number + 1 :]
        result.append(reward - sum(others) / len(others))
    return result
