"""Fine-tuning on a task: a pre-trained model learns to label, tag, answer or write, from labelled items.

    loss = 1/N sum over supervised items of their loss, N their weight over the whole step

A recipe has as many of these as it names: `finetune-sentiment`, `finetune-entities`. Each reads the pre-trained model, leaves
a model folder, and measures itself on test items beside simple baselines; with `curve` also beside the same model trained
from random weights, on few labels and on many.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from trivium.base.config import Settings
from trivium.base.errors import Interrupted, UserError
from trivium.base.progress import Context, Progress
from trivium.model.lora_settings import LoraSettings
from trivium.optim.settings import OptimizerSettings, ScheduleSettings
from trivium.task.declaration import Task, read_task

if TYPE_CHECKING:
    from trivium.base.device import Machine
    from trivium.data.tasks import Splits
    from trivium.evaluate.tasks import Scored, Writer
    from trivium.model.transformer import Transformer
    from trivium.predict.predictor import Predictor
    from trivium.task.items import Item
    from trivium.tokenizer import Tokenizer
    from trivium.train.fit import Job
    from trivium.train.record import Recorder

NEEDS = ("pretrain",)
HEADS = {"classify": "sequence", "multilabel": "sequence", "regress": "sequence", "tag": "tokens", "answer": "span"}
PROBLEMS = {
    "regress": "regression",
    "multilabel": "multi_label_classification",
    "classify": "single_label_classification",
}


class StoppingSettings(Settings):
    """Early stopping; the best look is restored."""

    monitor: str = Field(description="the score of the validation items that is watched, such as accuracy")
    mode: Literal["max", "min"] = Field(description="whether more of it is better")
    patience: int = Field(default=3, ge=1, description="looks without a better one before training stops")


class CurveSettings(Settings):
    """What pre-training is worth: the same training on few labels, from the pre-trained and from random weights."""

    sizes: tuple[int, ...] = Field(default=(8, 32, 128, 512), min_length=1, description="training items")
    seeds: int = Field(default=1, ge=1, description="draws of the items, and of the random weights, for each size")
    items: int = Field(default=500, ge=8, description="test items that each is measured on")
    whole: bool = Field(default=True, description="also from random weights on all training items")


class FinetuneTaskSettings(Settings):
    """The task, how the model is adapted to it, steps and rates."""

    task: Task | Path = Field(description="the task's declaration, or a YAML file that holds it")
    view: Literal["auto", "head", "prompt"] = Field(
        default="auto", description="how the model meets the task; auto: prompt to generate, head for the rest"
    )
    method: Literal["full", "head", "lora"] = Field(
        default="full", description="train everything, the head alone, or low-rank changes and the head"
    )
    lora: LoraSettings = LoraSettings()
    layer_decay: float = Field(
        default=1.0, gt=0, le=1, description="of the learning rate, from each block to the one below"
    )
    epochs: float = Field(default=4.0, gt=0, description="how often each training item is seen")
    least_steps: int = Field(default=100, ge=1, description="optimizer steps that few items get all the same")
    batch_size: int = Field(default=32, ge=1, description="rows in an optimizer step")
    length: int = Field(default=0, ge=0, description="tokens in a row, at most; 0 for all that the model reads")
    evaluate_every: int = Field(default=0, ge=0, description="steps between looks at the validation items; 0: an epoch")
    early_stopping: StoppingSettings | None = Field(default=None, description="none: the last step is kept")
    curve: CurveSettings | None = Field(
        default=None, description="few labels, from pre-trained and from random weights"
    )
    optimizer: OptimizerSettings = OptimizerSettings(name="adamw", adam_learning_rate=0.001, weight_decay=0.01)
    schedule: ScheduleSettings = ScheduleSettings(warmup=20, decay_share=0.9)
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto", description="of the matrix products; auto measures which is faster; weights are always float32"
    )

    @model_validator(mode="after")
    def _fits(self) -> FinetuneTaskSettings:
        if self.optimizer.name == "muon" and (self.method == "lora" or self.layer_decay < 1):
            raise ValueError("optimizer.name is muon; lora and layer_decay need adamw")
        return self


@dataclass(frozen=True)
class Setup:
    """All that one training needs besides its items."""

    settings: FinetuneTaskSettings
    task: Task
    names: tuple[str, ...]
    source: Path
    tokenizer: Tokenizer
    machine: Machine
    seed: int

    @property
    def by_head(self) -> bool:
        """Whether the model has a head for the task, and is not asked in words."""
        view = self.settings.view
        return self.task.kind != "generate" if view == "auto" else view == "head"


def task_of(settings: FinetuneTaskSettings) -> Task:
    """The task's declaration. Raises RecipeError where its file is at fault."""
    return settings.task if isinstance(settings.task, Task) else read_task(settings.task)


