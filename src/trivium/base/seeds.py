"""Randomness is an argument: one generator for each (seed, purpose, ...), independent of every other.

The seed of a generator is the first eight bytes of SHA-256 over the parts, so adding a consumer somewhere never
shifts the numbers that another one sees, and the same parts give the same numbers on every machine.
"""

from __future__ import annotations

import hashlib
import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy
    import torch


def derive(seed: int, *purpose: str | int) -> int:
    """A 63-bit seed for this purpose."""
    text = "\x1f".join(str(part) for part in (seed, *purpose))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def python_random(seed: int, *purpose: str | int) -> random.Random:
    """A `random.Random` for this purpose."""
    return random.Random(derive(seed, *purpose))


def numpy_random(seed: int, *purpose: str | int) -> numpy.random.Generator:
    """A numpy generator for this purpose."""
    import numpy

    return numpy.random.Generator(numpy.random.PCG64(derive(seed, *purpose)))


def torch_random(seed: int, *purpose: str | int) -> torch.Generator:
    """A CPU torch generator for this purpose."""
    import torch

    return torch.Generator().manual_seed(derive(seed, *purpose))
