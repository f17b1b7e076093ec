"""Carries the committed results into docs/results.md, between two markers: python benchmarks/publish.py

The words around the table are written by hand and stay as they are; a figure stands nowhere else.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from figures import RESULTS, bar_text, number
from measure import ROOT

PAGE = ROOT / "docs" / "results.md"
START, END = "<!-- results: start -->", "<!-- results: end -->"
HEADER = "| figure | value | low to high | bar | aim | seeds |"


def results_table(folder: Path = RESULTS) -> str:
    """A section for each file of results, in the order of their names: a table, then where and how it was measured."""
    sections = [
        section(path.stem, json.loads(path.read_text(encoding="utf-8"))) for path in sorted(folder.glob("*.json"))
    ]
    return "\n\n".join(sections) or "Nothing has been measured yet."


def section(name: str, results: dict[str, dict[str, Any]]) -> str:
    """One benchmark's figures as Markdown."""
    lines = [f"### {name.replace('_', ' ')}", "", HEADER, "|---|---|---|---|---|---|"]
    for key, row in results.items():
        bar = bar_text(row["value"], row["bar"], row["better"])
        aim = "-" if row["aim"] is None else f"{row['aim']:g}"
        spread = "-" if row["low"] is None else f"{row['low']:.4g} to {row['high']:.4g}"
        seeds = ", ".join(map(str, row["seeds"]))
        lines.append(f"| `{key}` | {number(row['value'], row['unit'])} | {spread} | {bar} | {aim} | {seeds} |")
    notes = [f"- `{key}`: {row['note']}" for key, row in results.items() if row["note"]]
    sources = {f"`{row['command']}` at {row['commit']} on {row['machine']}": None for row in results.values()}
    return "\n".join([*lines, "", *notes, *(f"- measured by {source}" for source in sources)])


def published(page: str, content: str) -> str:
    """The page with `content` between its markers. Raises ValueError where the page does not have both, in order."""
    before, start, rest = page.partition(START)
    _, end, after = rest.partition(END)
    if not (start and end):
        raise ValueError(f"the page needs the lines {START} and {END}, in this order")
    return f"{before}{START}\n\n{content}\n\n{END}{after}"


def main() -> None:
    """Rewrite the page's table."""
    try:
        PAGE.write_text(published(PAGE.read_text(encoding="utf-8"), results_table()), encoding="utf-8")
    except (OSError, ValueError) as error:
        sys.exit(f"{PAGE}: {error}")
    print(f"{PAGE.relative_to(ROOT)} holds the results of {len(list(RESULTS.glob('*.json')))} benchmarks")


if __name__ == "__main__":
    main()
