"""Learning rates as pure functions of the step, so that a resumed run needs no state for them."""

from __future__ import annotations


def warmup_stable_decay(step: int, total: int, warmup: int, decay_share: float, floor: float = 0.0) -> float:
    """The factor in (0, 1] for 0-based `step` of `total`: linear up over `warmup` steps, flat, linear down to `floor`
    over the last `decay_share` of the steps (Hu et al. 2024, eq. 1, with a linear tail as Hagele et al. 2024)."""
    start = decay_start(total, decay_share)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    if step < start:
        return 1.0
    return floor + (1.0 - floor) * (total - step) / max(1, total - start + 1)


def decay_start(total: int, decay_share: float) -> int:
    """The first step of the decay: before it, runs of different length are the same run."""
    return total - round(total * decay_share)
