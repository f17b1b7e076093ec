"""Which of several processes this is, and which of a step's rows are its own. No torch here."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Literal

from trivium.base.errors import UserError

Parallel = Literal["auto", "replicate", "shard"]
Compile = Literal["auto", "on", "off"]  # of a model's blocks, by torch.compile


@dataclass(frozen=True)
class Ranks:
    """Process `rank` of `size` that train one model; `local_rank` of the `local_size` on this machine."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1

    def __post_init__(self) -> None:
        if not (0 <= self.rank < self.size and 0 <= self.local_rank < self.local_size <= self.size):
            raise UserError(
                f"rank {self.rank} of {self.size}, {self.local_rank} of {self.local_size} on this machine: these do not fit; "
                "start all processes with torchrun, which numbers them"
            )

    @property
    def first(self) -> bool:
        """Whether this is the process that talks and writes."""
        return self.rank == 0

    def share(self, count: int) -> range:
        """This process's of `count` things: neighbours, and each thing is exactly one process's; shares differ by one."""
        return range(count * self.rank // self.size, count * (self.rank + 1) // self.size)

    def parts(self, count: int, most: int) -> list[range]:
        """This process's share in parts of `most` at most, as many parts on every process: they compute in step.

        Where `most` is 1 and the shares differ, a part may hold 2. Raises UserError where a process would get nothing.
        """
        smallest, largest = count // self.size, -(-count // self.size)
        if not smallest:
            raise UserError(
                f"{count} in a step, shared by {self.size} processes: each needs one at least; make the batch larger or "
                f"start {count} processes at most"
            )
        number, share = min(-(-largest // most), smallest), self.share(count)
        cuts = [share.start + len(share) * place // number for place in range(number + 1)]
        return [range(start, stop) for start, stop in itertools.pairwise(cuts)]


ALONE = Ranks()
