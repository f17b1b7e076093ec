"""Norms with the addition before them, and activations, in C: one pass over memory each way where PyTorch takes several.

They are for training on a CPU: the stream between the sub-layers is float32, what products read and write is bfloat16 under
its autocast and float32 without. Elsewhere PyTorch's operations do the same (`fused`, and the modules themselves).

Legend as in fused_kernel.c.
"""

from __future__ import annotations

import ctypes
import functools
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trivium.base.native import NUMBERS, library

SOURCE = Path(__file__).with_suffix(".c")
KINDS = {"swiglu": 0, "geglu": 1, "gelu": 1, "gelu_tanh": 2}  # the activation's number in fused_kernel.c
GATED = ("swiglu", "geglu")
BLOCK = 32  # positions whose shares of a weight's gradient are summed first, as there


class _Norm(ctypes.Structure):
    """`Norm` of fused_kernel.c."""

    _fields_ = (
        *(
            (name, ctypes.c_void_p)
            for name in ("hidden", "added", "weight", "bias", "total", "result", "mean", "inverse")
        ),
        *((name, ctypes.c_void_p) for name in ("gradient", "onward", "for_hidden", "for_added", "shares")),
        *((name, ctypes.c_int64) for name in ("positions", "width", "threads")),
        ("epsilon", ctypes.c_float),
    )


@functools.cache
def _built(number: torch.dtype) -> ctypes.CDLL | None:
    built = library(SOURCE, number)
    if built is not None:
        count, pointer = ctypes.c_int64, ctypes.c_void_p
        built.norm_forward.argtypes = built.norm_backward.argtypes = [pointer]
        built.activate.argtypes = [count, pointer, pointer, pointer, count, count]
        built.activate_gated.argtypes = [count, pointer, pointer, pointer, count, count, count]
        for function in (built.norm_forward, built.norm_backward, built.activate, built.activate_gated):
            function.restype = None
    return built


def is_for_stream(hidden: Tensor, added: Tensor | None, weight: Tensor) -> bool:
    """Whether this machine has the kernel and it takes a stream `hidden` to which `added` is added, and a norm's weight."""
    if hidden.device.type != "cpu" or torch.compiler.is_compiling():
        return False
    low = _read_by_products()
    fits = low in NUMBERS and hidden.dtype == weight.dtype == torch.float32
    return fits and (added is None or added.dtype == low) and _built(low) is not None


def _read_by_products() -> torch.dtype:
    return torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else torch.float32


def is_for_product(product: Tensor) -> bool:
    """Whether this machine has the kernel and it takes an activation of `product`."""
    fits = product.device.type == "cpu" and product.dtype in NUMBERS
    return fits and not torch.compiler.is_compiling() and _built(product.dtype) is not None


def _address(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()


def _norm(backwards: bool, number: torch.dtype, epsilon: float, **tensors: Tensor | None) -> None:
    built, total = _built(number), tensors["total"]
    assert built is not None and total is not None
    if total.is_meta:
        return  # only what it takes is asked (`trivium.train.memory`)
    width = total.shape[-1]
    sizes = {"positions": total.numel() // width, "width": width, "threads": torch.get_num_threads()}
    given = _Norm(epsilon=epsilon, **sizes, **{name: _address(tensor) for name, tensor in tensors.items()})
    (built.norm_backward if backwards else built.norm_forward)(ctypes.addressof(given))


class _AddNorm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        added: Tensor | None,
        weight: Tensor,
        bias: Tensor | None,
        epsilon: float,
        centred: bool,
    ) -> tuple[Tensor | None, Tensor]:
        hidden, added = hidden.contiguous(), None if added is None else added.contiguous()
        total = hidden if added is None else torch.empty_like(hidden)
        result = torch.empty_like(hidden, dtype=_read_by_products())
        inverse = hidden.new_empty(hidden.shape[:-1])
        mean = torch.empty_like(inverse) if centred else None
        _norm(
            False,
            result.dtype,
            epsilon,
            hidden=hidden,
            added=added,
            weight=weight,
            bias=bias,
            total=total,
            result=result,
            mean=mean,
            inverse=inverse,
        )
        ctx.save_for_backward(total, weight, bias, mean, inverse)
        ctx.adds, ctx.low = added is not None, result.dtype
        ctx.set_materialize_grads(False)
        return (None if added is None else total), result

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor | None) -> tuple[Tensor | None, ...]:
        total, weight, bias, mean, inverse = ctx.saved_tensors
        onward, gradient = outputs
        if gradient is None:  # nobody reads the norm
            return onward, None if onward is None else onward.to(ctx.low), None, None, None, None
        for_hidden = torch.empty_like(total)
        narrower = ctx.adds and ctx.low != total.dtype
        for_added = torch.empty_like(total, dtype=ctx.low) if narrower else None
        width = total.shape[-1]
        shares = total.new_empty(-(total.numel() // -(width * BLOCK)), 2, width)
        _norm(
            True,
            ctx.low,
            0.0,
            weight=weight,
            bias=bias,
            total=total,
            mean=mean,
            inverse=inverse,
            gradient=gradient.contiguous(),
            onward=None if onward is None else onward.contiguous(),
            for_hidden=for_hidden,
            for_added=for_added,
            shares=shares,
        )
        for_weight, for_bias = shares.sum(dim=0)
        if ctx.adds and not narrower:
            for_added = for_hidden
        return for_hidden, for_added, for_weight, None if bias is None else for_bias, None, None


def add_norm(
    hidden: Tensor, added: Tensor | None, weight: Tensor, bias: Tensor | None, epsilon: float, *, centred: bool
) -> tuple[Tensor, Tensor]:
    """The stream (..., D), float32, with what is `added` to it; and the norm of that: with `centred` LayerNorm (Ba et al. 2016,
    eq. 4), without RMSNorm (Zhang and Sennrich 2019, eq. 4). What is added and the norm are of the type that products read."""
    total, result = _AddNorm.apply(hidden, added, weight, bias, epsilon, centred)  # type: ignore[no-untyped-call]
    return hidden if total is None else total, result


class _Activation(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, product: Tensor, name: str) -> Tensor:
        product = product.contiguous()
        ctx.name = name
        ctx.save_for_backward(product)
        return _activate(name, product, None)

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor, None]:
        return _activate(ctx.name, ctx.saved_tensors[0], outputs[0].contiguous()), None


def _activate(name: str, product: Tensor, gradient: Tensor | None) -> Tensor:
    """The activation of `product`; with the gradient of that, the gradient of `product`."""
    built, gated = _built(product.dtype), name in GATED
    assert built is not None
    width = product.shape[-1] // 2 if gated else product.shape[-1]
    result = product.new_empty(*product.shape[:-1], width) if gradient is None else torch.empty_like(product)
    if product.is_meta:
        return result
    tensors = product.data_ptr(), _address(gradient), result.data_ptr()
    threads = torch.get_num_threads()
    if gated:
        built.activate_gated(KINDS[name], *tensors, product.numel() // (2 * width), width, threads)
    else:
        built.activate(KINDS[name], *tensors, product.numel(), threads)
    return result


def activation(name: str, product: Tensor) -> Tensor:
    """An activation that KINDS names: (..., F) of (..., F), or gated of gate and up side by side (..., 2 F)."""
    result: Tensor = _Activation.apply(product, name)  # type: ignore[no-untyped-call]
    return result
