"""Transfer: how much labelled data pre-training saves on one task.

The same items, from a few labels to all, taught in several ways: `scratch` (random weights), `frozen` (the pre-trained body,
only the head learns), `lora` (low-rank changes), `full` (everything learns); shown and not taught: `few_shot` (some of the
items stand in the prompt) and `zero_shot` (none does); beside baselines that need no pre-training. Every way meets the same
items at the same seed; learning rates, where several are given, are chosen for each way and budget on as many validation
items as there are labels. Each training leaves a file in points/, so an interrupted stage goes on with the next.
Leaves transfer.json: curves with intervals over seeds, trained numbers, seconds, and the answer in a sentence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from trivium.base.errors import Interrupted, UserError
from trivium.base.progress import Context, Progress
from trivium.task.asking import Asking, Scoring
from trivium.task.declaration import ClozeView, PromptView, Task, Views, WorldData, declared
from trivium.tune.settings import TuningSettings

if TYPE_CHECKING:
    from trivium.data.tasks import Splits
    from trivium.task.items import Item
    from trivium.tune.setup import Setup

NEEDS = ("pretrain",)
Arm = Literal["scratch", "frozen", "lora", "full", "few_shot", "zero_shot"]
EVERY: tuple[Arm, ...] = ("scratch", "frozen", "lora", "full", "few_shot", "zero_shot")
_WORDS = {"positive": "wonderful", "negative": "terrible", "neutral": "ordinary"}
MOOD = Task(
    kind="classify",
    data=WorldData(task="sentiment"),
    views=Views(
        prompt=PromptView(template="{text} All in all, it is", target=" {label}.", words=_WORDS),
        cloze=ClozeView(template="{text} All in all, it is [MASK].", words=_WORDS),
    ),
)
FEWEST = 8  # items that a learning rate is chosen on, at least


class TransferSettings(TuningSettings):
    """The task, the ways to it, the budgets of labels, and how often each is repeated."""

    task: Task | Path | None = Field(
        default=None, description="the task's declaration, or a YAML file that holds it; none: sentiment in the world"
    )
    arms: tuple[Arm, ...] | None = Field(
        default=None, min_length=1, description="the ways that are compared; none: all that task and model allow"
    )
    budgets: tuple[int, ...] = Field(default=(8, 32, 128, 512), min_length=1, description="numbers of labels")
    whole: bool = Field(default=True, description="also with all training items")
    seeds: int = Field(default=3, ge=2, description="draws of the items and of the weights, for each way and budget")
    items: int = Field(default=500, ge=8, description="test items that each is measured on")
    rates: tuple[float, ...] = Field(
        default=(), description="learning rates to choose from by validation items; none: the optimizer's"
    )

    shots: int = Field(default=8, ge=1, description="examples in a prompt of few_shot, where there are so many labels")
    scoring: Scoring = Field(default="calibrated", description="how options compare for few_shot and zero_shot")

    @model_validator(mode="after")
    def _ways(self) -> TransferSettings:
        if self.arms is not None and len(set(self.arms)) < len(self.arms):
            raise ValueError("arms: name each way once")
        if list(self.budgets) != sorted(set(self.budgets)) or self.budgets[0] < 2:
            raise ValueError("budgets: rising numbers of labels, the first at least 2")
        if any(rate <= 0 for rate in self.rates):
            raise ValueError("rates: learning rates are above 0")
        if self.optimizer.name != "adamw":
            raise ValueError(f"optimizer.name is {self.optimizer.name}; the ways are compared by adamw alone")
        if self.early_stopping is not None:
            raise ValueError("early_stopping: few labels leave nothing to stop by; leave it out")
        if self.method != "full":
            raise ValueError(f"method: here it is told by arms; leave it out and set arms: [{self.method}]")
        return self


@dataclass(frozen=True)
class Work:
    """One training that is to be measured."""

    arm: str
    labels: int
    seed: int

    @property
    def file(self) -> str:
        return f"{self.arm}-{self.labels}-{self.seed}.json"


def depends_on(settings: TransferSettings) -> Any:
    """The content of the files that the task's own file names."""
    from trivium.data.tasks import contents_of

    return contents_of(settings.task or MOOD)


def check(settings: TransferSettings, sections: Mapping[str, Any]) -> list[str]:
    """What can be known to be wrong before there is a model, a sentence each."""
    from trivium.data.tasks import faults_of
    from trivium.evaluate.measures import library_faults

    try:
        task = declared(settings.task or MOOD)
    except UserError as error:
        return str(error).splitlines()
    pretrain = sections.get("pretrain")
    causal = None if pretrain is None or pretrain.base is not None else pretrain.objective == "causal"
    faults = [*settings.faults(task), *_missing_ways(settings, task, causal)]
    return [*faults, *faults_of(task), *library_faults(task)]


