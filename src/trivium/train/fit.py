"""The one supervised loop: a generator of steps that a stage reads, evaluates on, and may leave at any time.

    for row in fit(model, job, context): ...

A job is everything that decides the result; the loop owns the order of things (step, guard, checkpoint, stop). It keeps the
checkpoint from which the decay starts, so that a longer run continues a finished one to the same bits as if it had been
that long from the start.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trivium.base.device import Machine
from trivium.base.errors import Interrupted
from trivium.base.progress import Context, Progress
from trivium.model.families import row_counts
from trivium.model.transformer import Transformer
from trivium.optim.optimizer import Optimizer
from trivium.optim.schedule import decay_start, warmup_stable_decay
from trivium.optim.settings import OptimizerSettings, ScheduleSettings
from trivium.train.checkpoint import CHECKPOINT_SECONDS, Checkpoint, load_newest, save_checkpoint
from trivium.train.guard import Guard
from trivium.train.step import Objective, accumulate, next_token_loss, supervised_tokens


@dataclass(frozen=True)
class Job:
    """What `fit` does: `batches(step)` are the micro-batches of a 0-based step, a pure function, so resuming is a seek."""

    steps: int
    batches: Callable[[int], Sequence[Any]]
    optimizer: OptimizerSettings
    schedule: ScheduleSettings
    machine: Machine
    objective: Objective = next_token_loss
    count: Callable[[Sequence[Any]], float] = supervised_tokens
    checkpoint_seconds: float = CHECKPOINT_SECONDS

    @property
    def turn(self) -> int:
        """The first step of the decay."""
        return decay_start(self.steps, self.schedule.decay_share)

    def passes_through(self, step: int, facts: Mapping[str, Any]) -> bool:
        """Whether a checkpoint at `step`, of a run that may have had another length, lies on this run's path."""
        return bool(facts["steps"] == self.steps or step <= min(facts["turn"], self.turn))


@dataclass(frozen=True)
class StepRow:
    """One finished step, 1-based. `loss` is its mean in nats, `counted` what that is the mean over, `rate` the learning rate
    of the hidden matrices, `seconds` of training so far (evaluation left out)."""

    step: int
    loss: float
    counted: float
    rate: float
    gradient_norm: float
    seconds: float
    last: bool = field(default=False)


def make_optimizer(model: Transformer, settings: OptimizerSettings) -> Optimizer:
    """The optimizer of a model; fused matrices are cut as the model's shape says."""
    return Optimizer(model.named_parameters(), settings, lambda name: row_counts(name, model.shape))


def fit(model: Transformer, job: Job, context: Context) -> Iterator[StepRow]:
    """Train `model` in place from the newest checkpoint in the stage's state folder, or from the start.

    Raises TrainingError where the guard stops it, Interrupted (with everything saved) where the user does.
    """
    state_folder = context.folder / "trivium" / "state"
    optimizer = make_optimizer(model, job.optimizer)
    guard = Guard()
    done, seconds = restore(model, optimizer, guard, state_folder, job, context)
    saved = time.monotonic()
    model.train()
    while done < job.steps:
        started = time.perf_counter()
        batches = job.batches(done)
        counted = job.count(batches)
        loss = accumulate(model, batches, job.objective, counted, job.machine)
        guard.check(done + 1, loss)
        factor = warmup_stable_decay(done, job.steps, job.schedule.warmup, job.schedule.decay_share)
        norm = optimizer.step(factor)
        guard.check_gradient(done + 1, norm)
        optimizer.zero_gradients()
        done += 1
        seconds += time.perf_counter() - started
        yield StepRow(done, loss, counted, optimizer.rate(factor), norm, seconds, last=done == job.steps)
        stopping = context.stopping()
        if done == job.turn or stopping or time.monotonic() - saved > job.checkpoint_seconds:
            save_checkpoint(
                state_folder, _checkpoint(model, optimizer, guard, done, seconds, job), keep=done == job.turn
            )
            saved = time.monotonic()
        if stopping:
            raise Interrupted(f"stopped after step {done} of {job.steps}; everything is saved")


def _checkpoint(
    model: Transformer, optimizer: Optimizer, guard: Guard, done: int, seconds: float, job: Job
) -> Checkpoint:
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()} | optimizer.state()
    plan = {"steps": job.steps, "turn": job.turn}
    return Checkpoint(
        done, tensors, {**plan, "seconds": seconds, "guard": guard.state(), "machine": job.machine.facts()}
    )


def restore(
    model: Transformer, optimizer: Optimizer, guard: Guard, folder: Path, job: Job, context: Context
) -> tuple[int, float]:
    """Load the newest sound checkpoint that a run of this length passes through. Returns (steps done, seconds)."""
    found, notes = load_newest(folder, job.passes_through)
    for note in notes:
        context.report(Progress(context.folder.name, 0, job.steps, note=note))
    if found is None:
        return 0, 0.0
    model.load_state_dict({n.removeprefix("model."): t for n, t in found.tensors.items() if n.startswith("model.")})
    optimizer.load_state(found.tensors)
    guard.load_state(found.facts["guard"])
    note = f"going on from step {found.step} of {job.steps}"
    context.report(Progress(context.folder.name, found.step, job.steps, note=note))
    return found.step, float(found.facts["seconds"])


def stored_precision(context: Context, otherwise: str) -> str:
    """The precision that an interrupted stage was started with: it goes on in the same one."""
    found, _ = load_newest(context.folder / "trivium" / "state")
    return str(found.facts["machine"]["precision"]) if found else otherwise
