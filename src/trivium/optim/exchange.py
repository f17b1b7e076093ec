"""How processes that train one model together hand an optimizer the whole matrices that it needs.

The optimizer does not know how a model is spread. Every matrix has an owner, which computes its update; `gather` brings
it the matrix's parts, `scatter` brings everybody their part of the update. The ones that talk are in
`trivium.train.distributed`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor


class Exchange(Protocol):
    """Process `rank` of `size`. `owners` are a rank for each matrix, the same list on every process."""

    @property
    def rank(self) -> int: ...
    @property
    def size(self) -> int: ...

    def first_row(self, name: str) -> int:
        """Which row of the whole parameter `name` the first row held here is."""

    def norm(self, own: Tensor) -> Tensor:
        """The norm of all that is held together, from that of what is held here; scalars."""

    def gather(self, parts: Sequence[Tensor], owners: Sequence[int]) -> list[Tensor]:
        """The whole (rows, columns) of each matrix that this process owns, from everybody's part of every matrix."""

    def scatter(self, wholes: Sequence[Tensor], parts: Sequence[Tensor], owners: Sequence[int]) -> list[Tensor]:
        """The part of every matrix, in the shapes of `parts`, from the whole ones that their owners have."""


class NoExchange:
    """One process, which holds everything."""

    rank, size = 0, 1

    def first_row(self, name: str) -> int:
        return 0

    def norm(self, own: Tensor) -> Tensor:
        return own

    def gather(self, parts: Sequence[Tensor], owners: Sequence[int]) -> list[Tensor]:
        return list(parts)

    def scatter(self, wholes: Sequence[Tensor], parts: Sequence[Tensor], owners: Sequence[int]) -> list[Tensor]:
        return list(wholes)