def _missing_ways(settings: TransferSettings, task: Task, causal: bool | None) -> list[str]:
    """Of the ways that were named those that do not exist, a sentence each."""
    from trivium.evaluate.transfer import missing_way

    told = {arm: missing_way(arm, task, settings.by_head(task), causal) for arm in settings.arms or ()}
    return [f"arms has {arm}; {why}: leave {arm} out" for arm, why in told.items() if why]


def ways_of(settings: TransferSettings, task: Task, causal: bool) -> tuple[Arm, ...]:
    """The ways that are compared. Raises UserError for one that was named and does not exist."""
    from trivium.evaluate.transfer import missing_way

    if faults := _missing_ways(settings, task, causal):
        raise UserError(f"transfer: {faults[0]}")
    by_head = settings.by_head(task)
    return settings.arms or tuple(arm for arm in EVERY if not missing_way(arm, task, by_head, causal))


def run(settings: TransferSettings, context: Context) -> dict[str, Any]:
    """Train and measure every way at every budget. Returns the headline figures."""
    from trivium.base.device import choose_machine
    from trivium.base.files import write_json
    from trivium.data.tasks import read
    from trivium.evaluate.measures import main_score
    from trivium.evaluate.transfer import summary
    from trivium.model.folder import load
    from trivium.tokenizer import Tokenizer
    from trivium.tune.setup import Setup

    task, source = declared(settings.task or MOOD), context.inputs["pretrain"]
    splits = read(task, context.seed)
    precision = _precision(context, settings.precision)
    machine = choose_machine(context.device, context.threads, precision, compiling=context.compile)
    setup = Setup(settings, task, splits.names, source, Tokenizer.load(source), machine, context.seed)
    budgets = [labels for labels in settings.budgets if labels < len(splits.train)]
    budgets += [len(splits.train)] if settings.whole or not budgets else []
    plan = _plan(ways_of(settings, task, load(source).shape.causal), budgets, settings.seeds)
    rows = list(_measured(settings, setup, splits, plan, context))
    content = {
        "kind": task.kind,
        **summary(rows, main_score(task)),
        "measured_on": "test" if splits.test else "valid",
        "items": min(settings.items, len(splits.test or splits.valid)),
        "seeds": settings.seeds,
        "rows": rows,
        **splits.facts,
    }
    write_json(context.folder / "transfer.json", content)
    figures: dict[str, Any] = {f"gain_{row['labels']}": row["value"] for row in content["gains"]}
    figures |= {row["arm"]: row["value"] for row in rows if row["arm"] == "zero_shot"}
    return figures | {"trainings": len(rows), "precision": str(machine.dtype).removeprefix("torch.")}


def _precision(context: Context, otherwise: str) -> str:
    """What the first training chose; an interrupted stage goes on in the same one."""
    from trivium.base.device import choose_machine
    from trivium.base.files import read_json, write_json

    path = context.folder / "trivium" / "precision.json"
    if not path.exists():
        chosen = choose_machine(context.device, context.threads, otherwise)
        write_json(path, {"precision": chosen.facts()["precision"]})
    return str(read_json(path)["precision"])


def _plan(ways: Sequence[Arm], budgets: Sequence[int], seeds: int) -> list[Work]:
    """Every way at every budget and seed; without labels there is one, the same at every seed."""
    taught = [arm for arm in ways if arm != "zero_shot"]
    plan = [Work(arm, labels, seed) for labels in budgets for seed in range(seeds) for arm in taught]
    plan += [Work("zero_shot", 0, 0)] if "zero_shot" in ways else []
    return plan + [Work("baselines", labels, seed) for labels in budgets for seed in range(seeds)]


def _measured(
    settings: TransferSettings, setup: Setup, splits: Splits, plan: Sequence[Work], context: Context
) -> Iterator[dict[str, Any]]:
    """A row for every work of the plan, done where there is none yet."""
    from trivium.base.files import read_json, write_json

    makers = {"baselines": _baselines, "few_shot": _asked, "zero_shot": _asked}
    for number, work in enumerate(plan):
        path = context.folder / "points" / work.file
        if not path.exists():
            if context.stopping():
                raise Interrupted(
                    f"stopped after {number} of {len(plan)} trainings; the same command goes on with the next"
                )
            note = f"{work.labels:,} labels, {work.arm}, draw {work.seed + 1}"
            context.report(Progress(context.folder.name, number, len(plan), "trainings", note=note))
            write_json(path, makers.get(work.arm, _trained)(settings, setup, splits, work, context))
        yield from read_json(path)


