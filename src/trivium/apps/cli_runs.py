"""Commands for a run that is there: chat, compare, report, and `runs list | clean | verify`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trivium.apps.cli_options import Precision, RunName, RunsFolder, StageName
from trivium.base.errors import RunError, TriviumError, UserError

if TYPE_CHECKING:
    from rich.console import Console

    from trivium.journey.runs import Removable, RunLine

RUNS = Path("runs")
runs = typer.Typer(no_args_is_help=True, help="What is on the disk, what it cost, and what may go.")


def chat(
    run: RunName,
    stage: StageName = None,
    runs: RunsFolder = RUNS,
    prompt: Annotated[str | None, typer.Option(help="Answer this one text and end.")] = None,
    temperature: Annotated[float | None, typer.Option(min=0, help="0 gives the likeliest answer, always.")] = None,
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda|mps", help="Where to compute.")] = "auto",
    precision: Precision = "auto",
) -> None:
    """Talk to a run's newest model, or to an earlier stage's."""
    from trivium.apps.chat import Chat, talk
    from trivium.journey.assistant import load
    from trivium.journey.runs import find_run, finished_models, is_run, outdated

    folder = run if (run / "config.json").is_file() and not is_run(run) else find_run(run, runs)
    stages = list(finished_models(folder)) if is_run(folder) else []
    session = Chat(lambda name: load(folder, name, device=device, precision=precision), stage, temperature, stages)
    if is_run(folder) and session.assistant.stage in outdated(folder):
        note = f"note: '{session.assistant.stage}' was made before its inputs changed; run the recipe again to renew it"
        print(note, file=sys.stderr)
    talk(session, prompt)


def compare(
    run: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Runs: their folders, or their names.")],
    prompt: Annotated[list[str] | None, typer.Option(help="A prompt; may be given several times.")] = None,
    file: Annotated[Path | None, typer.Option(help="A text file with a prompt on each line.")] = None,
    stage: Annotated[list[str] | None, typer.Option(help="Only this stage; may be given several times.")] = None,
    page: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Write it as a page, too: one HTML file.")
    ] = None,
    runs: RunsFolder = RUNS,
) -> None:
    """Give the same prompts to every stage of a run, or of several, side by side."""
    from rich.console import Console

    from trivium.apps.comparison import draw, read_prompts
    from trivium.journey.compare import compare_runs
    from trivium.journey.compare_page import require_page, write_comparison
    from trivium.journey.runs import find_run

    prompts = [*(prompt or []), *(read_prompts(file) if file else [])]
    if not prompts:
        raise UserError("give at least one --prompt, or a --file with a prompt on each line")
    if page is not None:
        require_page(page)  # before the models are asked
    rows = compare_runs([find_run(one, runs) for one in run], prompts, stage)
    draw(rows, Console())
    if page is not None:
        print(f"page  {write_comparison(rows, page)}")


def predict(
    run: RunName,
    texts: Annotated[list[str] | None, typer.Argument(help="Texts; standard input where there are none.")] = None,
    task: Annotated[
        str | None,
        typer.Option(help="NAME of a finetune-NAME stage, or embed, or fill; not needed where there is one."),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(help="A text file with an item on each line, or rows: .jsonl, .json, .csv, .tsv, .parquet."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print an object on each line.")] = False,
    runs: RunsFolder = RUNS,
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda|mps", help="Where to compute.")] = "auto",
) -> None:
    """Say what a fine-tuned model makes of texts: labels, entities, answers, options, vectors, words for a gap."""
    from trivium.apps.predict import predict as predict_items

    predict_items(run, task, texts or [], file, (runs, device, as_json))


def report(
    run: RunName,
    runs: RunsFolder = RUNS,
    no_samples: Annotated[
        bool, typer.Option("--no-samples", help="Leave out texts of data, prompts and answers.")
    ] = False,
) -> None:
    """Write a run's report: one HTML file that needs no network."""
    from trivium.journey.report import write_report
    from trivium.journey.runs import find_run

    print(write_report(find_run(run, runs), samples=not no_samples))


@runs.command("list")
def list_runs(runs: RunsFolder = RUNS) -> None:
    """List the runs, what is done in each, what it takes on the disk and what it cost."""
    from rich.console import Console
    from rich.table import Table

    from trivium.apps.figures import duration, headline, size
    from trivium.journey.runs import list_runs as read_runs

    lines = read_runs(runs)
    if not lines:
        print(f"there is no run in {runs} yet; `trivium init` writes a recipe, `trivium run` makes a run of it")
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("run", "stages", "disk", "time", "newest figures"):
        table.add_column(name, justify="right" if name in ("disk", "time") else "left", overflow="fold")
    for line in lines:
        finished = [stage for stage in line.stages if stage.figures is not None]
        newest = f"{finished[-1].name}: {headline(finished[-1].figures or {})}" if finished else ""
        table.add_row(line.name, _stages_of(line), size(line.bytes), duration(line.seconds), newest)
    Console().print(table, highlight=False)


def _stages_of(line: RunLine) -> str:
    finished = sum(stage.state == "finished" for stage in line.stages)
    told = [f"{finished} of {len(line.stages) + len(line.waiting)}" if not line.finished else f"all {finished}"]
    told += [f"{stage.name} {stage.state}" for stage in line.stages if stage.state != "finished"]
    return ", ".join(told + ([f"next {line.waiting[0]}"] if line.waiting else []))


@runs.command()
def clean(
    runs: RunsFolder = RUNS,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Delete instead of only telling what would go.")] = False,
    all: Annotated[str | None, typer.Option("--all", metavar="RUN", help="Delete this whole run; asks first.")] = None,
) -> None:
    """Delete results that were put aside, and training states of finished runs. Without --yes it only tells."""
    from rich.console import Console

    from trivium.journey.runs import Removable, find_run, folder_bytes, list_runs, removable, remove

    console = Console()
    if all is not None:
        run = find_run(all, runs)
        _tell(console, [Removable(run, folder_bytes(run), "the whole run")])
        if yes or typer.confirm(f"delete {run} and everything in it?"):
            remove(run, [run])
            print(f"deleted {run}")
        else:
            print("nothing was deleted")
        return
    failed = []
    for line in list_runs(runs):
        found = removable(line.folder)
        _tell(console, found)
        if yes and found:
            try:
                remove(line.folder, [one.path for one in found])
            except TriviumError as error:
                failed.append(str(error))
    if failed:
        raise RunError("\n".join(failed))
    print("deleted" if yes else "nothing was deleted; add --yes to delete what is listed here")


def _tell(console: Console, found: list[Removable]) -> None:
    from trivium.apps.figures import size

    for one in found:
        console.print(f"{size(one.bytes):>8}  {one.path}  ({one.why})", highlight=False, markup=False, soft_wrap=True)


@runs.command()
def verify(run: RunName, runs: RunsFolder = RUNS) -> None:
    """Read everything in a run and say whether it is as it was recorded."""
    from trivium.journey.lineage import read_lineage, verify_lineage
    from trivium.journey.runs import find_run

    folder = find_run(run, runs)
    verify_lineage(folder)
    print(f"{folder}: intact; {len(read_lineage(folder))} entries, every record and every file as it was written")
