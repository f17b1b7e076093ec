"""How much privacy a training spends, by Opacus: the one file that imports it.

Poisson sampling with Gaussian noise: every row is in a step by chance `rate`, apart from all others. PRV (Gopi et al. 2021)
is the tighter count, RDP (Mironov 2017) the older one."""

from __future__ import annotations

import warnings
from typing import Any

from trivium.base.errors import MissingExtra, UserError
from trivium.train.private_settings import PrivateTrainingSettings


def spent(settings: PrivateTrainingSettings, noise: float, rate: float, steps: int, delta: float) -> float:
    """Epsilon after so many steps. Raises MissingExtra without Opacus."""
    accountant = _accountant(settings.accountant)
    accountant.history = [(noise, rate, steps)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(accountant.get_epsilon(delta=delta))


def noise_for(settings: PrivateTrainingSettings, rate: float, steps: int, delta: float) -> float:
    """The noise that keeps so many steps within `settings.epsilon`. Raises UserError where none does."""
    _accountant(settings.accountant)
    from opacus.accountants.utils import get_noise_multiplier

    assert settings.epsilon is not None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = get_noise_multiplier(
                target_epsilon=settings.epsilon,
                target_delta=delta,
                sample_rate=rate,
                steps=steps,
                accountant=settings.accountant,
            )
    except ValueError as error:
        raise UserError(
            f"private.epsilon is {settings.epsilon}; no noise keeps {steps} steps within it ({error}): raise it, or lower steps "
            "or tokens_per_step"
        ) from None
    return float(found)


def _accountant(name: str) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from opacus.accountants import create_accountant
    except ImportError:
        raise MissingExtra("opacus", "private", "counting the privacy that training spends") from None
    return create_accountant(name)
