"""`trivium evaluate`: a recipe's stage of that name, or a model or a run on tasks that are named on the command line."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trivium.apps.cli_options import SharedOptions, StageName, StageOptions
from trivium.base.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

    from trivium.evaluate.in_context import Curve
    from trivium.journey.measure import Place
    from trivium.task.asking import Asking

Targets = Annotated[
    list[Path],
    typer.Argument(metavar="RECIPE | MODEL-or-RUN...", help="A recipe; or one model or run; or two to compare."),
]
Tasks = Annotated[
    list[Path] | None, typer.Option("--task", metavar="FILE", help="A task's declaration; may be given several times.")
]
Shots = Annotated[
    str | None, typer.Option("--shots", metavar="0,1,4", help="Examples in the prompt, a score for each number.")
]
Draws = Annotated[int, typer.Option("--seeds", min=1, help="Draws of the examples, for each phrasing.")]
Items = Annotated[int | None, typer.Option("--items", min=1, help="Test items, at most.")]
Scorings = Annotated[
    str,
    typer.Option("--scoring", metavar="sum|per_token|per_character|calibrated|constrained|whole", help="Of options."),
]
View = Annotated[str, typer.Option("--view", metavar="auto|prompt|cloze", help="How the task is asked.")]
Free = Annotated[bool, typer.Option("--free", help="Let the model write instead of comparing options.")]
Chat = Annotated[
    bool | None, typer.Option("--chat/--no-chat", help="Ask in a conversation; as the stage was taught if not given.")
]
Harness = Annotated[
    str | None, typer.Option("--harness", metavar="TASK,TASK", help="Tasks of lm-evaluation-harness, by name.")
]
Include = Annotated[Path | None, typer.Option("--include", metavar="DIR", help="A folder with tasks of the harness.")]
Json = Annotated[bool, typer.Option("--json", help="Print everything as one JSON object.")]


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions(SharedOptions):
    """What `trivium evaluate` takes: all that a stage does, and how to ask a model."""

    targets: Targets
    task: Tasks = None
    shots: Shots = None
    seeds: Draws = 3
    items: Items = None
    scoring: Scorings = "sum"
    view: View = "auto"
    free: Free = False
    stage: StageName = None
    chat: Chat = None
    harness: Harness = None
    include: Include = None
    as_json: Json = False


def evaluate(options: EvaluateOptions) -> None:
    """Measure what each phase changed; or put tasks to any model, with and without examples."""
    first = options.targets[0]
    if not options.task and not options.harness and not (first / "config.json").is_file():
        from dataclasses import fields

        from trivium.apps.cli_run import run_recipe

        if len(options.targets) > 1:
            raise UserError("to compare two models or runs, say on what: --task FILE, or --harness NAME of its tasks")
        shared = {one.name: getattr(options, one.name) for one in fields(SharedOptions)}
        run_recipe(StageOptions(recipe=first, **shared), "evaluate")
        return
    if not options.task and not options.harness:
        raise UserError("say what to measure: --task FILE (a task's declaration), or --harness NAME of its tasks")
    from rich.console import Console

    from trivium.journey.measure import place_of

    places = [place_of(target, options.stage, options.runs, options.chat) for target in options.targets]
    told: dict[str, Any] = {}
    console = Console()
    for file in options.task or []:
        told[file.stem] = _task(file, places, options, console)
    if options.harness:
        told["harness"] = _harness(options.harness.split(","), places, options, console)
    if options.as_json:
        print(json.dumps(told, ensure_ascii=False))


def asking_of(options: EvaluateOptions) -> Asking:
    """How the tasks are to be asked. Raises RecipeError, naming what is wrong."""
    from trivium.base.config import validate
    from trivium.task.asking import Asking

    given: dict[str, Any] = {
        "seeds": options.seeds, "scoring": options.scoring, "view": options.view,
        "answers": "free" if options.free else "auto",
    }  # fmt: skip
    if options.shots is not None:
        given["shots"] = [int(part) if part.strip().isdigit() else part for part in options.shots.split(",")]
    if options.items is not None:
        given["items"] = options.items
    return validate(Asking, given, "the command line")


def _task(file: Path, places: list[Place], options: EvaluateOptions, console: Console) -> Any:
    from trivium.journey.measure import against, measure
    from trivium.task.declaration import read_task

    curves = measure(read_task(file), places, asking_of(options), device=options.device or "auto", seed=0)
    if not options.as_json:
        for place, curve in zip(places, curves, strict=True):
            draw(f"{file.stem}: {place.name}", curve, console)
    told: dict[str, Any] = {place.name: one.as_dict() for place, one in zip(places, curves, strict=True)}
    for place, other in zip(places[1:], curves[1:], strict=True):
        for shots, found in against(other, curves[0]):
            gap = found.difference
            told.setdefault("differences", []).append(
                {"one": place.name, "two": places[0].name, "shots": shots, "value": gap.value, "low": gap.low,
                 "high": gap.high, "items": gap.items, "p": found.p, "better": found.better, "worse": found.worse}
            )  # fmt: skip
            if not options.as_json:
                verdict = "they differ" if found.differs else "no difference is shown"
                console.print(
                    f"{place.name} minus {places[0].name}, {shots} examples: {gap.value:+.3f} ({gap.low:+.3f} to "
                    f"{gap.high:+.3f}), better on {found.better}, worse on {found.worse} of {gap.items} items, "
                    f"p {found.p:.2g}: {verdict}",
                    highlight=False, soft_wrap=True,
                )  # fmt: skip
    return told


def draw(title: str, curve: Curve, console: Console) -> None:
    """Print the table of one curve, what guessing scores, and what is to be known about it."""
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("examples", curve.main, "95% interval", "spread", "draws", "n"):
        table.add_column(name, justify="right")
    for point in curve.points:
        score = point.scores[curve.main]
        interval = f"{score.low:.3f} to {score.high:.3f}"
        spread, times = f"{point.spread:.3f}", str(len(point.draws))
        table.add_row(str(point.shots), f"{score.value:.3f}", interval, spread, times, str(score.items))
    console.print(table, highlight=False)
    for point in curve.points:
        beside = [f"{name} {one.value:.3f}" for name, one in point.scores.items() if name != curve.main]
        console.print(f"  with {point.shots}: {', '.join(beside)}", highlight=False, markup=False, soft_wrap=True)
    known = [("chance", curve.chance), ("commonest label", curve.majority)]
    said = [f"{name} {value:.3f}" for name, value in known if value is not None]
    if curve.options:
        said.append("tokens " + ", ".join(f"{name} {size}" for name, size in curve.options.items()))
    for line in (["; ".join(said)] if said else []) + list(curve.notes):
        console.print(f"  {line}", highlight=False, markup=False, soft_wrap=True)


def _harness(names: list[str], places: list[Place], options: EvaluateOptions, console: Console) -> Any:
    from trivium.evaluate.harness import run_harness
    from trivium.journey.measure import reader_of

    shots = [None] if options.shots is None else list(asking_of(options).shots)  # None: as many as the task says
    told: dict[str, Any] = {}
    for place in places:
        reader = reader_of(place, options.device or "auto")
        for number in shots:
            found = run_harness(reader, names, shots=number, include=options.include, items=options.items)
            told.setdefault(place.name, []).append({"shots": number, "scores": found})
            for name, scores in found.items():
                figures = ", ".join(f"{key} {value:.4f}" for key, value in scores.items() if isinstance(value, float))
                which = "" if number is None else f", {number} examples"
                if not options.as_json:
                    line = f"{name}: {place.name}{which}: {figures}, n {scores['items']}"
                    console.print(line, highlight=False, soft_wrap=True)
    return told
