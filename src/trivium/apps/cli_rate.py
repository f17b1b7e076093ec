"""`trivium rate RUN` opens the rating page, or rates in the terminal; `trivium rate backup` and the like look after ratings."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from trivium.apps.cli_options import RunName, RunsFolder, command_of
from trivium.base.errors import UserError
from trivium.base.words import MEASURE

if TYPE_CHECKING:
    from trivium.feedback.database import Database

RUNS = Path("runs")
MOST_TRACED = 20  # lines
Address = Annotated[
    str | None,
    typer.Option(
        "--database", metavar="URL", help="postgresql://USER@HOST/NAME, or sqlite:///FILE, instead of the run's."
    ),
]


class OpenByDefault(TyperGroup):
    """A group whose first word may be left out: `rate RUN` is `rate open RUN`."""

    otherwise = "open"

    def parse_args(self, context: Any, words: list[str]) -> list[str]:
        """The words; where they begin with no command's name, all of them go to `otherwise`."""
        asked = words and words[0] not in self.commands and words[0] not in ("--help", "-h")
        return super().parse_args(context, [self.otherwise, *words] if asked else words)


rate = typer.Typer(cls=OpenByDefault, no_args_is_help=True, help="Rate answers: a page for people, or the terminal.")


def opened(run: Path, runs: Path, address: str | None) -> tuple[Path, Database]:
    """The run's folder and its ratings: at the address given here, in its recipe, or in its own file."""
    from trivium.base.config import read_yaml
    from trivium.feedback.database import open_ratings
    from trivium.journey.runs import find_run

    folder = find_run(run, runs)
    section = read_yaml(folder / "recipe.yaml").get("rate")
    own = section.get("database") if isinstance(section, dict) else None
    return folder, open_ratings(folder, address or own)


@dataclass(frozen=True)
class OpenOptions:
    """What `trivium rate RUN` takes."""

    run: RunName
    runs: RunsFolder = RUNS
    terminal: Annotated[bool, typer.Option("--terminal", help="Rate here instead of in a browser.")] = False
    name: Annotated[str | None, typer.Option(help="Who you are; for the page, the owner of the round.")] = None
    host: Annotated[str, typer.Option(help="Where to listen; another than this machine needs --address.")] = "127.0.0.1"
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8400
    address: Annotated[str | None, typer.Option(help="How people reach the page, where that is elsewhere.")] = None
    database: Address = None


def _open(options: OpenOptions) -> None:
    """Open the rating page of a run, or rate in the terminal; `trivium rate RUN` does the same."""
    folder, store = opened(options.run, options.runs, options.database)
    if options.terminal:
        from trivium.apps.terminal import rate_here

        rate_here(store, options.name or os.environ.get("USER") or "terminal")
        return
    from trivium.apps.web.serve import OWNER, listen, owner_link, serve, site_at
    from trivium.apps.web.training import Training

    with closing(listen(options.host, options.port)) as bound:
        training = None if options.database else Training(folder)  # the run looks at its recipe's database
        site = site_at(store, options.host, bound.getsockname()[1], options.address, training)
        link = owner_link(site, options.name or OWNER)

        def say() -> None:
            told = f"rating     {site.address}\nyour link  {link}\nIt works once and makes you the owner. Ctrl-C ends."
            print(told, flush=True)
            _show(link)

        serve(site, bound, say)
    store.close()


rate.command("open")(command_of(OpenOptions, _open))


def _show(link: str) -> None:
    """Open a browser where someone is there to see it."""
    seen = sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if seen and sys.stdout.isatty():
        import webbrowser

        webbrowser.open(link)


@rate.command()
def backup(
    run: RunName,
    file: Annotated[Path | None, typer.Argument(help="The copy; by default RUN/ratings/backup-TIME.db.")] = None,
    runs: RunsFolder = RUNS,
    database: Address = None,
) -> None:
    """Copy all ratings into one file, while raters go on."""
    from datetime import datetime

    from trivium.feedback.backup import back_up

    folder, store = opened(run, runs, database)
    target = file or folder / "ratings" / f"backup-{datetime.now():%Y%m%d-%H%M%S}.db"
    counts = back_up(store, target)
    print(f"{target}: {counts['items']} items, {counts['answers']} rows of answers, {counts['raters']} raters")


@rate.command()
def status(run: RunName, runs: RunsFolder = RUNS, database: Address = None) -> None:
    """Say how far the round is."""
    from trivium.feedback.items import status as read_status

    _, store = opened(run, runs, database)
    with store.reading() as work:
        now = read_status(work)
    go_on = "the run can go on" if now.done else f"the run goes on at {now.enough} items"
    closed = ", closed by its owner" if now.closed else ""
    print(f"{now.rated} of {now.items} items rated, {now.skipped} skipped, {now.answers} answers{closed}; {go_on}")


