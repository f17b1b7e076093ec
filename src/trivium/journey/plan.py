"""What a recipe will need before anything is spent: memory by component, tokens, steps, operations, hours, money.

Memory comes from the real model and a rehearsed step (`train.memory`). Time comes from a few measured steps where the
device is this machine's own; for one that is not here from its peak and a stated share of it (`journey.hardware`). Stages
whose length depends on what a model says (rating, reward, alignment) are named as not planned.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trivium.base.errors import RunError, UserError
from trivium.base.memory import free_bytes, resident_bytes
from trivium.journey.graph import STAGES, StageTable, in_order, with_named
from trivium.journey.hardware import ACCELERATORS, OPERATION_SECONDS, SCALING, UTILISATION
from trivium.journey.recipe import Recipe

if TYPE_CHECKING:
    from trivium.base.device import Machine
    from trivium.train.memory import Memory
    from trivium.train.probe import Speed
    from trivium.train.workload import Outlook, Workload

BYTES_PER_TOKEN = 3.5  # where the text has not been cut into tokens yet; English, a vocabulary of a few thousand
TOKENS_PER_WEIGHT = 20  # what a model of a size is worth training on (Hoffmann et al. 2022, table 3)
LOCAL = ("auto", "cpu", "cuda")
Prober = Callable[["Workload", "Machine"], "Speed"]


@dataclass(frozen=True)
class Ask:
    """What to plan for: `device` is one of this machine ('auto', 'cpu', 'cuda') or a name of `ACCELERATORS`; `price` is in
    dollars per device and hour, `budget` in seconds; `utilisation` is the share of a peak that training reaches."""

    device: str = "auto"
    devices: int = 1
    price: float | None = None
    budget: float | None = None
    utilisation: float = UTILISATION


@dataclass(frozen=True)
class Target:
    """A device: `bytes` can be used on it; `flops` is its peak, None where speed is measured on it."""

    name: str
    kind: str
    bytes: float
    flops: float | None
    precision: str
    machine: Machine | None = None


@dataclass(frozen=True)
class StagePlan:
    """A stage on the target. `memory` is what one device needs where each has everything, `sharded` where what is kept is
    divided over them; `rows` are those of a forward pass, `most_rows` the most that fit (0: not one); `seconds` is None
    where it does not fit and so could not be measured."""

    stage: str
    parameters: int
    steps: int
    tokens: int
    epochs: float | None
    flops: float
    memory: Memory
    sharded: Memory | None
    rows: int
    most_rows: int
    step_seconds: float | None
    seconds: float | None
    assumed: str = ""


@dataclass(frozen=True)
class Optimum:
    """The model and tokens that a budget is best spent on, and what a recipe would say for them."""

    flops: float
    parameters: int
    tokens: int
    settings: Mapping[str, int]


@dataclass(frozen=True)
class Plan:
    """The stages that can be planned, in order, and the names of those that cannot."""

    recipe: str
    target: Target
    ask: Ask
    stages: tuple[StagePlan, ...]
    unplanned: tuple[str, ...]
    optimum: Optimum | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def seconds(self) -> float | None:
        """Of all planned stages together; None where one of them could not be told."""
        times = [stage.seconds for stage in self.stages]
        return None if None in times else sum(time for time in times if time is not None)

    @property
    def cost(self) -> float | None:
        """Dollars, for all devices; None without a price."""
        if self.ask.price is None or self.seconds is None:
            return None
        return self.seconds / 3600 * self.ask.devices * self.ask.price


def plan(
    recipe: Recipe, folder: Path, ask: Ask = Ask(), *, stages: StageTable = STAGES, prober: Prober | None = None
) -> Plan:
    """Plan `recipe`; `folder` is its run's, whose token shards are looked at if they are there.

    Raises UserError for a device that is not known, and RecipeError where the recipe asks for no stage that trains.
    """
    target = find_target(recipe, ask)
    modules = {stage.name: stage.module for stage in in_order(recipe.sections, with_named(recipe.sections, stages))}
    outlooks = {
        name: told
        for name, module in modules.items()
        if hasattr(module, "outlook") and (told := module.outlook(recipe.sections[name], recipe.sections)) is not None
    }
    if not outlooks:
        raise UserError("the recipe has no stage whose cost can be planned; add 'pretrain' with what it needs")
    planner = _Planner(target, ask, text_tokens(recipe, folder), prober)
    planned = tuple(planner.take(name, outlook) for name, outlook in outlooks.items())
    silent = (
        "gather",
        "tokenize",
        "evaluate",
    )  # which prepare and measure; what they cost does not depend on the device
    unplanned = tuple(name for name in modules if name not in outlooks and name not in silent)
    optimum = None
    if ask.budget is not None:
        first = planned[0]
        if first.seconds is None:
            raise UserError("a budget needs a recipe that fits on the device, to know its speed; make it smaller")
        work = next(iter(outlooks.values())).work
        optimum = best_for(ask.budget * first.flops / first.seconds, work)
    return Plan(recipe.name, target, ask, planned, unplanned, optimum, tuple(_notes(target, ask)))


def find_target(recipe: Recipe, ask: Ask) -> Target:
    """The device that is asked for. Raises UserError naming those that are known."""
    from trivium.base.device import choose_machine

    if ask.device in ACCELERATORS:
        known = ACCELERATORS[ask.device]
        return Target(known.name, "cuda", known.bytes, known.flops, "bfloat16")
    if ask.device not in LOCAL:
        raise UserError(
            f"device is '{ask.device}'; known: {', '.join(ACCELERATORS)}, and this machine's own as auto, cpu or cuda"
        )
    wanted = recipe.device if ask.device == "auto" else ask.device
    precision = getattr(recipe.sections.get("pretrain"), "precision", "auto")
    machine = choose_machine(wanted, recipe.threads, precision)
    narrow = str(machine.dtype).removeprefix("torch.")
    if machine.device.type == "cuda":
        import torch

        free, facts = torch.cuda.mem_get_info(machine.device)[0], torch.cuda.get_device_properties(machine.device)
        return Target(f"this machine's {facts.name}", "cuda", float(free), None, narrow, machine)
    if machine.device.type != "cpu":
        raise UserError(f"device is '{machine.device.type}', which cannot be planned for; give --device cpu")
    threads = f"{machine.threads} thread{'s' if machine.threads > 1 else ''}"
    return Target(f"this machine's processor, {threads}", "cpu", free_bytes(), None, narrow, machine)


def text_tokens(recipe: Recipe, folder: Path) -> tuple[float, float] | None:
    """Tokens of the training and of the validation text: those of the run's shards, or about as many as the sources'
    sizes promise; None without a gather section."""
    from trivium.base.files import read_json
    from trivium.data.sources import expected_bytes

    try:
        headers = [read_json(folder / "tokenize" / part / "shard.json") for part in ("train", "valid")]
        return float(headers[0]["tokens"]), float(headers[1]["tokens"])
    except (RunError, KeyError, TypeError, ValueError):
        gather: Any = recipe.sections.get("gather")
        if gather is None:
            return None
        tokens = sum(expected_bytes(source) for source in gather.sources) / BYTES_PER_TOKEN
        return tokens * (1.0 - gather.valid_share), tokens * gather.valid_share


class _Planner:
    """Plans one stage after another; what the first probe tells of this process holds for all."""

    def __init__(self, target: Target, ask: Ask, text: tuple[float, float] | None, prober: Prober | None) -> None:
        self.target, self.ask, self.text, self.prober = target, ask, text, prober
        self.process: float | None = None  # bytes held beside what a step needs, once that is measured

    def take(self, name: str, outlook: Outlook) -> StagePlan:
        """The plan of one stage."""
        from trivium.train.memory import bound, settled

        work = on_one_of(settled(outlook.work), self.ask.devices)
        tried = bound(work, self.target.kind) <= self.target.bytes
        speed = self._probe(work) if tried else None  # before the rehearsal loads its own
        most = work.rows if speed else most_rows(work.rows, lambda rows: self._need(work, rows) <= self.target.bytes)
        memory = self._memory(work)
        if most == work.rows:
            speed = speed or self._probe(work) or self._assumed(work, memory)
        scaling = 1.0 if self.ask.devices == 1 else SCALING
        step = seconds = None
        if speed is not None:
            step = speed.step / scaling
            looked = outlook.looked + (self.text[1] if self.text and outlook.reads_all else 0.0)
            looks = looked / (work.rows * work.length) / self.ask.devices
            seconds = speed.start + step * outlook.flops / outlook.work.flops + speed.look * looks
        return StagePlan(
            stage=name,
            parameters=round(memory.weights / 4),
            steps=outlook.steps,
            tokens=outlook.tokens,
            epochs=outlook.tokens / self.text[0] if self.text and self.text[0] and outlook.reads_all else None,
            flops=outlook.flops,
            memory=memory,
            sharded=memory.sharded(self.ask.devices, work) if self.ask.devices > 1 else None,
            rows=work.rows,
            most_rows=most,
            step_seconds=step,
            seconds=seconds,
            assumed=outlook.assumed,
        )

    def _probe(self, work: Workload) -> Speed | None:
        """Steps measured on this machine; None where the target is another."""
        from trivium.train.memory import estimate
        from trivium.train.probe import measure

        if self.target.machine is None:
            return None
        found = (self.prober or measure)(work, self.target.machine)
        if self.process is None and found.peak:
            counted = estimate(work, self.target.kind, self._dtype, process=0.0)
            self.process = max(0.0, found.peak - counted.total + counted.checkpoint)  # the probe writes none
        return found

    def _assumed(self, work: Workload, memory: Memory) -> Speed | None:
        """Steps at the assumed share of a known peak, or as fast as operations can be called."""
        from trivium.train.probe import Speed

        if self.target.flops is None:
            return None
        step = max(work.flops / (self.target.flops * self.ask.utilisation), memory.operations * OPERATION_SECONDS)
        return Speed(step, step / work.passes / 3.0)  # a forward pass is a third of a step

    def _memory(self, work: Workload) -> Memory:
        from trivium.train.memory import estimate

        return estimate(work, self.target.kind, self._dtype, self.process)

    def _need(self, work: Workload, rows: int) -> float:
        """Bytes that are not held already, with that many rows, shared out over the devices."""
        one = replace(work, rows=rows)
        memory = self._memory(one).sharded(self.ask.devices, one)
        return memory.total - (resident_bytes() if self.target.kind == "cpu" else 0.0)

    @property
    def _dtype(self) -> Any:
        import torch

        return getattr(torch, self.target.precision)


def on_one_of(work: Workload, devices: int) -> Workload:
    """One device's share of a step: its rows of the batch, in as many passes as before or fewer."""
    rows = math.ceil(work.rows * work.passes / devices)
    at_once = min(work.rows, rows)
    return replace(work, rows=at_once, passes=math.ceil(rows / at_once))


