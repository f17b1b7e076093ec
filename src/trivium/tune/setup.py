"""What one training on a task is made of: the model with its head, and the job of teaching it some items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from trivium.base.errors import UserError
from trivium.task.declaration import Task
from trivium.tune.settings import TuningSettings

if TYPE_CHECKING:
    from trivium.base.device import Machine
    from trivium.data.tasks.batches import TaskBatches
    from trivium.model.transformer import Transformer
    from trivium.task.items import Item
    from trivium.tokenizer import Tokenizer
    from trivium.train.fit import Job
    from trivium.train.private import Plan

HEADS = {"classify": "sequence", "multilabel": "sequence", "regress": "sequence", "tag": "tokens", "answer": "span"}
PROBLEMS = {
    "regress": "regression",
    "multilabel": "multi_label_classification",
    "classify": "single_label_classification",
}
Start = Literal["pretrained", "random"]


@dataclass(frozen=True)
class Setup:
    """All that one training needs besides its items. With `private` each item's part of a step is clipped and noise is added."""

    settings: TuningSettings
    task: Task
    names: tuple[str, ...]
    source: Path
    tokenizer: Tokenizer
    machine: Machine
    seed: int
    private: Plan | None = None

    @property
    def by_head(self) -> bool:
        """Whether the model has a head for the task, and is not asked in words."""
        return self.settings.by_head(self.task)


def make_model(setup: Setup, start: Start = "pretrained") -> Transformer:
    """The pre-trained model (or one of its shape with random weights) with the head and the changes that the method asks for.

    Raises UserError for a view that this kind of model does not have.
    """
    from trivium.base.seeds import torch_random
    from trivium.model.folder import load
    from trivium.model.further import add_input
    from trivium.model.initialise import initialise, initialise_head
    from trivium.model.lora import adapt, freeze_trunk
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
    if setup.by_head:
        add_input(model, head.further, SIZE, generator)
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
        "ahead": True,
    }
    if not setup.by_head:
        prompts, shortened = prompts_of(setup.task, items, setup.tokenizer, limit)
        size = min(settings.batch_size, len(prompts))
        tokens, whole = round(size * len(prompts.tokens) / len(prompts)), setup.task.sees_prompt_whole
        told = ConversationBatches(prompts, tokens, setup.seed, prefix=whole)
        steps = steps_of(settings, len(prompts), size)
        if shortened:
            notes.append(f"{shortened:,} of {len(items):,} sources are longer than {limit} tokens and lost their end")
        return Job(steps=steps, batches=told.batches, **shared), notes
    lesson = prepare(setup.task, setup.names, items, setup.tokenizer, limit)
    if lesson.shortened:
        notes.append(f"{lesson.shortened:,} of {len(items):,} items are longer than {limit} tokens and lost their end")
    if lesson.lost:
        notes.append(f"{lesson.lost:,} answers stand in no window as a whole; raise views.head.window_overlap")
    batches = TaskBatches(setup.task, lesson, setup.tokenizer, settings.batch_size, setup.seed)
    job = Job(
        steps=steps_of(settings, len(lesson.rows), batches.size),
        batches=batches.batches,
        objective=objective_of(setup.task.kind, head.label_smoothing, head.dropout),
        count=supervised_weight,
        **shared,
    )
    return job if setup.private is None else _private(setup.private, job, batches), notes


def _private(plan: Plan, job: Job, source: TaskBatches) -> Job:
    """The job with items drawn by chance, each a batch of one, and private gradients."""
    from trivium.base.seeds import derive
    from trivium.train.private import PrivateStep, sampled

    assert plan.rows == len(source.rows), "the privacy unit is an item"

    def batches(step: int) -> list[Any]:
        chosen = sampled(plan, source.seed, step)
        return [source.collate([source.drawn(row, step)], derive(source.seed, "dropout", step, row)) for row in chosen]

    return replace(job, steps=plan.steps, batches=batches, gradient=lambda step: PrivateStep(plan, source.seed, step))


def steps_of(settings: TuningSettings, rows: int, size: int) -> int:
    """Optimizer steps over `rows` in steps of `size`."""
    return max(settings.least_steps, round(settings.epochs * rows / size))
