"""Evaluation: what each phase changed, on text, instructions and requests that no stage was trained on.

- perplexity and bits per byte of the validation text, for every model of the run (what alignment costs in language shows here);
- exact answers to held-out instructions, greedy, normalised, by family and by what was held out;
- the win rate of each aligned over the instruction-tuned model on held-out requests, by the simulated rater's true utility
  (ties split), with the KL that it was bought for; beside them what an algorithm must beat: the tuned model where the reward
  model picks the best of several answers; of the user's own requests, on which that rater has no say, what the reward model
  makes of the answers, their length and the KL;
- declared tasks, without examples and with some in the prompt;
- where the recipe asks for it, bias: what each model finds likelier of sentences that differ in whom they are about; and privacy:
  what it remembers of planted canaries and of documents.

Of a masked model: hidden tokens and relations of pairs told right, and tasks.
Writes `scores.json`, every score with a 95% interval and its number of items, `samples.jsonl`, the same prompts
through every model, and `tasks.json`, the curves of the tasks. `require` is looked at by the journey, when all is written.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from trivium.base.config import Settings
from trivium.base.errors import Interrupted, UserError
from trivium.base.hub import Base
from trivium.base.progress import Context, Progress
from trivium.evaluate.bias_settings import BiasSettings
from trivium.evaluate.privacy_settings import PrivacySettings
from trivium.task.asking import Asking
from trivium.task.declaration import PROMPTED, Task, WorldData, read_task

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from trivium.evaluate.readers import Reader
    from trivium.generate import Generator
    from trivium.predict.encoder import Encoder

NEEDS = ("gather", "tokenize", "pretrain")
WANTS = ("finetune", "reward", "align", "align-*")
MODELS = ("pretrain", "finetune", "align")
NOT_IN_KEY = ("require",)
MASKED_ROWS = 8  # in a group of the bootstrap


class Requirement(Settings):
    """What a score must be for the run not to fail."""

    score: str = Field(description="its name in scores.json, such as instructions or shots/TASK/4")
    stage: str = Field(default="", description="the model; the newest that has the score if not given")
    at_least: float | None = Field(default=None, description="lower bound")
    at_most: float | None = Field(default=None, description="upper bound")
    bound: Literal["value", "low", "high"] = Field(
        default="value", description="of the score: itself, or an end of its 95% interval"
    )
    no_worse_than: Path | None = Field(
        default=None, description="a finished run: worse only where both intervals lie apart"
    )
    better: Literal["higher", "lower"] = Field(default="higher", description="for no_worse_than: which way is better")

    @model_validator(mode="after")
    def _asks(self) -> Requirement:
        if self.at_least is None and self.at_most is None and self.no_worse_than is None:
            raise ValueError("it asks for nothing; give at_least, at_most or no_worse_than")
        return self


class EvaluateSettings(Settings):
    """How much is measured."""

    instructions: int = Field(default=1000, ge=1, description="held-out instructions that are answered")
    requests: int = Field(default=400, ge=1, description="held-out open requests for the win rate")
    samples: int = Field(
        default=8, ge=0, description="instructions, and as many open requests, shown through every model"
    )
    length: int = Field(default=128, ge=8, description="tokens in a row of validation text")
    max_new_tokens: int = Field(default=48, ge=1, description="length limit of an answer, in tokens")
    temperature: float = Field(default=1.0, gt=0, description="at which open requests are answered")
    best_of: int = Field(
        default=8,
        ge=0,
        description="answers of the tuned model, of which the reward model picks one, beside the aligned; 0: none",
    )
    tasks: tuple[Path | Task, ...] = Field(
        default=(), description="asked in words, without training: declarations, or YAML files that hold them"
    )
    asking: Asking = Asking(shots=(0, 4), items=200)
    bias: BiasSettings | None = Field(default=None, description="which bias sets are measured; none: no bias is")
    privacy: PrivacySettings | None = Field(default=None, description="what the models remember; none: it is not asked")
    texts: dict[str, Path] = Field(
        default={}, description="further texts by name, .jsonl or plain; bits per byte of every model on each"
    )
    base: Base | None = Field(
        default=None,
        description="a model (its folder, or {hub: owner/name}) whose bits per byte are told beside, such as pretrain.base",
    )
    require: tuple[Requirement, ...] = Field(default=(), description="what makes the run fail, told in a table")


def named_tasks(settings: EvaluateSettings) -> dict[str, Task]:
    """The tasks by name: the file's, the world's, or task-NUMBER. Raises RecipeError or UserError where one is at fault."""
    found: dict[str, Task] = {}
    for number, given in enumerate(settings.tasks, 1):
        task = given if isinstance(given, Task) else read_task(given)
        data = task.data
        name = data.task if isinstance(data, WorldData) else f"task-{number}"
        name = name if isinstance(given, Task) else given.stem
        if name in found:
            raise UserError(f"evaluate.tasks: two are called '{name}'; give one of the files another name")
        found[name] = task
    return found


def depends_on(settings: EvaluateSettings) -> Any:
    """The content of the files that the tasks' own files name."""
    from trivium.base.files import hash_file
    from trivium.data.find import files_at

    held: dict[str, dict[str, str]] = {}
    for given in settings.tasks:
        if isinstance(given, Path):
            paths = [path for path in vars(read_task(given).data).values() if isinstance(path, Path)]
            held[given.name] = {file.name: hash_file(file) for path in paths for file in files_at(path)}
    return held or None


