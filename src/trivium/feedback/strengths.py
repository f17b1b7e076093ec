"""Which model people prefer, and by how much: Bradley and Terry 1952, ties as half a win for both.

    P(i beats j) = sigmoid(s_i - s_j)

fitted by Newton's method on the log-likelihood with a small ridge, so that a model that never lost stays finite.
Intervals are percentile bootstraps over items, because the answers to one item are not independent. Legend: M models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy

from trivium.base.seeds import numpy_random

RIDGE = 1e-2
RESAMPLES = 400
STEPS = 30


@dataclass(frozen=True)
class Comparison:
    """How often `first` is preferred to `second`: modelled, with a 95% interval; `answers` that compared the two directly."""

    first: str
    second: str
    rate: float
    low: float
    high: float
    answers: int


@dataclass(frozen=True)
class Strengths:
    """`of[model]`: its strength, the mean of all being 0; and every two models compared."""

    of: Mapping[str, float]
    comparisons: tuple[Comparison, ...]


def bradley_terry(duels: Mapping[str, Sequence[tuple[str, str, float]]], seed: int = 0) -> Strengths:
    """Strengths from each item's duels (one, other, score of the one: 1 won, 0.5 tie, 0 lost); same-model duels are left out."""
    fought = {item: [duel for duel in found if duel[0] != duel[1]] for item, found in duels.items()}
    fought = {item: found for item, found in fought.items() if found}
    models = sorted({name for found in fought.values() for duel in found for name in duel[:2]})
    if not fought:
        return Strengths({}, ())
    place = {name: number for number, name in enumerate(models)}
    wins = numpy.zeros((len(fought), len(models), len(models)))  # (items, M, M): row beat column
    for number, found in enumerate(fought.values()):
        for one, other, score in found:
            wins[number, place[one], place[other]] += score
            wins[number, place[other], place[one]] += 1 - score
    whole = wins.sum(axis=0)
    strengths = fit(whole)
    draws = numpy_random(seed, "strengths").multinomial(len(wins), [1 / len(wins)] * len(wins), RESAMPLES)
    resampled = (draws @ wins.reshape(len(wins), -1)).reshape(-1, len(models), len(models))
    fits = numpy.array([fit(one) for one in resampled])  # (resamples, M)
    comparisons = []
    for first in range(len(models)):
        for second in range(first + 1, len(models)):
            rates = _sigmoid(fits[:, first] - fits[:, second])
            low, high = numpy.quantile(rates, [0.025, 0.975])
            rate = float(_sigmoid(strengths[first] - strengths[second]))
            direct = round(whole[first, second] + whole[second, first])
            comparisons.append(Comparison(models[first], models[second], rate, float(low), float(high), direct))
    return Strengths({name: float(strengths[place[name]]) for name in models}, tuple(comparisons))


def fit(wins: numpy.ndarray) -> numpy.ndarray:
    """Strengths (M,) that make the `wins` (M, M), row over column, the likeliest; their mean is 0."""
    size = len(wins)
    strengths = numpy.zeros(size)
    games = wins + wins.T
    for _ in range(STEPS):
        chances = _sigmoid(strengths[:, None] - strengths[None, :])
        gradient = (wins - games * chances).sum(axis=1) - RIDGE * strengths
        curvature = games * chances * (1 - chances)
        hessian = numpy.diag(curvature.sum(axis=1)) - curvature + RIDGE * numpy.eye(size)
        step = numpy.linalg.solve(hessian, gradient)
        strengths = strengths + numpy.clip(step, -2, 2)
        if abs(step).max() < 1e-9:
            break
    return numpy.asarray(strengths - strengths.mean())


def _sigmoid(values: numpy.ndarray) -> numpy.ndarray:
    return numpy.asarray(1 / (1 + numpy.exp(-values)))
