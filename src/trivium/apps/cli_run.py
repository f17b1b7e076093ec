"""`trivium run`, the stages by name, and `trivium check`."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console

from trivium.apps.cli_options import AlignOptions, StageOptions
from trivium.apps.display import display_for
from trivium.apps.ranks import ranks_here
from trivium.apps.stopping import Stopping
from trivium.base.errors import RecipeError
from trivium.journey.assistant import only_reads
from trivium.journey.check import check
from trivium.journey.follow import Lead, follow
from trivium.journey.graph import STAGES, is_named, with_named
from trivium.journey.recipe import read_recipe
from trivium.journey.rounds import run_rounds
from trivium.journey.runner import Scope
from trivium.journey.runs import is_run, models_of


def run_recipe(options: StageOptions, until: str | None) -> None:
    """Run a recipe, wholly or up to a stage, show how it goes, and say what to do next.

    Of the processes of a job the first one does; the others follow it."""
    ranks = ranks_here()
    if not ranks.first:
        with Stopping(quiet=True) as stopping:
            follow(ranks, stopping)
        return
    with Lead(ranks) as lead:
        _lead(options, until, lead)


def _lead(options: StageOptions, until: str | None, lead: Lead) -> None:
    for stage in [*(options.redo or []), *([until] if until else [])]:
        if stage not in with_named([stage]):
            raise RecipeError(f"there is no stage '{stage}'; the stages are {', '.join(STAGES)}")
    goes_on = options.recipe.is_dir() and is_run(options.recipe)
    path = options.recipe / "recipe.yaml" if goes_on else options.recipe
    recipe = read_recipe(path, _overrides(options))
    if options.accept:
        followers = [name for name, settings in recipe.sections.items() if hasattr(settings, "accept")]
        recipe = read_recipe(path, [*_overrides(options), *(f"{name}.accept=true" for name in followers)])
    folder = options.recipe if goes_on and not options.name else options.runs / recipe.name
    console = Console()
    scope = Scope(until=until, redo=frozenset(options.redo or []), verify=options.verify)
    with Stopping() as stopping, display_for(console) as display:
        results = run_rounds(recipe, folder, report=display, stopping=stopping, scope=scope, lead=lead)
    console.print(f"\nreport   {folder / 'report.html'}", highlight=False, soft_wrap=True)
    for result in results:
        if is_named(result.stage, "finetune"):
            name = result.stage.partition("-")[2]
            console.print(f'ask      trivium predict {folder} --task {name} "..."', highlight=False, soft_wrap=True)
    models = [name for name in models_of([result.stage for result in results]) if not only_reads(folder / name)]
    if models:
        console.print(f"talk     trivium chat {folder}", highlight=False, soft_wrap=True)
    if len(models) > 1:
        console.print(f'compare  trivium compare {folder} --prompt "..."', highlight=False, soft_wrap=True)


def _overrides(options: StageOptions) -> list[str]:
    rounds = options.rounds if isinstance(options, AlignOptions) else None
    own = {
        "rounds": rounds,
        "name": options.name,
        "device": options.device,
        "threads": options.threads,
        "parallel": options.parallel,
    }
    if options.strict:
        own["gather.strict"] = True
    return [*(options.set or []), *(f"{key}={json.dumps(value)}" for key, value in own.items() if value is not None)]


def check_recipe(path: Path, overrides: list[str], runs: Path, name: str | None, show_mask: bool) -> None:
    """Print what the recipe would do; raise RecipeError with all that is wrong with it."""
    overrides = [*overrides, *([f"name={json.dumps(name)}"] if name else [])]
    faults = check(path, overrides)
    if faults:
        raise RecipeError("\n".join(faults))
    recipe = read_recipe(path, overrides)
    folder = runs / recipe.name
    print(f"{path}: nothing wrong; it runs {', '.join(recipe.sections)} in {folder}")
    if show_mask:
        from trivium.apps.mask import draw_mask

        draw_mask(recipe, folder, Console())
