"""What a step took: seconds by part, positions computed, how many of them were padding, operations, memory.

It costs a few clock readings and one look at the batch; nothing is waited for that is not waited for anyway.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from trivium.base.memory import peak_resident_bytes
from trivium.model.transformer import Transformer


class Stopwatch:
    """Seconds since its making, lap by lap; `cpu` are those that processors spent on this process until the last lap."""

    def __init__(self) -> None:
        self._last, self._begun = time.perf_counter(), time.process_time()
        self.laps: dict[str, float] = {}
        self.cpu = 0.0

    def lap(self, name: str) -> None:
        """What has passed since the lap before was `name`."""
        now = time.perf_counter()
        self.laps[name], self._last = now - self._last, now
        self.cpu = time.process_time() - self._begun

    @property
    def seconds(self) -> float:
        """Of all laps."""
        return sum(self.laps.values())


@dataclass(frozen=True)
class Effort:
    """Of this process's part of a step. `laps` are seconds of data, model (forwards and backwards) and optimizer, `cpu` those
    that processors spent on them, all threads together; `positions` were computed, `padding` of them without need, `supervised`
    with a loss; `flops` are the model's operations, of Muon's `muon_share` more; `kernels` names those of attention and whether
    blocks were compiled, where there was a choice. `peak_bytes` is the most memory that was ever held, of a GPU's where that
    computes: its laps are then what it took to ask for the work, and `wait` is the rest. `at` is when the step was done."""

    laps: dict[str, float] = field(default_factory=dict)
    cpu: float = 0.0
    positions: int = 0
    padding: int | None = None
    supervised: int = 0
    flops: float = 0.0
    muon_share: float = 0.0
    kernels: str = ""
    peak_bytes: float = 0.0
    at: float = 0.0


def effort_of(
    model: Transformer, batches: Sequence[Any], pad: int | None, watch: Stopwatch, muon_share: float, kernels: str
) -> Effort:
    """What the step on `batches` took. Operations are 6 N + 12 L d T a position (PaLM, appendix B), but those of the head
    only where there is loss, because they are only done there; other batches than rows of tokens have none counted."""
    positions = padding = supervised = 0
    flops = 0.0
    head = 6.0 * model.shape.vocab_size * model.shape.hidden_size
    for batch in batches:
        tokens, weights = getattr(batch, "tokens", None), getattr(batch, "weights", None)
        if not (isinstance(tokens, Tensor) and isinstance(weights, Tensor) and model.head.over_vocabulary):
            continue
        learned = int(weights.count_nonzero())
        positions += tokens.numel()
        supervised += learned
        padding += 0 if pad is None else int((tokens == pad).sum())
        flops += tokens.numel() * (model.shape.flops_per_token(tokens.shape[1]) - head) + learned * head
    return Effort(
        laps=watch.laps,
        cpu=watch.cpu,
        positions=positions,
        padding=None if pad is None else padding,
        supervised=supervised,
        flops=flops,
        muon_share=muon_share,
        kernels=kernels,
        peak_bytes=_peak_bytes(model.embedding.weight.device),
        at=time.perf_counter(),
    )


def _peak_bytes(device: torch.device) -> float:
    return float(torch.cuda.max_memory_reserved(device)) if device.type == "cuda" else peak_resident_bytes()
