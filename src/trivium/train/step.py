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


def each_tensor(value: Value, change: Callable[[Tensor], Tensor]) -> Value:
    """`value` (a tensor, or a dataclass or tuple with tensors in it, however deep) with every tensor changed."""
    changed: Any = value
    if isinstance(value, Tensor):
        changed = change(value)
    elif isinstance(value, tuple):
        changed = tuple(each_tensor(part, change) for part in value)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = {field.name: each_tensor(getattr(value, field.name), change) for field in dataclasses.fields(value)}
        changed = dataclasses.replace(value, **parts)
    return cast(Value, changed)


def on_device(value: Value, device: torch.device) -> Value:
    """`value` (as `each_tensor` takes it) with every tensor on `device`; a copy to a GPU is only begun, and what follows there
    comes after it."""
    begun = device.type == "cuda"
    return each_tensor(value, lambda tensor: tensor.to(device, non_blocking=begun))


def next_token_loss(model: Transformer, batch: Batch) -> Tensor:
    """Sum over positions of weight * -log p(target), in nats."""
    hidden = model(batch.tokens, positions=batch.positions, segments=batch.segments, prefix=batch.prefix)  # (B, T, D)
    if torch.is_autocast_enabled(hidden.device.type):
        hidden = hidden.to(torch.get_autocast_dtype(hidden.device.type))
    return linear_cross_entropy(hidden, model.output_weight, batch.targets, batch.weights, places=batch.places)


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
) -> Tensor:
    """Add the gradient of (sum of the objective over `batches`) / `denominator`. Returns what each batch has of that mean, in
    nats, (M,) on the device: to read it is to wait for the device.

    `before_last` is called before the last batch: after its backward pass the gradients are complete.
    """
    parts = []
    with machine.autocast():  # one for all batches: it keeps the weights that it narrowed until its end
        for number, batch in enumerate(batches, 1):
            if number == len(batches):
                before_last()
            loss = objective(model, on_device(batch, machine.device)) / denominator
            with machine.autocast(enabled=False):  # a gradient's types are those of the way there
                loss.backward()  # type: ignore[no-untyped-call]
            parts.append(loss.detach().float())
    return torch.stack(parts) if parts else torch.zeros(1, device=machine.device)


@torch.no_grad()
def mean_loss(
    model: Transformer, batches: Sequence[Any], objective: Objective, machine: Machine
) -> tuple[float, float]:
    """The summed objective and the summed weights over `batches`, without a gradient."""
    parts = []
    for batch in batches:
        with machine.autocast():
            parts.append(objective(model, on_device(batch, machine.device)).float())
    return float(sum(torch.stack(parts).tolist())) if parts else 0.0, supervised_tokens(batches)
