"""`trivium plan` and its options."""

from __future__ import annotations

from dataclasses import dataclass
from json import dumps
from pathlib import Path
from typing import Annotated

import typer

from trivium.apps.cli_options import RecipePath, RunsFolder, RunsName, SetValues

Device = Annotated[
    str,
    typer.Option("--device", metavar="NAME", help="auto, cpu or cuda for this machine; h200, h100, a100, l40s, ..."),
]
Gpus = Annotated[int, typer.Option("--gpus", min=1, max=100_000, help="How many of them.")]
AsJson = Annotated[bool, typer.Option("--json", help="For machines.")]
Price = Annotated[float | None, typer.Option("--price", min=0, metavar="USD", help="Dollars for a device and hour.")]
Budget = Annotated[
    str | None,
    typer.Option("--budget", metavar="30m|8h|2d|500usd", help="Also tell the best model for so much time or money."),
]
Utilisation = Annotated[
    float | None,
    typer.Option("--utilisation", min=0.01, max=1, metavar="SHARE", help="Share of a peak that training reaches."),
]


@dataclass(frozen=True)
class PlanOptions:
    """What `trivium plan` takes."""

    recipe: RecipePath
    set: SetValues = None
    device: Device = "auto"
    gpus: Gpus = 1
    price: Price = None
    budget: Budget = None
    utilisation: Utilisation = None
    runs: RunsFolder = Path("runs")
    name: RunsName = None
    json: AsJson = False


def plan(options: PlanOptions) -> None:
    """Say what a recipe will need, before anything is spent: memory, tokens, hours, money."""
    from trivium.apps.planning import budget_seconds, plan_recipe
    from trivium.journey.hardware import UTILISATION
    from trivium.journey.plan import Ask

    budget, price = options.budget, options.price
    ask = Ask(
        device=options.device.lower(),
        devices=options.gpus,
        price=price,
        budget=None if budget is None else budget_seconds(budget, price, options.gpus),
        utilisation=UTILISATION if options.utilisation is None else options.utilisation,
    )
    overrides = [*(options.set or []), *([f"name={dumps(options.name)}"] if options.name else [])]
    plan_recipe(options.recipe, overrides, options.runs, ask, as_json=options.json)
