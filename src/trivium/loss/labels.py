"""Losses of heads: sums over supervised items, each divided later by a weight counted once for the whole step.

Legend: N items, L labels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def label_loss(logits: Tensor, targets: Tensor, weights: Tensor, smoothing: float = 0.0) -> Tensor:
    """Sum over items of weights * cross-entropy, in nats; `logits` (N, L), `targets` and `weights` (N,).

    With `smoothing` s the target is 1 - s on the label and s / L on every one (Szegedy et al. 2016, section 7).
    """
    log_probabilities = F.log_softmax(logits.float(), dim=-1)  # (N, L)
    nats = -log_probabilities.gather(1, targets[:, None]).squeeze(1)  # (N,)
    if smoothing:
        nats = (1.0 - smoothing) * nats - smoothing * log_probabilities.mean(dim=-1)
    return (nats * weights).sum()


def multilabel_loss(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Sum over items of weights * the mean over labels of binary cross-entropy; `logits` and `targets` (N, L)."""
    nats = F.binary_cross_entropy_with_logits(logits.float(), targets, reduction="none").mean(dim=-1)  # (N,)
    return (nats * weights).sum()


def squared_loss(values: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Sum over items of weights * squared error; all (N,)."""
    return (weights * (values.float() - targets) ** 2).sum()


def span_loss(logits: Tensor, targets: Tensor, allowed: Tensor, weights: Tensor) -> Tensor:
    """Sum over items of weights * the mean of the cross-entropies of first and last token, over the `allowed` tokens alone;
    `logits` (N, T, 2), `targets` (N, 2), `allowed` (N, T)."""
    masked = logits.float().masked_fill(~allowed[:, :, None], torch.finfo(torch.float32).min)
    log_probabilities = F.log_softmax(masked, dim=1)  # (N, T, 2)
    nats = -log_probabilities.gather(1, targets[:, None, :]).squeeze(1).mean(dim=-1)  # (N,)
    return (nats * weights).sum()
