"""What stops an alignment, what adapts its leash, and what the panel says of its figures."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.model.shapes import random_model
from trivium.base.errors import TrainingError
from trivium.optim.settings import OptimizerSettings
from trivium.rl.answers import repetition, shuffled
from trivium.rl.controllers import AdaptiveKL
from trivium.rl.guards import Guards
from trivium.rl.panel import panel
from trivium.train.fit import make_optimizer


def test_a_step_whose_gradient_is_not_finite_is_left_out_and_the_third_in_a_row_stops() -> None:
    model = random_model()
    optimizer = make_optimizer(model, OptimizerSettings(name="adamw", adam_learning_rate=0.01))
    guards = Guards(0.0)

    def take(value: float, who: str = "policy") -> None:
        before = [parameter.detach().clone() for parameter in model.parameters()]
        for parameter in model.parameters():
            parameter.grad = torch.full_like(parameter, value)
        guards.step(7, optimizer, 1.0, who)
        moved = any(not torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True))
        assert moved == (value == 1.0)
        assert all(bool(parameter.isfinite().all()) for parameter in model.parameters())
        assert all(parameter.grad is None for parameter in model.parameters())

    for value in (1.0, float("nan"), float("inf"), 1.0, float("nan"), float("nan")):
        take(value)
    assert guards.skipped == 4
    take(1.0, "critic")  # which has a count of its own
    kept = Guards(0.0)
    kept.load_state(guards.state())
    assert kept == guards
    with pytest.raises(TrainingError, match="policy's gradient was not finite for 3 updates in a row, until step 7"):
        take(float("nan"))


def test_the_weight_of_the_kl_follows_its_target_slowly() -> None:
    leash = AdaptiveKL(0.1, target=6.0, horizon=1000)
    leash.update(kl=9.0, answers=100)  # half above the target, clipped to a fifth, of which a tenth
    assert leash.weight == pytest.approx(0.1 * 1.02)
    leash.update(kl=5.4, answers=100)
    assert leash.weight == pytest.approx(0.1 * 1.02 * 0.99)
    still = AdaptiveKL(0.1, target=0.0, horizon=1000)
    still.update(kl=99.0, answers=100)
    assert still.weight == 0.1


def test_every_answer_is_in_one_minibatch_of_each_epoch() -> None:
    rows = torch.tensor([3, 5, 8, 9, 11])
    found = shuffled(rows, 3, 2, torch.Generator().manual_seed(0))
    assert [len(part) for part in found] == [3, 2] * 3
    for first, second in zip(found[::2], found[1::2], strict=True):
        assert sorted([*first.tolist(), *second.tolist()]) == rows.tolist()
    assert len({tuple(part.tolist()) for part in found}) > 2


def test_repetition_counts_runs_of_three() -> None:
    assert repetition([1, 2, 3, 4]) == 0.0
    assert repetition([1, 2, 3, 1, 2, 3]) == pytest.approx(1 / 4)
    assert repetition([7] * 6) == pytest.approx(3 / 4)
    assert repetition([1]) == 0.0


def row(step: int, **figures: Any) -> dict[str, Any]:
    return {"step": step, "kl": 1.0, "entropy": 1.0, "length": 10.0, "ended": 1.0, **figures}


def looked(step: int, reward: float, wins: float | None = None) -> dict[str, Any]:
    fresh = {} if wins is None else {"fresh_wins": wins, "fresh_pairs": 100}
    return row(step, heldout_reward=reward, heldout_error=0.1, heldout_kl=1.0, **fresh)


@pytest.mark.parametrize(
    ("looks", "state"),
    [
        ([], "early"),
        ([(0.0, None)], "early"),
        ([(0.0, None), (1.0, None)], "learning"),
        ([(0.0, None), (0.2, None)], "unclear"),
        ([(0.0, None), (-1.0, None)], "worse"),
        ([(0.0, 0.5), (1.0, 0.8)], "learning"),
        ([(0.0, 0.5), (1.0, 0.8), (1.1, 0.75)], "learning"),  # a fall that chance explains
        ([(0.0, 0.5), (1.0, 0.8), (2.0, 0.5)], "fooled"),
        ([(0.0, 0.5), (2.0, 0.2)], "fooled"),
        ([(0.0, 0.5), (1.0, 0.8), (0.0, 0.2)], "worse"),  # the reward fell with it: nobody was fooled
        ([(0.0, 0.5), (0.1, 0.52)], "unclear"),
    ],
)
def test_the_panel_tells_learning_from_being_fooled(looks: list[tuple[float, float | None]], state: str) -> None:
    rows = [looked(10 * number, *look) for number, look in enumerate(looks, 1)]
    found = panel(rows)
    assert found.state == state
    assert found.summary.startswith("is it learning?")
    assert bool([line for line in found.warnings if line.startswith("over-optimised")]) == (state == "fooled")
    if any(wins is not None for _, wins in looks):
        assert "simulated rater" in found.summary


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        ({"entropy": 2.0}, {"entropy": 0.4}, "entropy fell from 2.00 to 0.40 nats"),
        ({"entropy": 1.0}, {"entropy": 2.5}, "entropy rose"),
        ({"length": 10.0}, {"length": 20.0}, "answers grew from 10 to 20 tokens"),
        ({"repetition": 0.0}, {"repetition": 0.4}, "40% of an answer repeats itself, 0% at first"),
        ({}, {"zero_spread": 0.9}, "in 90% of the groups all answers earn the same"),
        ({}, {"ended": 0.1}, "10% of the answers end by themselves"),
        ({}, {"unscored": 0.2}, "20% of the answers could not be scored"),
        ({}, {"skipped": 2}, "2 updates were left out"),
        ({}, {"kl": 28.0}, "KL is at 28.0 of its budget of 30 nats"),
    ],
)
def test_the_panel_warns(first: dict[str, float], last: dict[str, float], said: str) -> None:
    rows = [row(1, **first), row(2, **last)]
    assert any(said in line for line in panel(rows, kl_budget=30.0).warnings)
    assert not panel([row(1), row(2)], kl_budget=30.0).warnings
