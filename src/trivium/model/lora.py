"""Low-rank adaptation: a matrix W stays as it is and learns a change of low rank beside it (Hu et al. 2021, section 4.1).

    W x + s B A x,   s = alpha / rank, or alpha / sqrt(rank) (rsLoRA, Kalajdzievski 2023)

B starts at zero, so a model begins as it was. A matrix that stands for several (query, key and value) has an A and a B for
each, as if they were apart. Names of weights stay, so that a merged model is an ordinary one.

Legend: I inputs, O outputs, r rank, P matrices fused into one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from trivium.base.errors import TrainingError
from trivium.base.product import Linear, linear
from trivium.model.architecture import row_counts
from trivium.model.heads import Dropout
from trivium.model.lora_settings import LoraSettings
from trivium.model.transformer import Transformer


class LowRank(nn.Linear):
    """A linear layer with its low-rank change; `parts` are the outputs of each matrix that is fused into it."""

    def __init__(
        self, linear: nn.Linear, parts: Sequence[int], rank: int, scale: float, generator: torch.Generator
    ) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.weight, self.bias = linear.weight, linear.bias
        self.parts, self.rank, self.scale = tuple(parts), rank, scale
        self.drop: Dropout | None = None
        size = len(parts) * rank, linear.in_features
        spread = linear.in_features**-0.5
        first = (torch.rand(size, generator=generator) * 2.0 - 1.0) * spread
        self.lora_a = nn.Parameter(first.to(linear.weight.device))  # (P r, I)
        self.lora_b = nn.Parameter(torch.zeros(linear.out_features, rank, device=linear.weight.device))  # (O, r)

    def pairs(self) -> list[tuple[Tensor, Tensor]]:
        """(A (r, I), B (o, r)) of each fused matrix."""
        return list(zip(torch.split(self.lora_a, self.rank), torch.split(self.lora_b, list(self.parts)), strict=True))

    def forward(self, values: Tensor) -> Tensor:
        read = values if self.drop is None else self.drop(values)
        added = torch.cat([linear(linear(read, a), b) for a, b in self.pairs()], dim=-1)  # (..., O)
        return linear(values, self.weight, self.bias) + self.scale * added

    @torch.no_grad()
    def merged(self) -> nn.Linear:
        """A plain layer that computes the same. Raises TrainingError where the change is not finite."""
        change = self.scale * torch.cat([b.float() @ a.float() for a, b in self.pairs()])  # (O, I)
        if not bool(change.isfinite().all()):
            raise TrainingError("the low-rank change holds numbers that are not finite; lower the learning rate")
        result = Linear(self.in_features, self.out_features, bias=self.bias is not None, device=self.weight.device)
        result.weight.copy_(self.weight + change)
        if self.bias is not None:
            result.bias.copy_(self.bias)
        return result


def adapt(model: Transformer, settings: LoraSettings, generator: torch.Generator) -> list[str]:
    """Put a low-rank change beside the matrices of every block, in place; everything but those, the head and `extra` is
    frozen. Returns the names of the changed layers."""
    freeze_trunk(model)
    changed = []
    for name, layer in list(model.blocks.named_modules(prefix="blocks")):
        if isinstance(layer, nn.Linear) and name.split(".")[2] in settings.parts:
            counts = row_counts(f"{name}.weight", model.shape)
            parts = (layer.out_features,) if counts == (0,) else counts
            parent, _, last = name.rpartition(".")
            setattr(model.get_submodule(parent), last, LowRank(layer, parts, settings.rank, settings.scale, generator))
            changed.append(name)
    return changed


def merge(model: Transformer) -> None:
    """Make every adapted layer a plain one again, its change taken in; nothing is frozen any more."""
    for name, layer in list(model.blocks.named_modules(prefix="blocks")):
        if isinstance(layer, LowRank):
            parent, _, last = name.rpartition(".")
            setattr(model.get_submodule(parent), last, layer.merged())
    model.requires_grad_(True)


@contextlib.contextmanager
def without_changes(model: Transformer) -> Iterator[None]:
    """While the block runs the adapted layers compute what they did before."""
    layers = list(adapted_layers(model).values())
    scales = [layer.scale for layer in layers]
    for layer in layers:
        layer.scale = 0.0
    try:
        yield
    finally:
        for layer, scale in zip(layers, scales, strict=True):
            layer.scale = scale


def freeze_trunk(model: Transformer) -> None:
    """Leave only the head and `extra` to be trained; a head that is the embedding itself stays as it is."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith(("head_", "extra.")))


def adapted_layers(model: Transformer) -> dict[str, LowRank]:
    """The adapted layers by name."""
    return {name: layer for name, layer in model.named_modules() if isinstance(layer, LowRank)}
