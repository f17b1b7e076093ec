"""Three small functions in C between the matrix products of a decoding step, built by the system's compiler where there is one.

A step for a few rows is some thirty operations a layer, most of which take longer to start than to run, and in PyTorch
a step's attention reads keys and values at a fraction of the memory's speed. These do the work in three calls a layer
(docs/decisions.md has the figures). Without a compiler everything works as before, slower.

Legend as in decode_kernel.c.
"""

from __future__ import annotations

import ctypes
import functools
from pathlib import Path

import torch
from torch import Tensor

from trivium.base.native import library

SOURCE = Path(__file__).with_suffix(".c")


class Kernel:
    """The functions of a built library, on contiguous tensors of its numbers on the CPU."""

    def __init__(self, built: ctypes.CDLL) -> None:
        number, pointer, real = ctypes.c_int64, ctypes.c_void_p, ctypes.c_float
        self._over_norm, self._swiglu, self._attend = built.over_norm, built.swiglu, built.attend
        self._over_norm.argtypes = [pointer, pointer, pointer, number, number, real]
        self._swiglu.argtypes = [pointer, pointer, number, number]
        self._attend.argtypes = [*[pointer] * 10, real, real]
        for function in (self._over_norm, self._swiglu, self._attend):
            function.restype = None

    def over_norm(self, values: Tensor, room: float, weight: Tensor | None = None) -> Tensor:
        """x / sqrt(|x|^2 + room) over the last axis of (B, D), times `weight` (D,), float32."""
        result = torch.empty_like(values)
        scale = None if weight is None else weight.data_ptr()
        self._over_norm(values.data_ptr(), scale, result.data_ptr(), *values.shape, room)
        return result

    def swiglu(self, gate_up: Tensor) -> Tensor:
        """silu(gate) * up, (B, F), of gate and up side by side (B, 2 F)."""
        result = gate_up.new_empty(len(gate_up), gate_up.shape[1] // 2)
        self._swiglu(gate_up.data_ptr(), result.data_ptr(), *result.shape)
        return result

    def attend(
        self,
        qkv: Tensor,
        turn: tuple[Tensor | None, Tensor, Tensor],
        store: Tensor,
        positions: Tensor,
        sizes: tuple[int, int, int],
        epsilon: float,
    ) -> Tensor:
        """What attention gives, (B, H E), to the new token of each of the first B slots, from `qkv` (B, (H + 2K) E).

        Its keys and values are written to `store` (2, slots, K, C, E) at `positions` (B,). `turn` holds the weights of the
        heads' norm (H + K, E), with the root of E and attention's scale in them, or None, and the tables of cosines and
        sines (positions, E/2), float32; `sizes` are H, K and the layer's window (0: all).
        """
        heads, groups, window = sizes
        capacity, size = store.shape[3:]
        result = qkv.new_empty(len(qkv), heads * size)
        threads = torch.get_num_threads()
        scores = torch.empty(threads, capacity)
        weight, cosines, sines = turn
        numbers = (ctypes.c_int64 * 7)(len(qkv), heads, groups, size, capacity, window, threads)
        keys = store.data_ptr()
        self._attend(
            qkv.data_ptr(),
            None if weight is None else weight.data_ptr(),
            cosines.data_ptr(),
            sines.data_ptr(),
            keys,
            keys + store.stride(0) * store.element_size(),
            positions.data_ptr(),
            scores.data_ptr(),
            result.data_ptr(),
            ctypes.addressof(numbers),
            size * epsilon,
            size**-0.5 if weight is None else 1.0,
        )
        return result


@functools.cache
def kernel(number: torch.dtype) -> Kernel | None:
    """The built functions for tensors of `number`, bfloat16 or float32; None where they cannot be built."""
    built = library(SOURCE, number)
    return None if built is None else Kernel(built)
