"""The display: one line for a finished stage, a bar that fits 80 columns, and log lines that stay few."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any, Literal

import pytest
from rich.console import Console

from trivium.apps.display import LineDisplay, LiveDisplay, Pace, display_for
from trivium.apps.figures import count, duration, headline, live, size
from trivium.base.progress import Progress
from trivium.base.words import StageResult
from trivium.journey.runner import Event, StageStarted


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def result(how: Literal["made", "reused", "resumed", "continued"] = "made", **figures: Any) -> StageResult:
    return StageResult("pretrain", "key", Path("x"), figures, how, 118.4)


def console(terminal: bool, width: int = 80) -> tuple[Console, io.StringIO]:
    file = io.StringIO()
    return Console(file=file, force_terminal=terminal, width=width, legacy_windows=False, color_system=None), file


def test_lines_come_at_most_every_ten_seconds() -> None:
    clock, (target, file) = Clock(), console(False)
    with LineDisplay(target, clock) as display:
        display(StageStarted("pretrain", 3, 8, "made"))
        for step in range(1, 101):
            clock.now += 0.5
            display(Progress("pretrain", step, 200, figures={"loss": 2.5, "tokens/s": 12_345.0}))
        display(Progress("pretrain", 0, 0, note="a note"))
        display(result(valid_bits_per_byte=1.234))
    lines = file.getvalue().splitlines()
    assert lines[0] == "pretrain: stage 3 of 8 starts"
    assert lines[1] == "pretrain: 20/200 steps, loss 2.500  12.3k tokens/s, 1m30s left"
    assert len(lines) == 8
    assert lines[-2:] == ["pretrain: a note", "pretrain: 1m58s  valid 1.23 bits/byte"]


def test_time_left_follows_the_newest_speed_and_counts_from_where_a_stage_resumed() -> None:
    clock = Clock()
    pace = Pace(clock)
    assert pace.left(Progress("pretrain", 900, 1000)) is None
    clock.now = 10.0
    assert pace.left(Progress("pretrain", 910, 1000)) == pytest.approx(90.0)
    for step in range(911, 990):
        clock.now += 2.0
        left = pace.left(Progress("pretrain", step, 1000))
    assert left == pytest.approx(22.0)


def drawn(events: list[Event], width: int = 80) -> list[str]:
    target, file = console(True, width)
    with LiveDisplay(target) as display:
        for event in events:
            display(event)
        display._bars.refresh()
        frame = file.getvalue()
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", frame).replace("\r", "\n").splitlines()


def test_the_bar_fits_eighty_columns_and_tells_loss_speed_and_time() -> None:
    figures = {"loss": 12.3456, "tokens/s": 123_456.0}
    events: list[Event] = [StageStarted("pretrain", 3, 8, "made")]
    events += [Progress("pretrain", step, 10_000, figures=figures) for step in (100, 9_000)]
    lines = drawn(events)
    bar = next(line for line in reversed(lines) if "9000/10000" in line)
    assert "loss 12.346" in bar
    assert "123k tokens/s" in bar
    assert "left" in bar
    assert "━" in bar
    assert max(len(line) for line in lines) <= 80


def test_finished_stages_become_a_line_that_says_how_they_came_to_be() -> None:
    text = "\n".join(drawn([result(valid_bits_per_byte=1.2), result("reused"), result("resumed"), result("continued")]))
    assert "✓ pretrain  1m58s  valid 1.20 bits/byte" in text
    for how in ("1m58s  reused", "(resumed)", "(continued)"):
        assert how in text


def test_text_from_outside_is_never_read_as_markup() -> None:
    events: list[Event] = [Progress("pretrain", 0, 0, note="[red]x[/red] [nothing"), result(odd=1.0)]
    assert any("[red]x[/red] [nothing" in line for line in drawn(events))


def test_the_display_suits_the_console() -> None:
    assert isinstance(display_for(console(True)[0]), LiveDisplay)
    assert isinstance(display_for(console(False)[0]), LineDisplay)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.42, "0.4s"),
        (9.96, "10s"),
        (59.4, "59s"),
        (59.6, "1m00s"),
        (118, "1m58s"),
        (11_220, "3h07m"),
        (187_200, "2d04h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_counts_and_sizes() -> None:
    assert [count(value) for value in (0.5, 99.4, 950.0, 12_345.0, 4_560_000.0)] == [
        "0.5",
        "99.4",
        "950",
        "12.3k",
        "4.56M",
    ]
    assert [size(value) for value in (0, 999, 12_345, 4_560_000, 7e9)] == ["0 B", "999 B", "12.3 kB", "4.56 MB", "7 GB"]


def test_headlines_are_the_figures_that_matter_and_fall_back_to_the_first() -> None:
    figures = {"parameters": 10, "tokens_per_second": 12_100, "valid_bits_per_byte": 1.234, "precision": "float32"}
    assert headline(figures) == "valid 1.23 bits/byte  12.1k tokens/s"
    assert headline({"odd_thing": 0.12345, "flag": True, "text": "x"}) == "odd thing 0.1235"
    assert headline({"valid_bits_per_byte": None}) == ""
    assert headline({"accuracy": 0.9, "baseline": 0.8}) == "accuracy 90.0%  best baseline 80.0%"
    assert headline({"pearson": 0.98, "baseline": 0.992}) == "correlation 0.98  best baseline 0.99"
    aligned = {"steps": 3, "reward_first": -2.0, "reward_last": 1.234, "kl": 3.456, "ended": 0.9}
    assert headline(aligned) == "reward -2.00  -> 1.23  KL 3.46"
    assert live({"loss": 2.31, "tokens/s": 12_345.0}) == "loss 2.310  12.3k tokens/s"
