"""Training is exact: micro-batches, packing and interruption change nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.model.shapes import SHAPE, random_model
from trivium.base.device import Machine
from trivium.base.errors import Interrupted, TrainingError
from trivium.base.progress import Context, Progress
from trivium.base.words import Batch
from trivium.model.initialise import initialise
from trivium.model.transformer import Transformer
from trivium.optim.settings import OptimizerSettings, ScheduleSettings
from trivium.train.checkpoint import CHECKPOINT_SECONDS, Checkpoint, Saver, load_newest, save_checkpoint
from trivium.train.fit import Job, fit
from trivium.train.guard import PATIENCE, Guard
from trivium.train.step import accumulate, next_token_loss, supervised_tokens

CPU = Machine(torch.device("cpu"), torch.float32, 1)


def ragged_batch(rows: int = 8, length: int = 11, seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(0, SHAPE.vocab_size, (rows, length + 1), generator=generator)
    lengths = torch.randint(2, length + 1, (rows, 1), generator=generator)
    weights = (torch.arange(length) < lengths).float()
    weights[:, 0] = (torch.rand(rows, generator=generator) < 0.5).float()
    return Batch(tokens[:, :-1], tokens[:, 1:], weights)


def rows_of(batch: Batch, rows: slice) -> Batch:
    return Batch(batch.tokens[rows], batch.targets[rows], batch.weights[rows])


def gradient(model: Transformer, batches: list[Batch]) -> dict[str, torch.Tensor]:
    for parameter in model.parameters():
        parameter.grad = None
    accumulate(model, batches, next_token_loss, supervised_tokens(batches), CPU)
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_the_gradient_does_not_depend_on_the_micro_batches(rows: int) -> None:
    model, batch = random_model(), ragged_batch()
    whole = gradient(model, [batch])
    parts = gradient(model, [rows_of(batch, slice(start, start + rows)) for start in range(0, 8, rows)])
    for name, expected in whole.items():
        torch.testing.assert_close(parts[name], expected, rtol=1e-4, atol=1e-6)


def test_packed_and_padded_documents_give_the_same_gradient() -> None:
    model = random_model()
    generator = torch.Generator().manual_seed(1)
    documents = [torch.randint(0, SHAPE.vocab_size, (length,), generator=generator) for length in (4, 9, 6)]
    padded_tokens, padded_weights = torch.zeros(3, 9, dtype=torch.long), torch.zeros(3, 8)
    for row, document in enumerate(documents):
        padded_tokens[row, : len(document)] = document
        padded_weights[row, : len(document) - 1] = 1.0
    padded = Batch(padded_tokens[:, :-1], padded_tokens[:, 1:], padded_weights)
    lengths = [len(document) for document in documents]
    segments = torch.cat([torch.full((length,), number) for number, length in enumerate(lengths)])[None, :-1]
    positions = torch.cat([torch.arange(length) for length in lengths])[None, :-1]
    tokens = torch.cat(documents)[None]
    weights = torch.ones(1, tokens.shape[1] - 1)
    weights[0, 3] = weights[0, 12] = 0.0  # the last token of a document does not predict the next one's first
    packed = Batch(tokens[:, :-1], tokens[:, 1:], weights, segments, positions)
    expected, found = gradient(model, [padded]), gradient(model, [packed])
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-6)


def job(steps: int, seconds: float = 1e9, **more: object) -> Job:
    return Job(
        steps=steps,
        batches=lambda step: [ragged_batch(4, seed=step)],
        optimizer=OptimizerSettings(),
        schedule=ScheduleSettings(warmup=2, decay_share=0.5),
        machine=CPU,
        checkpoint_seconds=seconds,
        **more,  # type: ignore[arg-type]
    )


def weights_after(model: Transformer, work: Job, context: Context) -> dict[str, torch.Tensor]:
    for _ in fit(model, work, context):
        pass
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(tensor, second[name]) for name, tensor in first.items())


def test_an_interrupted_run_ends_with_the_same_bits(tmp_path: Path) -> None:
    whole = weights_after(random_model(), job(9), Context(tmp_path / "whole", {}))
    asked = 0

    def stopping() -> bool:
        nonlocal asked
        asked += 1
        return asked == 4

    context = Context(tmp_path / "cut", {}, stopping=stopping)
    with pytest.raises(Interrupted, match="after step 4 of 9"):
        weights_after(random_model(), job(9), context)
    resumed = weights_after(random_model(seed=99), job(9), context)  # its own start must not matter
    assert same(whole, resumed)


@pytest.mark.parametrize("stop_after", [1, 4, 8, 9])
def test_an_interrupted_run_with_an_average_ends_with_the_same_bits(tmp_path: Path, stop_after: int) -> None:
    """Also where it is stopped after its last step, when the average has already taken the weights' place."""
    averaged = OptimizerSettings(average=0.7)
    work = replace(job(9), optimizer=averaged)
    whole = weights_after(random_model(), work, Context(tmp_path / "whole", {}))
    plain = weights_after(random_model(), job(9), Context(tmp_path / "plain", {}))
    raw = replace(job(9), optimizer=averaged.model_copy(update={"average_is_final": False}))
    assert same(plain, weights_after(random_model(), raw, Context(tmp_path / "raw", {})))
    assert not same(plain, whole)
    asked = 0

    def stopping() -> bool:
        nonlocal asked
        asked += 1
        return asked == stop_after

    context = Context(tmp_path / "cut", {}, stopping=stopping)
    with pytest.raises(Interrupted):
        weights_after(random_model(), work, context)
    assert same(whole, weights_after(random_model(seed=99), work, context))


