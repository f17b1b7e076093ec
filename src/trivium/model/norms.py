"""The norms of the stream and of heads, and the addition before a norm; the way they are computed is `elementwise`'s business.

Legend: D width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from trivium.model import fused_kernel
from trivium.model.architecture import Architecture
from trivium.model.elementwise import rms_norm


class RMSNorm(nn.Module):
    """x / rms(x) * weight (Zhang and Sennrich 2019, eq. 4)."""

    def __init__(self, size: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.epsilon = epsilon

    def forward(self, hidden: Tensor) -> Tensor:
        return rms_norm(hidden, self.weight, self.epsilon)


def make_norm(shape: Architecture) -> nn.Module:
    """The norm of the stream: RMSNorm, or LayerNorm (Ba et al. 2016) with or without a bias."""
    if shape.norm == "rms":
        return RMSNorm(shape.hidden_size, shape.norm_epsilon)
    return nn.LayerNorm(shape.hidden_size, shape.norm_epsilon, bias=shape.norm_bias)


def add_and_norm(norm: nn.Module, hidden: Tensor, added: Tensor | None) -> tuple[Tensor, Tensor]:
    """The stream with what a sub-layer adds to it, and its norm."""
    compiling = torch.compiler.is_compiling()
    if (
        not compiling
        and isinstance(norm, RMSNorm | nn.LayerNorm)
        and fused_kernel.is_for_stream(hidden, added, norm.weight)
    ):
        if isinstance(norm, RMSNorm):
            return fused_kernel.add_norm(hidden, added, norm.weight, None, norm.epsilon, centred=False)
        return fused_kernel.add_norm(hidden, added, norm.weight, norm.bias, norm.eps, centred=True)
    total = hidden if added is None else hidden + added
    return total, norm(total)
