"""Several processes that train one model: the only place where they talk to each other.

`join` makes the team of a stage's processes, whose methods all of them call in the same order. `Orders` is how rank 0 tells
the others which stage they are needed for; waiting for one needs no team. How a model lies on a team is in
`trivium.train.layout`.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from trivium.base.device import Machine, choose_machine
from trivium.base.errors import Interrupted, TrainingError, UserError
from trivium.base.progress import Context
from trivium.base.ranks import ALONE, Parallel, Ranks
from trivium.model.transformer import Transformer

PATIENCE = timedelta(minutes=30)  # for a process that is behind: it may be measuring, or reading a checkpoint
SHORTEST_PAUSE, LONGEST_PAUSE = 0.02, 1.0  # seconds between two looks for an order
LAST_WORDS = 10.0  # seconds that a process asked to stop still waits for rank 0's order
LOST = re.compile(r"onnection (closed|reset|refused)|[Bb]roken pipe|[Tt]imed out|NCCL|Gloo|gloo")
_joined = itertools.count()


@functools.cache
def _store(ranks: Ranks) -> Any:
    """Where processes leave messages for each other: the launcher's, found by MASTER_ADDR and MASTER_PORT."""
    try:
        store, _, _ = next(rendezvous("env://", ranks.rank, ranks.size, timeout=PATIENCE))
    except (ValueError, RuntimeError) as error:
        raise UserError(
            f"{ranks.size} processes and no way to meet ({error}); start them with torchrun, as docs/scale.md shows"
        ) from None
    return PrefixStore("trivium", store)


class Orders:
    """What rank 0 tells the others, one order after the other; None is the last."""

    def __init__(self, ranks: Ranks) -> None:
        self._store, self._number = _store(ranks), 0

    def give(self, order: Mapping[str, Any] | None) -> None:
        """Rank 0: leave an order for all others."""
        self._store.set(f"order/{self._number}", json.dumps(order))
        self._number += 1

    def take(self, stopping: Callable[[], bool]) -> dict[str, Any] | None:
        """The others: wait for the next order, however long rank 0 takes. None where there is nothing more to do."""
        key, asked, pause = f"order/{self._number}", None, SHORTEST_PAUSE
        while not self._store.check([key]):
            asked = asked or (time.monotonic() if stopping() else None)
            if asked and time.monotonic() - asked > LAST_WORDS:
                return None  # rank 0 is gone, or it would have said so
            time.sleep(pause)
            pause = min(1.5 * pause, LONGEST_PAUSE)
        self._number += 1
        order: dict[str, Any] | None = json.loads(self._store.get(key))
        return order


