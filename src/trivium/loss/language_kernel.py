"""Softmax, cross-entropy and its gradient over a chunk of logits, in C: one pass where PyTorch takes seven over float32.

For logits in bfloat16 or float32 on a CPU; elsewhere PyTorch's operations do the same (`language`).

Legend as in language_kernel.c.
"""

from __future__ import annotations

import ctypes
import functools
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor

from trivium.base.native import NUMBERS, library

Found: TypeAlias = tuple[Tensor, Tensor | None, Tensor | None]
SOURCE = Path(__file__).with_suffix(".c")
BLOCK = 32  # positions whose shares of the bias's gradient are summed first, as there
LARGEST = 1 << 18  # vocabulary, of which a row in float32 lies on a thread's stack


@functools.cache
def _built(number: torch.dtype) -> ctypes.CDLL | None:
    built = library(SOURCE, number)
    if built is not None:
        count, pointer = ctypes.c_int64, ctypes.c_void_p
        built.cross_entropy.argtypes = [*[pointer] * 6, *[count] * 4]
        built.cross_entropy.restype = count
    return built


def is_for(hidden: Tensor, vocabulary: int) -> bool:
    """Whether this machine has the kernel and it takes logits like `hidden` in device and type."""
    fits = hidden.device.type == "cpu" and hidden.dtype in NUMBERS and vocabulary <= LARGEST
    return fits and _built(hidden.dtype) is not None


def cross_entropy(logits: Tensor, bias: Tensor | None, targets: Tensor, weights: Tensor, sloped: bool) -> Found:
    """The sum of weights * -log softmax(logits + bias)[targets]; and with `sloped` its gradients for `logits` (C, V), whose
    place it takes, and for `bias` (V,). Raises IndexError where a target lies outside the vocabulary."""
    losses = weights.new_empty(len(logits))
    shares = None if bias is None else bias.new_empty(-(len(logits) // -BLOCK), len(bias))
    if not logits.is_meta:
        built = _built(logits.dtype)
        assert built is not None and logits.is_contiguous()
        tensors = (logits, bias, targets.contiguous(), weights.contiguous(), losses, shares)
        addresses = [None if tensor is None else tensor.data_ptr() for tensor in tensors]
        if built.cross_entropy(*addresses, *logits.shape, sloped, torch.get_num_threads()):
            raise IndexError(f"a target lies outside the vocabulary of {logits.shape[1]}")
    if not sloped:
        return losses.sum(), None, None
    return losses.sum(), logits, None if shares is None else shares.sum(dim=0)
