"""Linear layers in float32 on a CPU, by oneDNN where what PyTorch takes leaves half of the processor idle.

PyTorch computes products of float32 by MKL, which on AMD's processors keeps to registers of 256 bits. From family 26 (Zen 5) on
these compute with 512 at once, and oneDNN, which PyTorch brings along, does so: twice as fast, the same to rounding
(docs/decisions.md). Elsewhere, in other types and while a compiler looks this is `torch.nn.functional.linear`.

Legend: N rows of what is read (all dimensions but the last), I inputs, O outputs.
"""

from __future__ import annotations

import contextlib
import functools
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

FAMILY = 26  # of AMD's processors, from which on registers of 512 bits are computed with at once
FEWEST = 16  # rows; with fewer a product reads weights more than it computes
# oneDNN keeps half a megabyte for every number of rows that it ever met, so it is to meet few: multiples of `FINE` up to `MANY`,
# of `SIZES` beyond. Who fills up rows for a product fills them up to these.
FINE, SIZES, MANY = 8, 64, 128


def _wide(facts: str) -> bool:
    """Whether oneDNN is the faster one on the processor of which Linux says so."""
    known = dict(line.replace("\t", "").split(":", 1) for line in facts.splitlines() if ":" in line)
    amd = known.get("vendor_id", "").strip() == "AuthenticAMD" and int(known.get("cpu family", 0)) >= FAMILY
    return amd and "avx512f" in known.get("flags", "").split()


@functools.cache
def _ready() -> bool:
    """Whether to compute by oneDNN on this machine with this PyTorch."""
    with contextlib.suppress(AttributeError, OSError, RuntimeError):  # another system, or a PyTorch that has it not
        if _wide(Path("/proc/cpuinfo").read_text(encoding="utf-8")):
            _product(torch.zeros(FEWEST, 2), torch.zeros(3, 2), None)
            return True
    return False


def _product(values: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    found: Tensor = torch.ops.mkldnn._linear_pointwise.default(values, weight, bias, "none", [], "")
    return found


def _is_for(values: Tensor, weight: Tensor) -> bool:
    if torch.compiler.is_compiling() or not _ready():
        return False
    plain = values.dtype == weight.dtype == torch.float32 and not values.is_meta and type(values) is Tensor
    if not plain or values.device.type != "cpu" or torch.is_autocast_enabled("cpu") or not values.numel():
        return False
    return _suits(values.numel() // values.shape[-1])


def _suits(rows: int) -> bool:
    return rows >= FEWEST and rows % (FINE if rows <= MANY else SIZES) == 0


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(values, weight)
        return _product(values, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        values, weight = ctx.saved_tensors
        gradient, needed = outputs[0], ctx.needs_input_grad
        flat = gradient.reshape(-1, gradient.shape[-1])  # (N, O)
        for_values = _product(gradient, weight.t(), None) if needed[0] else None
        for_weight = across(flat, values.reshape(-1, values.shape[-1])) if needed[1] else None
        return for_values, for_weight, flat.sum(dim=0) if needed[2] else None


def linear(values: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """values weight^T + bias, (..., O), of `values` (..., I), `weight` (O, I) and `bias` (O,). Its gradient has none itself."""
    if not _is_for(values, weight):
        return F.linear(values, weight, bias)
    if not torch.is_grad_enabled():
        return _product(values, weight, bias)
    result: Tensor = _Linear.apply(values, weight, bias)  # type: ignore[no-untyped-call]
    return result


def across(left: Tensor, right: Tensor) -> Tensor:
    """left^T right, (O, I), of (N, O) and (N, I): the gradient of a layer's weight. Without a gradient of its own."""
    return _product(left.t(), right.t(), None) if _is_for(left, right) else left.t() @ right


class Linear(torch.nn.Linear):
    """PyTorch's layer, computed as above."""

    def forward(self, values: Tensor) -> Tensor:
        return linear(values, self.weight, self.bias)
