"""What the steps did to the documents of the user's files: kept and dropped, languages, lengths, duplicates, personal data.

Reads `gather.json` without trusting its shape: what is not there, or of the wrong kind, is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from trivium.journey.report_values import Number, count, label, large, number

MOST_SAMPLES = 3
SAMPLE_CHARACTERS = 400
FATE_COLUMNS = ("Documents", "Characters")


@dataclass(frozen=True)
class Table:
    """A title, the names of its values, and rows: (name, what the bar shows, values as text); `ranked`: largest first."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, Number, tuple[str, ...]], ...]
    ranked: bool = True


@dataclass(frozen=True)
class Sample:
    """The beginning of a dropped document, and why it was dropped."""

    reason: str
    name: str
    text: str


def tables_of(content: Mapping[str, Any]) -> Iterator[Table]:
    """A table for everything that the steps counted."""
    fates = content.get("fates")
    for source, by_fate in fates.items() if isinstance(fates, Mapping) else ():
        yield from _fates(f"Kept and dropped: {label(source)}", by_fate)
    for title, key in (
        ("Languages", "languages"),
        ("Personal data found", "private"),
        ("Evaluation items found, by documents that hold them", "contaminated"),
    ):
        yield from _counts(title, content.get(key))
    lengths = content.get("lengths")
    if isinstance(lengths, Mapping):
        known = sorted((int(name), value) for name, value in lengths.items() if str(name).isdigit())
        yield from _counts(
            "Documents by length", {f"up to {size:,} characters": value for size, value in known}, ranked=False
        )
    duplicates = content.get("duplicates")
    if isinstance(duplicates, Mapping):
        named = {
            name.replace("near", "nearly another"): duplicates.get(name) for name in ("exact", "near", "paragraphs")
        }
        yield from _counts("Duplicates", named)
        groups = duplicates.get("near_groups")
        if isinstance(groups, Mapping):
            sizes = {f"of {label(size)}": value for size, value in groups.items()}
            yield from _counts("Groups of nearly the same", sizes, ranked=False)
    verdicts = content.get("quality")
    for preset, figures in verdicts.items() if isinstance(verdicts, Mapping) else ():
        yield from _counts(f"Documents beyond a limit of {label(preset)}", figures)


def samples_of(content: Mapping[str, Any]) -> tuple[Sample, ...]:
    """The beginnings of a few dropped documents for each reason."""
    found = content.get("dropped_samples")
    return tuple(
        Sample(label(reason), label(row.get("id", "")), label(row.get("text", ""), SAMPLE_CHARACTERS))
        for reason, rows in (found.items() if isinstance(found, Mapping) else ())
        for row in (rows[:MOST_SAMPLES] if isinstance(rows, list) else ())
        if isinstance(row, Mapping)
    )


def _fates(title: str, by_fate: Any) -> Iterator[Table]:
    rows = []
    for fate, value in by_fate.items() if isinstance(by_fate, Mapping) else ():
        documents = number(value.get("documents")) if isinstance(value, Mapping) else None
        characters = number(value.get("characters")) if isinstance(value, Mapping) else None
        if documents is not None:
            rows.append((label(fate), documents, (count(documents), large(characters or 0))))
    if rows:
        yield Table(title, FATE_COLUMNS, tuple(rows))


def _counts(title: str, counts: Any, ranked: bool = True) -> Iterator[Table]:
    rows = [
        (label(name), found, (count(found),))
        for name, value in (counts.items() if isinstance(counts, Mapping) else ())
        if (found := number(value))
    ]
    if rows:
        yield Table(title, ("Times",), tuple(rows), ranked)
