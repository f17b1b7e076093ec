"""The gate lets a reward pass that knows what is preferred, and stops each kind that only looks like it."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from trivium.evaluate.gate import Check, Measured, as_dict, examine, failures

PROBES = {"empty": [-2.0] * 5, "repetition": [-1.5] * 5, "very long": [-1.0] * 5}


def measured(score: Callable[[float, int, Random], float], **more: object) -> Measured:
    """200 requests of three answers: raters prefer the larger worth, with a coin in one pair of ten; `score` is told worth and
    length, which are independent."""
    random = Random(3)
    scores, lengths, pairs = [], [], []
    for _ in range(200):
        worth, sizes = [random.gauss(0, 1) for _ in range(3)], [random.randint(5, 40) for _ in range(3)]
        scores.append([score(one, size, random) for one, size in zip(worth, sizes, strict=True)])
        lengths.append(sizes)
        found = []
        for one, other in ((0, 1), (0, 2), (1, 2)):
            better = worth[one] > worth[other] if random.random() > 0.1 else random.random() < 0.5
            found.append((one, other) if better else (other, one))
        pairs.append(found)
    given = {"probes": PROBES, "ceiling": 0.95, **more}
    return Measured(scores, lengths, pairs, **given)  # type: ignore[arg-type]


def failed(checks: list[Check]) -> list[str]:
    return [check.name for check in checks if check.passed is False]


def knows(worth: float, length: int, random: Random) -> float:
    return 2.0 * worth


def test_a_reward_that_knows_passes_with_figures_worked_out_here() -> None:
    data = measured(knows)
    checks = examine(data)
    assert failed(checks) == [] and as_dict(checks)["passed"]
    right = sum(
        row[better] > row[worse] for row, pairs in zip(data.scores, data.pairs, strict=True) for better, worse in pairs
    )
    accuracy = checks[0].figures
    assert accuracy["value"] == pytest.approx(right / 600) and accuracy["low"] < right / 600 < accuracy["high"]
    assert 0.6 < checks[3].figures["within"] < 0.7  # three independent answers: 2/3 of the variance is inside


@pytest.mark.parametrize(
    ("score", "reasons"),
    [
        (lambda worth, length, random: random.gauss(0, 1), ["accuracy", "length", "calibration"]),
        (lambda worth, length, random: length / 10, ["accuracy", "length", "calibration"]),
        (lambda worth, length, random: 50 * worth + random.gauss(0, 40), ["calibration"]),
        (lambda worth, length, random: 0.0, ["accuracy", "length", "variance", "repetition", "very long", "empty"]),
    ],
)
def test_rewards_that_only_look_like_it_are_stopped(
    score: Callable[[float, int, Random], float], reasons: list[str]
) -> None:
    probes = PROBES if "empty" not in reasons else {name: [0.0] for name in PROBES}
    assert set(failed(examine(measured(score, probes=probes)))) == set(reasons)


def test_a_reward_that_likes_what_is_degenerate_is_stopped_with_the_reason() -> None:
    checks = examine(measured(knows, probes={**PROBES, "very long": [4.0, 5.0, -1.0]}))
    assert failed(checks) == ["very long"]
    (told,) = failures(checks)
    assert "answers that are very long score 4.00" in told and "reward.degenerate_share" in told


def test_scores_of_one_request_that_hardly_differ_are_stopped() -> None:
    data = measured(knows)
    scores = [[number * 10 + 0.1 * score for score in row] for number, row in enumerate(data.scores)]
    checks = examine(Measured(scores, data.lengths, data.pairs, {"empty": [-9.0]}, 0.95))
    assert "variance" in failed(checks)


def test_a_ceiling_that_nobody_knows_fails_nobody_and_a_low_recovery_does() -> None:
    assert failed(examine(measured(knows, ceiling=None))) == []

    def hardly(worth: float, length: int, random: Random) -> float:
        return 0.3 * worth + random.gauss(0, 0.5)

    assert "accuracy" in failed(examine(measured(hardly, ceiling=0.95)))
