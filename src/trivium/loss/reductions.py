"""Named reductions. Each takes its denominator, so that what is divided by is never a guess."""

from __future__ import annotations

from torch import Tensor


def masked_sum(values: Tensor, mask: Tensor) -> Tensor:
    """Sum of `values` where `mask`; a scalar."""
    return (values * mask).sum()


def masked_mean(values: Tensor, mask: Tensor, denominator: Tensor | float) -> Tensor:
    """Sum of `values` where `mask`, over `denominator` (counted once for the whole optimizer step)."""
    return (values * mask).sum() / denominator


def sequence_sum(values: Tensor, mask: Tensor) -> Tensor:
    """Sum over the last axis where `mask`: (B, T) to (B,)."""
    return (values * mask).sum(dim=-1)
