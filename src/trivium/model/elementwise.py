"""Element-wise parts of a layer: those with a gradient of their own (`fused`), or while a compiler looks the formulas as they
stand, from which it makes its own kernels; and the table that rotations are read from.

Legend: B rows, T tokens, N heads, E head size, D width of what is normalised, F intermediate size.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from trivium.model import fused


def rms_norm(hidden: Tensor, weight: Tensor, epsilon: float) -> Tensor:
    """x / rms(x) * weight over the last axis, (..., D); float32 inside, given in what the next matrix product reads."""
    if not torch.compiler.is_compiling():
        return fused.rms_norm(hidden, weight, epsilon)
    kind = hidden.device.type
    low = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else hidden.dtype
    return (_normalised(hidden.float(), epsilon) * weight).to(low)


def norm_rotate(heads: Tensor, weight: Tensor, rotation: tuple[Tensor, Tensor], epsilon: float) -> Tensor:
    """Normalise each head (B, T, N, E) by its rms and weight (N, E), then rotate it by position; the result is float32.

    `rotation` holds cosines and sines (T, 1, E/2) or (B, T, 1, E/2); halves of E are the two coordinates.
    """
    if not torch.compiler.is_compiling():
        return fused.norm_rotate(heads, weight, rotation, epsilon)
    return _turned(_normalised(heads.float(), epsilon) * weight, *rotation)


def rotate(heads: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """Rotate each head (B, T, N, E) by position, as `norm_rotate` does, without a norm; the result is float32."""
    return _turned(heads.float(), *rotation) if torch.compiler.is_compiling() else fused.rotate(heads, rotation)


def swiglu(gate_up: Tensor) -> Tensor:
    """silu(gate) * up (Shazeer 2020, eq. 6), (..., F), for gate and up side by side (..., 2F)."""
    if not torch.compiler.is_compiling():
        return fused.swiglu(gate_up)
    gate, up = gate_up.chunk(2, dim=-1)
    return F.silu(gate) * up


def geglu(gate_up: Tensor) -> Tensor:
    """gelu(gate) * up (Shazeer 2020, eq. 6), as `swiglu`."""
    if not torch.compiler.is_compiling():
        return fused.geglu(gate_up)
    gate, up = gate_up.chunk(2, dim=-1)
    return F.gelu(gate) * up


def _normalised(wide: Tensor, epsilon: float) -> Tensor:
    return wide * torch.rsqrt(wide.square().mean(dim=-1, keepdim=True) + epsilon)


def _turned(heads: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    first, second = heads.chunk(2, dim=-1)
    return torch.cat([first * cosine - second * sine, second * cosine + first * sine], dim=-1)


def rotation_table(
    positions: int, head_dim: int, theta: float, scaling: Mapping[str, Any] | None = None
) -> tuple[Tensor, Tensor]:
    """Cosines and sines (positions, E/2) of the rotary angles (Su et al. 2021, eq. 15), in float32.

    `scaling` slows them down: linear by a factor (Chen et al. 2023), llama3 only the slow ones (Dubey et al. 2024).
    """
    frequencies = theta ** (-torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim)
    if scaling:
        slow = frequencies / scaling["factor"]
        share = torch.zeros_like(frequencies)  # of the unscaled
        if scaling["rope_type"] == "llama3":
            low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
            turns = scaling["original_max_position_embeddings"] * frequencies / (2 * math.pi)
            share = ((turns - low) / (high - low)).clamp(0, 1)
        frequencies = share * frequencies + (1 - share) * slow
    angles = torch.arange(positions, dtype=torch.float32)[:, None] * frequencies
    return angles.cos(), angles.sin()
