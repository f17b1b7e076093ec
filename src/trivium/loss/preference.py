"""Losses on pairs of answers."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def bradley_terry(chosen: Tensor, rejected: Tensor, centring: float) -> Tensor:
    """Sum over pairs of -log sigmoid(chosen - rejected) + centring * (chosen + rejected)^2, in nats; scores are (N,).

    Bradley and Terry 1952; the second term (Eisenstein et al. 2023, eq. 2) keeps the mean near zero, which the first
    leaves free.
    """
    return (-F.logsigmoid(chosen - rejected) + centring * (chosen + rejected) ** 2).sum()