def check(settings: EvaluateSettings, sections: Mapping[str, Any]) -> list[str]:
    """What can be known to be wrong before there is any model, a sentence each."""
    from trivium.data.tasks import faults_of

    faults = []
    try:
        tasks = named_tasks(settings)
    except UserError as error:
        tasks, faults = {}, str(error).splitlines()
    if settings.bias:
        from trivium.evaluate.bias import read_all

        try:
            read_all(settings.bias)
        except UserError as error:
            faults.append(str(error))
    for name, task in tasks.items():
        if task.views.prompt is None and task.views.cloze is None:
            kinds = ", ".join(PROMPTED)
            faults.append(
                f"tasks: '{name}' has no views.prompt and no views.cloze; {kinds} tasks can be asked in words"
            )
        faults += faults_of(task)
    for one in settings.require:
        run = one.no_worse_than
        if run is not None and not (run / "evaluate" / "scores.json").is_file():
            faults.append(f"require: {run} is no run with a finished evaluate; give one for no_worse_than")
    if "pretrain" in sections:
        if sections["pretrain"].objective == "masked" and (settings.texts or settings.base):
            faults.append(
                "texts and base are measured in bits per byte, which masked models have none of; leave them out"
            )
        faults += _length_faults(settings.length, sections["pretrain"].model.max_positions)
    return faults


def _length_faults(length: int, limit: int) -> list[str]:
    told = f"length is {length}; the model reads at most {limit} tokens: lower it or raise pretrain.model.max_positions"
    return [told] if length > limit else []


def run(settings: EvaluateSettings, context: Context) -> dict[str, Any]:
    """Measure, and write the figures. Returns the headline ones."""
    from trivium.base.files import write_json, write_jsonl

    masked = is_masked(context.inputs["pretrain"])
    found = masked_run(settings, context) if masked else causal_run(settings, context)
    write_json(context.folder / "scores.json", {"scores": found.scores, "seed": context.seed})
    write_jsonl(context.folder / "samples.jsonl", found.samples)
    if found.curves:
        write_json(context.folder / "tasks.json", {"tasks": found.curves, "seed": context.seed})
    return found.figures


@dataclass
class Found:
    """What was measured, as it is written: score rows, samples, curves of tasks, headline figures."""

    scores: list[dict[str, Any]] = field(default_factory=list)
    samples: list[dict[str, Any]] = field(default_factory=list)
    curves: list[dict[str, Any]] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)


