"""Results as they are written, shown and published."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import measure
from figures import Figure, is_met, table, write_results
from publish import END, START, headlines, pages, published, read_results

RATIO = Figure("speed", [3.5, 3.0, 4.0], [0, 1, 2], "s", bar=3, aim=4, ours=[20, 25, 20], peer=[70, 75, 80])
MISSED = Figure("size", [], [0, 1, 2], "GB", better="lower", bar=3, note="not to be had")


def test_what_is_written(tmp_path: Path) -> None:
    path = write_results("speed", [RATIO, MISSED], "a machine", tmp_path)
    content = json.loads(path.read_text("utf-8"))
    told = {name: content["speed"][name] for name in ("value", "low", "high", "seeds", "bar", "aim", "machine")}
    assert told == {
        "value": 3.5,
        "low": 3.0,
        "high": 4.0,
        "seeds": [0, 1, 2],
        "bar": 3,
        "aim": 4,
        "machine": "a machine",
    }
    assert content["size"]["value"] is content["size"]["low"] is content["size"]["high"] is None
    assert {"commit", "command"} <= content["speed"].keys()


def test_the_table_shows_both_sides() -> None:
    speed, size = table([RATIO, MISSED]).splitlines()[2:4]
    assert [cell.strip() for cell in speed.split("  ") if cell.strip()] == [
        "speed",
        "20 s",
        "75 s",
        "3.5",
        "3 to 4",
        ">= 3, met",
    ]
    assert "not reached" in size
    assert "<= 3, missed" in size


@pytest.mark.parametrize(
    ("value", "bar", "better", "met"),
    [
        (3.0, 3.0, "higher", True),
        (3.0, 3.0, "lower", True),
        (2.9, 3.0, "higher", False),
        (3.1, 3.0, "lower", False),
        (None, 3.0, "lower", False),
        (1.0, None, "lower", None),
    ],
)
def test_bars(value: float | None, bar: float | None, better: str, met: bool | None) -> None:
    assert is_met(value, bar, better) is met  # type: ignore[arg-type]


def test_only_what_is_between_the_markers_is_replaced() -> None:
    page = f"before\n{START}\nold\n{END}\nafter\n"
    assert published(page, "new") == f"before\n{START}\n\nnew\n\n{END}\nafter\n"
    with pytest.raises(ValueError, match="in this order"):
        published(f"{END} {START}", "new")


@pytest.mark.parametrize("page", pages({}), ids=lambda page: page.name)
def test_pages_hold_the_committed_results(page: Path) -> None:
    text = page.read_text("utf-8")
    assert text == published(text, pages(read_results())[page]), "run python benchmarks/publish.py"


def test_headlines_are_the_chosen_figures_in_their_order(tmp_path: Path) -> None:
    memory = Figure("kills_survived", [20], [0], note="of 20")
    chosen = [memory, replace(RATIO, key="demo_minutes"), replace(MISSED, key="demo_win_rate"), RATIO]
    write_results("speed", chosen, "a machine, load 1.5 at the start", tmp_path)
    assert headlines(read_results(tmp_path)).splitlines()[2:] == [
        "| `demo_minutes` | 3.5 | 3 to 4 |  |",
        "| `demo_win_rate` | not reached | - | not to be had |",
        "| `kills_survived` | 20 | 20 to 20 | of 20 |",
        "",
        "Measured on a machine.",
    ]


def test_memory_of_children_counts(tmp_path: Path) -> None:
    child = "import time; held = bytearray(80 * 2**20); time.sleep(0.6)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}], check=True); print('done')"
    watched = measure.watch([sys.executable, "-c", parent], tmp_path / "log")
    assert watched.output == "done\n"
    if sys.platform == "linux":
        assert watched.peak_bytes is not None
        assert 80 * 2**20 < watched.peak_bytes < 400 * 2**20


def test_a_run_that_fails_is_told_with_its_log(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"(?s)ended with 3.*the reason"):
        measure.watch([sys.executable, "-c", "import sys; print('the reason'); sys.exit(3)"], tmp_path / "log")


def test_sides_take_turns() -> None:
    order: list[str] = []
    measure.interleave(
        {"peer": lambda seed: order.append(f"p{seed}"), "ours": lambda seed: order.append(f"o{seed}")}, [0, 1]
    )
    assert order == ["p0", "o0", "p1", "o1"]


@pytest.mark.parametrize("name", ["demo", "time_to_loss", "kills", "score"])
def test_benchmarks_say_what_they_take(name: str) -> None:
    script = measure.ROOT / "benchmarks" / f"{name}.py"
    done = subprocess.run([sys.executable, str(script), "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert name == "score" or "--quick" in done.stdout
