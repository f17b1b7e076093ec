"""Element-wise parts of a layer with their gradients written out: fewer passes over memory than autograd's own chain.

On a CPU a small model's step is as much memory traffic as arithmetic. The plain versions stand in tests/reference.

Legend: B rows, T tokens, N heads, E head size, D width of what is normalised, F intermediate size.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def _inverse_rms(hidden: Tensor, epsilon: float) -> Tensor:
    """1 / sqrt(mean of squares + epsilon) over the last axis, kept."""
    norm: Tensor = torch.linalg.vector_norm(hidden, dim=-1, keepdim=True, dtype=torch.float32)
    return norm.square_().div_(hidden.shape[-1]).add_(epsilon).rsqrt_()


def _normalised_gradient(gradient: Tensor, hidden: Tensor, inverse: Tensor) -> Tensor:
    """The gradient through x * inverse_rms(x), given that of its result; `gradient` is used up."""
    share = torch.linalg.vecdot(gradient, hidden.float()).unsqueeze(-1).mul_(inverse.pow(3)).div_(hidden.shape[-1])
    return gradient.mul_(inverse).addcmul_(hidden, share, value=-1)


class _RMSNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, epsilon: float, low: torch.dtype) -> Tensor:
        inverse = _inverse_rms(hidden, epsilon)
        ctx.save_for_backward(hidden, weight, inverse)
        return torch.mul(hidden * inverse, weight, out=torch.empty_like(hidden, dtype=low))

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor, Tensor, None, None]:
        hidden, weight, inverse = ctx.saved_tensors
        gradient = outputs[0].float()
        for_weight = (gradient * hidden).mul_(inverse).flatten(0, -2).sum(dim=0)
        return _normalised_gradient(gradient * weight, hidden, inverse), for_weight, None, None


def rms_norm(hidden: Tensor, weight: Tensor, epsilon: float) -> Tensor:
    """x / rms(x) * weight over the last axis, (..., D); float32 inside, given in what the next matrix product reads."""
    kind = hidden.device.type
    low = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else hidden.dtype
    result: Tensor = _RMSNorm.apply(hidden, weight, epsilon, low)  # type: ignore[no-untyped-call]
    return result


class _NormRotate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, heads: Tensor, weight: Tensor, cosine: Tensor, sine: Tensor, epsilon: float) -> Tensor:
        inverse = _inverse_rms(heads, epsilon)
        ctx.save_for_backward(heads, weight, cosine, sine, inverse)
        return _turn((heads * inverse).mul_(weight), cosine, sine)

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        heads, weight, cosine, sine, inverse = ctx.saved_tensors
        gradient = _turn(outputs[0], cosine, -sine)  # a rotation's transpose turns back
        for_weight = (gradient * heads).mul_(inverse).flatten(0, -3).sum(dim=0)
        return _normalised_gradient(gradient.mul_(weight), heads, inverse), for_weight, None, None, None


def _turn(heads: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    half = heads.shape[-1] // 2
    first, second = heads[..., :half], heads[..., half:]
    turned = torch.empty_like(heads)
    torch.mul(first, cosine, out=turned[..., :half]).addcmul_(second, sine, value=-1)
    torch.mul(second, cosine, out=turned[..., half:]).addcmul_(first, sine)
    return turned


def norm_rotate(heads: Tensor, weight: Tensor, rotation: tuple[Tensor, Tensor], epsilon: float) -> Tensor:
    """Normalise each head (B, T, N, E) by its rms and weight (N, E), then rotate it by position; the result is float32.

    `rotation` holds cosines and sines (T, 1, E/2) or (B, T, 1, E/2); halves of E are the two coordinates.
    """
    result: Tensor = _NormRotate.apply(heads, weight, *rotation, epsilon)  # type: ignore[no-untyped-call]
    return result


class _Gated(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gate_up: Tensor, smooth: bool) -> Tensor:
        ctx.save_for_backward(gate_up)
        ctx.smooth = smooth
        gate, up = gate_up.chunk(2, dim=-1)
        return (F.gelu(gate) if smooth else F.silu(gate)).mul_(up)

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor, None]:
        (gate_up,) = ctx.saved_tensors
        gradient = outputs[0]
        gate, up = gate_up.chunk(2, dim=-1)
        result = torch.empty_like(gate_up)
        for_gate, for_up = result.chunk(2, dim=-1)
        torch.mul(gradient, F.gelu(gate) if ctx.smooth else F.silu(gate), out=for_up)
        backward = torch.ops.aten.gelu_backward if ctx.smooth else torch.ops.aten.silu_backward
        backward(gradient * up, gate, grad_input=for_gate)
        return result, None


def swiglu(gate_up: Tensor) -> Tensor:
    """silu(gate) * up (Shazeer 2020, eq. 6), (..., F), for gate and up side by side (..., 2F). Only these are kept for
    the gradient, which is written into one tensor like them."""
    result: Tensor = _Gated.apply(gate_up, False)  # type: ignore[no-untyped-call]
    return result


def geglu(gate_up: Tensor) -> Tensor:
    """gelu(gate) * up (Shazeer 2020, eq. 6), as `swiglu`."""
    result: Tensor = _Gated.apply(gate_up, True)  # type: ignore[no-untyped-call]
    return result


class _Rotate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, heads: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        ctx.save_for_backward(cosine, sine)
        return _turn(heads, cosine, sine)

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor, None, None]:
        cosine, sine = ctx.saved_tensors
        return _turn(outputs[0], cosine, -sine), None, None


def rotate(heads: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """Rotate each head (B, T, N, E) by position, as `norm_rotate` does, without a norm; the result is float32."""
    result: Tensor = _Rotate.apply(heads.float(), *rotation)  # type: ignore[no-untyped-call]
    return result