def is_masked(folder: Path) -> bool:
    """Whether the model in a folder fills gaps and does not write."""
    from trivium.base.files import read_json

    classes = read_json(folder / "config.json").get("architectures") or [""]
    return str(classes[0]).endswith(("ForMaskedLM", "ForPreTraining"))


def causal_run(settings: EvaluateSettings, context: Context) -> Found:
    """The measures of models that write."""
    from trivium.evaluate.fairness import fairness_scores
    from trivium.evaluate.further import further_scores, valid_rows
    from trivium.evaluate.instructions import free_rows, read_heldout, score_instructions
    from trivium.evaluate.readers import CausalReader
    from trivium.evaluate.samples import pick, sample_of, with_changes
    from trivium.generate import load_generator

    models = [name for name in MODELS if name in context.inputs]
    models += [name for name in context.inputs if name.startswith("align-")]
    generators = {name: load_generator(context.inputs[name], context.device, context.threads) for name in models}
    tell = _Teller(context, len(models) * (2 + len(settings.tasks)) + 1)
    found = Found()
    for name in models:
        tell()
        if faults := _length_faults(settings.length, generators[name].model.shape.max_positions):
            raise UserError(f"evaluate: {faults[0]}")
        own = generators[name]
        found.scores += valid_rows(name, own.model, own.tokenizer, settings.length, context)
        found.figures["valid_bits_per_byte"] = found.scores[-1]["value"]  # the newest model's
    told = {name: one.model for name, one in generators.items()}
    tokenizer = generators["pretrain"].tokenizer
    found.scores += further_scores(settings.texts, settings.base, told, tokenizer, settings.length, context)
    items = read_heldout(context.inputs["gather"] / "instructions" / "heldout.jsonl", settings.instructions)
    answers: dict[str, list[str]] = {}
    for name in models if items else ():
        tell()
        rows, answers[name] = score_instructions(
            name, generators[name], items, settings.max_new_tokens, chat=name != "pretrain"
        )
        found.scores += rows + free_rows(name, generators[name], items, answers[name], chat=name != "pretrain")
        found.figures[f"exact_{name}"] = rows[0]["value"]
    shown = ask_openly(generators, settings, context, found, tell)
    readers = {name: CausalReader(one, chat=name != "pretrain") for name, one in generators.items()}
    ask_tasks(settings, readers, context, found, tell)
    found.scores += fairness_scores(settings.bias, settings.privacy, generators, context)
    closed = [sample_of(item, {name: answers[name][number] for name in answers}) for number, item in enumerate(items)]
    picked = pick(closed, settings.samples) + shown[: settings.samples]
    found.samples = [with_changes(one, generators) for one in picked]
    return found


def ask_openly(
    generators: Mapping[str, Generator],
    settings: EvaluateSettings,
    context: Context,
    found: Found,
    tell: Callable[[], None],
) -> list[dict[str, Any]]:
    """Put the held-out open requests to every model: those of the world to the simulated rater's true utility, the user's own
    to the reward model alone. Returns the samples; the scores go into `found`."""
    from trivium.data.intake import OWN_KIND
    from trivium.evaluate.instructions import prompt_ids
    from trivium.evaluate.own_requests import own_requests
    from trivium.evaluate.preferences import picked_rows, read_requests, win_rate
    from trivium.generate.sampling import Sampling
    from trivium.rl.judging import best_answers, reward_of

    requests = read_requests(context.inputs["gather"] / "prompts" / "heldout.jsonl", settings.requests)
    if not requests or "finetune" not in generators:
        return []
    tell()
    asked = settings.temperature, settings.max_new_tokens, context.seed
    own = [row for row in requests if row["kind"] == OWN_KIND]
    if own:
        judge = reward_of(context.inputs["reward"], context.device) if "reward" in context.inputs else None
        rows, shown = own_requests(generators, own, judge, *asked)
        found.scores += rows
    if len(own) == len(requests):
        found.figures |= {row["name"]: row["value"] for row in rows if row["stage"] == "align"}
        return shown
    requests = [row for row in requests if row["kind"] != OWN_KIND]
    rows, samples = win_rate(generators, requests, *asked)
    found.scores += rows
    found.figures |= {
        row["name"] + row["stage"].removeprefix("align"): row["value"] for row in rows if row["stage"] != "finetune"
    }
    if settings.best_of > 1 and "reward" in context.inputs:
        prompts = [prompt_ids(generators["finetune"], row["messages"], chat=True) for row in requests]
        sampling = Sampling(settings.max_new_tokens, settings.temperature)
        best = best_answers(
            generators["finetune"], prompts, context.inputs["reward"], settings.best_of, sampling, context.seed
        )
        picked = picked_rows(f"finetune, best of {settings.best_of}", best, samples)
        found.scores += picked
        found.figures["win_rate_best_of"] = picked[-1]["value"]
    return samples if not own else [one for pair in zip(shown, samples, strict=False) for one in pair]


