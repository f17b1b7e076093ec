"""The training itself, and trials: the same on few items, from pre-trained or from random weights, kept only as figures."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from trivium.base.progress import Context, Progress
from trivium.tune.setup import Setup, Start, begin_at_mean, make_job, make_model

if TYPE_CHECKING:
    from trivium.model.transformer import Transformer
    from trivium.task.items import Item
    from trivium.train.record import Recorder

Look = Callable[["Transformer"], Mapping[str, float]]  # the scores of a model, by name


def train(
    setup: Setup, items: Sequence[Item], context: Context, start: Start = "pretrained", look: Look | None = None
) -> tuple[Transformer, Recorder]:
    """Train a model on the items, taking a `look` at it now and then. Returns it as it was at the last step (or at the best
    look, where the settings stop early), and what was recorded."""
    from trivium.train.best import Best
    from trivium.train.fit import fit
    from trivium.train.record import Recorder

    settings = setup.settings
    model = make_model(setup, start)
    begin_at_mean(setup.task, items, model)
    job, facts = make_job(setup, items, model)
    for note in facts:
        context.report(Progress(context.folder.name, 0, job.steps, note=note))
    recorder = Recorder(context, job.steps, unit="items" if setup.by_head else "tokens")
    stopping = settings.early_stopping
    best = Best(context.folder / "trivium" / "state", stopping.mode, stopping.patience) if stopping and look else None
    every = settings.evaluate_every or max(1, round(job.steps / max(settings.epochs, 1.0)))
    for row in fit(model, job, context):
        seen: dict[str, float] = {}
        stop = False
        if look and (row.last or row.step % every == 0):
            seen = {f"valid_{name}": value for name, value in look(model).items()}
            model.train()
            if best and stopping:
                stop = best.look(row.step, seen[f"valid_{stopping.monitor}"], model)
        recorder.write(row, **seen)
        if stop:
            break
    if best:
        step = best.restore(model)
        context.report(Progress(context.folder.name, job.steps, job.steps, note=f"the best look was after step {step}"))
    return model, recorder


@dataclass(frozen=True)
class Trial:
    """A model that was trained to be measured and forgotten: how many of its numbers were trained, and the seconds of it."""

    model: Transformer
    parameters: int
    seconds: float


def trial(setup: Setup, items: Sequence[Item], start: Start, context: Context, look: Look | None = None) -> Trial:
    """Train on the items, without a look at any others (and then to the last step) where none is given; nothing of it stays on
    the disk. Raises Interrupted as `train` does: the trial then starts over."""
    folder = context.folder / "trivium" / "trial"
    shutil.rmtree(folder, ignore_errors=True)
    settings = setup.settings if look else setup.settings.model_copy(update={"early_stopping": None})
    quiet = replace(setup, settings=settings)
    started = time.monotonic()
    try:
        model, _ = train(quiet, items, replace(context, folder=folder, report=lambda progress: None), start, look)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    trained = {id(one): one.numel() for one in model.parameters() if one.requires_grad}
    return Trial(model, sum(trained.values()), time.monotonic() - started)