def depends_on(settings: FinetuneTaskSettings) -> Any:
    """The content of the files that a task's own file names."""
    if isinstance(settings.task, Task):
        return None
    from trivium.base.files import hash_file
    from trivium.data.find import files_at

    data = task_of(settings).data
    paths = [path for path in vars(data).values() if isinstance(path, Path)]
    return {file.name: hash_file(file) for path in paths for file in files_at(path)}


def check(settings: FinetuneTaskSettings, sections: Mapping[str, Any]) -> list[str]:
    """What can be known to be wrong before there is a model, a sentence each."""
    from importlib.util import find_spec

    from trivium.data.tasks import faults_of
    from trivium.evaluate.measures import NEEDED, score_names

    try:
        task = task_of(settings)
    except UserError as error:
        return str(error).splitlines()
    faults = []
    if settings.view == "prompt" and task.views.prompt is None:
        faults.append("view is prompt; the task has no views.prompt")
    if settings.view == "head" and task.kind == "generate":
        faults.append("view is head; a task of kind generate is asked in words: leave view out")
    stopping = settings.early_stopping
    if stopping and stopping.monitor not in score_names(task):
        faults.append(
            f"early_stopping.monitor is {stopping.monitor}; a {task.kind} task has {', '.join(score_names(task))}"
        )
    faults += faults_of(task)
    missing = [name for name in NEEDED[task.kind] if find_spec(name) is None]
    if missing:
        faults.append(f"scores and baselines need {', '.join(missing)}: pip install 'trivium-lm[eval]'")
    return faults


def run(settings: FinetuneTaskSettings, context: Context) -> dict[str, Any]:
    """Train, measure, and leave the model in `context.folder`. Returns the headline figures."""
    from trivium.base.device import choose_machine
    from trivium.base.files import write_json
    from trivium.data.tasks import read
    from trivium.evaluate.measures import main_score
    from trivium.evaluate.tasks import as_dict, baselines, score
    from trivium.tokenizer import Tokenizer
    from trivium.train.fit import stored_precision

    task, source = task_of(settings), context.inputs["pretrain"]
    splits = read(task, context.seed)
    machine = choose_machine(context.device, context.threads, stored_precision(context, settings.precision))
    setup = Setup(settings, task, splits.names, source, Tokenizer.load(source), machine, context.seed)
    trained, recorder = train(setup, splits.train, splits.valid, context)
    measured = splits.test or splits.valid
    context.report(Progress(context.folder.name, 0, 0, note=f"measuring on {len(measured):,} items, and the baselines"))
    model = save(setup, trained, context.folder)
    scored = score(task, splits.names, model, measured)
    beside = baselines(task, splits.names, splits.train, measured)
    main = main_score(task)
    points = list(curve(setup, splits, measured, scored, context)) if settings.curve else []
    facts = {"measured_on": "test" if splits.test else "valid", "curve": points, "seed": setup.seed, **splits.facts}
    write_json(context.folder / "scores.json", {**as_dict(task, scored, beside), **facts})
    figures = {main: scored.scores[main].value, "baseline": max(one.scores[main].value for one in beside.values())}
    return figures | recorder.figures() | dict(splits.facts) | {"precision": str(machine.dtype).removeprefix("torch.")}