def most_rows(limit: int, fits: Callable[[int], bool]) -> int:
    """The largest number of rows up to `limit` that fits, by bisection; 0 where not even one does."""
    low, high = 0, limit
    while low < high:
        middle = high if high == limit and low == 0 else (low + high + 1) // 2  # most plans fit: look there first
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def best_for(flops: float, work: Workload) -> Optimum:
    """The decoder that is best trained with so many operations: tokens in proportion to weights, both as the square root of
    the operations (Hoffmann et al. 2022). Layers and width grow together, 64 of width a layer as in GPT-2."""
    options = [_shaped(work, layers) for layers in range(2, 129)]
    shape = min(options, key=lambda one: abs(math.log(_spent(one, work.length) / flops)))
    tokens = TOKENS_PER_WEIGHT * shape.matmul_parameters
    names = ("hidden_size", "num_layers", "num_heads", "num_kv_heads", "head_dim", "intermediate_size")
    settings = {f"pretrain.model.{name}": getattr(shape, name) for name in names}
    settings["pretrain.steps"] = max(1, round(tokens / work.tokens))
    return Optimum(flops, shape.matmul_parameters, tokens, settings)


def _shaped(work: Workload, layers: int) -> Any:
    width = 64 * layers
    head = 32 if width < 512 else 64
    heads = width // head
    return replace(
        work.shape,
        num_layers=layers,
        hidden_size=width,
        head_dim=head,
        num_heads=heads,
        num_kv_heads=heads,
        intermediate_size=3 * width,
    )


def _spent(shape: Any, length: int) -> float:
    """Operations of training a model on its share of tokens."""
    return float(shape.flops_per_token(length) * TOKENS_PER_WEIGHT * shape.matmul_parameters)


def _notes(target: Target, ask: Ask) -> list[str]:
    notes = []
    if target.flops is None:
        notes.append("time: steps measured here just now, on random tokens")
    else:
        notes.append(
            f"time: {ask.utilisation:.0%} of a peak of {target.flops / 1e12:.0f} TFLOP/s, at least "
            f"{OPERATION_SECONDS * 1e6:.0f} us an operation; assumed, not measured"
        )
    if ask.devices > 1:
        notes.append(f"several devices: {SCALING:.0%} of the speed of each, and the batch divided over them; assumed")
    return notes
