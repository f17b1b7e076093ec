"""The one supervised loop: a generator of steps that a stage reads, evaluates on, and may leave at any time.

    for row in fit(model, job, context): ...

A job is everything that decides the result; the loop owns the order of things (step, guard, checkpoint, stop). It keeps the
checkpoint from which the decay starts, so that a longer run continues a finished one to the same bits as if it had been
that long from the start. Where several processes train (`job.layout`), all of them run this loop in step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trivium.base.device import Machine
from trivium.base.errors import Interrupted
from trivium.base.progress import Context, Progress
from trivium.model.families import row_counts
from trivium.model.transformer import Transformer
from trivium.optim.optimizer import Optimizer
from trivium.optim.schedule import decay_start, rate_factor
from trivium.optim.settings import OptimizerSettings, ScheduleSettings
from trivium.train.checkpoint import CHECKPOINT_SECONDS, Saver, load_newest
from trivium.train.distributed import Team
from trivium.train.effort import Effort, Stopwatch, effort_of
from trivium.train.guard import Guard
from trivium.train.layout import Layout
from trivium.train.loading import Loader
from trivium.train.pieces import Piece, StoredTensors
from trivium.train.speedup import Speedup
from trivium.train.step import Objective, accumulate, next_token_loss, supervised_tokens


@dataclass(frozen=True)
class Job:
    """What `fit` does: `batches(step)` are this process's micro-batches of a 0-based step, a pure function, so resuming is
    a seek; with `ahead` of the data alone, so that a thread may make them early. `layout` is how the model lies on several
    processes, for one alone it is not needed. `step_flops` are the operations of a whole step, by which `optimizer.name: auto`
    decides; `pad` is the token that fills rows up, where there is one."""

    steps: int
    batches: Callable[[int], Sequence[Any]]
    optimizer: OptimizerSettings
    schedule: ScheduleSettings
    machine: Machine
    objective: Objective = next_token_loss
    count: Callable[[Sequence[Any]], float] = supervised_tokens
    checkpoint_seconds: float = CHECKPOINT_SECONDS
    layout: Layout | None = None
    share: Callable[[str], float] = lambda name: 1.0  # of the learning rate, for each parameter by name
    step_flops: float = float("inf")
    pad: int | None = None
    ahead: bool = False
    gradient: Callable[[int], Callable[..., Tensor]] = lambda step: (
        accumulate
    )  # for a 0-based step, what leaves its gradient

    @property
    def turn(self) -> int:
        """The first step of the decay."""
        return decay_start(self.steps, self.schedule)

    def passes_through(self, step: int, facts: Mapping[str, Any]) -> bool:
        """Whether a checkpoint at `step`, of a run that may have had another length, lies on this run's path."""
        return bool(facts["steps"] == self.steps or step <= min(facts["turn"], self.turn))


@dataclass(frozen=True)
class StepRow:
    """One finished step, 1-based. `loss` is its mean in nats, `counted` what that is the mean over, `rate` the learning rate
    of the hidden matrices, `seconds` of training so far (evaluation left out), `effort` what this step took."""

    step: int
    loss: float
    counted: float
    rate: float
    gradient_norm: float
    seconds: float
    effort: Effort = field(default_factory=Effort)
    last: bool = field(default=False)


def make_optimizer(
    model: Transformer,
    settings: OptimizerSettings,
    layout: Layout | None = None,
    share: Callable[[str], float] = lambda name: 1.0,
    step_flops: float = float("inf"),
) -> Optimizer:
    """The optimizer of a model; fused matrices are cut as the model's shape says."""

    def rows(name: str) -> tuple[int, ...]:
        counts = row_counts(name, model.shape)
        return (model.get_parameter(name).shape[0],) if counts == (0,) else counts

    if layout is None:
        return Optimizer(model.named_parameters(), settings, rows, share=share, step_flops=step_flops)
    return Optimizer(layout.parameters(), settings, rows, layout, share, step_flops)


