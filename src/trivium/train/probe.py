"""How long a training step takes here, and how much memory: the real model, loss and optimizer, on random tokens, for a few
seconds."""

from __future__ import annotations

import functools
import statistics
import time
from dataclasses import dataclass

import torch

from trivium.base.device import Machine
from trivium.base.memory import peak_resident_bytes
from trivium.base.seeds import torch_random
from trivium.model.architecture import row_counts
from trivium.model.initialise import initialise
from trivium.model.transformer import Transformer
from trivium.optim.optimizer import Optimizer
from trivium.train.step import accumulate, mean_loss, on_device
from trivium.train.workload import Workload

SECONDS = 6.0  # how long is measured, about
LEAST, WARM = 3, 2  # steps measured at least, and steps before them that are not


@dataclass(frozen=True)
class Speed:
    """Seconds of an optimizer step, of one forward pass of as many rows without a gradient, and of getting started; `peak` is
    the most that this process has held in memory meanwhile (on a GPU: that was taken there), in bytes, 0 if not told."""

    step: float
    look: float
    start: float = 0.0
    peak: float = 0.0


def measure(work: Workload, machine: Machine, seconds: float = SECONDS) -> Speed:
    """Train a fresh model on random tokens for about `seconds`, at least a few steps."""
    began = time.perf_counter()
    model = Transformer(work.shape, work.head)
    initialise(model, torch_random(0, "probe"))
    model.to(machine.device).train()
    rows = functools.partial(row_counts, shape=work.shape)
    optimizer = Optimizer(model.named_parameters(), work.optimizer, rows, step_flops=work.flops)
    batch = on_device(work.batch(), machine.device)
    steps: list[float] = []
    ready = float("inf")
    while len(steps) < WARM + LEAST or time.perf_counter() < ready + seconds:
        started = _now(machine)
        accumulate(model, [batch] * work.passes, work.objective, float(work.tokens), machine)
        optimizer.step(1e-3)
        optimizer.zero_gradients()
        steps.append(_now(machine) - started)
        if len(steps) == WARM:
            ready = time.perf_counter()
    peak = peak_resident_bytes()
    if machine.device.type == "cuda":
        peak = float(torch.cuda.max_memory_reserved(machine.device))
    looks = []
    for _ in range(LEAST):
        started = _now(machine)
        mean_loss(model.eval(), [batch], work.objective, machine)
        looks.append(_now(machine) - started)
    step = statistics.median(steps[WARM:])
    return Speed(step, min(looks), max(0.0, ready - began - WARM * step), peak)


def _now(machine: Machine) -> float:
    """The time when everything that was asked of the device is done."""
    if machine.device.type == "cuda":
        torch.cuda.synchronize(machine.device)
    return time.perf_counter()
