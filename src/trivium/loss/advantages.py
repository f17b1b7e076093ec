"""Advantages: what an answer was worth beside what was to be expected. Functions on tensors, without a gradient.

A return that is not a number belongs to an answer that could not be scored: it enters no baseline and gets no advantage.
Legend: P prompts, G answers a prompt, B = P*G answers, T tokens.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

LEAST_SPREAD = 1e-4  # added to a group's standard deviation, as in DeepSeekMath's released code


def leave_one_out(returns: Tensor) -> Tensor:
    """Advantages (P, G) of returns (P, G): each minus the mean of the others (Kool et al. 2019; Ahmadian et al. 2024)."""
    known, clean, count = _known(returns)
    others = (clean.sum(dim=1, keepdim=True) - clean) / (count - 1).clamp(min=1)
    return torch.where(known & (count > 1), clean - others, torch.zeros_like(returns))


def group_centred(returns: Tensor) -> Tensor:
    """Advantages (P, G): each minus the mean of its whole group (Liu et al. 2025, Dr. GRPO)."""
    known, clean, count = _known(returns)
    mean = clean.sum(dim=1, keepdim=True) / count.clamp(min=1)
    return torch.where(known & (count > 1), clean - mean, torch.zeros_like(returns))


def group_normalised(returns: Tensor) -> Tensor:
    """Advantages (P, G): centred and divided by the group's standard deviation, the unbiased one (Shao et al. 2024, section
    4.1.2). A group whose returns are all alike gets none."""
    centred = group_centred(returns)
    count = returns.isfinite().sum(dim=1, keepdim=True)
    spread = (centred.square().sum(dim=1, keepdim=True) / (count - 1).clamp(min=1)).sqrt()
    return centred / (spread + LEAST_SPREAD)


def spread_out(returns: Tensor) -> Tensor:
    """Which groups of returns (P, G) are not all alike, bool (P,): the others teach nothing."""
    known, clean, count = _known(returns)
    high = clean.masked_fill(~known, -torch.inf).amax(dim=1)
    low = clean.masked_fill(~known, torch.inf).amin(dim=1)
    return (count.squeeze(1) > 1) & (high - low > torch.finfo(torch.float32).eps)


def overlong(lengths: Tensor, limit: int, slack: int) -> Tensor:
    """What lengths (B,) cost: nothing up to `limit - slack` tokens, from there linearly to -1 at `limit` (Yu et al. 2025,
    eq. 13). A slack of 0 costs nothing."""
    if not slack:
        return torch.zeros(lengths.shape, device=lengths.device)
    return -((lengths - (limit - slack)) / slack).clamp(0.0, 1.0)


def generalised(rewards: Tensor, values: Tensor, mask: Tensor, gamma: float, decay: float) -> tuple[Tensor, Tensor]:
    """Advantages and returns (B, T) of per-token rewards and values (B, T) (Schulman et al. 2016, eq. 16).

    `mask` (B, T) is True on the answer's tokens, which lie together; what follows the last one is worth nothing. With
    delta_t = r_t + gamma V_{t+1} - V_t, the advantage is A_t = delta_t + gamma * decay * A_{t+1}, the return A_t + V_t.
    """
    known = mask.to(values.dtype)
    values = values * known
    advantages = torch.zeros_like(values)
    following = values.new_zeros(len(values))  # A_{t+1}
    after = values.new_zeros(len(values))  # V_{t+1}
    for place in reversed(range(values.shape[1])):
        here = known[:, place]
        delta = rewards[:, place] + gamma * after - values[:, place]
        following = (delta + gamma * decay * following) * here
        after = values[:, place]
        advantages[:, place] = following
    return advantages, (advantages + values) * known


def last_tokens(mask: Tensor) -> Tensor:
    """(B,) where each row's last True is; 0 for a row without one."""
    places = torch.arange(mask.shape[1], device=mask.device)
    return (places * mask).amax(dim=1)


def rewards_of_tokens(scores: Tensor, kl: Tensor, mask: Tensor, weight: float) -> Tensor:
    """Rewards (B, T): each token pays `weight` for its KL (B, T), which need not be known where the weight is 0, and the last
    one earns the answer's score (B,) (Ziegler et al. 2019, eq. 2). The last one is the end token itself, so that ending is
    what is paid for."""
    rewards = -weight * kl * mask if weight else torch.zeros_like(kl)
    rows = torch.arange(len(scores), device=scores.device)
    return rewards.index_put((rows, last_tokens(mask)), scores, accumulate=True)


def moments(values: Tensor, mask: Tensor) -> tuple[float, float, float]:
    """How many values (B, T) the mask holds, their sum and the sum of their squares."""
    inside = values[mask].double()
    return float(len(inside)), float(inside.sum()), float(inside.square().sum())


def whitened(values: Tensor, mask: Tensor, found: Sequence[float]) -> Tensor:
    """Values (B, T) at mean 0 and variance 1, zero outside the mask; `found` are the `moments` over all of them, wherever they
    are. Equal ones become zero."""
    count, total, squares = found
    mean = total / max(count, 1.0)
    variance = max(squares / max(count, 1.0) - mean**2, 0.0)
    spread = math.sqrt(variance + 1e-8)
    return (values - mean) / spread * mask


def _known(returns: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Which returns are numbers (P, G), the returns with 0 for the others (P, G), and how many are (P, 1)."""
    known = returns.isfinite()
    return known, torch.where(known, returns, torch.zeros_like(returns)), known.sum(dim=1, keepdim=True)