def fit(model: Transformer, job: Job, context: Context) -> Iterator[StepRow]:
    """Train `model` in place from the newest checkpoint in the stage's state folder, or from the start.

    Raises TrainingError where the guard stops it, Interrupted (with everything saved) where the user does.
    """
    layout = job.layout or Layout(model, Team(job.machine))
    team = layout.team
    optimizer = make_optimizer(model, job.optimizer, layout, job.share, job.step_flops)
    guard = Guard()
    done, seconds = restore(layout, optimizer, guard, job, context)
    saver = Saver(_state_folder(context), team)
    speedup = Speedup(model, team, job.machine, lambda note: _tell(context, done, job.steps, note), job.pad is None)
    model.train()
    if done == job.steps:  # stopped after its last step
        optimizer.swap_in_average()
    with Loader(job.batches, job.steps, job.machine.device, ahead=job.ahead) as loader:
        while done < job.steps:
            watch = Stopwatch()
            batches = loader.take(done)
            watch.lap("data")
            (counted,) = team.sum(job.count(batches))
            with speedup.applied(batches):
                parts = job.gradient(done)(model, batches, job.objective, counted, job.machine, layout.before_last)
            layout.reduce()
            watch.lap("model")
            factor = rate_factor(done, job.steps, job.schedule)
            told = torch.cat([parts, optimizer.step(factor).reshape(1)])
            optimizer.zero_gradients()
            watch.lap("optimizer")
            *losses, norm = told.tolist()  # here a step waits for the device, and nowhere else
            if job.machine.device.type != "cpu":
                watch.lap("wait")
            (loss,) = team.sum(sum(losses))
            guard.check(done + 1, loss)
            guard.check_gradient(done + 1, norm)
            done += 1
            seconds += watch.seconds
            last = done == job.steps
            effort = effort_of(model, batches, job.pad, watch, optimizer.muon_share, speedup.told)
            speedup.consider(job.steps - done, watch.seconds)
            if last:
                optimizer.swap_in_average()
            yield StepRow(done, loss, counted, optimizer.rate(factor), norm, seconds, effort, last)
            due = team.ranks.first and guard.calm and saver.due(job.checkpoint_seconds)
            asked, due_now, written = team.sum(context.stopping(), due, saver.written)
            if written == team.ranks.size:
                saver.finish()
            if done == job.turn or asked or due_now:
                if last:
                    optimizer.swap_in_average()  # a checkpoint holds the weights
                saver.save(done, pieces_of(layout, optimizer), _facts(guard, seconds, job), keep=done == job.turn)
                if last:
                    optimizer.swap_in_average()
            if asked:
                saver.finish()
                raise Interrupted(f"stopped after step {done} of {job.steps}; everything is saved")
    saver.finish()


def _tell(context: Context, done: int, steps: int, note: str) -> None:
    context.report(Progress(context.folder.name, done, steps, note=note))


def _state_folder(context: Context) -> Path:
    return context.folder / "trivium" / "state"


def pieces_of(layout: Layout, optimizer: Optimizer) -> dict[str, Piece]:
    """What this process writes of a checkpoint of model and optimizer."""
    state = {f"model.{name}": parameter for name, parameter in layout.parameters()} | optimizer.state()
    return layout.pieces(state, own=optimizer.muon.state().keys())


def take_over(layout: Layout, optimizer: Optimizer, tensors: StoredTensors) -> None:
    """Make model and optimizer what they were when `pieces_of` was written."""
    stored = layout.held(tensors)
    with torch.no_grad():
        for name, parameter in layout.parameters():
            parameter.copy_(stored[f"model.{name}"])
    optimizer.load_state(stored)


def _facts(guard: Guard, seconds: float, job: Job) -> dict[str, Any]:
    plan = {"steps": job.steps, "turn": job.turn}
    return {**plan, "seconds": seconds, "guard": guard.state(), "machine": job.machine.facts()}


def restore(layout: Layout, optimizer: Optimizer, guard: Guard, job: Job, context: Context) -> tuple[int, float]:
    """Load the newest sound checkpoint that a run of this length passes through, by however many processes it was
    written. Returns (steps done, seconds)."""
    found, notes = load_newest(_state_folder(context), job.passes_through, layout.team)
    for note in notes:
        _tell(context, 0, job.steps, note)
    if found is None:
        return 0, 0.0
    take_over(layout, optimizer, found.tensors)
    guard.load_state(found.facts["guard"])
    _tell(context, found.step, job.steps, f"going on from step {found.step} of {job.steps}")
    return found.step, float(found.facts["seconds"])


def stored_precision(context: Context, otherwise: str) -> str:
    """The precision that an interrupted stage was started with: it goes on in the same one."""
    found, _ = load_newest(_state_folder(context))
    return str(found.facts["machine"]["precision"]) if found else otherwise
