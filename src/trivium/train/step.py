"""One optimizer step over micro-batches: the same gradient however the rows are cut.

An objective gives a *sum* over what it learns from; the sum is divided by a count taken once over all micro-batches,
so accumulation, padding and packing do not change the update.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from trivium.base.device import Machine
from trivium.base.words import Batch
from trivium.loss.language import linear_cross_entropy
from trivium.model.transformer import Transformer

# The sum of the losses of one micro-batch, in nats, under the machine's autocast.
Objective = Callable[[Transformer, Any], Tensor]


def next_token_loss(model: Transformer, batch: Batch) -> Tensor:
    """Sum over positions of weight * -log p(target), in nats."""
    hidden = model(batch.tokens, positions=batch.positions, segments=batch.segments)  # (B, T, D)
    if torch.is_autocast_enabled(hidden.device.type):
        hidden = hidden.to(torch.get_autocast_dtype(hidden.device.type))
    return linear_cross_entropy(hidden, model.output_weight, batch.targets, batch.weights)


def supervised_tokens(batches: Sequence[Batch]) -> float:
    """The weight of all positions that are learned from: the denominator of a step."""
    return float(sum(batch.weights.sum().item() for batch in batches))


def accumulate(
    model: Transformer, batches: Sequence[Any], objective: Objective, denominator: float, machine: Machine
) -> float:
    """Add the gradient of (sum of the objective over `batches`) / `denominator`. Returns that mean, in nats."""
    total = 0.0
    for batch in batches:
        with machine.autocast():
            loss = objective(model, batch) / denominator
        loss.backward()  # type: ignore[no-untyped-call]
        total += loss.item()
    return total


@torch.no_grad()
def mean_loss(
    model: Transformer, batches: Sequence[Any], objective: Objective, machine: Machine
) -> tuple[float, float]:
    """The summed objective and the summed weights over `batches`, without a gradient."""
    total = weight = 0.0
    for batch in batches:
        with machine.autocast():
            total += objective(model, batch).item()
        weight += supervised_tokens([batch])
    return total, weight
