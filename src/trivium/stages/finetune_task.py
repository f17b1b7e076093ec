"""Fine-tuning on a task: a pre-trained model learns to label, tag, answer or write, from labelled items.

    loss = 1/N sum over supervised items of their loss, N their weight over the whole step

A recipe has as many of these as it names: `finetune-sentiment`, `finetune-entities`. Each reads the pre-trained model, or any
published one (`base`), leaves a model folder, and measures itself on test items beside simple baselines; with `curve` also
beside the same model trained from random weights, on few labels and on many (the `transfer` stage compares more ways, over
seeds).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, model_validator

from trivium.base.config import Settings
from trivium.base.errors import CheckpointError, Interrupted, UserError
from trivium.base.hub import Base
from trivium.base.progress import Context, Progress
from trivium.task.declaration import Task, declared
from trivium.train.private_settings import PrivateTrainingSettings
from trivium.tune.settings import TuningSettings

if TYPE_CHECKING:
    from trivium.data.tasks import Splits
    from trivium.evaluate.tasks import Writer
    from trivium.model.transformer import Transformer
    from trivium.predict.predictor import Predictor
    from trivium.task.items import Item
    from trivium.train.private import Plan
    from trivium.tune.setup import Setup, Start

NEEDS: tuple[str, ...] = ()
WANTS = ("pretrain",)  # needed where there is no `base`
PRIVATE_KINDS = (
    "classify",
    "multilabel",
)  # an item is taught as one, and nothing of the labels enters but by its gradient


class CurveSettings(Settings):
    """What pre-training is worth: the same training on few labels, from the pre-trained and from random weights."""

    sizes: tuple[int, ...] = Field(default=(8, 32, 128, 512), min_length=1, description="training items")
    seeds: int = Field(default=1, ge=1, description="draws of the items, and of the random weights, for each size")
    items: int = Field(default=500, ge=8, description="test items that each is measured on")
    whole: bool = Field(default=True, description="also from random weights on all training items")


class FinetuneTaskSettings(TuningSettings):
    """The task, how the model is adapted to it, steps and rates."""

    task: Task | Path = Field(description="the task's declaration, or a YAML file that holds it")
    base: Base | None = Field(
        default=None, description="a model to start from: its folder, or {hub: owner/name}; none: the recipe's pretrain"
    )
    curve: CurveSettings | None = Field(
        default=None, description="few labels, from pre-trained and from random weights"
    )
    private: PrivateTrainingSettings | None = Field(
        default=None, description="train a head for labels with differential privacy; none: without"
    )

    @model_validator(mode="after")
    def _private_fits(self) -> FinetuneTaskSettings:
        if self.private and self.optimizer.name != "adamw":
            raise ValueError(
                f"optimizer.name is {self.optimizer.name}; private needs adamw: muon makes the noise as large as what is learned"
            )
        if self.private and self.curve:
            raise ValueError("curve trains on the same items again, and not privately; leave it out, or private")
        return self

    def private_faults(self, task: Task) -> list[str]:
        """Why the task cannot be learned privately, a sentence each; none where it can, or is not to be."""
        if self.private is None:
            return []
        faults = []
        if task.kind not in PRIVATE_KINDS or not self.by_head(task):
            faults.append(
                f"private: only heads for labels of whole texts ({', '.join(PRIVATE_KINDS)}) are trained privately; this task is "
                f"of kind {task.kind}{'' if self.by_head(task) else ', asked in words'}: leave private out"
            )
        if task.views.head.class_weight != "none":
            faults.append("private: views.head.class_weight is counted from the labels themselves; set it to none")
        return faults


def depends_on(settings: FinetuneTaskSettings) -> Any:
    """The content of the files that a task's own file names."""
    from trivium.data.tasks import contents_of

    return contents_of(settings.task)


