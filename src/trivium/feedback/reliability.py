"""How reliable each rater is, where nobody knows the right answer: Dawid and Skene 1979, by expectation-maximisation.

Each item has a true category with prior p_k; rater r says l where k is true with the chance pi_r[k, l]. The E-step gives
every item's posterior T_ik in proportion to p_k * prod over its answers of pi_r[k, l], the M-step counts. Smoothed by
half a count, and starting from the majority. Legend: I items, R raters, C categories, N answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy

SMOOTHING = 0.5
MOST_STEPS = 200
CLOSE = 1e-6


@dataclass(frozen=True)
class Reliability:
    """`of[rater]`: the chance that they say what is true; `truth[item]`: the likeliest category and its chance."""

    of: Mapping[str, float]
    truth: Mapping[str, tuple[str, float]]


def dawid_skene(answers: Sequence[tuple[str, str, str]], categories: Sequence[str]) -> Reliability:
    """Reliability from (item, rater, category) triples. A rater who shares no item with others gets what the prior says."""
    if not answers:
        return Reliability({}, {})
    items = sorted({item for item, _, _ in answers})
    raters = sorted({rater for _, rater, _ in answers})
    at_item, at_rater, said = (
        numpy.array([places[answer[column]] for answer in answers])  # (N,) each
        for column, places in enumerate(_places(names) for names in (items, raters, categories))
    )
    size = len(categories)
    truth = numpy.zeros((len(items), size))  # (I, C)
    numpy.add.at(truth, (at_item, said), 1.0)
    truth /= truth.sum(axis=1, keepdims=True)
    for _ in range(MOST_STEPS):
        confusion = numpy.full((len(raters), size, size), SMOOTHING)  # (R, true C, said C)
        numpy.add.at(confusion.transpose(0, 2, 1), (at_rater, said), truth[at_item])
        confusion /= confusion.sum(axis=2, keepdims=True)
        prior = (truth.sum(axis=0) + SMOOTHING) / (len(items) + SMOOTHING * size)
        logs = numpy.tile(numpy.log(prior), (len(items), 1))
        numpy.add.at(logs, at_item, numpy.log(confusion[at_rater, :, said]))
        new = numpy.exp(logs - logs.max(axis=1, keepdims=True))
        new /= new.sum(axis=1, keepdims=True)
        moved = float(abs(new - truth).max())
        truth = new
        if moved < CLOSE:
            break
    right = (prior[None, :] * confusion.diagonal(axis1=1, axis2=2)).sum(axis=1)
    likeliest = truth.argmax(axis=1)
    return Reliability(
        {rater: float(right[number]) for number, rater in enumerate(raters)},
        {item: (categories[likeliest[n]], float(truth[n, likeliest[n]])) for n, item in enumerate(items)},
    )


def _places(names: Sequence[str]) -> dict[str, int]:
    return {name: number for number, name in enumerate(names)}
