"""Pre-training: a language model learns to predict the next token of the gathered text, or the tokens that were hidden.

    causal:  loss = -1/N sum_t log p(token_t | the tokens before it in its row)
    masked:  loss = -1/N sum over hidden t of log p(token_t | the rest of its row), and with pairs that of their relation

Starts from nothing, or goes on from a model that there is. Reads tokenize's shards; leaves a model folder, `metrics.jsonl` and
a resumable state. More steps on a finished run continue it from the checkpoint at which the decay of the learning rate began.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from trivium.base.config import Settings
from trivium.base.errors import CheckpointError, UserError
from trivium.base.hub import Base
from trivium.base.progress import Context, Progress
from trivium.base.ranks import ALONE, Ranks
from trivium.data.growth import GrowthSettings
from trivium.data.masking_settings import MaskSettings
from trivium.optim.settings import OptimizerSettings, ScheduleSettings

if TYPE_CHECKING:
    from torch import Tensor

    from trivium.base.words import Batch
    from trivium.data.shards import Shard
    from trivium.model.architecture import Architecture
    from trivium.model.transformer import Transformer
    from trivium.tokenizer import Tokenizer
    from trivium.train.distributed import Team
    from trivium.train.workload import Outlook, Workload

NEEDS = ("tokenize",)
CONTINUES = ("steps",)
PLATEAU_NATS = 0.3  # as near to the loss of frequencies alone as this is no learning of context
Family = Literal["auto", "gpt2", "llama", "mistral", "qwen2", "qwen3", "bert", "roberta", "distilbert", "modernbert"]
PARALLEL = True


class ModelSettings(Settings):
    """The size of the model; the vocabulary comes from the tokenizer."""

    hidden_size: int = Field(default=128, ge=8, description="width of the stream")
    family: Family = Field(
        default="auto", description="form of the model; auto is qwen3, or modernbert for masked models"
    )
    num_layers: int = Field(default=4, ge=1, description="blocks")
    num_heads: int = Field(default=4, ge=1, description="query heads")
    num_kv_heads: int = Field(default=4, ge=1, description="key and value heads; must divide num_heads")
    head_dim: int = Field(default=32, ge=2, description="size of a head; even")
    intermediate_size: int = Field(default=384, ge=8, description="width inside the feed-forward part")
    max_positions: int = Field(default=512, ge=8, description="longest text that the model can read, in tokens")
    rope_theta: float = Field(default=10_000.0, gt=0, description="base of the rotary angles")
    window: int | None = Field(
        default=None, ge=0, description="tokens that a local layer sees, 0 for all; if not given as the family has it"
    )
    global_every: int = Field(default=3, ge=1, description="where there are local layers, every so many is not one")
    tie_embeddings: bool = Field(default=True, description="one matrix for embedding and head")


class PretrainSettings(Settings):
    """Objective, sizes, steps and rates of pre-training."""

    objective: Literal["causal", "masked"] = Field(default="causal", description="what is predicted")
    pairs: Literal["none", "nsp", "sop"] = Field(
        default="none", description="masked: rows of two texts, next-sentence or sentence-order prediction"
    )
    masking: MaskSettings = MaskSettings()
    base: Base | None = Field(
        default=None, description="a model to go on from, whose sizes then hold: its folder, or {hub: owner/name}"
    )
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

    def shape(self, vocab_size: int) -> Architecture:
        """The shape of a new model. Raises UserError where the settings do not fit together."""
        from trivium.model.families import new_shape

        sizes = self.model.model_dump()
        family, window, every = sizes.pop("family"), sizes.pop("window"), sizes.pop("global_every")
        if family == "auto":
            family = "modernbert" if self.objective == "masked" else "qwen3"
        shape = new_shape(family, {**sizes, "vocab_size": vocab_size}, window, every)
        if shape.causal == (self.objective == "masked"):
            fitting = "causal" if shape.causal else "masked"
            raise UserError(f"objective is {self.objective}; a model of the family {family} is for {fitting}")
        return shape


@dataclass(frozen=True)
class Plan:
    """What differs between the objectives: batches of a step, the loss and what it is the mean over, and the look at
    validation text."""

    batches: Callable[[int], Sequence[Any]]
    objective: Callable[..., Tensor]
    count: Callable[[Sequence[Any]], float]
    look: Callable[[Transformer, Team, int | None], dict[str, float]]


def run(settings: PretrainSettings, context: Context) -> dict[str, Any]:
    """Train, and leave the model in `context.folder`. Returns the headline figures."""
    from trivium.data.shards import Shard
    from trivium.model.hub import called, find_model
    from trivium.model.transformer import parameter_count
    from trivium.tokenizer import Tokenizer
    from trivium.train.distributed import join
    from trivium.train.fit import Job, fit, stored_precision
    from trivium.train.layout import place
    from trivium.train.memory import require_memory
    from trivium.train.record import Recorder, save_model_folder

    source = context.inputs["tokenize"]
    tokenizer = Tokenizer.load(source)
    train, valid = Shard(source / "train", tokenizer.sha256), Shard(source / "valid", tokenizer.sha256)
    folder = None if settings.base is None else find_model(settings.base)
    model = model_of(settings, tokenizer, context, folder)
    check_sizes(settings, train, model.shape)
    work = workload(settings, model.shape)
    figures: dict[str, Any] = {"parameters": parameter_count(model)}
    if settings.base is not None and folder is not None:
        figures["base"] = called(settings.base, folder)
    plan = masked_plan if settings.objective == "masked" else causal_plan
    part = plan(settings, tokenizer, train, valid, context)
    recorder = Recorder(context, settings.steps)
    with join(context, stored_precision(context, settings.precision)) as team:
        if settings.objective == "causal":
            remedy = "set pretrain.micro_batch_size to {} or less: it costs no quality"
            require_memory(work, team, remedy.format)
        layout = place(model, team)
        job = Job(
            steps=settings.steps,
            batches=part.batches,
            optimizer=settings.optimizer,
            schedule=settings.schedule,
            machine=team.machine,
            objective=part.objective,
            count=part.count,
            layout=layout,
            step_flops=work.flops,
            ahead=True,
        )
        for row in fit(model, job, context):
            look: dict[str, float] = {}
            if row.last or row.step % settings.evaluate_every == 0:
                look = part.look(model, team, None if row.last else settings.evaluate_rows)
                figures |= look
                tell_beside_frequencies(look, row.step, settings.steps, context)
            recorder.write(row, **look)
        save_model_folder(layout.whole(), tokenizer, context.folder)
    return figures | recorder.figures() | {"precision": str(team.machine.dtype).removeprefix("torch.")}


def model_of(
    settings: PretrainSettings, tokenizer: Tokenizer, context: Context, base: Path | None = None
) -> Transformer:
    """A new model, or the one in the folder `base` with the objective's head, for the tokenizer's vocabulary; what of the
    head the folder has not is told.

    Raises UserError where the base is for another objective or came with another tokenizer.
    """
    from trivium.base.seeds import torch_random
    from trivium.model.families import family_named
    from trivium.model.folder import load_to_train, resize_vocabulary
    from trivium.model.initialise import begin_copying, initialise
    from trivium.model.transformer import Transformer
    from trivium.tokenizer import Tokenizer

    head = "language" if settings.objective == "causal" else "masked" if settings.pairs == "none" else "pretraining"
    if base is None:
        shape = settings.shape(tokenizer.vocab_size)
        model = Transformer(shape, family_named(shape.family).head_shape(head))
        generator = torch_random(context.seed, "initialise")
        initialise(model, generator)
        if settings.begin_copying:
            begin_copying(model, generator)
        return model
    known = Tokenizer.load(base)
    if tokenizer.sha256 not in (known.sha256, known.with_chat().sha256):
        raise UserError(f"pretrain.base: {base} has another tokenizer than the text; set tokenize.base to it too")
    model, drawn = load_to_train(base, head)
    if drawn:
        note = f"{base} has no trained head of the kind '{head}'; new, and to be learned: {', '.join(drawn)}"
        context.report(Progress(context.folder.name, 0, settings.steps, note=note))
    if tokenizer.vocab_size > model.shape.vocab_size:
        model = resize_vocabulary(model, tokenizer.vocab_size)
    return model


def causal_plan(settings: PretrainSettings, tokenizer: Tokenizer, train: Shard, valid: Shard, context: Context) -> Plan:
    """Windows of the text, and bits per byte."""
    from trivium.evaluate.text import bits_per_byte
    from trivium.train.step import next_token_loss, supervised_tokens

    def look(model: Transformer, team: Team, most: int | None) -> dict[str, float]:
        return bits_per_byte(model, valid, settings.length, team, most)

    batches = batches_of(settings, train, context.seed, context.ranks)
    return Plan(batches, next_token_loss, supervised_tokens, look)


def masked_plan(settings: PretrainSettings, tokenizer: Tokenizer, train: Shard, valid: Shard, context: Context) -> Plan:
    """Rows with hidden tokens, and how many of them are found at a mask that never changes."""
    from trivium.data.masked import MaskedBatches, MaskedRows, fixed_batches
    from trivium.evaluate.masked import masked_scores, unigram_loss
    from trivium.evaluate.text import rows_at_once
    from trivium.train.masked import hidden_tokens, masked_loss

    how = (tokenizer, settings.masking, settings.pairs, settings.length)
    rows, unseen = MaskedRows(train, *how, context.seed), MaskedRows(valid, *how, 0)
    rows.require(settings.steps * settings.batch_size)
    first = rows.epoch(0)
    if settings.pairs != "none":
        note = f"{len(first):,} pairs in the first epoch, {first.labels.mean():.1%} of them with label 1"
        context.report(Progress(context.folder.name, 0, settings.steps, note=note))

    def look(model: Transformer, team: Team, most: int | None) -> dict[str, float]:
        batches = fixed_batches(unseen, rows_at_once(settings.length), most, context.ranks)
        return masked_scores(model, batches, team) | {"unigram_loss": unigram_loss(train, batches, team)}

    stream = MaskedBatches(rows, settings.batch_size, settings.micro_batch_size, context.ranks)
    return Plan(stream.batches, masked_loss, hidden_tokens, look)


def tell_beside_frequencies(look: Mapping[str, float], step: int, steps: int, context: Context) -> None:
    """A masked model's loss beside that of frequencies alone; where it is the same or above, what to do about it."""
    if "unigram_loss" not in look:
        return
    loss, alone = look["valid_loss"], look["unigram_loss"]
    note = f"step {step}: {look['masked_accuracy']:.1%} of hidden tokens found, loss {loss:.2f}, by frequencies alone {alone:.2f}"
    if loss > alone + PLATEAU_NATS:
        note = (
            f"step {step}: the loss of hidden tokens, {loss:.2f} nats, is above that of their frequencies alone ({alone:.2f}): "
            "how often tokens come is not learned yet, which the first steps are for; if it stays so, train longer or with "
            "another optimizer.learning_rate"
        )
    elif loss > alone - PLATEAU_NATS:
        note = (
            f"step {step}: the loss of hidden tokens, {loss:.2f} nats, is that of their frequencies alone ({alone:.2f}). Small "
            "models leave this plateau late, with learned positions later still: train longer, raise "
            "optimizer.learning_rate, use model.family modernbert; and look for texts that are there many times"
        )
    context.report(Progress(context.folder.name, step, steps, note=note))


