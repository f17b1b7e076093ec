"""DP-SGD: each row's gradient against one taken alone, clipping and noise by hand, rows by chance, and what is spent."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.model.shapes import SHAPE, random_model
from trivium.base.device import choose_machine
from trivium.base.errors import UserError
from trivium.base.words import Batch
from trivium.train.private import Plan, PrivateStep, add_clipped, keep, plan, sampled
from trivium.train.private_settings import PrivateTrainingSettings
from trivium.train.step import next_token_loss

MACHINE = choose_machine("cpu", 1, "float32")


def rows(count: int) -> list[Batch]:
    """Batches of one row each, of other lengths and weights."""
    generator = torch.Generator().manual_seed(0)
    found = []
    for number in range(count):
        tokens = torch.randint(0, SHAPE.vocab_size, (1, 9 + number), generator=generator)
        weights = (torch.arange(8 + number) >= 3 + number % 2).float()[None]
        found.append(Batch(tokens[:, :-1], tokens[:, 1:], weights))
    return found


def alone(batch: Batch) -> list[torch.Tensor]:
    """The gradient of one row's mean loss, by the plain formula."""
    model = random_model()
    model.train()
    logits = model.logits(model(batch.tokens))[0]
    nats = torch.nn.functional.cross_entropy(logits, batch.targets[0], reduction="none")
    ((nats * batch.weights[0]).sum() / batch.weights.sum()).backward()  # type: ignore[no-untyped-call]
    return [one.grad for one in dict.fromkeys(model.parameters()) if one.grad is not None]


@pytest.mark.parametrize("clip", [0.05, 1e9])
def test_the_gradient_is_the_sum_of_clipped_ones_over_the_expected_rows(clip: float) -> None:
    """Tied embedding included; almost no noise; four rows where five were expected."""
    found = Plan(rows=50, rate=0.1, steps=1, noise=1e-12 / clip, clip=clip, delta=1e-5, epsilon=1.0)
    model, batches = random_model(), rows(4)
    model.train()
    loss = PrivateStep(found, 0, 0)(model, batches, next_token_loss, 1.0, MACHINE)
    assert math.isfinite(loss)
    expected = [torch.zeros_like(one) for one in alone(batches[0])]
    for batch in batches:
        gradients = alone(batch)
        norm = math.sqrt(sum(float(one.square().sum()) for one in gradients))
        for total, gradient in zip(expected, gradients, strict=True):
            total += gradient * min(1.0, clip / norm) / 5.0
    for parameter, wanted in zip(dict.fromkeys(model.parameters()), expected, strict=True):
        assert parameter.grad is not None
        assert (parameter.grad - wanted).abs().max() <= 2e-5 * max(float(wanted.abs().max()), 1e-3)


def test_clipping_is_over_all_tensors_together_and_what_is_not_finite_adds_nothing() -> None:
    """(3, 4) over two tensors has norm 5: clipped to 1 it is (0.6, 0.8)."""
    sums = [torch.zeros(1), torch.zeros(1)]
    add_clipped(sums, [torch.tensor([3.0]), torch.tensor([4.0])], 1.0)
    assert [float(one) for one in sums] == pytest.approx([0.6, 0.8])
    add_clipped(sums, [torch.tensor([math.nan]), torch.tensor([4.0])], 1.0)
    add_clipped(sums, [None, torch.tensor([0.5])], 1.0)
    assert [float(one) for one in sums] == pytest.approx([0.6, 1.3])


def test_noise_has_the_size_that_is_accounted_for_is_new_each_step_and_there_without_rows() -> None:
    found = Plan(rows=100, rate=0.2, steps=2, noise=1.5, clip=0.5, delta=1e-5, epsilon=1.0)
    seen = []
    for step in (0, 1, 0):
        model = random_model()
        assert PrivateStep(found, 7, step)(model, [], next_token_loss, 1.0, MACHINE) == 0.0
        seen.append(
            torch.cat([one.grad.flatten() for one in dict.fromkeys(model.parameters()) if one.grad is not None])
        )
    assert float(seen[0].std()) == pytest.approx(1.5 * 0.5 / 20.0, rel=0.02)
    assert torch.equal(seen[0], seen[2]) and not torch.equal(seen[0], seen[1])
    assert abs(float(torch.corrcoef(torch.stack(seen[:2]))[0, 1])) < 0.03


def test_rows_come_by_chance_each_apart_and_a_step_is_the_same_when_asked_again() -> None:
    found = Plan(rows=400, rate=0.05, steps=300, noise=1.0, clip=1.0, delta=1e-5, epsilon=1.0)
    drawn = [sampled(found, 3, step) for step in range(300)]
    counts = [len(one) for one in drawn]
    assert sum(counts) / 300 == pytest.approx(20, rel=0.05)
    variance = sum((count - 20) ** 2 for count in counts) / 300
    assert variance == pytest.approx(400 * 0.05 * 0.95, rel=0.25)  # binomial, not a fixed number
    assert drawn[5].tolist() == sampled(found, 3, 5).tolist()


def test_what_is_spent_is_opacus_s_and_the_noise_keeps_within_it() -> None:
    pytest.importorskip("opacus")
    known = plan(PrivateTrainingSettings(epsilon=None, noise=1.0, delta=1e-5), 9_000, 90, 2_000)
    assert known.epsilon == pytest.approx(2.594, abs=0.01)
    older = plan(PrivateTrainingSettings(epsilon=None, noise=1.0, delta=1e-5, accountant="rdp"), 9_000, 90, 2_000)
    assert older.epsilon == pytest.approx(2.866, abs=0.01) and older.epsilon > known.epsilon
    wanted = plan(PrivateTrainingSettings(epsilon=2.0), 5_000, 100, 200)
    assert wanted.delta == 1 / 50_000 and 1.9 < wanted.epsilon <= 2.0
    assert wanted.facts(PrivateTrainingSettings(), "row")["private_unit"] == "one row, with all its copies"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"noise": 1.0}, "each follows from the other"),
        ({"epsilon": None}, "each follows"),
        ({"clip": 0.0}, "greater than 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        PrivateTrainingSettings(**given)


def test_a_delta_that_promises_nothing_is_refused() -> None:
    with pytest.raises(UserError, match=r"private.delta is 0.01 with 200 rows; it must be below 0.005"):
        plan(PrivateTrainingSettings(delta=0.01), 200, 10, 10)


def test_a_private_training_is_not_continued_with_another_plan(tmp_path: Path) -> None:
    found = Plan(rows=100, rate=0.2, steps=2, noise=1.5, clip=0.5, delta=1e-5, epsilon=1.0)
    keep(tmp_path, found)
    keep(tmp_path, found)
    with pytest.raises(UserError, match="cannot be continued"):
        keep(tmp_path, Plan(**{**vars(found), "steps": 3}))
