"""Muon (Jordan et al. 2024): momentum, made orthogonal, as the update of a hidden matrix.

Equal shapes are stacked, so a step is a few batched products however many layers there are; a fused matrix
(query+key+value) is cut into the matrices it stands for, and a matrix that is another's transpose in shape joins its
stack. The one-matrix-at-a-time version stands in tests/reference.

Cost: about 20 r c min(r, c) operations a matrix and iteration, whatever the batch, so it pays at larger batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

ITERATIONS = 5
COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # quintic whose slope at 0 is steep: singular values land in about [0.7, 1.2]


@dataclass(frozen=True)
class Matrix:
    """Rows `start` to `stop` of a parameter, treated as one matrix."""

    parameter: nn.Parameter
    start: int
    stop: int

    def view(self, tensor: Tensor) -> Tensor:
        return tensor[self.start : self.stop]

    @property
    def tall(self) -> bool:
        return self.stop - self.start > self.parameter.shape[1]


class Muon:
    """W <- W - rate * (orthogonal(nesterov momentum of the gradient) * sqrt(max(1, rows/columns)) + decay * W)."""

    def __init__(self, matrices: Sequence[Matrix], *, momentum: float = 0.95, weight_decay: float = 0.0) -> None:
        self.momentum, self.weight_decay = momentum, weight_decay
        groups: dict[tuple[int, int], list[Matrix]] = {}
        for matrix in matrices:
            rows, columns = matrix.stop - matrix.start, matrix.parameter.shape[1]
            groups.setdefault((min(rows, columns), max(rows, columns)), []).append(matrix)
        self.groups = list(groups.values())
        self.buffers = [
            torch.zeros(len(group), *shape, device=group[0].parameter.device)
            for shape, group in zip(groups, self.groups, strict=True)
        ]

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """One update with learning rate `rate` from the parameters' gradients."""
        for group, buffer in zip(self.groups, self.buffers, strict=True):
            gradients = torch.stack([_wide(matrix, _gradient(matrix)) for matrix in group])  # (N, small, large)
            buffer.lerp_(gradients, 1.0 - self.momentum)
            update = orthogonalise(gradients.lerp_(buffer, self.momentum))
            for matrix, one in zip(group, update.unbind(), strict=True):
                weight = matrix.view(matrix.parameter.data)
                if self.weight_decay:
                    weight.mul_(1.0 - rate * self.weight_decay)
                scale = max(1.0, weight.shape[0] / weight.shape[1]) ** 0.5
                weight.add_(_wide(matrix, one), alpha=-rate * scale)

    def state(self) -> dict[str, Tensor]:
        return {f"muon.{number}": buffer for number, buffer in enumerate(self.buffers)}

    def load_state(self, state: dict[str, Tensor]) -> None:
        for number, buffer in enumerate(self.buffers):
            buffer.copy_(state[f"muon.{number}"])


def _gradient(matrix: Matrix) -> Tensor:
    gradient: Tensor | None = matrix.parameter.grad
    assert gradient is not None
    result: Tensor = matrix.view(gradient)
    return result


def _wide(matrix: Matrix, tensor: Tensor) -> Tensor:
    """At most as many rows as columns; its own inverse."""
    return tensor.t() if matrix.tall else tensor


def orthogonalise(stack: Tensor) -> Tensor:
    """The nearest (semi-)orthogonal matrices to `stack` (N, small, large), roughly: five Newton-Schulz iterations."""
    a, b, c = COEFFICIENTS
    x: Tensor = stack / (stack.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(ITERATIONS):
        gram = x @ x.transpose(1, 2)  # (N, small, small)
        polynomial = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        x = torch.baddbmm(x, polynomial, x, beta=a)
    return x