def workload(settings: PretrainSettings, shape: Architecture) -> Workload:
    """What a step trains on, in numbers."""
    from trivium.train.workload import Workload

    rows = min(settings.micro_batch_size or settings.batch_size, settings.batch_size)
    return Workload(
        shape=shape,
        rows=rows,
        length=settings.length,
        passes=-(-settings.batch_size // rows),
        optimizer=settings.optimizer,
        apart=settings.documents_apart,
    )


def outlook(settings: PretrainSettings, sections: Mapping[str, Any]) -> Outlook | None:
    """What the stage will do, for `trivium plan`; None where only the data or a base would tell."""
    from trivium.data.growth import Growth
    from trivium.train.workload import Outlook

    if settings.objective == "masked" or settings.base is not None:
        return None
    work = workload(settings, settings.shape(sections["tokenize"].vocab_size))
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

    faults = faults_of(settings.growth, settings.batch_size, settings.length)
    if settings.base is not None:
        if settings.model != ModelSettings():
            faults.append("model is given, but pretrain.base has its own sizes: take one of the two out")
        if isinstance(settings.base, Path) and settings.base.exists():
            faults += _faults_of_base(settings.base, settings.length)
    else:
        try:
            settings.shape(vocab_size=1)
        except UserError as error:
            faults.append(str(error))
        if settings.length > settings.model.max_positions:
            faults.append(too_long(settings.length, settings.model.max_positions))
    if settings.objective == "causal" and settings.pairs != "none":
        faults.append(f"pairs is '{settings.pairs}', which needs objective: masked")
    if settings.objective == "masked" and settings.growth != GrowthSettings():
        faults.append("growth is given, which needs objective: causal")
    tokenize = sections.get("tokenize")
    if settings.objective == "masked" and tokenize is not None and not tokenize.masked_tokens:
        faults.append("objective is masked, which needs tokenize.masked_tokens: true")
    return faults


def _faults_of_base(folder: Path, length: int) -> list[str]:
    """Why a model folder cannot be gone on from, by its config.json and the names of its files alone."""
    from trivium.model.hub import shape_at

    try:
        shape = shape_at(folder)
    except CheckpointError as error:
        return [f"base: {error}"]
    return [] if length <= shape.max_positions else [too_long(length, shape.max_positions, "lower it")]


def too_long(length: int, longest: int, mend: str = "lower it or raise model.max_positions") -> str:
    return f"length is {length}; the model reads at most {longest} tokens: {mend}"


def check_sizes(settings: PretrainSettings, train: Shard, shape: Architecture) -> None:
    """Raises UserError where the settings do not fit together, or the text is smaller than one batch."""
    if faults := check(settings, {}):
        raise UserError(f"pretrain: {faults[0]}")
    if settings.length > shape.max_positions:
        raise UserError(f"pretrain: {too_long(settings.length, shape.max_positions)}")
    needed = settings.batch_size * settings.length + 1
    if settings.objective == "causal" and len(train.tokens) < needed:
        raise UserError(
            f"the training text has {len(train.tokens):,} tokens; one batch needs {needed:,} (pretrain.batch_size "
            f"{settings.batch_size} x pretrain.length {settings.length} + 1): add text, or lower one of the two"
        )
