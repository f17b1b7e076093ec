"""One optimizer step over micro-batches: the same gradient however the rows are cut.

An objective gives a *sum* over what it learns from; the sum is divided by a count taken once over all micro-batches,
so accumulation, padding and packing do not change the update. Batches are made on the CPU; `on_device` is the one place
where they move to where the model is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

from trivium.base.device import Machine
from trivium.base.words import Batch
from trivium.loss.language import linear_cross_entropy
from trivium.model.transformer import Transformer

Value = TypeVar("Value")
# The sum of the losses of one micro-batch, in nats, under the machine's autocast.
Objective = Callable[[Transformer, Any], Tensor]


def on_device(value: Value, device: torch.device) -> Value:
    """`value` (a tensor, or a dataclass or tuple with tensors in it, however deep) with every tensor on `device`."""
    moved: Any = value
    if isinstance(value, Tensor):
        moved = value.to(device)
    elif isinstance(value, tuple):
        moved = tuple(on_device(part, device) for part in value)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = {field.name: on_device(getattr(value, field.name), device) for field in dataclasses.fields(value)}
        moved = dataclasses.replace(value, **parts)
    return cast(Value, moved)


def next_token_loss(model: Transformer, batch: Batch) -> Tensor:
    """Sum over positions of weight * -log p(target), in nats."""
    hidden = model(batch.tokens, positions=batch.positions, segments=batch.segments, prefix=batch.prefix)  # (B, T, D)
    if torch.is_autocast_enabled(hidden.device.type):
        hidden = hidden.to(torch.get_autocast_dtype(hidden.device.type))
    return linear_cross_entropy(hidden, model.output_weight, batch.targets, batch.weights)


def supervised_tokens(batches: Sequence[Batch]) -> float:
    """The weight of all positions that are learned from: the denominator of a step."""
    return float(sum(batch.weights.sum().item() for batch in batches))


def accumulate(
    model: Transformer,
    batches: Sequence[Any],
    objective: Objective,
    denominator: float,
    machine: Machine,
    before_last: Callable[[], None] = lambda: None,
) -> float:
    """Add the gradient of (sum of the objective over `batches`) / `denominator`. Returns that mean, in nats.

    `before_last` is called before the last batch: after its backward pass the gradients are complete.
    """
    total = 0.0
    for number, batch in enumerate(batches, 1):
        if number == len(batches):
            before_last()
        with machine.autocast():
            loss = objective(model, on_device(batch, machine.device)) / denominator
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
            total += objective(model, on_device(batch, machine.device)).item()
        weight += supervised_tokens([batch])
    return total, weight