def train(
    setup: Setup, items: Sequence[Item], valid: Sequence[Item], context: Context, start: str = "pretrained"
) -> tuple[Transformer, Recorder]:
    """Train a model on the items, looking at the `valid` ones if there are any. Returns it as it was at the last step (or
    at the best look), and what was recorded."""
    from trivium.evaluate.tasks import score
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
    best = Best(context.folder / "trivium" / "state", stopping.mode, stopping.patience) if stopping else None
    every = settings.evaluate_every or max(1, round(job.steps / max(settings.epochs, 1.0)))
    for row in fit(model, job, context):
        look: dict[str, float] = {}
        stop = False
        if valid and (row.last or row.step % every == 0):
            scores = score(setup.task, setup.names, reader(setup, model), valid).scores
            look = {f"valid_{name}": estimate.value for name, estimate in scores.items()}
            model.train()
            if best and stopping:
                stop = best.look(row.step, look[f"valid_{stopping.monitor}"], model)
        recorder.write(row, **look)
        if stop:
            break
    if best:
        step = best.restore(model)
        context.report(Progress(context.folder.name, job.steps, job.steps, note=f"the best look was after step {step}"))
    return model, recorder


def make_model(setup: Setup, start: str = "pretrained") -> Transformer:
    """The pre-trained model (or one of its shape with random weights) with the head and the changes that the method asks for.

    Raises UserError for a view that this kind of model does not have.
    """
    from trivium.base.seeds import torch_random
    from trivium.model.folder import load
    from trivium.model.initialise import initialise, initialise_head
    from trivium.model.lora import adapt, freeze_trunk
    from trivium.model.spelling import Spelling
    from trivium.tokenizer.letters import SIZE

    settings, task, head = setup.settings, setup.task, setup.task.views.head
    if setup.by_head:
        pool = {"auto": "mean"}.get(head.pooling, head.pooling) if HEADS[task.kind] == "sequence" else ""
        model = load(
            setup.source, HEADS[task.kind], setup.names, pool=pool, problem=PROBLEMS.get(task.kind, ""), fresh=True
        )
        if model.shape.causal and pool and head.pooling == "auto":
            model = load(setup.source, "sequence", setup.names, problem=PROBLEMS[task.kind], fresh=True)
    else:
        model = load(setup.source)
        if not model.shape.causal:
            raise UserError(f"{setup.source}: an encoder does not write; the prompt view needs a decoder")
    generator = torch_random(setup.seed, "finetune", start)
    if start == "random":
        initialise(model, generator)
        initialise_head(model)
    if task.kind == "tag" and head.spelling:
        model.extra = Spelling(SIZE, model.shape.hidden_size, generator)
    if settings.method == "lora":
        adapt(model, settings.lora, generator)
    elif settings.method == "head":
        freeze_trunk(model)
    return model.to(setup.machine.device)


def begin_at_mean(task: Task, items: Sequence[Item], model: Transformer) -> None:
    """Let a head for numbers, where it has a bias, begin with their mean: the way there would cost many steps."""
    import torch

    bias = model.head_out.bias if task.kind == "regress" else None
    if bias is not None:
        values = [value for item in items if (value := getattr(item, "value", None)) is not None]
        with torch.no_grad():
            bias.fill_(sum(values) / len(values))