def check(settings: FinetuneTaskSettings, sections: Mapping[str, Any]) -> list[str]:
    """What can be known to be wrong before there is a model, a sentence each."""
    from trivium.data.tasks import faults_of
    from trivium.evaluate.measures import library_faults, score_names
    from trivium.model.hub import shape_at

    try:
        task = declared(settings.task)
    except UserError as error:
        return str(error).splitlines()
    faults = [*settings.faults(task), *settings.private_faults(task)]
    if settings.base is None and "pretrain" not in sections:
        faults.append("there is no model to start from; give base (a folder, or {hub: owner/name}), or add 'pretrain:'")
    if isinstance(settings.base, Path) and settings.base.exists():  # a path that leads nowhere is told of anyway
        try:
            shape_at(settings.base)
        except CheckpointError as error:
            faults.append(f"base: {error}")
    if settings.private and find_spec("opacus") is None:
        faults.append("private needs opacus, which is not installed: pip install 'trivium-lm[private]'")
    stopping = settings.early_stopping
    if stopping and stopping.monitor not in score_names(task):
        faults.append(
            f"early_stopping.monitor is {stopping.monitor}; a {task.kind} task has {', '.join(score_names(task))}"
        )
    return [*faults, *faults_of(task), *library_faults(task)]


def run(settings: FinetuneTaskSettings, context: Context) -> dict[str, Any]:
    """Train, measure, and leave the model in `context.folder`. Returns the headline figures."""
    from trivium.base.device import choose_machine
    from trivium.base.files import write_json
    from trivium.data.tasks import read
    from trivium.evaluate.measures import main_score
    from trivium.evaluate.tasks import as_dict, baselines, score
    from trivium.model.hub import called, find_model
    from trivium.tokenizer import Tokenizer
    from trivium.train.fit import stored_precision
    from trivium.tune.setup import Setup
    from trivium.tune.training import train

    task = declared(settings.task)
    source = context.inputs["pretrain"] if settings.base is None else find_model(settings.base)
    splits = read(task, context.seed)
    precision = stored_precision(context, settings.precision)
    machine = choose_machine(context.device, context.threads, precision, compiling=context.compile)
    setup = Setup(settings, task, splits.names, source, Tokenizer.load(source), machine, context.seed)
    about: dict[str, Any] = {} if settings.base is None else {"base": called(settings.base, source)}
    items = splits.train
    if settings.private:
        items = list(dict.fromkeys(items)) if settings.private.copies == "together" else items
        plan, guarantee = private_plan(settings, task, len(items), context)
        about |= guarantee
        about["copies_left_out"] = len(splits.train) - len(items)
        setup = replace(setup, private=plan)

    def look(model: Transformer) -> dict[str, float]:
        found = score(task, splits.names, reader(setup, model), splits.valid).scores
        return {name: estimate.value for name, estimate in found.items()}

    trained, recorder = train(setup, items, context, look=look if splits.valid else None)
    measured = splits.test or splits.valid
    context.report(Progress(context.folder.name, 0, 0, note=f"measuring on {len(measured):,} items, and the baselines"))
    model = save(setup, trained, context.folder)
    scored = score(task, splits.names, model, measured)
    if shortened := scored.notes.get("shortened"):
        context.report(Progress(context.folder.name, 0, 0, note=shortened))
    beside = baselines(task, splits.names, splits.train, measured)
    main = main_score(task)
    points = list(curve(settings.curve, setup, splits, model, context, look)) if settings.curve else []
    where = {"measured_on": "test" if splits.test else "valid", "curve": points, "seed": setup.seed, **splits.facts}
    write_json(context.folder / "scores.json", {**as_dict(task, scored, beside), **where})
    figures = {main: scored.scores[main].value, "baseline": max(one.scores[main].value for one in beside.values())}
    facts = {**splits.facts, **about, "precision": str(machine.dtype).removeprefix("torch.")}
    return figures | recorder.figures() | facts


