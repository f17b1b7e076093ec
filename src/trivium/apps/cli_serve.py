"""`trivium serve RUN`: the models of a run for other programs, and a page to talk to them."""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from trivium.apps.cli_options import Precision, RunName, RunsFolder
from trivium.base.errors import UserError

SHORTEST_TOKEN = 16  # characters


@dataclass(frozen=True)
class ServeOptions:
    """What `trivium serve` takes."""

    run: RunName
    runs: RunsFolder = Path("runs")
    host: Annotated[str, typer.Option(help="Where to listen; another than this machine needs --token.")] = "127.0.0.1"
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8500
    token: Annotated[
        str | None,
        typer.Option(
            envvar="TRIVIUM_TOKEN", help="What callers must bring; better in TRIVIUM_TOKEN, where none sees it."
        ),
    ] = None
    name: Annotated[str | None, typer.Option(help="Under whose name thumbs are kept.")] = None
    slots: Annotated[int, typer.Option(min=1, max=1024, help="Answers that are written together.")] = 32
    queue: Annotated[int, typer.Option(min=0, help="Answers that may wait beside those.")] = 256
    each: Annotated[int, typer.Option(min=1, help="Answers that one address may have in work.")] = 128
    seconds: Annotated[float, typer.Option(min=1, help="Time of a request.")] = 300.0
    body: Annotated[int, typer.Option(min=1000, help="Bytes of a request.")] = 1_000_000
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda|mps", help="Where to compute.")] = "auto"
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 for all cores but one.")] = 0
    precision: Precision = "auto"


def serve(options: ServeOptions) -> None:
    """Serve a run's models: OpenAI's API, the heads of its tasks, and a chat page."""
    from trivium.apps.web.api.running import serve as run_server
    from trivium.apps.web.api.site import Bounds, Site
    from trivium.apps.web.api.stages import Stages
    from trivium.apps.web.safety import LOOPBACK
    from trivium.apps.web.serve import listen
    from trivium.journey.runs import find_run, is_run

    local = options.host in LOOPBACK
    if not local and options.token is None:
        raise UserError(
            f"--host {options.host} lets other machines in; set the environment's TRIVIUM_TOKEN (or --token) to a secret "
            "that callers must bring"
        )
    if options.token is not None and not (len(options.token) >= SHORTEST_TOKEN and options.token.isascii()):
        raise UserError(f"the token is too short or not plain ASCII; give at least {SHORTEST_TOKEN} characters")
    alone = (options.run / "config.json").is_file() and not is_run(options.run)
    folder = options.run if alone else find_run(options.run, options.runs)
    bounds = Bounds(options.slots, options.queue, options.each, options.body, options.seconds)
    with closing(listen(options.host, options.port)) as bound:
        database = None
        if not alone:
            from trivium.apps.cli_rate import opened

            _, database = opened(options.run, options.runs, None)
        person = options.name or os.environ.get("USER") or "chat"
        stages = Stages(folder, options.device, options.threads or threads_here(), options.precision)
        site = Site(stages, bounds, options.token, LOOPBACK if local else None, database, person)
        shown = f"[{options.host}]" if ":" in options.host else options.host
        address = f"http://{shown}:{bound.getsockname()[1]}"

        def say() -> None:
            print(f"page  {address}/\nAPI   {address}/v1  models: {', '.join(stages.offers)}\nCtrl-C ends.", flush=True)

        run_server(site, bound, say)


def threads_here() -> int:
    """All cores but one, which answers the callers: with none left for that, each waits for the other at every step, and
    both are several times slower."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores - 1)