class Team:
    """The processes of a stage; one alone has nobody to talk to."""

    def __init__(self, machine: Machine, ranks: Ranks = ALONE, parallel: Parallel = "auto") -> None:
        self.machine, self.ranks, self.parallel = machine, ranks, parallel

    def sum(self, *values: float) -> list[float]:
        """The sum of each value over all processes."""
        if self.ranks.size == 1:
            return [float(value) for value in values]
        total = torch.tensor(values, dtype=torch.float64, device=self.machine.device)
        dist.all_reduce(total)
        return total.tolist()

    def largest(self, value: float) -> float:
        """The largest of everybody's values; not a number where one of them is none."""
        return float(self.rows(torch.tensor([[value]], device=self.machine.device)).max())

    def rows(self, own: Tensor) -> Tensor:
        """Everybody's rows (N, C), in the order of the ranks, however many each has."""
        if self.ranks.size == 1:
            return own
        counts = [
            int(count) for count in self.sum(*(len(own) * (r == self.ranks.rank) for r in range(self.ranks.size)))
        ]
        padded = own.new_zeros(max(counts), own.shape[1])
        padded[: len(own)] = own
        every = self.gather(padded.flatten()).view(self.ranks.size, -1, own.shape[1])
        return torch.cat([part[:count] for part, count in zip(every, counts, strict=True)])

    def agree(self, value: Any) -> Any:
        """Rank 0's value, which JSON can hold."""
        if self.ranks.size == 1:
            return value
        data = json.dumps(value).encode() if self.ranks.first else b""
        (length,) = self.sum(len(data))
        text = torch.zeros(int(length), dtype=torch.uint8, device=self.machine.device)
        if self.ranks.first:
            text.copy_(torch.frombuffer(bytearray(data), dtype=torch.uint8))
        dist.broadcast(text, 0)
        return json.loads(bytes(text.tolist()))

    def collect(self, own: bytes) -> list[bytes]:
        """Everybody's bytes by rank; all have the same length."""
        if self.ranks.size == 1:
            return [own]
        mine = torch.frombuffer(bytearray(own), dtype=torch.uint8).to(self.machine.device)
        return [bytes(row) for row in self.gather(mine).tolist()]

    def gather(self, own: Tensor) -> Tensor:
        """Everybody's tensor (N,), all of one length, as rows of (size, N)."""
        every = own.new_empty(self.ranks.size, len(own))
        dist.all_gather(list(every), own)
        return every

    def exchange(self, flat: Tensor, send: Sequence[int], come: Sequence[int]) -> list[Tensor]:
        """All to all: of `flat` (sum of send,) the first `send[0]` numbers go to rank 0, and so on. What comes, by rank."""
        found = flat.new_empty(sum(come))
        dist.all_to_all_single(found, flat, list(come), list(send))
        return list(torch.split(found, list(come)))

    def add(self, tensor: Tensor) -> Callable[[], object]:
        """Begin to make `tensor` the sum of everybody's; it is when what this gives back was called."""
        work: Any = dist.all_reduce(tensor, async_op=True)
        return work.wait  # type: ignore[no-any-return]

    def copy_first(self, tensor: Tensor) -> None:
        """Make `tensor` rank 0's."""
        dist.broadcast(tensor, 0)


@contextlib.contextmanager
def join(context: Context, precision: str) -> Iterator[Team]:
    """The team of the processes that run this stage; all must call it. They agree on rank 0's choice of precision.

    Raises UserError for a device that cannot be shared, TrainingError where another process is lost on the way.
    """
    ranks = context.ranks
    machine = choose_machine(context.device, context.threads, precision, ranks, context.compile)
    if ranks.size == 1:
        yield Team(machine, parallel=context.parallel)
        return
    store = PrefixStore(f"team-{next(_joined)}", _store(ranks))
    backend = "nccl" if machine.device.type == "cuda" else "gloo"
    dist.init_process_group(backend, store=store, rank=ranks.rank, world_size=ranks.size, timeout=PATIENCE)
    try:
        team = Team(machine, ranks, context.parallel)
        name = team.agree(str(machine.dtype).removeprefix("torch."))
        team.machine = replace(machine, dtype=getattr(torch, name))
        yield team
    except Interrupted:
        dist.destroy_process_group()  # all leave together
        raise
    except (RuntimeError, dist.DistError) as error:
        if isinstance(error, torch.OutOfMemoryError) or not (
            isinstance(error, dist.DistError) or LOST.search(str(error))
        ):
            raise
        raise TrainingError(
            "another process of this job has ended, its own message says why; the last good checkpoint is kept, and the "
            f"same command goes on from it ({str(error).splitlines()[0]})"
        ) from error
    dist.destroy_process_group()


def shard(model: Transformer, team: Team) -> None:
    """Spread the parameters of `model` over the team by rows, block by block, their gradients to be added (FSDP2).

    Where products are bfloat16 the blocks' weights travel so; embedding, last norm and head stay float32, because their
    gradients are sums over many positions.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard

    machine = team.machine
    mesh = init_device_mesh(machine.device.type, (team.ranks.size,))
    slim = None if machine.dtype == torch.float32 else machine.dtype
    policy = MixedPrecisionPolicy(param_dtype=slim, reduce_dtype=torch.float32, cast_forward_inputs=False)
    for block in model.blocks:
        fully_shard(block, mesh=mesh, mp_policy=policy)
    fully_shard(model, mesh=mesh, reshard_after_forward=False)  # the loss reads the head once more
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.set_gradient_divide_factor(1.0)
            module.set_force_sum_reduction_for_comms(True)
