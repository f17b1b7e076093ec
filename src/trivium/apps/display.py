"""What a run shows while it runs: a live bar on a terminal, plain lines everywhere else.

Both are called with the runner's events. A finished stage becomes one line, and notes stay on the screen. The plain
lines come at most every ten seconds, so that a log file stays readable.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bars

from trivium.apps.figures import duration, headline, live, progressed
from trivium.base.progress import Progress
from trivium.base.words import StageResult
from trivium.journey.runner import Event, RoundStarted, StageStarted

EVERY = 10.0  # seconds between two plain lines
WINDOW = 60  # reports over which the speed is taken
NAME = 9  # columns for a stage's name


class Display(Protocol):
    """Takes the events of a run, inside a `with` block."""

    def __call__(self, event: Event) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def display_for(console: Console) -> Display:
    """The display that suits the console."""
    return LiveDisplay(console) if console.is_terminal and not console.is_dumb_terminal else LineDisplay(console)


class Pace:
    """How long the running stage still takes, from the speed of its newest reports."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: deque[tuple[float, int]] = deque(maxlen=WINDOW)

    def left(self, progress: Progress) -> float | None:
        """Seconds until the stage is done; None before that can be known."""
        self._seen.append((self._clock(), progress.done))
        seconds, done = self._seen[-1][0] - self._seen[0][0], self._seen[-1][1] - self._seen[0][1]
        return seconds / done * (progress.total - progress.done) if done > 0 and seconds > 0 else None


class LineDisplay:
    """Plain lines, for files and pipes."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console, self._clock = console, clock
        self._pace, self._told = Pace(clock), clock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def __call__(self, event: Event) -> None:
        if isinstance(event, StageStarted):
            self._pace, self._told = Pace(self._clock), self._clock()
            self._print(f"{event.stage}: stage {event.number} of {event.total} {_begun(event)}")
        elif isinstance(event, StageResult):
            self._print(f"{event.stage}: {_ended(event)}")
        elif isinstance(event, RoundStarted):
            self._print(_round(event))
        elif event.note:
            self._print(f"{event.stage}: {event.note}")
        else:
            left = self._pace.left(event)
            if self._clock() - self._told >= EVERY:
                self._told = self._clock()
                rest = f", {duration(left)} left" if left is not None else ""
                figures = f", {live(event.figures)}" if event.figures else ""
                self._print(f"{event.stage}: {progressed(event)}{figures}{rest}")

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


class LiveDisplay:
    """One bar for the running stage, under the lines of the finished ones."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console, self._clock = console, clock
        self._pace = Pace(clock)
        self._bars = Bars(
            TextColumn(f"  [bold]{{task.description:<{NAME}}}"),
            BarColumn(bar_width=None, complete_style="cyan", finished_style="cyan", pulse_style="cyan"),
            TextColumn("{task.fields[told]}", justify="right"),
            console=console,
            expand=True,
            transient=True,
            refresh_per_second=4,
        )
        self._task = self._bars.add_task("", total=None, visible=False, told="")

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def __call__(self, event: Event) -> None:
        if isinstance(event, StageStarted):
            self._pace = Pace(self._clock)
            self._bars.reset(self._task, total=None, description=event.stage, visible=True, told=_begun(event))
            self._bars.refresh()
        elif isinstance(event, StageResult):
            self._bars.update(self._task, visible=False)
            self._bars.refresh()
            mark = "✓" if self._can_show("✓") else "+"
            style, colour = ("dim", "dim") if event.how == "reused" else ("bold", "green")
            line = f"[{colour}]{mark}[/] [{style}]{event.stage:<{NAME}}[/] {escape(_ended(event))}"
            self._console.print(line, highlight=False, style="dim" if event.how == "reused" else None)
        elif isinstance(event, RoundStarted):
            self._console.print(_round(event), style="bold", highlight=False)
        elif event.note:
            self._console.print(f"  {event.stage:<{NAME}} {event.note}", style="yellow", markup=False, highlight=False)
        else:
            left = self._pace.left(event)
            rest = f"{duration(left)} left" if left is not None else ""
            parts = (progressed(event), live(event.figures), rest)
            told = "  ".join(part for part in parts if part)
            self._bars.update(self._task, completed=event.done, total=event.total, told=told)

    def _can_show(self, text: str) -> bool:
        try:
            text.encode(self._console.encoding)
        except UnicodeEncodeError:
            return False
        return True


def _begun(event: StageStarted) -> str:
    return {"resumed": "goes on where it stopped", "continued": "goes on with more steps"}.get(event.how, "starts")


def _round(event: RoundStarted) -> str:
    return f"round {event.number} of {event.total}" if event.number <= event.total else f"measuring round {event.total}"


def _ended(result: StageResult) -> str:
    figures = headline(result.figures)
    told = {"reused": "reused", "made": ""}.get(result.how, f"({result.how})")
    return "  ".join(part for part in (duration(result.seconds), told, figures) if part)
