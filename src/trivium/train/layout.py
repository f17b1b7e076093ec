"""How a model lies on the processes that train it: whole, replicated, or sharded.

Replicated: every process holds all of it and computes its rows of a step. Sharded: by rows, block by block (FSDP2; Zhao et
al. 2023), where it does not fit. Gradients are sums that were divided by a count taken over all processes, so they are added,
never averaged. A layout is the optimizer's `Exchange`, and knows who writes what of a checkpoint.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from trivium.base.device import memory_of
from trivium.model.transformer import Transformer, parameter_count
from trivium.train.distributed import Team, shard
from trivium.train.pieces import LazyTensors, Piece, StoredTensors

BUCKET_BYTES = 25 << 20  # of gradients that travel together
BYTES_PER_PARAMETER = 16  # weight, gradient and two moments, in float32
ROOM = 0.5  # of the memory that these may take before a model is sharded; activations want the rest


class Layout:
    """How a model lies on a team's processes. This one: whole, on one process."""

    def __init__(self, model: Transformer, team: Team) -> None:
        self.model, self.team = model, team

    @property
    def rank(self) -> int:
        return self.team.ranks.rank

    @property
    def size(self) -> int:
        return self.team.ranks.size

    def parameters(self) -> list[tuple[str, nn.Parameter]]:
        """Name and what this process holds of each parameter; an optimizer changes the model by changing these."""
        return list(self.model.named_parameters())

    def before_last(self) -> None:
        """Called before the last micro-batch of a step: what follows completes the gradients."""

    def reduce(self) -> None:
        """Make the gradients of `parameters` the sums over all processes."""

    def first_row(self, name: str) -> int:
        return 0

    def norm(self, own: Tensor) -> Tensor:
        return own

    def gather(self, parts: Sequence[Tensor], owners: Sequence[int]) -> list[Tensor]:
        return [part for part, owner in zip(parts, owners, strict=True) if owner == self.rank]

    def scatter(self, wholes: Sequence[Tensor], parts: Sequence[Tensor], owners: Sequence[int]) -> list[Tensor]:
        return list(wholes)

    def _sizes(self, parts: Sequence[Tensor], owners: Sequence[int]) -> list[int]:
        """How many numbers of `parts` are each owner's."""
        return [sum(p.numel() for p, owner in zip(parts, owners, strict=True) if owner == r) for r in range(self.size)]

    def pieces(self, state: Mapping[str, Tensor], own: Collection[str]) -> dict[str, Piece]:
        """What this process writes of a checkpoint. `state` lies as the parameters do; of it `own` is nowhere else."""
        return {name: Piece(tensor) for name, tensor in state.items() if self.rank == 0 or name in own}

    def held(self, stored: StoredTensors) -> Mapping[str, Tensor]:
        """Stored tensors as this process holds them."""
        return stored

    def whole(self) -> Transformer | None:
        """The model with all its weights, on rank 0; None elsewhere. All must call it."""
        return self.model if self.rank == 0 else None