def test_a_step_tells_what_it_took(tmp_path: Path) -> None:
    batch = ragged_batch(4)
    tokens = batch.tokens.clone()
    tokens[0, 5:] = 3
    work = replace(job(2), batches=lambda step: [replace(batch, tokens=tokens)], pad=3, step_flops=1e6)
    rows = list(fit(random_model(), work, Context(tmp_path, {})))
    effort = rows[0].effort
    assert (effort.positions, effort.padding) == (44, int((tokens == 3).sum()))
    assert effort.supervised == int(batch.weights.sum())
    head = 6 * SHAPE.vocab_size * SHAPE.hidden_size
    assert effort.flops == 44 * (SHAPE.flops_per_token(11) - head) + effort.supervised * head
    assert set(effort.laps) == {"data", "model", "optimizer"} and effort.peak_bytes > 1e7
    assert rows[1].seconds == pytest.approx(sum(sum(row.effort.laps.values()) for row in rows))


def test_a_longer_run_continues_a_finished_one_to_the_same_bits(tmp_path: Path) -> None:
    whole = weights_after(random_model(), job(12), Context(tmp_path / "whole", {}))
    short = Context(tmp_path / "short", {})
    assert not same(whole, weights_after(random_model(), job(6, seconds=0.0), short))
    seen: list[Progress] = []
    context = replace(short, report=seen.append)
    assert same(whole, weights_after(random_model(seed=99), job(12, seconds=0.0), context))
    assert any("going on from step 3 of 12" in (progress.note or "") for progress in seen)


