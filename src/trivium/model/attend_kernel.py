"""Attention for training on a CPU, in C: heads' norms, rotation, scores, softmax and values in one call each way.

It reads the product that gives queries, keys and values as it lies and writes what the next product reads; between the two
there are no copies, and nothing is kept but that product, the result and one number a query. `attend_kernel.c` needs AVX-512,
for bfloat16 with its products; elsewhere and with a cache PyTorch's operations do the same (`attend`, `fused`).

Legend: B rows, T tokens, H query heads, K key and value heads, E head size.
"""

from __future__ import annotations

import ctypes
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trivium.base.native import NUMBERS, library

SOURCE = Path(__file__).with_suffix(".c")
MULTIPLE = 16  # numbers in a vector register, which a head's size must fill


class _Pointers(ctypes.Structure):
    """`Tensors` of attend_kernel.c."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("product", "query_weight", "key_weight", "cosine", "sine", "mask")),
        *((name, ctypes.c_void_p) for name in ("mixed", "mass", "gradient", "for_product", "for_weights")),
        ("epsilon", ctypes.c_float),
    )


@dataclass(frozen=True)
class Heads:
    """What attention does beside its tensors: H and K, and the room in the root of the heads' norms."""

    queries: int
    keys: int
    causal: bool
    epsilon: float = 0.0


@functools.cache
def _built(number: torch.dtype) -> ctypes.CDLL | None:
    built = library(SOURCE, number)
    if built is not None:
        count, pointer = ctypes.c_int64, ctypes.c_void_p
        built.room.argtypes, built.room.restype = [pointer, count], count
        built.attend.argtypes, built.attend.restype = [pointer, pointer, pointer, count], None
    return built


def is_for(product: Tensor) -> bool:
    """Whether this machine has the kernel and it takes queries, keys and values (B, T, H + 2 K, E) like these."""
    fits = product.device.type == "cpu" and product.dtype in NUMBERS and product.shape[-1] % MULTIPLE == 0
    return fits and not torch.compiler.is_compiling() and _built(product.dtype) is not None


def _call(product: Tensor, heads: Heads, parts: dict[str, Tensor | None], *, backwards: bool) -> None:
    """One pass over the tensors named as in attend_kernel.c."""
    built = _built(product.dtype)
    assert built is not None
    rows, length, _, size = product.shape
    mask, cosine = parts["mask"], parts["cosine"]
    steps = [0, 0] if mask is None else [mask.stride(n) if mask.shape[n] > 1 else 0 for n in (0, 2)]
    turn = cosine.stride(0) if cosine is not None and cosine.dim() == 4 else 0
    threads = torch.get_num_threads()
    sizes = (ctypes.c_int64 * 10)(
        rows, length, heads.queries, heads.keys, size, heads.causal, threads, steps[0], steps[1], turn
    )
    work = torch.empty(threads, built.room(sizes, backwards), dtype=torch.uint8, device=product.device)
    if product.is_meta:
        return  # only what it takes is asked (`trivium.train.memory`)
    addresses = {name: tensor.data_ptr() for name, tensor in parts.items() if tensor is not None}
    pointers = _Pointers(product=product.data_ptr(), epsilon=heads.epsilon, **addresses)
    built.attend(sizes, ctypes.addressof(pointers), work.data_ptr(), backwards)


class _Attend(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, product: Tensor, heads: Heads, *parts: Tensor | None) -> Tensor:
        rows, length, _, size = product.shape
        product = product.contiguous()
        mixed = product.new_empty(rows, length, heads.queries, size)
        mass = product.new_empty(rows, heads.queries, length, dtype=torch.float32)
        named = dict(zip(("query_weight", "key_weight", "cosine", "sine", "mask"), parts, strict=True))
        _call(product, heads, {**named, "mixed": mixed, "mass": mass}, backwards=False)
        ctx.heads, ctx.names = heads, (*named, "mixed", "mass")
        ctx.save_for_backward(product, *parts, mixed, mass)
        return mixed

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor | None, ...]:
        product, *parts = ctx.saved_tensors
        named = dict(zip(ctx.names, parts, strict=True))
        rows, _, _, size = product.shape
        for_product = torch.empty_like(product)
        for_weights = product.new_empty(rows * ctx.heads.keys, 2, size, dtype=torch.float32)
        named |= {"gradient": outputs[0].contiguous(), "for_product": for_product, "for_weights": for_weights}
        _call(product, ctx.heads, named, backwards=True)
        if named["query_weight"] is None:
            return for_product, *[None] * 6
        for_query, for_key = for_weights.sum(dim=0)
        return for_product, None, for_query, for_key, None, None, None


def attend(
    product: Tensor,
    heads: Heads,
    weights: tuple[Tensor, Tensor] | None,
    rotation: tuple[Tensor, Tensor] | None,
    mask: Tensor | None,
) -> Tensor:
    """softmax(query key^T / sqrt(E)) value, (B, T, H, E), of queries, keys and values side by side (B, T, H + 2 K, E).

    Queries and keys are first normalised by `weights`, (E) each, and rotated by `rotation`, cosines and sines (T, 1, E/2) or
    (B, T, 1, E/2), where given. `mask`, boolean (B or 1, 1, T or 1, T), is True where a query sees a key (at least one);
    without it a query sees all keys, or in causal attention those not to its right.
    """
    whole = Heads(heads.queries, heads.keys, heads.causal and mask is None, heads.epsilon)
    tables = (None, None) if rotation is None else tuple(table.contiguous() for table in rotation)
    hidden = None if mask is None else mask.contiguous()
    scales = (None, None) if weights is None else tuple(weight.float() for weight in weights)
    result: Tensor = _Attend.apply(product, whole, *scales, *tables, hidden)  # type: ignore[no-untyped-call]
    return result
