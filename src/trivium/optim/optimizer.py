"""One optimizer for a model: Muon on hidden matrices where asked, AdamW (fused) on everything else.

Parameters are told apart by name and identity, so a tied matrix is stepped once. What is decayed is a setting; by default
neither vectors (norm weights) nor embeddings and head. State is tensors by name, for safetensors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor, nn

from trivium.optim.adamw import AdamW
from trivium.optim.average import Average
from trivium.optim.exchange import Exchange, NoExchange
from trivium.optim.muon import MOST_SHARE, Matrix, Muon, orthogonalising_flops
from trivium.optim.settings import OptimizerSettings

ADAM_STATE = ("exp_avg", "exp_avg_sq", "step")


class Optimizer:
    """Steps the parameters of one model; the learning rates are scaled by `factor` at each step (the schedule)."""

    def __init__(
        self,
        parameters: Iterable[tuple[str, nn.Parameter]],
        settings: OptimizerSettings,
        rows: Callable[[str], tuple[int, ...]],
        exchange: Exchange | None = None,
        share: Callable[[str], float] = lambda name: 1.0,
        step_flops: float = float("inf"),
    ) -> None:
        """`rows(name)` says how many rows each matrix fused into a parameter has; (0,) for a plain one that is held here
        as a whole. `parameters` are what this process holds of them (frozen ones are left alone); `exchange` knows how to get
        at the rest. `share(name)` is what of AdamW's learning rate a parameter has. A step's operations `step_flops` decide
        where the settings say auto."""
        self.exchange: Exchange = exchange or NoExchange()
        every = {id(parameter): (name, parameter) for name, parameter in parameters if parameter.requires_grad}
        named = list(every.values())
        self.names = {id(parameter): name for name, parameter in named}
        hidden = [(name, p) for name, p in named if p.dim() == 2 and name.startswith("blocks.")]
        matrices = [m for name, p in hidden for m in _matrices(p, rows(name), self.exchange.first_row(name))]
        extra = orthogonalising_flops(matrix.shape for matrix in matrices) / step_flops
        if settings.name == "auto":
            settings = settings.model_copy(update={"name": "muon" if extra <= MOST_SHARE else "adamw"})
        self.settings = settings
        self.muon_share = extra if settings.name == "muon" else 0.0  # of its products in the operations of a step
        by_muon = {id(p) for _, p in hidden} if settings.name == "muon" else set()
        decayed = {id(p) for name, p in named if _is_decayed(name, p, settings.decayed)}
        groups: dict[tuple[bool, float], list[nn.Parameter]] = {}
        for name, p in named:
            if id(p) not in by_muon:
                groups.setdefault((id(p) not in decayed, share(name)), []).append(p)
        self.adam = AdamW(
            [
                {"params": own, "weight_decay": 0.0 if plain else settings.weight_decay, "share": part}
                for (plain, part), own in sorted(groups.items(), key=lambda group: group[0])
            ],
            lr=settings.adam_learning_rate,
            betas=(settings.beta1, settings.beta2),
            epsilon=settings.epsilon,
        )
        self.muon = Muon(
            matrices if by_muon else [],
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
            exchange=self.exchange,
        )
        self.average = Average(named, settings.average) if settings.average else None
        self.parameters = [p for _, p in named]

    def zero_gradients(self) -> None:
        for parameter in self.parameters:
            parameter.grad = None

    def norm(self) -> Tensor:
        """The gradient's norm, over all processes."""
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        return self.exchange.norm(torch.nn.utils.get_total_norm(gradients))

    def step(self, factor: float, norm: Tensor | None = None) -> Tensor:
        """Clip and step with rates times `factor`. Returns the gradient's norm before clipping, which may be given; a scalar on
        the device, which to read is to wait for the step."""
        norm = self.norm() if norm is None else norm
        torch.nn.utils.clip_grads_with_norm_(self.parameters, self.settings.clip, norm)
        for group in self.adam.param_groups:
            group["lr"] = self.settings.adam_learning_rate * factor * group["share"]
        self.adam.step()
        self.muon.step(self.settings.learning_rate * factor)
        if self.average is not None:
            self.average.step()
        return norm

    def swap_in_average(self) -> None:
        """Exchange the weights with their average, where one is kept and the settings make it the model that is left; its
        own inverse."""
        if self.average is not None and self.settings.average_is_final:
            self.average.swap()

    def rate(self, factor: float) -> float:
        """The learning rate of the hidden matrices in a step with `factor`."""
        settings = self.settings
        return factor * (settings.learning_rate if settings.name == "muon" else settings.adam_learning_rate)

    def state(self) -> dict[str, Tensor]:
        """Every tensor that the next step depends on, by name, of what is held here."""
        result = self.muon.state() | (self.average.state() if self.average is not None else {})
        for parameter, state in self.adam.state.items():
            for key in ADAM_STATE:
                result[f"adam.{self.names[id(parameter)]}.{key}"] = state[key]
        return result

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Take over what `state` gave."""
        self.muon.load_state(state)
        if self.average is not None:
            self.average.load_state(state)
        for group in self.adam.param_groups:
            for parameter in group["params"]:
                prefix = f"adam.{self.names[id(parameter)]}."
                if prefix + "step" in state:
                    self.adam.state[parameter] = {
                        key: state[prefix + key].to(parameter.device, copy=True) for key in ADAM_STATE
                    }


def _matrices(parameter: nn.Parameter, rows: tuple[int, ...], first_row: int) -> list[Matrix]:
    counts = (parameter.shape[0],) if rows == (0,) else rows
    starts = [sum(counts[:number]) for number in range(len(counts))]
    return [Matrix(parameter, start, start + count, first_row) for start, count in zip(starts, counts, strict=True)]


def _is_decayed(name: str, parameter: nn.Parameter, which: str) -> bool:
    """Whether weight decay falls on a parameter: on matrices inside the blocks, on all matrices, or on everything."""
    return which == "all" or (parameter.dim() == 2 and (which == "matrices" or name.startswith("blocks.")))