def test_a_damaged_checkpoint_falls_back_to_the_one_before_and_says_so(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        save_checkpoint(tmp_path, Checkpoint(step, {"x": torch.full((3,), float(step))}, {"seconds": 1.0}))
    assert sorted(path.name for path in tmp_path.glob("*.safetensors")) == [
        "step-00000002.safetensors",
        "step-00000003.safetensors",
    ]
    newest = tmp_path / "step-00000003.safetensors"
    data = bytearray(newest.read_bytes())
    data[-1] ^= 1
    newest.write_bytes(bytes(data))
    found, notes = load_newest(tmp_path)
    assert found is not None and found.step == 2 and found.tensors["x"].tolist() == [2.0] * 3
    assert len(notes) == 1 and "step-00000003" in notes[0] and "damaged" in notes[0]


def test_a_model_starts_at_chance_and_learns_a_pattern(tmp_path: Path) -> None:
    tokens = torch.arange(24).remainder(6).view(2, 12) + 3
    batch = Batch(tokens[:, :-1], tokens[:, 1:], torch.ones(2, 11))
    model = Transformer(SHAPE)
    initialise(model, torch.Generator().manual_seed(0))
    losses = [row.loss for row in fit(model, replace(job(120), batches=lambda step: [batch]), Context(tmp_path, {}))]
    assert losses[0] == pytest.approx(torch.tensor(float(SHAPE.vocab_size)).log().item(), rel=0.05)
    assert losses[-1] < 0.1


def test_the_guard_stops_on_nan_on_a_lasting_spike_and_on_a_dead_gradient() -> None:
    guard = Guard()
    for step in range(30):
        guard.check(step, 3.0)
    guard.check(31, 9.0)  # one bad batch is let pass
    guard.check(32, 3.0)
    with pytest.raises(TrainingError, match="rose from about 3"):
        for step in range(33, 40):
            guard.check(step, 9.0)
    with pytest.raises(TrainingError, match="the loss is nan at step 7"):
        guard.check(7, float("nan"))
    for _ in range(2):  # a few steps without a gradient are let pass, and forgotten
        for step in range(PATIENCE - 1):
            guard.check_gradient(step, 0.0)
        guard.check_gradient(5, 0.1)
    resumed = Guard()
    resumed.check(0, 1.5)
    with pytest.raises(TrainingError, match=r"zero for 5 steps, until step 9, at a loss of 1\.50 nats"):
        for step in range(5, 20):
            resumed.check_gradient(step, 0.0)
            saved, resumed = resumed, Guard()  # interrupted after every step
            resumed.load_state(saved.state())
            resumed.check(step, 1.5)


@pytest.fixture
def saved(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The steps at which a checkpoint is begun, where one is always due."""
    steps: list[int] = []

    class Eager(Saver):
        def due(self, seconds: float) -> bool:
            return True

        def save(self, step: int, *arguments: Any, **named: Any) -> None:
            steps.append(step)
            super().save(step, *arguments, **named)

    monkeypatch.setattr("trivium.train.fit.Saver", Eager)
    return steps


def test_no_checkpoint_is_written_by_the_clock_while_the_loss_is_above_its_course(
    tmp_path: Path, saved: list[int]
) -> None:
    """The newest checkpoint is from before the trouble."""

    def objective(scorer: Transformer, batch: Batch) -> torch.Tensor:
        nats = 9.0 if len(batch.tokens) == 5 else 0.0  # on top, as where the weights had left their course
        return next_token_loss(scorer, batch) + nats * supervised_tokens([batch])

    work = replace(job(60), batches=lambda step: [ragged_batch(5 if step >= 25 else 4)], objective=objective)
    with pytest.raises(TrainingError, match="last good checkpoint is kept"):
        list(fit(random_model(), work, Context(tmp_path, {})))
    assert saved == list(range(1, 26))


def test_a_loss_that_is_no_number_leaves_the_checkpoint_before_it(tmp_path: Path, saved: list[int]) -> None:
    broken = ragged_batch(4, seed=0)
    broken.weights[0, 0] = float("nan")
    work = replace(job(9), batches=lambda step: [broken if step == 4 else ragged_batch(4, seed=step)])
    with pytest.raises(TrainingError, match=r"the loss is nan at step 5, after \d"):
        list(fit(random_model(), work, Context(tmp_path, {})))
    assert saved == [1, 2, 3, 4]


def test_a_kill_costs_at_most_ten_seconds_of_training() -> None:
    assert Job.checkpoint_seconds == CHECKPOINT_SECONDS == 10.0
