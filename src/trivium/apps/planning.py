"""`trivium plan`: the plan of a recipe as tables for people, or as JSON for machines."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from trivium.apps.figures import count, duration, size
from trivium.base.errors import UserError
from trivium.journey.plan import Ask, Plan, StagePlan, plan
from trivium.journey.recipe import read_recipe

UNITS = {"m": 60.0, "h": 3600.0, "d": 86_400.0}
TOO_SMALL = 5e4  # bytes: a component below it is not worth a line


def plan_recipe(path: Path, overrides: Sequence[str], runs: Path, ask: Ask, *, as_json: bool = False) -> None:
    """Plan a recipe and print it."""
    recipe = read_recipe(path, overrides)
    found = plan(recipe, runs / recipe.name, ask)
    if as_json:
        print(json.dumps(as_dict(found), indent=2))
    else:
        draw(found, Console())


def budget_seconds(text: str, price: float | None, devices: int) -> float:
    """Seconds that '30m', '8h', '2d' or '500usd' buys. Raises UserError where it is none of these."""
    match = re.fullmatch(r"([\d.]+) ?(m|h|d|usd)", text.strip().lower())
    try:
        value = float(match[1]) if match else 0.0
    except ValueError:
        value = 0.0
    if match is None or not value > 0:
        raise UserError(
            f"--budget {text}: write it as minutes, hours, days or dollars, for example 30m, 8h, 2d or 500usd"
        )
    if match[2] != "usd":
        return value * UNITS[match[2]]
    if not price:
        raise UserError("--budget in dollars needs --price, in dollars for an hour of one device")
    return value / price / devices * 3600.0


def as_dict(found: Plan) -> dict[str, Any]:
    """The plan in plain values: bytes, seconds, operations, dollars."""
    stages = {
        stage.stage: {
            **{
                field.name: getattr(stage, field.name)
                for field in dataclasses.fields(stage)
                if field.name not in ("stage", "memory", "sharded")
            },
            "memory": {**stage.memory.parts, "total": stage.memory.total},
            "sharded": None if stage.sharded is None else {**stage.sharded.parts, "total": stage.sharded.total},
        }
        for stage in found.stages
    }
    device = {"name": found.target.name, "bytes": found.target.bytes, "precision": found.target.precision}
    return {
        "recipe": found.recipe,
        "device": {**device, "count": found.ask.devices},
        "stages": stages,
        "unplanned": list(found.unplanned),
        "seconds": found.seconds,
        "dollars": found.cost,
        "optimum": None if found.optimum is None else dataclasses.asdict(found.optimum),
        "notes": list(found.notes),
    }


def draw(found: Plan, console: Console) -> None:
    """Print the plan, in 80 columns."""
    target, ask = found.target, found.ask
    several = f"{ask.devices} x " if ask.devices > 1 else ""
    console.print(f"[bold]{found.recipe}[/] on {several}{target.name}, {target.precision}\n", highlight=False)
    console.print(_work(found), highlight=False)
    console.print()
    console.print(_memory(found), highlight=False)
    console.print("at the worst moment of a step, in which not every part is at its largest\n", style="dim")
    for line in _verdicts(found):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _work(found: Plan) -> Table:
    """What is computed, a row a stage."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    names = ["stage", "weights", "steps", "tokens", "epochs", "operations", "tokens/s", "time"]
    names += ["cost"] if found.ask.price is not None else []
    for name in names:
        table.add_column(name, justify="left" if name == "stage" else "right")
    for stage in found.stages:
        about = "~" if stage.assumed else ""
        cells = [stage.stage, count(stage.parameters), f"{stage.steps:,}", about + count(stage.tokens)]
        cells.append("-" if stage.epochs is None else f"{stage.epochs:.2g}")
        cells.append(about + operations(stage.flops))
        if stage.seconds is None or stage.step_seconds is None:
            cells += ["-", "does not fit"]
        else:
            speed = stage.tokens / stage.steps / stage.step_seconds
            cells += [count(speed), about + duration(stage.seconds)]
        if found.ask.price is not None:
            price = found.ask.devices * found.ask.price / 3600
            cells.append("-" if stage.seconds is None else about + money(stage.seconds * price))
        table.add_row(*cells)
    return table


def _memory(found: Plan) -> Table:
    """What one device holds, a column a stage; two where the weights can be shared out."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("memory per device" if found.ask.devices > 1 else "memory")
    columns = []
    for stage in found.stages:
        both = [(stage.stage, stage.memory)]
        if stage.sharded is not None:
            both = [(f"{stage.stage}\neach has all", stage.memory), (f"{stage.stage}\nsharded", stage.sharded)]
        for name, memory in both:
            table.add_column(name, justify="right")
            columns.append(memory)
    for part in columns[0].parts:
        values = [column.parts[part] for column in columns]
        if max(values) >= TOO_SMALL:
            table.add_row(part, *map(size, values))
    table.add_row("total", *(size(column.total) for column in columns), style="bold")
    return table


def _verdicts(found: Plan) -> Iterator[str]:
    """Sentences: what fits, what it takes altogether, what is assumed, what the budget buys."""
    target = found.target
    for stage in found.stages:
        yield from _fits(stage, target.bytes, found.ask.devices)
    if found.seconds is not None:
        money_part = "" if found.cost is None else f", {money(found.cost)}"
        yield f"altogether {duration(found.seconds)}{money_part}"
    yield from found.notes
    for stage in found.stages:
        if stage.assumed:
            yield f"{stage.stage}: assumes {stage.assumed}"
    if found.unplanned:
        yield f"not planned, because it depends on the data or on what the model says: {', '.join(found.unplanned)}"
    if found.optimum is not None:
        best, work = found.optimum, found.stages[0]
        yield ""
        yield (
            f"the budget is {operations(best.flops)} at the speed of {work.stage}; best spent on about "
            f"{count(best.parameters)} weights and {count(best.tokens)} tokens:"
        )
        yield "  " + " \\\n  ".join(f"--set {name}={value}" for name, value in best.settings.items())


def _fits(stage: StagePlan, free: float, devices: int) -> Iterator[str]:
    rows = f"{stage.rows:,} row{'s' if stage.rows > 1 else ''} in a forward pass"
    if stage.most_rows == 0:
        yield f"{stage.stage}: does not fit into {size(free)} even with one row: a smaller model, or more devices"
    elif stage.most_rows < stage.rows:
        knob = "pretrain.micro_batch_size" if stage.stage == "pretrain" else f"{stage.stage}.tokens_per_step"
        yield f"{stage.stage}: {rows} do not fit into {size(free)}; {stage.most_rows:,} do: lower {knob}"
    elif stage.sharded is not None and stage.memory.total > free:
        yield f"{stage.stage}: fits into {size(free)} only sharded over the {devices} devices"
    else:
        yield f"{stage.stage}: fits into {size(free)} with {rows}"


def operations(value: float) -> str:
    """Floating-point operations as 1.3 TFLOP, 2.1 EFLOP, beyond that as a power of ten."""
    for limit, sign in ((1e21, ""), (1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G")):
        if value >= limit:
            return f"{value:.2g} FLOP" if not sign else f"{value / limit:.3g} {sign}FLOP"
    return f"{value / 1e6:.3g} MFLOP"


def money(value: float) -> str:
    """Dollars as $0.04, $12.30, $4,500."""
    return f"${value:,.2f}" if value < 100 else f"${value:,.0f}"