def _trained(
    settings: TransferSettings, setup: Setup, splits: Splits, work: Work, context: Context
) -> list[dict[str, Any]]:
    """The row of one training; at the first seed the learning rate is chosen, the others take it over."""
    from trivium.base.files import read_json
    from trivium.data.tasks import few

    own = replace(setup, seed=setup.seed + work.seed)
    items = few(splits.train, work.labels, own.seed)
    asked = (splits.test or splits.valid)[: settings.items]
    rate, tried = settings.optimizer.adam_learning_rate, []
    if settings.rates and work.seed:
        rate = read_json(context.folder / "points" / replace(work, seed=0).file)[0]["rate"]
    elif settings.rates:
        judges = few(splits.valid, max(FEWEST, work.labels), own.seed)
        tried = [_one(own, work.arm, one, items, judges, context)["value"] for one in settings.rates]
        rate = settings.rates[tried.index(max(tried))]
    row = _one(own, work.arm, rate, items, asked, context)
    return [{"arm": work.arm, "labels": work.labels, "seed": work.seed, "rate": rate, "tried": tried, **row}]


def _one(
    setup: Setup, arm: str, rate: float, items: Sequence[Item], asked: Sequence[Item], context: Context
) -> dict[str, Any]:
    """Train one way at a learning rate, and measure it on `asked`."""
    from trivium.evaluate.measures import main_score
    from trivium.evaluate.prompted import reader_of
    from trivium.evaluate.tasks import score
    from trivium.evaluate.transfer import ARMS
    from trivium.tune.training import trial

    start, method = ARMS[arm]
    optimizer = setup.settings.optimizer.model_copy(update={"adam_learning_rate": rate})
    chosen = setup.settings.model_copy(update={"method": method, "optimizer": optimizer})
    own = replace(setup, settings=chosen)
    found = trial(own, items, "random" if start == "random" else "pretrained", context)
    reader = reader_of(found.model, own.tokenizer, own.task, own.names, own.machine if own.by_head else None)
    value = score(own.task, own.names, reader, asked).scores[main_score(own.task)].value
    return {"value": value, "parameters": found.parameters, "seconds": round(found.seconds, 3)}


def _asked(
    settings: TransferSettings, setup: Setup, splits: Splits, work: Work, context: Context
) -> list[dict[str, Any]]:
    """The row of the pre-trained model asked in words, with as many of the labelled items in the prompt as `shots` says. What
    has no label is asked once, so it brings the interval over items; `shown` examples were read by the model on average."""
    import time

    from trivium.data.tasks import few
    from trivium.evaluate.in_context import ask
    from trivium.evaluate.readers import load_reader

    asked = (splits.test or splits.valid)[: settings.items]
    groups = {item.group for item in asked}
    pool = few(splits.train, work.labels, setup.seed + work.seed) if work.labels else []
    pool = [item for item in pool if item.group not in groups]
    shots = min(settings.shots, len(pool))
    asking = Asking(shots=(shots,), seeds=1, items=settings.items, scoring=settings.scoring)
    started = time.monotonic()
    reader = load_reader(setup.source, context.device, context.threads)
    curve = ask(setup.task, setup.names, reader, pool, asked, asking)
    point = curve.points[0]
    told = point.scores[curve.main]
    row = {"arm": work.arm, "labels": work.labels, "seed": work.seed, "value": told.value, "parameters": 0}
    row |= {"seconds": round(time.monotonic() - started, 3), "scoring": curve.main, "view": curve.view}
    row["shown"] = shots - point.left_out / (told.items * len(point.draws))
    return [row if work.labels else row | {"low": told.low, "high": told.high, "items": told.items}]


def _baselines(
    settings: TransferSettings, setup: Setup, splits: Splits, work: Work, context: Context
) -> list[dict[str, Any]]:
    """A row for every baseline of the task's kind, on the same items."""
    import time

    from trivium.data.tasks import few
    from trivium.evaluate.measures import main_score
    from trivium.evaluate.tasks import baselines

    items = few(splits.train, work.labels, setup.seed + work.seed)
    started = time.monotonic()
    found = baselines(setup.task, setup.names, items, (splits.test or splits.valid)[: settings.items])
    seconds = round(time.monotonic() - started, 3)
    shared = {"labels": work.labels, "seed": work.seed, "parameters": None, "seconds": seconds}
    return [
        {"arm": name, "value": scored.scores[main_score(setup.task)].value, **shared} for name, scored in found.items()
    ]
