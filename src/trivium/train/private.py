"""The private step: DP-SGD (Abadi et al. 2016, algorithm 1), so that no row alone changes the model by much.

    g_i = gradient of row i's mean loss;  g_i <- g_i * min(1, C / |g_i|);  g = (sum_i g_i + N(0, (sigma C)^2)) / (q n)

The privacy unit is one row; the stages leave copies of a row out, so that it is one text, however often it stands in the data.
Which rows a step holds is drawn by chance for each (rate q of n rows), so a step may hold none.
Rows are taken one after the other: their gradients are then exact whatever the model is made of (tied matrices, kernels of
its own), at the price of batches. Noise comes from a generator that follows from the seed: for a guarantee towards others the
seed must be a secret, and PyTorch's generator is no cryptographic one. What the metrics tell of training losses is outside of
the guarantee."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import torch

from trivium.base.device import Machine
from trivium.base.errors import UserError
from trivium.base.files import read_json, write_json
from trivium.base.seeds import derive, numpy_random
from trivium.model.transformer import Transformer
from trivium.train.accounting import noise_for, spent
from trivium.train.private_settings import PrivateTrainingSettings
from trivium.train.step import Objective, on_device

FILE = "trivium/private.json"


@dataclass(frozen=True)
class Plan:
    """A private training: `rows` of which each is in a step by chance `rate`, `steps` of them, with this noise and clip."""

    rows: int
    rate: float
    steps: int
    noise: float
    clip: float
    delta: float
    epsilon: float

    def facts(self, settings: PrivateTrainingSettings, row: str) -> dict[str, Any]:
        """What the record tells: all that the guarantee rests on; `row` is what one row is."""
        unit = f"one {row}, with all its copies" if settings.copies == "together" else f"one row (a {row})"
        return {
            "epsilon": round(self.epsilon, 4),
            "delta": self.delta,
            "noise": round(self.noise, 4),
            "clip": self.clip,
            "sampling_rate": round(self.rate, 6),
            "private_unit": unit,
            "accountant": settings.accountant,
        }


def plan(settings: PrivateTrainingSettings, rows: int, rows_per_step: int, steps: int) -> Plan:
    """What a training of so many rows and steps needs, or spends. Raises UserError where delta is no promise."""
    delta = settings.delta if settings.delta is not None else 1.0 / (10.0 * rows)
    if delta >= 1.0 / rows:
        raise UserError(
            f"private.delta is {delta:g} with {rows:,} rows; it must be below {1.0 / rows:.2g}: at one over the rows, publishing "
            "one of them whole would count as private"
        )
    rate = min(1.0, rows_per_step / rows)
    noise = settings.noise if settings.noise is not None else noise_for(settings, rate, steps, delta)
    return Plan(rows, rate, steps, noise, settings.clip, delta, spent(settings, noise, rate, steps, delta))


def keep(folder: Path, found: Plan) -> None:
    """Write the plan beside the state, before the first step. Raises UserError where the folder holds the state of another
    one: noise that was added cannot be changed afterwards."""
    path = folder / FILE
    content = {"steps": found.steps, "noise": found.noise, "rate": found.rate, "clip": found.clip}
    if path.exists() and read_json(path) != content:
        raise UserError(
            f"{path}: this training was begun with {read_json(path)}; a private one cannot be continued with more steps or other "
            "noise: start it anew with --redo"
        )
    write_json(path, content)


def sampled(found: Plan, seed: int, step: int) -> numpy.ndarray[Any, numpy.dtype[numpy.int64]]:
    """The rows of a 0-based step: each by chance `rate`, apart from all others."""
    return numpy.flatnonzero(numpy_random(seed, "private rows", step).random(found.rows) < found.rate)


@dataclass(frozen=True)
class PrivateStep:
    """Stands in the place of `accumulate` in a 0-based step: leaves the private gradient of its rows, each a batch of one."""

    found: Plan
    seed: int
    step: int

    def __call__(
        self,
        model: Transformer,
        batches: Sequence[Any],
        objective: Objective,
        denominator: float,
        machine: Machine,
        before_last: Callable[[], None] = lambda: None,
    ) -> torch.Tensor:
        """Returns the mean loss of the rows, (1,) in nats; 0 where the step holds none."""
        parameters = [one for one in dict.fromkeys(model.parameters()) if one.requires_grad]
        sums = [torch.zeros_like(one, dtype=torch.float32) for one in parameters]
        total = torch.zeros(1, device=machine.device)
        for batch in batches:
            for one in parameters:
                one.grad = None
            weight = float(batch.weights.sum())
            with machine.autocast():
                loss = objective(model, on_device(batch, machine.device)) / weight
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
            add_clipped(sums, [one.grad for one in parameters], self.found.clip)
        expected = self.found.rate * self.found.rows
        for number, (one, gradient) in enumerate(zip(parameters, sums, strict=True)):
            generator = torch.Generator().manual_seed(derive(self.seed, "private noise", self.step, number))
            noise = torch.randn(gradient.shape, generator=generator).to(gradient.device)
            one.grad = (gradient + noise * (self.found.noise * self.found.clip)) / expected
        before_last()
        return total / max(len(batches), 1)


def add_clipped(sums: Sequence[torch.Tensor], gradients: Sequence[torch.Tensor | None], clip: float) -> None:
    """Add one row's gradient, of norm at most `clip` over all its tensors, to the sums; one that is not finite adds nothing."""
    known = [one for one in gradients if one is not None]
    norm = float(torch.nn.utils.get_total_norm(known)) if known else 0.0
    if norm != norm or norm == float("inf"):
        return
    scale = min(1.0, clip / norm) if norm else 0.0
    for total, gradient in zip(sums, gradients, strict=True):
        if gradient is not None:
            total.add_(gradient.float(), alpha=scale)