def make_job(setup: Setup, items: Sequence[Item], model: Transformer) -> tuple[Job, list[str]]:
    """The training of these items, and what has to be told about them."""
    from trivium.data.conversations import ConversationBatches
    from trivium.data.tasks.batches import TaskBatches, prepare, prompts_of
    from trivium.optim.layers import layer_share
    from trivium.train.fit import Job
    from trivium.train.task_step import objective_of, supervised_weight

    settings, head = setup.settings, setup.task.views.head
    limit = min(settings.length or model.shape.max_positions, model.shape.max_positions)
    notes = []
    shared: dict[str, Any] = {
        "optimizer": settings.optimizer,
        "schedule": settings.schedule,
        "machine": setup.machine,
        "share": layer_share(settings.layer_decay, model.shape.num_layers),
    }
    if not setup.by_head:
        prompts, shortened = prompts_of(setup.task, items, setup.tokenizer, limit)
        size = min(settings.batch_size, len(prompts))
        told = ConversationBatches(prompts, round(size * len(prompts.tokens) / len(prompts)), setup.seed)
        steps = steps_of(settings, len(prompts), size)
        if shortened:
            notes.append(f"{shortened:,} of {len(items):,} sources are longer than {limit} tokens and lost their end")
        return Job(steps=steps, batches=told.batches, **shared), notes
    lesson = prepare(setup.task, setup.names, items, setup.tokenizer, limit)
    size = min(settings.batch_size, len(lesson.rows))
    if lesson.shortened:
        notes.append(f"{lesson.shortened:,} of {len(items):,} items are longer than {limit} tokens and lost their end")
    if lesson.lost:
        notes.append(f"{lesson.lost:,} answers stand in no window as a whole; raise views.head.window_overlap")
    batches = TaskBatches(setup.task, lesson, setup.tokenizer, size, setup.seed)
    job = Job(
        steps=steps_of(settings, len(lesson.rows), size),
        batches=batches.batches,
        objective=objective_of(setup.task.kind, head.label_smoothing, head.dropout),
        count=supervised_weight,
        **shared,
    )
    return job, notes


def steps_of(settings: FinetuneTaskSettings, rows: int, size: int) -> int:
    """Optimizer steps over `rows` in steps of `size`."""
    return max(settings.least_steps, round(settings.epochs * rows / size))


def reader(setup: Setup, model: Transformer) -> Predictor | Writer:
    """The model as something that can be asked."""
    from trivium.evaluate.prompted import Prompted
    from trivium.generate.generator import Generator
    from trivium.predict.predictor import Predictor

    if setup.by_head:
        return Predictor(model, setup.tokenizer, setup.task, setup.machine)
    return Prompted(Generator(model, setup.tokenizer), setup.task, setup.names)


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
        "spelling": model.extra is not None,
    }
    write_json(folder / TASK_FILE, content)
    return reader(setup, model)


def curve(
    setup: Setup, splits: Splits, measured: Sequence[Item], whole: Scored, context: Context
) -> Iterator[dict[str, Any]]:
    """The main score after training on few items and on all, from pre-trained and from random weights, a row each."""
    import shutil

    from trivium.data.tasks import few
    from trivium.evaluate.measures import main_score
    from trivium.evaluate.tasks import score

    settings = setup.settings.curve
    assert settings is not None
    main = main_score(setup.task)
    asked = measured[: settings.items]
    quiet = replace(setup, settings=setup.settings.model_copy(update={"early_stopping": None}))
    plan = [
        (size, seed, start)
        for size in settings.sizes
        if size < len(splits.train)
        for seed in range(settings.seeds)
        for start in ("pretrained", "random")
    ]
    plan += [(len(splits.train), 0, "random")] if settings.whole else []
    for number, (size, seed, start) in enumerate(plan):
        if context.stopping():
            raise Interrupted("stopped while drawing the learning curve; the same command draws it again")
        context.report(
            Progress(context.folder.name, number, len(plan), "trainings", note=f"{size:,} labels, {start} weights")
        )
        folder = context.folder / "trivium" / "curve"
        shutil.rmtree(folder, ignore_errors=True)
        inner = replace(context, folder=folder, report=lambda progress: None)
        one = replace(quiet, seed=setup.seed + seed)
        trained, _ = train(one, few(splits.train, size, one.seed), (), inner, start)
        found = score(setup.task, setup.names, reader(one, trained), asked).scores[main]
        shutil.rmtree(folder, ignore_errors=True)
        yield {"labels": size, "start": start, "seed": seed, "value": found.value, "low": found.low, "high": found.high}
    if settings.whole:
        told = whole.scores[main]
        row = {"labels": len(splits.train), "start": "pretrained", "seed": 0}
        yield row | {"value": told.value, "low": told.low, "high": told.high}
