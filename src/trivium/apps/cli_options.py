"""Options that several commands share, each written once, and how a dataclass of them becomes a command's signature."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

Options = TypeVar("Options")

RecipePath = Annotated[Path, typer.Argument(metavar="RECIPE", help="The recipe, a YAML file.", show_default=False)]
RecipeOrRun = Annotated[
    Path, typer.Argument(metavar="RECIPE", help="The recipe, a YAML file; or a run, to go on with.", show_default=False)
]
RunName = Annotated[Path, typer.Argument(metavar="RUN", help="A run: its folder, or its name.", show_default=False)]
SetValues = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="A.B=VALUE", help="Change a setting of the recipe; may be given several times."),
]
RunsFolder = Annotated[Path, typer.Option("--runs", metavar="DIR", help="The folder that holds the runs.")]
RunsName = Annotated[str | None, typer.Option("--name", help="The run's name instead of the recipe's.")]
Device = Annotated[str | None, typer.Option("--device", metavar="auto|cpu|cuda|mps", help="Where to compute.")]
Precision = Annotated[
    str,
    typer.Option(metavar="auto|float32|bfloat16", help="What to decode in; auto measures which is faster here."),
]
Threads = Annotated[int | None, typer.Option("--threads", min=0, help="CPU threads; 0 for all cores.")]
Parallel = Annotated[
    str | None,
    typer.Option("--parallel", metavar="auto|replicate|shard", help="How several processes share a model."),
]
StageName = Annotated[str | None, typer.Option("--stage", help="An earlier stage instead of the newest.")]
Redo = Annotated[
    list[str] | None, typer.Option("--redo", metavar="STAGE", help="Run this stage again; may be given several times.")
]
Verify = Annotated[bool, typer.Option("--verify", help="Read every file of finished stages before trusting them.")]
Strict = Annotated[bool, typer.Option("--strict", help="Stop gathering at the first file or row that cannot be read.")]
Accept = Annotated[
    bool, typer.Option("--accept", help="Learn from a reward model also where it did not pass its gate.")
]
Until = Annotated[str | None, typer.Option("--until", metavar="STAGE", help="Stop after this stage.")]

Rounds = Annotated[
    int | None,
    typer.Option("--rounds", min=1, help="How often to rate the newest model's answers and align to all ratings."),
]


@dataclass(frozen=True, kw_only=True)
class SharedOptions:
    """How stages are run, whatever names the recipe."""

    set: SetValues = None
    runs: RunsFolder = Path("runs")
    name: RunsName = None
    device: Device = None
    threads: Threads = None
    parallel: Parallel = None
    redo: Redo = None
    verify: Verify = False
    strict: Strict = False
    accept: Accept = False


@dataclass(frozen=True, kw_only=True)
class StageOptions(SharedOptions):
    """What a command that runs stages takes."""

    recipe: RecipeOrRun


@dataclass(frozen=True, kw_only=True)
class AlignOptions(StageOptions):
    """What `trivium align` takes."""

    rounds: Rounds = None


@dataclass(frozen=True, kw_only=True)
class RunOptions(StageOptions):
    """What `trivium run` takes."""

    until: Until = None


def command_of(kind: type[Options], do: Callable[[Options], None]) -> Callable[..., None]:
    """`do` as a command whose options are the fields of the dataclass `kind`, documented as `do` is."""

    def command(**given: Any) -> None:
        do(kind(**given))

    types = typing.get_type_hints(kind, include_extras=True)
    parameters = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if field.default is dataclasses.MISSING else field.default,
            annotation=types[field.name],
        )
        for field in dataclasses.fields(kind)  # type: ignore[arg-type]
    ]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__doc__ = do.__doc__
    return command
