"""Pre-training: a causal language model learns to predict the next token of the gathered text.

    loss = -1/N sum_t log p(token_t | the tokens before it in its row)

Reads tokenize's shards; leaves a model folder, `metrics.jsonl` and a resumable state. More steps on a finished run continue
it from the checkpoint at which the decay of the learning rate began.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from trivium.base.config import Settings
from trivium.base.errors import UserError
from trivium.base.progress import Context
from trivium.base.ranks import ALONE, Ranks
from trivium.data.growth import GrowthSettings
from trivium.optim.settings import OptimizerSettings, ScheduleSettings

if TYPE_CHECKING:
    from trivium.base.words import Batch
    from trivium.data.shards import Shard
    from trivium.train.workload import Outlook, Workload

NEEDS = ("tokenize",)
CONTINUES = ("steps",)
PARALLEL = True


class ModelSettings(Settings):
    """The size of the model; the vocabulary comes from the tokenizer."""

    hidden_size: int = Field(default=128, ge=8, description="width of the stream")
    num_layers: int = Field(default=4, ge=1, description="blocks")
    num_heads: int = Field(default=4, ge=1, description="query heads")
    num_kv_heads: int = Field(default=4, ge=1, description="key and value heads; must divide num_heads")
    head_dim: int = Field(default=32, ge=2, description="size of a head; even")
    intermediate_size: int = Field(default=384, ge=8, description="width inside the feed-forward part")
    max_positions: int = Field(default=512, ge=8, description="longest text that the model can read, in tokens")
    rope_theta: float = Field(default=10_000.0, gt=0, description="base of the rotary angles")
    tie_embeddings: bool = Field(default=True, description="one matrix for embedding and head")


class PretrainSettings(Settings):
    """Sizes, steps and rates of pre-training."""

    model: ModelSettings = ModelSettings()
    begin_copying: bool = Field(default=True, description="start with attention that looks for what came before")
    steps: int = Field(default=600, ge=1, description="optimizer steps; more of them continue a finished run")
    batch_size: int = Field(default=32, ge=1, description="rows in an optimizer step")
    micro_batch_size: int = Field(default=0, ge=0, description="rows in a forward pass; 0 for all of the batch")
    length: int = Field(default=128, ge=8, description="tokens in a row")
    documents_apart: bool = Field(default=False, description="documents in one row do not see each other")
    growth: GrowthSettings = GrowthSettings()
    optimizer: OptimizerSettings = OptimizerSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto", description="of the matrix products; auto measures which is faster; weights are always float32"
    )
    evaluate_every: int = Field(default=200, ge=1, description="steps between looks at the validation text")
    evaluate_rows: int = Field(default=128, ge=1, description="rows of it in such a look; the last look reads all")


def run(settings: PretrainSettings, context: Context) -> dict[str, Any]:
    """Train, and leave the model in `context.folder`. Returns the headline figures."""
    from trivium.base.seeds import torch_random
    from trivium.data.shards import Shard
    from trivium.evaluate.text import bits_per_byte
    from trivium.model.initialise import begin_copying, initialise
    from trivium.model.transformer import Transformer, parameter_count
    from trivium.tokenizer import Tokenizer
    from trivium.train.distributed import join
    from trivium.train.fit import Job, fit, stored_precision
    from trivium.train.layout import place
    from trivium.train.memory import require_memory
    from trivium.train.record import Recorder, save_model_folder

    source = context.inputs["tokenize"]
    tokenizer = Tokenizer.load(source)
    train, valid = Shard(source / "train", tokenizer.sha256), Shard(source / "valid", tokenizer.sha256)
    check_sizes(settings, train)
    work = workload(settings, tokenizer.vocab_size)
    model = Transformer(work.shape)
    figures: dict[str, Any] = {"parameters": parameter_count(model)}
    generator = torch_random(context.seed, "initialise")
    initialise(model, generator)
    if settings.begin_copying:
        begin_copying(model, generator)
    recorder = Recorder(context, settings.steps)
    with join(context, stored_precision(context, settings.precision)) as team:
        require_memory(work, team, lambda rows: f"set pretrain.micro_batch_size to {rows} or less: it costs no quality")
        layout = place(model, team)
        job = Job(
            steps=settings.steps,
            batches=batches_of(settings, train, context.seed, context.ranks),
            optimizer=settings.optimizer,
            schedule=settings.schedule,
            machine=team.machine,
            layout=layout,
            step_flops=work.flops,
        )
        for row in fit(model, job, context):
            look: dict[str, float] = {}
            if row.last or row.step % settings.evaluate_every == 0:
                most = None if row.last else settings.evaluate_rows
                look = bits_per_byte(model, valid, settings.length, team, most)
                figures |= look
            recorder.write(row, **look)
        save_model_folder(layout.whole(), tokenizer, context.folder)
    return figures | recorder.figures() | {"precision": str(team.machine.dtype).removeprefix("torch.")}


def workload(settings: PretrainSettings, vocab_size: int) -> Workload:
    """What a step trains on, in numbers."""
    from trivium.model.architecture import Architecture
    from trivium.train.workload import Workload

    rows = min(settings.micro_batch_size or settings.batch_size, settings.batch_size)
    return Workload(
        shape=Architecture(vocab_size=vocab_size, **settings.model.model_dump()),
        rows=rows,
        length=settings.length,
        passes=-(-settings.batch_size // rows),
        optimizer=settings.optimizer,
        apart=settings.documents_apart,
    )


def outlook(settings: PretrainSettings, sections: Mapping[str, Any]) -> Outlook:
    """What the stage will do, for `trivium plan`."""
    from trivium.data.growth import Growth
    from trivium.train.workload import Outlook

    work = workload(settings, sections["tokenize"].vocab_size)
    growth = Growth(settings.batch_size, settings.length, settings.growth)
    grown = min(settings.steps, growth.steps)
    tokens = [growth.windows(step) * settings.length for step in range(grown)]
    spared = sum(
        work.flops - count * work.shape.flops_per_token(settings.length // growth.pieces(step))
        for step, count in enumerate(tokens)
    )
    return Outlook(
        work=work,
        steps=settings.steps,
        tokens=growth.first(settings.steps) * settings.length,
        flops=settings.steps * work.flops - spared,
        looked=settings.steps // settings.evaluate_every * settings.evaluate_rows * settings.length,
        reads_all=True,
    )


def batches_of(
    settings: PretrainSettings, train: Shard, seed: int, ranks: Ranks = ALONE
) -> Callable[[int], list[Batch]]:
    """The micro-batches of a 0-based step that are this process's, as a pure function of it."""
    from trivium.data.growth import Growth, cut
    from trivium.data.windows import Windows

    windows = Windows(train, settings.length, seed, apart=settings.documents_apart)
    growth = Growth(settings.batch_size, settings.length, settings.growth)
    most = settings.micro_batch_size or settings.batch_size
    windows.require(growth.first(settings.steps))

    def batches(step: int) -> list[Batch]:
        first, pieces = growth.first(step), growth.pieces(step)
        parts = ranks.parts(growth.windows(step), most)
        return [cut(windows.batch(first + part.start, len(part)), pieces) for part in parts]

    return batches


def check(settings: PretrainSettings, sections: Mapping[str, Any]) -> list[str]:
    """What can be known to be wrong before there is any text, a sentence each."""
    from trivium.data.growth import faults_of
    from trivium.model.architecture import Architecture

    faults = []
    try:
        Architecture(vocab_size=1, **settings.model.model_dump())
    except UserError as error:
        faults.append(str(error))
    if settings.length > settings.model.max_positions:
        faults.append(
            f"length is {settings.length}; the model reads at most {settings.model.max_positions} tokens: "
            "lower it or raise model.max_positions"
        )
    return faults + faults_of(settings.growth, settings.batch_size, settings.length)


def check_sizes(settings: PretrainSettings, train: Shard) -> None:
    """Raises UserError where the settings do not fit together, or the text is smaller than one batch."""
    if faults := check(settings, {}):
        raise UserError(f"pretrain: {faults[0]}")
    needed = settings.batch_size * settings.length + 1
    if len(train.tokens) < needed:
        raise UserError(
            f"the training text has {len(train.tokens):,} tokens; one batch needs {needed:,} (pretrain.batch_size "
            f"{settings.batch_size} x pretrain.length {settings.length} + 1): add text, or lower one of the two"
        )
