"""Gathered documents on the terminal, each with what was done to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.rule import Rule
from rich.text import Text

if TYPE_CHECKING:
    from trivium.data.browse import Shown

CHARACTERS = 600
MOST_FOUND = 12


def draw(documents: Sequence[Shown], console: Console, *, whole: bool, page: int, count: int) -> None:
    """Print documents, one below the other; of each the beginning, or the `whole` of it."""
    for one in documents:
        console.print(Rule(Text(str(one.account["id"])), align="left", style="bold"))
        for line in _steps(one):
            console.print(Text(f"  {line}", style="yellow" if line.startswith("dropped") else "cyan"))
        text = one.text if whole else one.text[:CHARACTERS]
        console.print(Text(text + ("" if len(text) == len(one.text) else " ...")), highlight=False)
    if not whole and len(documents) == count:
        console.print(Text(f"\npage {page}; go on with --page {page + 1}", style="dim"))


def _steps(one: Shown) -> Iterator[str]:
    row = one.account
    yield f"read: {row.get('characters', 0):,} characters of {row.get('source')}"
    for repair in row.get("repairs", ()):
        yield f"repaired: {repair}"
    if "language" in row:
        yield f"language: {row['language']} ({row['language_score']:.2f})"
    for preset, faults in row.get("quality", {}).items():
        yield f"quality, {preset} would drop it: {', '.join(faults)}"
    if one.private or "private" in row:
        found = [f"{found['kind']} at {found['start']}" for found in one.private[:MOST_FOUND]]
        more = f" and {len(one.private) - MOST_FOUND} more" if len(one.private) > MOST_FOUND else ""
        yield f"personal data: {', '.join(found)}{more}"
    for item in row.get("contaminated_by", ()):
        yield f"holds an evaluation item: {item}"
    if "paragraphs_taken_out" in row:
        yield f"paragraphs taken out, since they were there before: {row['paragraphs_taken_out']}"
    if row.get("dropped"):
        yield f"dropped: {row['dropped']}" + (f" of {row['nearly']}" if "nearly" in row else "")
    else:
        yield f"kept for {one.split}: {len(one.text):,} characters"
