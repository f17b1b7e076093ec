"""The table that `trivium compare` prints: for each prompt what every stage says, and why they differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from trivium.apps.printable import visible
from trivium.base.errors import DataError


class Row(Protocol):
    """One prompt through the stages."""

    @property
    def prompt(self) -> str: ...
    @property
    def answers(self) -> Mapping[str, str]: ...
    @property
    def explanations(self) -> Mapping[str, str]: ...
    @property
    def changes(self) -> Mapping[str, Mapping[str, float]]: ...


def read_prompts(file: Path) -> list[str]:
    """The lines of a text file that are not empty. Raises DataError where it cannot be read or has none."""
    try:
        prompts = [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot be read as UTF-8 text ({error})", file=file) from None
    if not prompts:
        raise DataError("holds no prompt; write one on each line", file=file)
    return prompts


def draw(rows: Iterable[Row], console: Console) -> None:
    """Print one table a prompt."""
    for row in rows:
        table = Table(
            title=escape(visible(row.prompt)), title_justify="left", title_style="bold", show_header=False, expand=True
        )
        table.add_column(style="cyan", no_wrap=True)
        table.add_column(ratio=1, overflow="fold")
        for stage, answer in row.answers.items():
            why = (row.explanations.get(stage, ""), figures_of(row.changes.get(stage, {})))
            below = "".join(f"\n[dim]{escape(line)}[/]" for line in why if line)
            table.add_row(stage, escape(visible(answer)) + below, end_section=True)
        console.print(table, highlight=False)


def figures_of(changes: Mapping[str, float]) -> str:
    """The figures of one answer in a line."""
    if not changes:
        return ""
    said = [
        f"{changes['words']:.0f} {'word' if changes['words'] == 1 else 'words'}",
        f"log-likelihood {changes['log_likelihood']:.1f} nats",
    ]
    said.append(f"of the newest answer {changes['log_likelihood_of_newest']:.1f}")
    said += [f"{name} {changes[key]:.2f}" for key, name in (("reward", "reward"), ("kl", "KL")) if key in changes]
    if "same" in changes:
        said.append("the same words as in the first run" if changes["same"] else "other words than in the first run")
    return ", ".join(said) + ("" if changes["ended"] else "; cut off at the length limit")
