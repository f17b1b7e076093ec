"""Muon (Jordan et al. 2024): momentum, made orthogonal, as the update of a hidden matrix.

Equal shapes are stacked, so a step is a few batched products however many layers there are; a fused matrix
(query+key+value) is cut into the matrices it stands for, and a matrix that is another's transpose in shape joins its
stack. The one-matrix-at-a-time version stands in tests/reference.

Whether it pays: an r x c matrix (r <= c) costs 4 r^2 c + 2 r^3 operations an iteration, whatever the batch (the products of
`orthogonalise`), while the step's own operations grow with it. With s the share of the first in the second, a step takes 1 + s
times as long; it pays where Muon reaches the same loss in less than 1 / (1 + s) of AdamW's steps. Against a well-tuned AdamW
that was 1 / 1.4 at 0.1 B weights and 1 / 1.1 at 1.2 B (Wen et al. 2025, "Fantastic pretraining optimizers"); where those
products run in float32 beside training in bfloat16, s counts double. So `auto` takes Muon up to `MOST_SHARE`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trivium.optim.exchange import Exchange, NoExchange

ITERATIONS = 5
MOST_SHARE = 0.2
COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # quintic whose slope at 0 is steep: singular values land in about [0.7, 1.2]


@dataclass(frozen=True)
class Matrix:
    """Rows `start` to `stop` of a parameter, treated as one matrix; what is held here of the parameter begins with its
    row `first_row`."""

    parameter: nn.Parameter
    start: int
    stop: int
    first_row: int = 0

    def view(self, tensor: Tensor) -> Tensor:
        """The rows of this matrix in `tensor`, which is held as the parameter is."""
        return tensor[max(self.start - self.first_row, 0) : max(self.stop - self.first_row, 0)]

    @property
    def shape(self) -> tuple[int, int]:
        """Of the whole matrix."""
        return self.stop - self.start, self.parameter.shape[1]

    @property
    def tall(self) -> bool:
        return self.shape[0] > self.shape[1]


class Muon:
    """W <- W - rate * (orthogonal(nesterov momentum of the gradient) * sqrt(max(1, rows/columns)) + decay * W)."""

    def __init__(
        self,
        matrices: Sequence[Matrix],
        *,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        exchange: Exchange | None = None,
    ) -> None:
        """Where several processes train, each one computes its share of the updates (`exchange`)."""
        self.matrices, self.momentum, self.weight_decay = matrices, momentum, weight_decay
        self.exchange: Exchange = exchange or NoExchange()
        alike: dict[tuple[int, ...], list[int]] = {}
        for number, matrix in enumerate(matrices):
            alike.setdefault(tuple(sorted(matrix.shape)), []).append(number)
        order = {number: place for place, number in enumerate(n for group in alike.values() for n in group)}
        self.owners = [order[number] % self.exchange.size for number in range(len(matrices))]
        own = {
            shape: [number for number in group if self.owners[number] == self.exchange.rank]
            for shape, group in alike.items()
        }
        self.groups = [group for group in own.values() if group]
        self.buffers = [
            torch.zeros(len(group), *shape, device=matrices[group[0]].parameter.device)
            for shape, group in own.items()
            if group
        ]

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """One update with learning rate `rate` from the parameters' gradients."""
        parts = [matrix.view(_gradient(matrix)) for matrix in self.matrices]
        own = sorted(number for group in self.groups for number in group)
        whole = dict(zip(own, self.exchange.gather(parts, self.owners), strict=True))
        updates: dict[int, Tensor] = {}
        for group, buffer in zip(self.groups, self.buffers, strict=True):
            gradients = torch.stack([_wide(self.matrices[n], whole[n]) for n in group])  # (N, small, large)
            buffer.lerp_(gradients, 1.0 - self.momentum)
            update = orthogonalise(gradients.lerp_(buffer, self.momentum))
            updates |= {n: _wide(self.matrices[n], one) for n, one in zip(group, update.unbind(), strict=True)}
        found = self.exchange.scatter([updates[number] for number in own], parts, self.owners)
        for matrix, part in zip(self.matrices, found, strict=True):
            weight = matrix.view(matrix.parameter.data)
            if self.weight_decay:
                weight.mul_(1.0 - rate * self.weight_decay)
            weight.add_(part, alpha=-rate * max(1.0, matrix.shape[0] / matrix.shape[1]) ** 0.5)

    def state(self) -> dict[str, Tensor]:
        """The momentum of the matrices that this process owns, each by the number of the matrix."""
        return {f"muon.{number}": buffer[place] for number, buffer, place in self._places()}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        for number, buffer, place in self._places():
            buffer[place].copy_(state[f"muon.{number}"])

    def _places(self) -> Iterator[tuple[int, Tensor, int]]:
        for group, buffer in zip(self.groups, self.buffers, strict=True):
            yield from ((number, buffer, place) for place, number in enumerate(group))


def _gradient(matrix: Matrix) -> Tensor:
    gradient: Tensor | None = matrix.parameter.grad
    assert gradient is not None
    return gradient


def _wide(matrix: Matrix, tensor: Tensor) -> Tensor:
    """At most as many rows as columns; its own inverse."""
    return tensor.t() if matrix.tall else tensor


def orthogonalise(stack: Tensor, kind: torch.dtype | None = None) -> Tensor:
    """The nearest (semi-)orthogonal matrices to `stack` (N, small, large), roughly: five Newton-Schulz iterations, computed in
    `kind`: if not given in that of the stack, on a GPU in bfloat16, whose rounding is below what they leave (Jordan et al.)."""
    a, b, c = COEFFICIENTS
    x: Tensor = stack / (stack.norm(dim=(1, 2), keepdim=True) + 1e-7)
    x = x.to(kind or (torch.bfloat16 if stack.is_cuda else stack.dtype))
    for _ in range(ITERATIONS):
        gram = x @ x.transpose(1, 2)  # (N, small, small)
        polynomial = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        x = torch.baddbmm(x, polynomial, x, beta=a)
    return x.to(stack.dtype)


def orthogonalising_flops(shapes: Iterable[tuple[int, int]]) -> float:
    """Operations that `orthogonalise` takes for matrices of these shapes."""
    pairs = [(min(shape), max(shape)) for shape in shapes]
    return float(sum(ITERATIONS * (4 * small**2 * large + 2 * small**3) for small, large in pairs))