@rate.command()
def invite(
    run: RunName,
    name: Annotated[str, typer.Argument(help="Who the link is for.")],
    role: Annotated[str, typer.Option(metavar="rater|reviewer|owner", help="What they may do.")] = "rater",
    address: Annotated[str, typer.Option(help="How people reach the page.")] = "http://127.0.0.1:8400",
    runs: RunsFolder = RUNS,
    database: Address = None,
) -> None:
    """Make a link that lets someone in once; older links of theirs no longer work."""
    from trivium.apps.web.owner import link
    from trivium.feedback import raters

    _, store = opened(run, runs, database)
    known = next((one for one in raters.ROLES if one == role), None)
    if known is None:
        raise UserError(f"--role is '{role}'; it must be one of {', '.join(raters.ROLES)}")
    with store.writing() as work:
        token = raters.invite(work, raters.ensure_rater(work, name, known), "command line")
    print(link(address.rstrip("/"), token))


@rate.command("export")
def export_ratings(
    run: RunName,
    form: Annotated[str, typer.Option(help="preferences, trl, unpaired, instructions or answers.")] = "preferences",
    out: Annotated[Path | None, typer.Option(help="The file to write; by default FORM.jsonl here.")] = None,
    runs: RunsFolder = RUNS,
    database: Address = None,
) -> None:
    """Write the ratings as JSON lines."""
    from trivium.base.files import write_jsonl
    from trivium.feedback.exchange import export

    _, store = opened(run, runs, database)
    target = out or Path(f"{form}.jsonl")
    count = write_jsonl(target, export(store, form))
    print(f"{target}: {count} lines")


@rate.command("import")
def import_ratings(
    run: RunName,
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="JSON lines: TRL's shapes, preferences.jsonl.")
    ],
    taken_as: Annotated[
        str, typer.Option("--as", metavar="items|gold|answers", help="What becomes of them.")
    ] = "items",
    runs: RunsFolder = RUNS,
    database: Address = None,
) -> None:
    """Take in items to rate, known items to check raters with, or answers as they are."""
    from trivium.feedback.intake import WHATS, take_in

    _, store = opened(run, runs, database)
    what = next((one for one in WHATS if one == taken_as), None)
    if what is None:
        raise UserError(f"--as is '{taken_as}'; it must be one of {', '.join(WHATS)}")
    for file, content in _contents(files):
        print(f"{file}: {take_in(store, content, what, file.name[:60], 'command line')} new")


def _contents(files: list[Path]) -> Iterator[tuple[Path, bytes]]:
    from trivium.base.files import explain_os_error

    for file in files:
        try:
            yield file, file.read_bytes()
        except OSError as error:
            raise explain_os_error(error, file) from None


@rate.command()
def trace(
    run: RunName,
    what: Annotated[str, typer.Argument(metavar="RATER|ANSWER", help="A rater's name or id, or an answer's id.")],
    runs: RunsFolder = RUNS,
    database: Address = None,
) -> None:
    """Follow answers to the models that learned from them."""
    from trivium.feedback import exchange, raters
    from trivium.feedback.items import read_items
    from trivium.journey.learned import ANSWER_FIELDS, learned_from

    folder, store = opened(run, runs, database)
    every = list(exchange.export(store, "answers"))
    own = [row for row in every if row["answer"] == what]
    if own:
        found = learned_from(folder, what, ANSWER_FIELDS)
    else:
        with store.reading() as work:
            person = raters.find_rater(work, what)
        name = exchange.label(person.id, person.name)
        own, found = [row for row in every if row["rater"] == name], learned_from(folder, name)
    measured = {name for name, item in read_items(store).items() if item.details.get("split") == MEASURE}
    for row in own[:MOST_TRACED]:
        wrote = " and ".join(one["policy"] or "unknown" for one in row["responses"])
        use = ", to measure" if row["item"] in measured else ""
        print(f"{row['answer']}  {row['at']}  {row['rater']}: {row['verdict']} between {wrote}{use}")
    if len(own) > MOST_TRACED:
        print(f"and {len(own) - MOST_TRACED} more; `trivium rate export {run} --form answers` has them all")
    print("\n".join(f"learned from: {model}" for model in found) or "nothing learned from that yet")


@rate.command()
def withdraw(
    run: RunName,
    rater: Annotated[str, typer.Argument(help="Name or id of the rater.")],
    reason: Annotated[str, typer.Option(help="For the audit log.")] = "asked for",
    runs: RunsFolder = RUNS,
    database: Address = None,
) -> None:
    """Take back everything that a rater said, and say which models learned from it."""
    from trivium.feedback import exchange, raters
    from trivium.feedback.answers import withdraw as take_back
    from trivium.journey.learned import learned_from

    folder, store = opened(run, runs, database)
    with store.reading() as work:
        person = raters.find_rater(work, rater)
    gone = take_back(store, person, "command line", reason)
    print(f"{len(gone)} answers of {person.name} no longer count; their items of the newest round are open again")
    models = learned_from(folder, exchange.label(person.id, person.name))
    for model in models:
        print(f"learned from them: {model}")
    if models:
        print("to learn without them, run the recipe again with --redo rate once enough is rated")
