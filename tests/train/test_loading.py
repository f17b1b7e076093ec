"""Batches that are made ahead are those that would have been made, and a step waits for its device once."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
import torch

from tests.model.shapes import random_model
from tests.pretend_device import AWAY, WAITS, pretend_device
from tests.train.test_fit import job, ragged_batch, rows_of
from trivium.base.device import Machine
from trivium.base.progress import Context
from trivium.loss.language import linear_cross_entropy
from trivium.optim.settings import OptimizerSettings
from trivium.train.fit import fit
from trivium.train.loading import Loader, learned_places

CPU = torch.device("cpu")


class Source:
    """Steps of two ragged batches, and who asked for which."""

    def __init__(self, broken: int = -1) -> None:
        self.broken = broken
        self.asked: list[tuple[int, str]] = []

    def batches(self, step: int) -> list[Any]:
        self.asked.append((step, threading.current_thread().name.partition("_")[0]))
        if step == self.broken:
            raise ValueError(f"step {step} cannot be read")
        batch = ragged_batch(8, seed=step)
        return [rows_of(batch, slice(0, 3)), rows_of(batch, slice(3, 8))]


def test_a_thread_makes_the_same_batches_in_the_same_order_from_any_step() -> None:
    here, there, resumed = Source(), Source(), Source()
    with (
        Loader(here.batches, 6, CPU, ahead=True) as plain,
        Loader(there.batches, 6, AWAY, ahead=True) as early,
        Loader(resumed.batches, 6, AWAY, ahead=True) as late,
    ):
        for step in range(6):
            expected, found = plain.take(step), early.take(step)
            again = late.take(step) if step >= 3 else found
            for one, two, three in zip(expected, found, again, strict=True):
                assert torch.equal(one.tokens, two.tokens) and torch.equal(one.weights, two.weights)
                assert torch.equal(one.tokens, three.tokens)
    main, thread = threading.current_thread().name, "loading"
    assert here.asked == [(step, main) for step in range(6)], "on the CPU a thread would take a core from training"
    assert there.asked == [(0, main), *((step, thread) for step in range(1, 6))]
    assert resumed.asked == [(3, main), (4, thread), (5, thread)]


def test_what_goes_wrong_in_the_thread_is_raised_by_its_own_step() -> None:
    source = Source(broken=2)
    with Loader(source.batches, 6, AWAY, ahead=True) as loader:
        loader.take(0)
        loader.take(1)
        with pytest.raises(ValueError, match="step 2 cannot be read"):
            loader.take(2)


def test_leaving_early_ends_the_thread() -> None:
    before = threading.active_count()
    with pytest.raises(RuntimeError, match="enough"), Loader(Source().batches, 6, AWAY, ahead=True) as loader:
        loader.take(0)
        raise RuntimeError("enough")
    assert threading.active_count() == before


@pytest.mark.parametrize("kind", ["some", "all", "none", "signed"])
def test_the_loss_at_known_places_is_the_loss(kind: str) -> None:
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(7, 11, 6, generator=generator, requires_grad=True)
    weight = torch.randn(13, 6, generator=generator, requires_grad=True)
    targets = torch.randint(0, 13, (7, 11), generator=generator)
    weights = torch.rand(7, 11, generator=generator) + 0.5
    if kind in ("some", "signed"):
        weights *= torch.rand(7, 11, generator=generator) < 0.4
    if kind == "signed":
        weights *= torch.randn(7, 11, generator=generator).sign()
    if kind == "none":
        weights *= 0.0
    places = learned_places(weights)
    assert len(places) == 77 if kind == "all" else len(places) % 64 == 0
    found = [
        torch.autograd.grad(loss, (hidden, weight))
        for loss in (
            linear_cross_entropy(hidden, weight, targets, weights),
            linear_cross_entropy(hidden, weight, targets, weights, places=places),
        )
    ]
    for expected, own in zip(*found, strict=True):
        torch.testing.assert_close(own, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["muon", "adamw"])
def test_a_step_waits_for_its_device_once(name: Literal["muon", "adamw"], tmp_path: Path) -> None:
    """Counted on a stand-in, for every operation that tells what a tensor holds."""
    source = Source()
    with pretend_device() as device:
        plan = replace(
            job(5),
            machine=Machine(device, torch.float32, 1),
            optimizer=OptimizerSettings(name=name),
            batches=source.batches,
            ahead=True,
        )
        waits = []
        for _ in fit(random_model().to(device), plan, Context(tmp_path, {})):
            waits.append(WAITS.copy())
            WAITS.clear()
    # the first step also makes the model and the optimizer, the one after the decay's begin also writes a checkpoint
    assert waits[1] == waits[4] == ["tolist"], waits
