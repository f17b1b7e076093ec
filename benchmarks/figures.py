"""Figures with their spread, and the results: the table for people, the JSON that stays, the last line for machines.

A figure is measured once per seed; its value is the median, `low` and `high` the smallest and the largest. Results go
to benchmarks/results/NAME.json; publish.py carries them into docs/results.md.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from measure import ROOT

RESULTS = Path(__file__).resolve().parent / "results"
Better = Literal["higher", "lower"]


@dataclass(frozen=True)
class Figure:
    """A measured figure: `values` holds one for each of `seeds`, or nothing where it was not reached.

    `bar` is what must be met, `aim` what comes after it. Where `values` are ratios of our measurements and a peer's,
    `ours` and `peer` hold those, in `unit`.
    """

    key: str
    values: Sequence[float]
    seeds: Sequence[int]
    unit: str = ""
    better: Better = "higher"
    bar: float | None = None
    aim: float | None = None
    ours: Sequence[float] = ()
    peer: Sequence[float] = ()
    note: str = ""

    @property
    def value(self) -> float | None:
        """The median over the seeds."""
        return middle(self.values)


def middle(values: Sequence[float]) -> float | None:
    """The median, None of nothing."""
    return statistics.median(values) if values else None


def is_met(value: float | None, bar: float | None, better: Better) -> bool | None:
    """Whether a bar is met; None where there is none."""
    if bar is None:
        return None
    return value is not None and (value >= bar if better == "higher" else value <= bar)


def commit() -> str:
    """The commit that is measured, and whether the tree differs from it; 'unknown' outside a git checkout."""

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""

    head = git("rev-parse", "--short", "HEAD")
    return (f"{head} with local changes" if git("status", "--porcelain", "src", "recipes") else head) or "unknown"


def command_line() -> str:
    """How this benchmark was called; paths outside the project by their last name."""

    def shown(argument: str) -> str:
        path = Path(argument)
        if not path.is_absolute() and ".." not in path.parts:
            return argument
        inside = path.resolve()
        return str(inside.relative_to(ROOT)) if inside.is_relative_to(ROOT) else path.name

    return " ".join(["python", *map(shown, sys.argv)])


def finish(name: str, figures: Sequence[Figure], where: str, *, quick: bool) -> None:
    """Print the table, write the results unless they are rough ones, and print the values as the last line."""
    print(table(figures))
    print(f"\n{where}; commit {commit()}")
    if quick:
        print("a rough answer (--quick): not written to the results")
    else:
        print(f"written to {write_results(name, figures, where).relative_to(ROOT)}")
    print(json.dumps({figure.key: rounded(figure.value) for figure in figures}))


def write_results(name: str, figures: Sequence[Figure], where: str, folder: Path = RESULTS) -> Path:
    """Write NAME.json, one entry a figure, and return its path. What a run that measures a part leaves out stays."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    content = known | {figure.key: entry(figure, where) for figure in figures}
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def entry(figure: Figure, where: str) -> dict[str, Any]:
    """A figure as the results hold it."""
    return {
        "value": rounded(figure.value),
        "low": rounded(min(figure.values, default=None)),
        "high": rounded(max(figure.values, default=None)),
        "seeds": list(figure.seeds),
        "bar": figure.bar,
        "aim": figure.aim,
        "better": figure.better,
        "unit": "" if figure.peer else figure.unit,
        "note": figure.note,
        "machine": where,
        "commit": commit(),
        "command": command_line(),
    }


def rounded(value: float | None) -> float | None:
    """Five significant digits."""
    return None if value is None else float(f"{value:.5g}")


def table(figures: Sequence[Figure]) -> str:
    """The figures as text: figure, ours, peer, ratio, spread, bar; notes below."""
    rows = [("figure", "ours", "peer", "ratio", "spread", "bar")]
    for figure in figures:
        spread = f"{number(min(figure.values))} to {number(max(figure.values))}" if len(figure.values) > 1 else "-"
        rows.append(
            (
                figure.key,
                number(middle(figure.ours or figure.values), figure.unit),
                number(middle(figure.peer), figure.unit) if figure.peer else "-",
                number(figure.value) if figure.peer else "-",
                spread,
                bar_text(figure.value, figure.bar, figure.better),
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    notes = [f"{figure.key}: {figure.note}" for figure in figures if figure.note]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:], *notes])


def number(value: float | None, unit: str = "") -> str:
    """A number as people read it."""
    return "not reached" if value is None else f"{value:.4g} {unit}".strip()


def bar_text(value: float | None, bar: float | None, better: Better) -> str:
    """The bar, and whether it is met."""
    met = is_met(value, bar, better)
    return "-" if met is None else f"{'>=' if better == 'higher' else '<='} {bar:g}, {'met' if met else 'missed'}"
