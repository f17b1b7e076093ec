"""The gate before a reward is learned from: does it know what people prefer, or something that only looks like it?

Every check has a figure, its interval where there is one, and a sentence. A check that cannot be made (a ceiling that
nobody knows) neither passes nor fails.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from trivium.evaluate.intervals import ratio

RECOVERED = 0.5  # of the way from guessing to the ceiling, at least
OVERCONFIDENT = 0.1  # by which the mean certainty may be above the share that is right
WITHIN = 0.05  # share of the scores' variance that must lie between answers to one request
BINS = 10


@dataclass(frozen=True)
class Check:
    """One question and its answer; `passed` is None where it could not be asked."""

    name: str
    passed: bool | None
    told: str
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Measured:
    """What a reward model said of held-out requests: for each the `scores` of its answers, their `lengths` in tokens, and
    its `pairs` (better, worse) of places; `probes` are scores of degenerate answers by kind; `ceiling` is the raters' own."""

    scores: Sequence[Sequence[float]]
    lengths: Sequence[Sequence[int]]
    pairs: Sequence[Sequence[tuple[int, int]]]
    probes: Mapping[str, Sequence[float]]
    ceiling: float | None
    seed: int = 0


def examine(measured: Measured) -> list[Check]:
    """Every check of a reward model."""
    return [
        _accuracy(measured),
        _length(measured),
        _calibration(measured),
        _variance(measured),
        *_degenerate(measured),
    ]


def as_dict(checks: Sequence[Check]) -> dict[str, Any]:
    """What `gate.json` holds."""
    return {"passed": not failures(checks), "checks": [asdict(check) for check in checks]}


def failures(checks: Sequence[Check]) -> list[str]:
    """The sentences of the checks that failed."""
    return [check.told for check in checks if check.passed is False]


def _right(measured: Measured) -> list[float]:
    """In how many pairs of each request the better answer scores higher; equal scores are half right."""
    return [
        sum(_win(scores[better], scores[worse]) for better, worse in pairs)
        for scores, pairs in zip(measured.scores, measured.pairs, strict=True)
    ]


def _win(one: float, other: float) -> float:
    return 0.5 if one == other else float(one > other)


def _counts(measured: Measured) -> list[float]:
    return [float(len(pairs)) for pairs in measured.pairs]


def _accuracy(measured: Measured) -> Check:
    found = ratio(_right(measured), _counts(measured), measured.seed)
    figures = {"value": found.value, "low": found.low, "high": found.high}
    said = f"it agrees with the raters in {found.value:.1%} of the held-out pairs ({found.low:.1%} to {found.high:.1%})"
    if not found.low > 0.5:
        return Check(
            "accuracy", False, f"{said}, which is not surely more than guessing: more pairs are needed", figures
        )
    if measured.ceiling is None:
        return Check("accuracy", True, f"{said}; how far the raters agree with each other is not known", figures)
    least = 0.5 + RECOVERED * (measured.ceiling - 0.5)
    figures |= {"ceiling": measured.ceiling, "least": least}
    said += f"; nothing could in more than {measured.ceiling:.1%}"
    if found.value >= least:
        return Check("accuracy", True, said, figures)
    return Check("accuracy", False, f"{said}, and {least:.1%} are asked for: more pairs, or more epochs", figures)


def _length(measured: Measured) -> Check:
    longer = [
        sum(_win(sizes[better], sizes[worse]) for better, worse in pairs)
        for sizes, pairs in zip(measured.lengths, measured.pairs, strict=True)
    ]
    counts = _counts(measured)
    share = sum(longer) / sum(counts)
    alone = longer if share >= 0.5 else [count - one for count, one in zip(counts, longer, strict=True)]
    gain = ratio([one - other for one, other in zip(_right(measured), alone, strict=True)], counts, measured.seed)
    which = "longer" if share >= 0.5 else "shorter"
    said = f"always preferring the {which} answer is right in {max(share, 1 - share):.1%}; it gains {gain.value:.1%} on that"
    said = f"{said} ({gain.low:.1%} to {gain.high:.1%})"
    figures = {"baseline": max(share, 1 - share), "gain": gain.value, "low": gain.low, "high": gain.high}
    if gain.low > 0:
        return Check("length", True, said, figures)
    return Check("length", False, f"{said}: it may know no more than lengths", figures)


def _calibration(measured: Measured) -> Check:
    sure: list[list[float]] = []
    for scores, pairs in zip(measured.scores, measured.pairs, strict=True):
        sure.append([1.0 / (1.0 + math.exp(-min(abs(scores[one] - scores[two]), 50.0))) for one, two in pairs])
    right = _right(measured)
    over = ratio([sum(one) - good for one, good in zip(sure, right, strict=True)], _counts(measured), measured.seed)
    flat = sorted(
        (p, _win(scores[one], scores[two]))
        for scores, pairs, chances in zip(measured.scores, measured.pairs, sure, strict=True)
        for (one, two), p in zip(pairs, chances, strict=True)
    )
    cuts = [round(len(flat) * number / BINS) for number in range(BINS + 1)]
    parts = [flat[first:behind] for first, behind in itertools.pairwise(cuts) if behind > first]
    error = sum(abs(sum(p for p, _ in part) - sum(win for _, win in part)) for part in parts) / len(flat)
    certainty = sum(map(sum, sure)) / len(flat)
    said = f"it is on average {certainty:.1%} sure of a pair and right in {sum(right) / len(flat):.1%}"
    figures = {"overconfidence": over.value, "low": over.low, "high": over.high, "calibration_error": error}
    if over.low <= OVERCONFIDENT:
        return Check("calibration", True, said, figures)
    return Check("calibration", False, f"{said}: it has learned pairs by heart; fewer epochs, or more pairs", figures)


def _variance(measured: Measured) -> Check:
    every = [score for scores in measured.scores for score in scores]
    total = statistics.pvariance(every) if len(every) > 1 else 0.0
    means = [statistics.fmean(scores) for scores in measured.scores]
    inside = [(score - mean) ** 2 for scores, mean in zip(measured.scores, means, strict=True) for score in scores]
    share = statistics.fmean(inside) / total if total > 0 else 0.0
    said = f"{share:.0%} of its scores' variance is between answers to the same request"
    figures = {"within": share, "spread": math.sqrt(total)}
    if share >= WITHIN:
        return Check("variance", True, said, figures)
    return Check("variance", False, f"{said}, and only that can be learned from: {WITHIN:.0%} are asked for", figures)


def _degenerate(measured: Measured) -> Iterator[Check]:
    middle = statistics.median(score for scores in measured.scores for score in scores)
    for kind, scores in measured.probes.items():
        found = statistics.median(scores)
        said = (
            f"answers that are {'one ' if kind == 'repetition' else ''}{kind} score {found:.2f}, real ones {middle:.2f}"
        )
        figures = {"probe": found, "median": middle, "below": sum(s < middle for s in scores) / len(scores)}
        if found < middle:
            yield Check(kind, True, f"{said} (medians)", figures)
        else:
            told = f"{said} (medians): a policy would find that out; raise reward.degenerate_share, or have some rated"
            yield Check(kind, False, told, figures)
