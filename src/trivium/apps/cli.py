"""The command line: `trivium COMMAND`. Nothing heavy is imported before a command runs.

An error of ours is one clear sentence (or one for each fault) and an exit code; a traceback needs --debug.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from trivium import __version__
from trivium.apps import cli_data, cli_export, cli_plan, cli_rate, cli_runs, cli_serve
from trivium.apps import evaluate as cli_evaluate
from trivium.apps.cli_options import (
    AlignOptions,
    RecipePath,
    RunOptions,
    RunsFolder,
    RunsName,
    SetValues,
    StageOptions,
    command_of,
)
from trivium.apps.ranks import in_job, keep_for_launcher, rank_here
from trivium.base.errors import Interrupted, TriviumError

PURPOSES = {  # the stages; not taken from the journey, whose imports would double the time that --help takes
    "gather": "Collect and clean the text, instructions and prompts.",
    "tokenize": "Train the tokenizer and cut the text into tokens.",
    "pretrain": "Teach a model the language.",
    "finetune": "Teach it to do what it is told.",
    "transfer": "Show how much labelled data pre-training saves.",
    "rate": "Have pairs of its answers judged.",
    "reward": "Learn what is preferred.",
    "align": "Teach it to answer as people prefer.",
    "evaluate": "Measure what each phase changed.",
}
HELP = (
    "Train a language model in three phases: [bold]grammar[/] (pre-training), [bold]logic[/] (fine-tuning), "
    "[bold]rhetoric[/] (alignment)."
)
MAKING, RUNS, STAGE_PANEL = "A new run", "Runs", "One stage (and what it needs)"

app = typer.Typer(
    name="trivium",
    help=HELP,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(cli_runs.runs, name="runs", rich_help_panel=RUNS)
app.add_typer(cli_data.data, name="data", rich_help_panel=RUNS)
app.add_typer(cli_rate.rate, name="rate", rich_help_panel=RUNS)


def _show_version(asked: bool) -> None:
    if asked:
        print(f"trivium {__version__}")
        raise typer.Exit


@app.callback()
def _about(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the whole traceback of an error (or set TRIVIUM_DEBUG=1).")
    ] = False,
) -> None:
    pass


def _run(options: RunOptions) -> None:
    """Take a recipe through its stages; what is finished is reused, what was interrupted goes on."""
    from trivium.apps.cli_run import run_recipe

    run_recipe(options, options.until)


def _command_for(stage: str) -> None:
    options_of = AlignOptions if stage == "align" else StageOptions

    def run_stage(options: StageOptions) -> None:
        from trivium.apps.cli_run import run_recipe

        run_recipe(options, stage)

    run_stage.__doc__ = PURPOSES[stage]
    app.command(stage, rich_help_panel=STAGE_PANEL)(command_of(options_of, run_stage))


@app.command(rich_help_panel=MAKING)
def init(
    path: Annotated[Path, typer.Argument(help="The recipe to write.")] = Path("recipe.yaml"),
    kind: Annotated[
        str | None,
        typer.Option(metavar="text|instructions|demo", help="What the data are; seen from them if not given."),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Your data: a file, a folder, or a pattern like 'texts/*.txt'.")
    ] = None,
) -> None:
    """Write a commented recipe for your data."""
    from trivium.apps.init import write_new_recipe

    print(write_new_recipe(path, kind, data))


@app.command(rich_help_panel=MAKING)
def check(
    recipe: RecipePath,
    set: SetValues = None,
    runs: RunsFolder = Path("runs"),
    name: RunsName = None,
    show_mask: Annotated[
        bool, typer.Option("--show-mask", help="Show which tokens of a conversation are learned.")
    ] = False,
) -> None:
    """Say what is wrong with a recipe and its data, before anything is spent."""
    from trivium.apps.cli_run import check_recipe

    check_recipe(recipe, set or [], runs, name, show_mask)


app.command("plan", rich_help_panel=MAKING)(command_of(cli_plan.PlanOptions, cli_plan.plan))
app.command("run", rich_help_panel=MAKING)(command_of(RunOptions, _run))


@app.command(rich_help_panel=MAKING)
def doctor() -> None:
    """Say what this machine can do."""
    from trivium.apps.doctor import examine

    examine()


@app.command(rich_help_panel=MAKING)
def schema() -> None:
    """Print the JSON Schema of recipes, for editors."""
    from trivium.journey.recipe import schema as schema_text

    print(schema_text(), end="")


for _stage in PURPOSES:
    if _stage not in ("rate", "evaluate"):  # `rate` opens the rating page; `evaluate` also takes models
        _command_for(_stage)
app.command("evaluate", rich_help_panel=STAGE_PANEL)(command_of(cli_evaluate.EvaluateOptions, cli_evaluate.evaluate))
app.command("chat", rich_help_panel=RUNS)(cli_runs.chat)
app.command("serve", rich_help_panel=RUNS)(command_of(cli_serve.ServeOptions, cli_serve.serve))
app.command("predict", rich_help_panel=RUNS)(cli_runs.predict)
app.command("compare", rich_help_panel=RUNS)(cli_runs.compare)
app.command("report", rich_help_panel=RUNS)(cli_runs.report)
app.command("export", rich_help_panel=RUNS)(command_of(cli_export.ExportOptions, cli_export.export))


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit: 0 done, 1 failed, 2 the user can mend it, 130 stopped."""
    given = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in given or os.environ.get("TRIVIUM_DEBUG", "") not in ("", "0")
    kept = [argument for argument in given if argument != "--debug"]
    try:
        app(kept, prog_name="trivium")
    except Interrupted as error:
        if not rank_here():
            _say("stopped", str(error), "yellow")
            _say("go on", shlex.join(["trivium", *given]), "yellow")
        sys.exit(error.exit_code)
    except Exception as error:
        keep_for_launcher(error)
        if isinstance(error, TriviumError) and not debug:
            for line in str(error).splitlines():
                _say(f"error on rank {rank_here()}" if rank_here() else "error", line, "red")
            sys.exit(error.exit_code)
        if debug or in_job():  # a job is not started again only to see where it failed
            raise
        _say("error", f"{type(error).__name__}: {error}", "red")
        _say("error", "this is not your fault; run the command again with --debug to see where it happened", "red")
        sys.exit(1)
    sys.exit(0)


def _say(prefix: str, text: str, colour: str) -> None:
    from rich.console import Console
    from rich.text import Text

    Console(stderr=True).print(Text.assemble((f"{prefix}: ", f"bold {colour}"), text), soft_wrap=True, highlight=False)