def masked_run(settings: EvaluateSettings, context: Context) -> Found:
    """The measures of a masked model."""
    from trivium.evaluate.fairness import fairness_scores
    from trivium.evaluate.readers import MaskedReader
    from trivium.predict.encoder import load_encoder

    encoder = load_encoder(context.inputs["pretrain"], context.device, context.threads)
    tell = _Teller(context, 1 + len(settings.tasks))
    found = Found()
    tell()
    found.scores = gap_scores(encoder, settings, context)
    found.figures = {row["name"]: row["value"] for row in found.scores}
    ask_tasks(settings, {"pretrain": MaskedReader(encoder)}, context, found, tell)
    found.scores += fairness_scores(settings.bias, settings.privacy, {"pretrain": encoder}, context)
    return found


class _Teller:
    """Says how far it is before each part, and stops where that is wanted."""

    def __init__(self, context: Context, parts: int) -> None:
        self.context, self.parts, self.done = context, parts, 0

    def __call__(self) -> None:
        self.context.report(Progress("evaluate", self.done, self.parts, unit="parts"))
        self.done += 1
        if self.context.stopping():
            raise Interrupted("stopped while measuring; the same command measures again")


def ask_tasks(
    settings: EvaluateSettings, readers: Mapping[str, Reader], context: Context, found: Found, tell: Callable[[], None]
) -> None:
    """Put every task to every model; the curves go into `found`, and the main score of each number of examples."""
    from trivium.data.tasks import read
    from trivium.evaluate.in_context import ask, recommender_rows, score_rows

    for name, task in named_tasks(settings).items():
        splits = read(task, context.seed)
        for stage, reader in readers.items():
            tell()
            asked = splits.test or splits.valid
            curve = ask(task, splits.names, reader, splits.train, asked, settings.asking)
            found.curves.append({"name": name, "stage": stage, **curve.as_dict()})
            found.scores += score_rows(name, stage, curve)
        found.scores += recommender_rows(name, splits.train, splits.test or splits.valid, settings.asking)


def gap_scores(encoder: Encoder, settings: EvaluateSettings, context: Context) -> list[dict[str, Any]]:
    """What a masked model makes of the validation text at a mask that never changes, as it was measured in training."""
    from trivium.base.device import choose_machine
    from trivium.base.files import read_json
    from trivium.data.masked import MaskedRows, fixed_batches
    from trivium.data.masking_settings import MaskSettings
    from trivium.data.shards import Shard
    from trivium.evaluate.masked import masked_estimates
    from trivium.evaluate.scores import score_row

    taught = read_json(context.inputs["pretrain"] / "trivium" / "stage.json")["settings"]
    shard = Shard(context.inputs["tokenize"] / "valid", encoder.tokenizer.sha256)
    masking = MaskSettings.model_validate(taught["masking"])
    rows = MaskedRows(shard, encoder.tokenizer, masking, taught["pairs"], taught["length"], 0)
    machine = choose_machine(context.device, context.threads, "float32")
    found = masked_estimates(encoder.model, fixed_batches(rows, MASKED_ROWS, None), machine)
    note = "the whole validation text, hidden tokens that never change"
    return [score_row(name, "pretrain", one, unit, note) for name, (one, unit) in found.items()]
