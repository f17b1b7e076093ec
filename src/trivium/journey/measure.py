"""Any model on any task, without a recipe: what `trivium evaluate RUN --task FILE` does.

A model is a run (its newest model, or that of a stage) or a model folder. Nothing is printed here, and nothing is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trivium.base.errors import RunError, UserError
from trivium.journey.graph import base_of
from trivium.journey.runs import find_run, is_run, model_of

if TYPE_CHECKING:
    from trivium.evaluate.in_context import Curve
    from trivium.evaluate.paired import Paired
    from trivium.evaluate.readers import Reader
    from trivium.task.asking import Asking
    from trivium.task.declaration import Task


@dataclass(frozen=True)
class Place:
    """A model: how it is called, its folder, and whether it is asked in a conversation."""

    name: str
    folder: Path
    chat: bool


def place_of(target: Path, stage: str | None, runs: Path, chat: bool | None) -> Place:
    """The model that a run (by folder or name) or a model folder stands for. Raises RunError where there is none."""
    if (target / "config.json").is_file() and not is_run(target):
        if stage is not None:
            raise RunError(f"{target}: this is a model folder, it has no stages; leave the stage away or give the run")
        name = target.resolve().name
        known = _chats(name) and (target / "trivium" / "stage.json").exists()
        return Place(str(target), target, known if chat is None else chat)
    run = find_run(target, runs)
    name, folder = model_of(run, stage)
    return Place(f"{run.name}/{name}", folder, _chats(name) if chat is None else chat)


def _chats(stage: str) -> bool:
    """Whether a stage's model was taught to answer; the others go on with a text."""
    return stage == "finetune" or base_of(stage) == "align"


def reader_of(place: Place, device: str) -> Reader:
    """The place's model as something that can be asked in words."""
    from trivium.evaluate.readers import load_reader

    return load_reader(place.folder, device, chat=place.chat)


def measure(task: Task, places: Sequence[Place], asking: Asking, *, device: str, seed: int) -> list[Curve]:
    """The task put to each model in turn, with the same items and the same examples."""
    from trivium.data.tasks import read
    from trivium.evaluate.in_context import ask

    splits = read(task, seed)
    asked = splits.test or splits.valid
    return [ask(task, splits.names, reader_of(place, device), splits.train, asked, asking) for place in places]


def against(one: Curve, two: Curve) -> list[tuple[int, Paired]]:
    """For each number of examples the first curve's main score against the second's, item by item (each the mean over its
    draws). Raises UserError where they are not of the same items."""
    from statistics import fmean

    from trivium.evaluate.paired import paired

    found = []
    for first, second in zip(one.points, two.points, strict=True):
        ours, theirs = ([fmean(column) for column in zip(*point.values, strict=True)] for point in (first, second))
        if len(ours) != len(theirs) or one.main != two.main:
            raise UserError(
                f"the models were not asked alike: {one.main} of {len(ours)} items, {two.main} of {len(theirs)}"
            )
        found.append((first.shots, paired(ours, theirs)))
    return found
