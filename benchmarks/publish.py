"""Carries the committed results into the pages that show them: python benchmarks/publish.py

docs/results.md gets every figure, README.md the headlines, each between two markers; the words around them are
written by hand and stay as they are. A figure stands nowhere else.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from figures import RESULTS, bar_text, number
from measure import ROOT

START, END = "<!-- results -->", "<!-- /results -->"
NOTHING = "Nothing has been measured yet."
HEADLINES = (
    "demo_minutes",
    "heldout_instruction_exact",
    "demo_win_rate",
    "time_to_loss_vs_nanogpt",
    "train_vs_nanogpt_best",
    "generate_b16_vs_hf",
    "kills_survived",
)

Results = dict[str, dict[str, dict[str, Any]]]  # by benchmark, then by figure


def read_results(folder: Path = RESULTS) -> Results:
    """What the benchmarks wrote, in the order of their names."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}


def pages(results: Results) -> dict[Path, str]:
    """What belongs between the markers of each page."""
    every = [section(name, rows) for name, rows in results.items()]
    return {
        ROOT / "docs" / "results.md": "\n\n".join(every) or NOTHING,
        ROOT / "README.md": headlines(results) or NOTHING,
    }


def headlines(results: Results) -> str:
    """The figures that a reader asks for first, as one Markdown table, and where they were measured."""
    rows = {key: row for figures in results.values() for key, row in figures.items() if key in HEADLINES}
    if not rows:
        return ""
    lines = ["| figure | value | low to high | what it is |", "|---|---|---|---|"]
    for key in (key for key in HEADLINES if key in rows):
        row = rows[key]
        lines.append(f"| `{key}` | {number(row['value'], row['unit'])} | {spread(row)} | {row['note']} |")
    machines = {re.split(", threads |, load ", row["machine"])[0]: None for row in rows.values()}
    return "\n".join([*lines, "", *(f"Measured on {machine}." for machine in machines)])


def section(name: str, results: dict[str, dict[str, Any]]) -> str:
    """One benchmark's figures as Markdown, with where and how each was measured."""
    lines = [f"### {name.replace('_', ' ')}", ""]
    lines += ["| figure | value | low to high | bar | aim | seeds |", "|---|---|---|---|---|---|"]
    for key, row in results.items():
        value, bar = number(row["value"], row["unit"]), bar_text(row["value"], row["bar"], row["better"])
        aim = "-" if row["aim"] is None else f"{row['aim']:g}"
        seeds = ", ".join(map(str, row["seeds"]))
        lines.append(f"| `{key}` | {value} | {spread(row)} | {bar} | {aim} | {seeds} |")
    notes = [f"- `{key}`: {row['note']}" for key, row in results.items() if row["note"]]
    sources = {f"`{row['command']}` at {row['commit']} on {row['machine']}": None for row in results.values()}
    return "\n".join([*lines, "", *notes, *(f"- measured by {source}" for source in sources)])


def spread(row: dict[str, Any]) -> str:
    """The smallest and the largest value over the seeds."""
    return "-" if row["low"] is None else f"{row['low']:.4g} to {row['high']:.4g}"


def published(page: str, content: str) -> str:
    """The page with `content` between its markers. Raises ValueError where the page does not have both, in order."""
    before, start, rest = page.partition(START)
    _, end, after = rest.partition(END)
    if not (start and end):
        raise ValueError(f"the page needs the lines {START} and {END}, in this order")
    return f"{before}{START}\n\n{content}\n\n{END}{after}"


def main() -> None:
    """Rewrite what stands between the markers of each page."""
    results = read_results()
    for path, content in pages(results).items():
        try:
            path.write_text(published(path.read_text(encoding="utf-8"), content), encoding="utf-8")
        except (OSError, ValueError) as error:
            sys.exit(f"{path}: {error}")
        print(f"{path.relative_to(ROOT)}: the results of {len(results)} benchmarks")


if __name__ == "__main__":
    main()
