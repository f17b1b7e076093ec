"""Accelerators by name: what a planner has to know of a device that is not here.

Peaks are dense bfloat16 products, memory is what the card has, both from the makers' data sheets (NVIDIA H200, H100 SXM,
A100 SXM 80 GB, L40S, RTX 4090 and RTX 3090; the consumer cards at float32 accumulation). How much of a peak training reaches
is no fact of the card: `UTILISATION` is a stated assumption.
"""

from __future__ import annotations

from dataclasses import dataclass

# Public trainings of 100 M to 1.5 B weights reach 0.37 to 0.50 of it: llm.c 0.40 and modded-nanogpt 0.37 to 0.42 (124 M),
# nanochat 0.50 (d24), all on H100 or H200. What Trivium reaches on a GPU has not been measured, so the low end is taken.
UTILISATION = 0.35
OPERATION_SECONDS = 8e-6  # an eager call and its launch, which a small model waits for; an assumption too
SCALING = 0.9  # of each device beyond the first, with others to wait for; an assumption too


@dataclass(frozen=True)
class Accelerator:
    """`flops` are its peak operations a second, `bytes` its memory."""

    name: str
    flops: float
    bytes: float


ACCELERATORS = {
    "h200": Accelerator("NVIDIA H200", 989e12, 141e9),
    "h100": Accelerator("NVIDIA H100 SXM", 989e12, 80e9),
    "a100": Accelerator("NVIDIA A100 SXM", 312e12, 80e9),
    "l40s": Accelerator("NVIDIA L40S", 362e12, 48e9),
    "rtx4090": Accelerator("NVIDIA RTX 4090", 165e12, 24e9),
    "rtx3090": Accelerator("NVIDIA RTX 3090", 71e12, 24e9),
}
