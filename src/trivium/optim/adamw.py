"""AdamW (Loshchilov and Hutter 2019, algorithm 2) through PyTorch's fused kernel, without its optimizer class.

The class imports the compiler when it is made, a second of a run's start, to do nothing with it here. The kernel is the same;
that the steps are too is a test.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


class AdamW:
    """Steps `param_groups`, each with `params`, `lr` and `weight_decay`; `state` has for each parameter that was stepped its
    moments `exp_avg` and `exp_avg_sq`, like it, and its `step`, a scalar."""

    def __init__(self, groups: Sequence[dict[str, Any]], lr: float, betas: tuple[float, float], epsilon: float) -> None:
        self.param_groups = [{"lr": lr, **group} for group in groups]
        self.betas, self.epsilon = betas, epsilon
        self.state: dict[nn.Parameter, dict[str, Tensor]] = {}

    @torch.no_grad()
    def step(self) -> None:
        """One step along the gradients that there are."""
        for group in self.param_groups:
            moved = [parameter for parameter in group["params"] if parameter.grad is not None]
            if not moved:
                continue
            states = [self._state(parameter) for parameter in moved]
            counts = [state["step"] for state in states]
            torch._foreach_add_(counts, 1)
            torch._fused_adamw_(
                moved,
                [parameter.grad for parameter in moved],
                [state["exp_avg"] for state in states],
                [state["exp_avg_sq"] for state in states],
                [],
                counts,
                lr=group["lr"],
                beta1=self.betas[0],
                beta2=self.betas[1],
                weight_decay=group["weight_decay"],
                eps=self.epsilon,
                amsgrad=False,
                maximize=False,
            )

    def _state(self, parameter: nn.Parameter) -> dict[str, Tensor]:
        if parameter not in self.state:
            self.state[parameter] = {
                "exp_avg": torch.zeros_like(parameter, memory_format=torch.preserve_format),
                "exp_avg_sq": torch.zeros_like(parameter, memory_format=torch.preserve_format),
                "step": torch.zeros((), dtype=torch.float32, device=parameter.device),
            }
        return self.state[parameter]
