"""Learning rates as pure functions of the step, so that a resumed run needs no state for them."""

from __future__ import annotations

import math

from trivium.optim.settings import ScheduleSettings


def rate_factor(step: int, total: int, settings: ScheduleSettings) -> float:
    """The factor in (0, 1] of the learning rates at the 0-based `step` of `total`.

    Linear up over the warm-up. Then, by name: `wsd` stays at 1 and falls linearly to `floor` over the last `decay_share` of
    the steps (Hu et al. 2024, eq. 1, with a linear tail as Hagele et al. 2024); `cosine` and `linear` fall from there on to
    `floor` (Loshchilov and Hutter 2017, eq. 5, without restarts); `constant` stays at 1.
    """
    if step < settings.warmup:
        return (step + 1) / (settings.warmup + 1)
    start = decay_start(total, settings)
    if step < start:
        return 1.0
    left = (total - step) / max(1, total - start + (settings.name == "wsd"))  # of the way down
    if settings.name == "cosine":
        left = 0.5 * (1.0 - math.cos(math.pi * left))
    return settings.floor + (1.0 - settings.floor) * left


def decay_start(total: int, settings: ScheduleSettings) -> int:
    """The first step of the decay: before it, runs of different length are the same run."""
    if settings.name == "constant":
        return total
    if settings.name == "wsd":
        return total - round(total * settings.decay_share)
    return min(settings.warmup, total)
