"""Early stopping: the best look is what is restored, whatever came after it and wherever training was interrupted."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from torch import nn

from trivium.base.errors import TrainingError
from trivium.train.best import Best


def model(value: float) -> nn.Module:
    layer = nn.Linear(1, 1, bias=False)
    nn.init.constant_(layer.weight, value)
    return layer


def test_the_best_is_restored_and_patience_counts_looks_after_it(tmp_path: Path) -> None:
    best = Best(tmp_path, "max", patience=2)
    stops = [best.look(step, value, model(step)) for step, value in ((10, 0.5), (20, 0.7), (30, math.nan), (40, 0.7))]  # type: ignore[arg-type]
    assert stops == [False, False, False, True]
    layer = model(0.0)
    assert best.restore(layer) == 20  # type: ignore[arg-type]
    assert layer.weight.item() == 20.0


def test_less_is_better_where_the_mode_says_so(tmp_path: Path) -> None:
    best = Best(tmp_path, "min", patience=1)
    assert not best.look(1, 0.5, model(1.0))  # type: ignore[arg-type]
    assert best.look(2, 0.6, model(2.0))  # type: ignore[arg-type]
    assert best.restore(model(0.0)) == 1  # type: ignore[arg-type]


def test_steps_that_are_trained_again_are_seen_again(tmp_path: Path) -> None:
    """A run that is killed after a new best and goes on from before it ends as one that was not."""
    scores = {10: 0.5, 20: 0.9, 30: 0.6, 40: 0.6}
    best = Best(tmp_path, "max", patience=2)
    for step in (10, 20):
        best.look(step, scores[step], model(step))  # type: ignore[arg-type]
    again = Best(tmp_path, "max", patience=2)  # resumed from step 15
    assert [again.look(step, scores[step], model(step + 0.5)) for step in (20, 30, 40)] == [False, False, True]  # type: ignore[arg-type]
    layer = model(0.0)
    assert again.restore(layer) == 20  # type: ignore[arg-type]
    assert layer.weight.item() == 20.5


def test_a_score_that_is_never_a_number_is_no_best(tmp_path: Path) -> None:
    best = Best(tmp_path, "max", patience=3)
    best.look(1, math.nan, model(1.0))  # type: ignore[arg-type]
    with pytest.raises(TrainingError, match="no look gave a score that is a number"):
        best.restore(model(0.0))  # type: ignore[arg-type]