class Replicated(Layout):
    """Every process has the whole model; gradients are added once a step, bucket by bucket while the last backward pass
    still runs (Li et al. 2020, section 3.2). Of Muon's updates each process computes its share."""

    def __init__(self, model: Transformer, team: Team) -> None:
        super().__init__(model, team)
        self._buckets: list[list[nn.Parameter]] = [[]]
        for parameter in reversed(list(model.parameters())):  # about the order in which gradients come
            team.copy_first(parameter.data)
            if not parameter.requires_grad:
                continue
            if sum(p.nbytes for p in self._buckets[-1]) >= BUCKET_BYTES:
                self._buckets.append([])
            self._buckets[-1].append(parameter)
            arrived = functools.partial(self._arrived, len(self._buckets) - 1)
            parameter.register_post_accumulate_grad_hook(arrived)  # type: ignore[no-untyped-call]
        self._armed = False
        self._missing: list[int] = []
        self._sent: list[tuple[Tensor, Callable[[], object]]] = []

    def before_last(self) -> None:
        self._armed, self._missing, self._sent = True, [len(bucket) for bucket in self._buckets], []

    def _arrived(self, bucket: int, parameter: nn.Parameter) -> None:
        if self._armed:
            self._missing[bucket] -= 1
            while len(self._sent) < len(self._buckets) and not self._missing[len(self._sent)]:
                self._send()

    def _send(self) -> None:
        bucket = self._buckets[len(self._sent)]  # in the same order on every process, whatever comes first
        flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket])
        self._sent.append((flat, self.team.add(flat)))

    def reduce(self) -> None:
        while len(self._sent) < len(self._buckets):
            self._send()  # a parameter that no row of this process needed has no gradient here
        for bucket, (flat, wait) in zip(self._buckets, self._sent, strict=True):
            wait()
            for parameter, gradient in zip(bucket, torch.split(flat, [p.numel() for p in bucket]), strict=True):
                parameter.grad = gradient.view_as(parameter)
        self._armed = False

    def scatter(self, wholes: Sequence[Tensor], parts: Sequence[Tensor], owners: Sequence[int]) -> list[Tensor]:
        if not parts:
            return []
        sizes = self._sizes(parts, owners)
        mine = parts[0].new_zeros(max(sizes))
        mine[: sizes[self.rank]] = _flat(wholes, mine)
        every = self.team.gather(mine)
        places, result = [0] * self.size, []
        for part, owner in zip(parts, owners, strict=True):
            start, places[owner] = places[owner], places[owner] + part.numel()
            result.append(every[owner, start : places[owner]].view(part.shape))
        return result


