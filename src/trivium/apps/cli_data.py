"""`trivium data show | verify | card | forget | work`: looking at gathered data, and answering for it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trivium.apps.cli_options import RunName, RunsFolder

data = typer.Typer(no_args_is_help=True, help="Look at gathered data, verify it, write its card, take documents out.")
RUNS = Path("runs")
ON_A_PAGE = 5  # documents


@data.command()
def show(
    run: RunName,
    runs: RunsFolder = RUNS,
    source: Annotated[str | None, typer.Option(help="Only documents of this source.")] = None,
    dropped: Annotated[bool, typer.Option("--dropped", help="Only documents that were dropped.")] = False,
    reason: Annotated[
        str | None, typer.Option(help="Only documents dropped for a reason with these words in it.")
    ] = None,
    document: Annotated[str | None, typer.Option("--id", help="Only the document of this name, whole.")] = None,
    page: Annotated[int, typer.Option(min=1, help="Which page.")] = 1,
) -> None:
    """Page through the documents, with what each step did to them."""
    from rich.console import Console

    from trivium.apps.documents import draw
    from trivium.data.browse import Wanted, look
    from trivium.journey.forget import gather_folder
    from trivium.journey.runs import find_run

    wanted = Wanted(source=source, dropped=dropped or reason is not None, reason=reason, name=document)
    shown = look(gather_folder(find_run(run, runs)), wanted, (page - 1) * ON_A_PAGE, ON_A_PAGE)
    draw(shown, Console(), whole=document is not None, page=page, count=ON_A_PAGE)


@data.command()
def verify(run: RunName, runs: RunsFolder = RUNS) -> None:
    """Read everything that was gathered and tokenized, and say whether it is as its manifest and its records tell."""
    from trivium.base.errors import RunError
    from trivium.data.manifest import manifest_faults
    from trivium.data.shards import Shard
    from trivium.journey.forget import gather_folder
    from trivium.journey.lineage import lineage_faults
    from trivium.journey.runs import find_run

    folder = find_run(run, runs)
    faults = manifest_faults(gather_folder(folder))
    for split in ("train", "valid"):
        if (folder / "tokenize" / split).is_dir():
            try:
                Shard(folder / "tokenize" / split).verify()
            except RunError as error:
                faults.append(str(error))
    faults += lineage_faults(folder)
    if faults:
        raise RunError("\n".join(dict.fromkeys(faults)))
    print(f"{folder}: intact; every document, shard and record is as it was written")


@data.command()
def card(run: RunName, runs: RunsFolder = RUNS) -> None:
    """Write a data card beside the data: README.md for Hugging Face, and Croissant metadata."""
    from trivium.data.card import write_card
    from trivium.journey.forget import gather_folder
    from trivium.journey.runs import find_run

    folder = find_run(run, runs)
    for path in write_card(gather_folder(folder), folder.resolve().name):
        print(path)


@data.command()
def forget(
    run: RunName,
    documents: Annotated[
        list[str], typer.Argument(metavar="ID...", help="Documents' names, as `data show` tells them.")
    ],
    runs: RunsFolder = RUNS,
) -> None:
    """Take documents out of the text and the token shards of a run, and say which models saw them."""
    from trivium.journey.forget import forget as forget_documents
    from trivium.journey.runs import find_run

    done = forget_documents(find_run(run, runs), documents)
    told = ", ".join(f"{count} of {split}" for split, count in done.documents.items())
    print(f"taken out: {told}; {done.tokens:,} tokens")
    for stage, step in done.saw.items():
        print(
            f"{stage} has learned from them"
            + (f", first in step {step}" if step else ", through what it was made from")
        )
    if done.saw:
        print("a model cannot unlearn: run the recipe again to train these without them, or delete them")
    elif done.documents["train"]:
        print("no model of this run has learned from them")
    print("if they are still in the source files, they come back when gather runs again")


@data.command()
def work(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="RUN/gather/.units of a gathering that has begun.")],
    share: Annotated[
        str, typer.Option(metavar="K/N", help="Do the K-th of N shares, counted from 0; all if not given.")
    ] = "0/1",
) -> None:
    """Do units of work of a gathering from another process or machine, for example a Slurm array's task."""
    from trivium.base.errors import UserError
    from trivium.data.units import PLAN, Plan
    from trivium.data.units import work as do_work

    rank, _, size = share.partition("/")
    if not (rank.isdigit() and size.isdigit() and int(rank) < int(size)):
        raise UserError(f"--share is '{share}'; give it as K/N with K from 0 to N - 1, such as 3/16")
    if not (folder / PLAN).exists():
        raise UserError(f"{folder}: holds no plan; start the gathering first: trivium gather RECIPE")
    count = len(Plan.model_validate_json((folder / PLAN).read_bytes()).units)
    do_work(folder, range(count)[int(rank) :: int(size)])
    print(f"{folder}: share {share} of {count} units is done")
