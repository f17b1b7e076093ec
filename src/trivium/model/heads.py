"""What heads share: pooling of a row into one vector, and dropout whose randomness is an argument.

The layers of a head belong to the model (`transformer`), their published form to `families`.
Legend: B rows, T tokens in a row, D hidden size.
"""

from __future__ import annotations

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
    """Zeroes each number with probability `share` and scales the others up (Srivastava et al. 2014).

    The generator must live on the device of what is dropped; make one for (seed, purpose, step), so that a resumed run draws
    the same.
    """

    def __init__(self, share: float, generator: torch.Generator) -> None:
        if not 0.0 <= share < 1.0:
            raise UserError(f"dropout is {share}; it must be at least 0 and below 1")
        self.share, self.generator = share, generator

    def __call__(self, values: Tensor) -> Tensor:
        if self.share == 0.0:
            return values
        kept = torch.rand(values.shape, generator=self.generator, device=values.device) >= self.share
        return values * kept * (1.0 / (1.0 - self.share))