class Sharded(Layout):
    """Every process has some rows of each parameter; a block's weights come together while it computes (FSDP2)."""

    def __init__(self, model: Transformer, team: Team) -> None:
        super().__init__(model, team)
        self._form = _without_weights(model)
        shard(model, team)
        for buffer in model.buffers():
            buffer.data = buffer.data.to(team.machine.device)
        self._sharded: dict[str, Any] = dict(model.named_parameters())
        with torch.no_grad():
            self._local = {name: nn.Parameter(p.to_local()) for name, p in self._sharded.items()}  # the same storage
        self._lengths: list[list[int]] = []

    def parameters(self) -> list[tuple[str, nn.Parameter]]:
        return list(self._local.items())

    def reduce(self) -> None:
        for name, local in self._local.items():
            gradient = self._sharded[name].grad
            local.grad = torch.zeros_like(local) if gradient is None else gradient.to_local()
            self._sharded[name].grad = None

    def first_row(self, name: str) -> int:
        rows = int(self._sharded[name].shape[0])
        return min(self.rank * -(-rows // self.size), rows)  # as torch.chunk cuts

    def norm(self, own: Tensor) -> Tensor:
        total = own.square()
        self.team.add(total)()
        return total.sqrt_()

    def gather(self, parts: Sequence[Tensor], owners: Sequence[int]) -> list[Tensor]:
        if not parts:
            return []
        lengths = self._everybodys(parts)
        columns = [part.shape[1] for part in parts]
        own = [number for number, owner in enumerate(owners) if owner == self.rank]
        send = self._sizes(parts, owners)
        come = [sum(lengths[rank][number] * columns[number] for number in own) for rank in range(self.size)]
        order = sorted(range(len(parts)), key=lambda number: owners[number])
        found = self.team.exchange(_flat([parts[number] for number in order], parts[0]), send, come)
        pieces: dict[int, list[Tensor]] = {number: [] for number in own}
        for rank, flat in enumerate(found):
            sizes = [lengths[rank][number] * columns[number] for number in own]
            for number, piece in zip(own, torch.split(flat, sizes), strict=True):
                pieces[number].append(piece.view(-1, columns[number]))
        return [torch.cat(pieces[number]) for number in own]

    def scatter(self, wholes: Sequence[Tensor], parts: Sequence[Tensor], owners: Sequence[int]) -> list[Tensor]:
        if not parts:
            return []
        lengths = self._everybodys(parts)
        own = [number for number, owner in enumerate(owners) if owner == self.rank]
        cut = [
            torch.split(whole, [lengths[r][n] for r in range(self.size)]) for n, whole in zip(own, wholes, strict=True)
        ]
        outgoing = [pieces[rank] for rank in range(self.size) for pieces in cut]
        send = [sum(pieces[rank].numel() for pieces in cut) for rank in range(self.size)]
        come = self._sizes(parts, owners)
        result = list(parts)
        for rank, flat in enumerate(self.team.exchange(_flat(outgoing, parts[0]), send, come)):
            theirs = [number for number, owner in enumerate(owners) if owner == rank]
            for number, piece in zip(theirs, torch.split(flat, [parts[n].numel() for n in theirs]), strict=True):
                result[number] = piece.view(parts[number].shape)
        return result

    def _everybodys(self, parts: Sequence[Tensor]) -> list[list[int]]:
        """How many rows each process holds of each matrix; asked once, for they never change."""
        if not self._lengths:
            own = torch.tensor([len(part) for part in parts], device=self.team.machine.device)
            self._lengths = self.team.gather(own).tolist()
        return self._lengths

    def pieces(self, state: Mapping[str, Tensor], own: Collection[str]) -> dict[str, Piece]:
        found = {}
        for name, tensor in state.items():
            of = self._of(name)
            if of is not None and tensor.dim():
                found[name] = Piece(tensor, self.first_row(of), self._sharded[of].shape[0])
            elif self.rank == 0 or name in own:
                found[name] = Piece(tensor)
        return found

    def held(self, stored: StoredTensors) -> Mapping[str, Tensor]:
        def cut(name: str) -> Tensor:
            of = self._of(name)
            if of is None or stored.is_scalar(name):
                return stored[name]
            return stored.rows(name, self.first_row(of), self.first_row(of) + len(self._local[of]))

        return LazyTensors(stored, cut)

    def _of(self, name: str) -> str | None:
        """The parameter that a tensor of the state belongs to, from names such as adam.PARAMETER.exp_avg."""
        inner = name.partition(".")[2]
        return next((own for own in (inner, inner.rpartition(".")[0]) if own in self._sharded), None)

    def whole(self) -> Transformer | None:
        found = {
            name: p.full_tensor().cpu() if self.rank == 0 else p.full_tensor() for name, p in self._sharded.items()
        }
        if self.rank:
            return None
        self._form.load_state_dict(found, assign=True)
        return self._form


def place(model: Transformer, team: Team, *, whole: bool = False) -> Layout:
    """Lay `model`, which is in main memory and alike on every process, on the team's devices; all must call it. With
    `whole` every process gets all of it."""
    machine = team.machine
    if team.ranks.size == 1:
        model.to(machine.device)
        return Layout(model, team)
    needed = parameter_count(model) * BYTES_PER_PARAMETER
    fits = needed <= ROOM * memory_of(machine.device) / (1 if machine.device.type == "cuda" else team.ranks.local_size)
    if whole or team.agree(team.parallel == "replicate" or (team.parallel == "auto" and fits)):
        model.to(machine.device)
        return Replicated(model, team)
    return Sharded(model, team)


def _without_weights(model: Transformer) -> Transformer:
    """A copy of the model whose parameters take no memory; what is given to it as `drop` is shared."""
    memo: dict[int, Any] = {id(p): nn.Parameter(p.detach().to("meta")) for p in model.parameters()}
    return copy.deepcopy(model, memo | {id(model.drop): model.drop})


def _flat(tensors: Sequence[Tensor], like: Tensor) -> Tensor:
    return torch.cat([tensor.reshape(-1) for tensor in tensors]) if tensors else like.new_empty(0)
