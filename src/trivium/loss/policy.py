"""Advantages and divergences of policy gradients; their objective is a weighted cross-entropy (`loss.language`).

Legend: P prompts, G answers a prompt, B = P*G answers, T tokens.
"""

from __future__ import annotations

import torch
from torch import Tensor


def leave_one_out(rewards: Tensor) -> Tensor:
    """Advantages (P, G) of rewards (P, G): each minus the mean of the others (Kool et al. 2019; Ahmadian et al. 2024).

    An answer whose reward is not a number is left out of its group's baseline and gets no advantage.
    """
    known = rewards.isfinite()
    clean = torch.where(known, rewards, torch.zeros_like(rewards))
    count = known.sum(dim=1, keepdim=True)  # (P, 1)
    others = (clean.sum(dim=1, keepdim=True) - clean) / (count - 1).clamp(min=1)
    return torch.where(known & (count > 1), clean - others, torch.zeros_like(rewards))


def kl_to_reference(policy: Tensor, reference: Tensor, mask: Tensor) -> Tensor:
    """Sum over tokens of log policy - log reference (the estimator k1), in nats: (B, T) to (B,). It may be negative."""
    return ((policy - reference) * mask).sum(dim=-1)