def private_plan(
    settings: FinetuneTaskSettings, task: Task, items: int, context: Context
) -> tuple[Plan, dict[str, Any]]:
    """The noise that a private training on so many items needs, and what the guarantee rests on.

    Raises UserError for what is not trained privately and on several processes, MissingExtra without Opacus.
    """
    from trivium.train import private
    from trivium.tune.setup import steps_of

    assert settings.private is not None
    if faults := settings.private_faults(task):
        raise UserError(faults[0])
    if context.ranks.size > 1:
        raise UserError(f"private training runs in one process, not in {context.ranks.size}; start it without torchrun")
    size = min(settings.batch_size, items)
    found = private.plan(settings.private, items, size, steps_of(settings, items, size))
    private.keep(context.folder, found)
    return found, found.facts(settings.private, "labelled text")


def reader(setup: Setup, model: Transformer) -> Predictor | Writer:
    """The model as something that can be asked."""
    from trivium.evaluate.prompted import reader_of

    machine = setup.machine if setup.by_head else None
    return reader_of(model, setup.tokenizer, setup.task, setup.names, machine)


def save(setup: Setup, model: Transformer, folder: Path) -> Predictor | Writer:
    """Write the model folder (an adapter beside it, its changes taken in) and give back the model as it was written."""
    from trivium.base.files import write_json
    from trivium.model.adapter_folder import save_adapter
    from trivium.model.lora import merge
    from trivium.predict.predictor import TASK_FILE
    from trivium.train.record import save_model_folder

    if setup.settings.method == "lora":
        save_adapter(model, setup.settings.lora, folder / "adapter", os.path.relpath(setup.source, folder / "adapter"))
        merge(model)
    model.requires_grad_(True)
    save_model_folder(model, setup.tokenizer, folder)
    content = {
        "format": 1,
        "task": setup.task.model_dump(mode="json"),
        "names": setup.names,
        "view": "head" if setup.by_head else "prompt",
    }
    write_json(folder / TASK_FILE, content)
    return reader(setup, model)


def curve(
    settings: CurveSettings,
    setup: Setup,
    splits: Splits,
    whole: Predictor | Writer,
    context: Context,
    look: Callable[[Transformer], Mapping[str, float]],
) -> Iterator[dict[str, Any]]:
    """The main score after training on few items and on all, from pre-trained and from random weights, a row each.

    All are measured on the same test items. `whole` is what the stage trained on all items; its twin from random weights stops
    early by the same looks, where the settings say so. On few items nothing stops early.
    """
    from trivium.data.tasks import few
    from trivium.evaluate.measures import main_score
    from trivium.evaluate.tasks import score
    from trivium.tune.training import trial

    main, every = main_score(setup.task), len(splits.train)
    asked: Sequence[Item] = (splits.test or splits.valid)[: settings.items]
    starts: tuple[Start, ...] = ("pretrained", "random")
    sizes = [size for size in settings.sizes if size < every]
    plan = [(size, seed, start) for size in sizes for seed in range(settings.seeds) for start in starts]
    plan += [(every, 0, "random")] if settings.whole else []

    def row(labels: int, start: Start, seed: int, told: Predictor | Writer) -> dict[str, Any]:
        found = score(setup.task, setup.names, told, asked).scores[main]
        point = {"value": found.value, "low": found.low, "high": found.high}
        return {"labels": labels, "start": start, "seed": seed} | point

    for number, (size, seed, start) in enumerate(plan):
        if context.stopping():
            raise Interrupted("stopped while drawing the learning curve; the same command draws it again")
        note = f"{size:,} labels, {start} weights"
        context.report(Progress(context.folder.name, number, len(plan), "trainings", note=note))
        one = replace(setup, seed=setup.seed + seed)
        items = few(splits.train, size, one.seed) if size < every else splits.train
        looking = look if size == every and splits.valid else None
        yield row(size, start, seed, reader(one, trial(one, items, start, context, looking).model))
    if settings.whole:
        yield row(every, "pretrained", 0, whole)
