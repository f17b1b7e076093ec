"""Fine-tuning on instructions: the model learns to answer, from examples of a request and the right answer.

    loss = -1/N sum_t log p(token_t | conversation before it), over the assistant's tokens and its end of turn alone

Reads the pre-trained model and gather's instructions; leaves a model folder.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from trivium.base.config import Settings
from trivium.base.errors import DataError, UserError
from trivium.base.progress import Context
from trivium.optim.settings import OptimizerSettings, ScheduleSettings
from trivium.train.private_settings import PrivateTrainingSettings

if TYPE_CHECKING:
    from trivium.base.words import Batch
    from trivium.data.conversations import ConversationBatches
    from trivium.train.fit import Job
    from trivium.train.workload import Outlook

NEEDS = ("gather", "pretrain")
CONTINUES = ("steps",)
PARALLEL = True
ROWS = {"instructions": 1}
ASSUMED_LENGTH, ASSUMED_PADDING = 64, 0.4  # of a conversation, as in the demo (docs/decisions.md)
LOOKED_AT = 20  # steps whose largest batch tells whether there is memory enough


class FinetuneSettings(Settings):
    """Steps, rates and sizes of instruction tuning."""

    steps: int = Field(default=300, ge=1, description="optimizer steps; more of them continue a finished run")
    tokens_per_step: int = Field(default=4096, ge=64, description="tokens in an optimizer step, about")
    optimizer: OptimizerSettings = OptimizerSettings(learning_rate=0.01, adam_learning_rate=0.003)
    schedule: ScheduleSettings = ScheduleSettings()
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto", description="of the matrix products; auto measures which is faster; weights are always float32"
    )
    private: PrivateTrainingSettings | None = Field(
        default=None, description="train with differential privacy; none: without"
    )

    @model_validator(mode="after")
    def _fits(self) -> FinetuneSettings:
        if self.private and self.optimizer.name != "adamw":
            raise ValueError(
                f"optimizer.name is {self.optimizer.name}; private needs adamw: muon makes the noise as large as what is learned"
            )
        return self


def check(settings: FinetuneSettings, sections: Mapping[str, Any]) -> list[str]:
    """What can be known to be missing before there is a model, a sentence each."""
    from importlib.util import find_spec

    if settings.private and find_spec("opacus") is None:
        return ["private needs opacus, which is not installed: pip install 'trivium-lm[private]'"]
    return []


def run(settings: FinetuneSettings, context: Context) -> dict[str, Any]:
    """Train, and leave the model in `context.folder`. Returns the headline figures."""
    from trivium.data.conversations import ConversationBatches, load_conversations
    from trivium.model.folder import load
    from trivium.tokenizer import Tokenizer
    from trivium.train.distributed import join
    from trivium.train.fit import Job, fit, stored_precision
    from trivium.train.layout import place
    from trivium.train.memory import require_memory
    from trivium.train.record import Recorder, save_model_folder
    from trivium.train.workload import Workload

    tokenizer = Tokenizer.load(context.inputs["pretrain"])
    model = load(context.inputs["pretrain"])
    path: Path = context.inputs["gather"] / "instructions" / "train.jsonl"
    if not path.exists():
        raise DataError(
            "no instructions to learn from were gathered; add some to gather.sources, or hold out fewer", file=path
        )
    conversations = load_conversations(path, tokenizer, model.shape.max_positions)
    copies = len(conversations)
    if settings.private and settings.private.copies == "together":
        conversations = conversations.distinct()
    copies -= len(conversations)
    source = ConversationBatches(conversations, settings.tokens_per_step, context.seed, ranks=context.ranks)
    tokens = settings.tokens_per_step

    def advice(most: int) -> str:
        return f"set finetune.tokens_per_step to {tokens * most // rows:,} or less"

    about: dict[str, Any] = {}
    rows, width = max((size for step in range(LOOKED_AT) for size in source.sizes(step)), key=math.prod)
    work = Workload(model.shape, rows, width, source.parts, settings.optimizer)
    recorder = Recorder(context, settings.steps)
    with join(context, stored_precision(context, settings.precision)) as team:
        require_memory(work, team, advice)
        layout = place(model, team)
        job = Job(
            steps=settings.steps,
            batches=source.batches,
            optimizer=settings.optimizer,
            schedule=settings.schedule,
            machine=team.machine,
            layout=layout,
            step_flops=settings.tokens_per_step * model.shape.flops_per_token(width),
            pad=tokenizer.pad,
            ahead=True,
        )
        if settings.private:
            job, about = made_private(settings.private, job, source, context)
        for row in fit(model, job, context):
            recorder.write(row)
        save_model_folder(layout.whole(), tokenizer, context.folder)
    counts = {"examples": len(conversations), "too_long_dropped": conversations.dropped}
    counts |= {"copies_left_out": copies} if settings.private else {}
    return recorder.figures() | counts | about | {"precision": str(team.machine.dtype).removeprefix("torch.")}


def made_private(
    settings: PrivateTrainingSettings, job: Job, source: ConversationBatches, context: Context
) -> tuple[Job, dict[str, Any]]:
    """The job with rows drawn by chance and private gradients, and what the guarantee rests on.

    Raises UserError on several processes, MissingExtra without Opacus.
    """
    from trivium.train import private

    if context.ranks.size > 1:
        raise UserError(f"private training runs in one process, not in {context.ranks.size}; start it without torchrun")
    found = private.plan(settings, len(source.conversations), source.rows_per_step, job.steps)
    private.keep(context.folder, found)

    def batches(step: int) -> list[Batch]:
        return [source.collate(row[None]) for row in private.sampled(found, context.seed, step)]

    changed = replace(job, batches=batches, gradient=lambda step: private.PrivateStep(found, context.seed, step))
    return changed, found.facts(settings, "conversation")


def outlook(settings: FinetuneSettings, sections: Mapping[str, Any]) -> Outlook | None:
    """What the stage will do, for `trivium plan`; how long conversations are is not known before they are read."""
    from trivium.data.conversations import PARTS
    from trivium.train.workload import Outlook, Workload

    if sections["pretrain"].base is not None:
        return None
    shape = sections["pretrain"].shape(sections["tokenize"].vocab_size)
    length = min(ASSUMED_LENGTH, shape.max_positions)
    rows = max(1, round(settings.tokens_per_step / (1.0 - ASSUMED_PADDING) / PARTS / length))
    work = Workload(shape, rows, length, PARTS, settings.optimizer)
    assumed = f"conversations of about {length} tokens, {ASSUMED_PADDING:.0%} of what is computed being padding"
    return Outlook(work, settings.steps, settings.steps * work.tokens, settings.steps * work.flops, assumed=assumed)
