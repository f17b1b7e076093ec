"""Muon, one matrix at a time."""

from __future__ import annotations

import torch
from torch import Tensor


def orthogonalise(matrix: Tensor) -> Tensor:
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrix.t() if matrix.shape[0] > matrix.shape[1] else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(5):
        gram = x @ x.t()
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.t() if matrix.shape[0] > matrix.shape[1] else x


class SlowMuon:
    def __init__(self, weights: list[Tensor], rate: float, momentum: float) -> None:
        self.weights, self.rate, self.momentum = weights, rate, momentum
        self.buffers = [torch.zeros_like(weight) for weight in weights]

    def step(self, gradients: list[Tensor]) -> None:
        for weight, gradient, buffer in zip(self.weights, gradients, self.buffers, strict=True):
            buffer.copy_(self.momentum * buffer + (1 - self.momentum) * gradient)
            update = orthogonalise((1 - self.momentum) * gradient + self.momentum * buffer)
            weight -= self.rate * max(1.0, weight.shape[0] / weight.shape[1]) ** 0.5 * update
