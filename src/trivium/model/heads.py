"""What heads share: pooling of a row into one vector, and dropout whose randomness is an argument.

The layers of a head belong to the model (`transformer`), their published form to `families`.
Legend: B rows, T tokens in a row, D hidden size.
"""

from __future__ import annotations

import numpy
import torch
from torch import Tensor

from trivium.base.errors import UserError

POOLS = ("cls", "mean", "last")


def pool(hidden: Tensor, real: Tensor | None, how: str) -> Tensor:
    """(B, D) of hidden states (B, T, D): the first token's, the mean over tokens, or the last token's.

    `real` (B, T) is True on tokens, False on padding at either side; None where there is none. Padding never counts. Raises
    UserError for another way to pool.
    """
    if how not in POOLS:
        raise UserError(f"pool is '{how}'; known: {', '.join(POOLS)}")
    if real is None:
        return hidden[:, 0] if how == "cls" else hidden[:, -1] if how == "last" else hidden.mean(dim=1)
    if how == "mean":
        share = real.to(hidden.dtype) / real.sum(dim=1, keepdim=True).clamp(min=1)  # (B, T)
        return (hidden * share.unsqueeze(2)).sum(dim=1)
    length = hidden.shape[1]
    first = real.int().argmax(dim=1)  # (B,)
    last = length - 1 - real.flip(1).int().argmax(dim=1)  # (B,)
    place = first if how == "cls" else last
    index = place[:, None, None].expand(-1, 1, hidden.shape[2])  # (B, 1, D)
    return hidden.gather(1, index).squeeze(1)


class Dropout:
    """Zeroes each number with probability `share` (to 1/65,536) and scales the others up (Srivastava et al. 2014).

    What is drawn follows from `seed`, on a CPU and on each kind of device in its own way; make one for (seed, purpose, step),
    so that a resumed run draws the same. On a CPU 16 bits decide of a number: PyTorch's generator there took most of the time.
    """

    def __init__(self, share: float, seed: int, device: torch.device) -> None:
        if not 0.0 <= share < 1.0:
            raise UserError(f"dropout is {share}; it must be at least 0 and below 1")
        self.border = min(round(share * 65536), 65535)  # draws below it are zeroed
        self.scale = 65536 / (65536 - self.border)
        on_cpu = device.type == "cpu"
        self.random: numpy.random.Generator | torch.Generator = (
            numpy.random.Generator(numpy.random.SFC64(seed)) if on_cpu else torch.Generator(device).manual_seed(seed)
        )

    def __call__(self, values: Tensor) -> Tensor:
        if not self.border:
            return values
        kept = self._kept(values.shape)
        if values.dtype == torch.float32:
            return values * (kept * self.scale)  # one product over all, and one on the way back
        return values * kept * self.scale  # the scale itself has no exact form in 16 bits

    def _kept(self, shape: torch.Size) -> Tensor:
        if isinstance(self.random, numpy.random.Generator):
            return torch.from_numpy(self.random.integers(0, 65536, tuple(shape), numpy.uint16) >= self.border)
        device = self.random.device
        return torch.randint(65536, shape, generator=self.random, device=device, dtype=torch.int32) >= self.border
