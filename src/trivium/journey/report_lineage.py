"""The lineage section: what made what, by keys and hashes, and whether the recorded chain still holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from trivium.base.errors import TriviumError
from trivium.journey.lineage import verify_lineage
from trivium.journey.report_read import Run
from trivium.journey.report_values import duration, label, moment, short_hash

MOST_FAULTS = 12
MOST_SETTINGS = 80


@dataclass(frozen=True)
class Link:
    """One row of the table, and the stage's settings by dotted name."""

    stage: str
    how: str
    time: str
    key: str
    output: str
    settings: tuple[tuple[str, str], ...]
    at: str


@dataclass(frozen=True)
class Lineage:
    """The rows, and what the check of the chain said: `holds` is None where there is no record; `faults` break it."""

    links: tuple[Link, ...]
    holds: bool | None
    verdict: str
    faults: tuple[str, ...]


def lineage(run: Run) -> Lineage:
    """The stages' lineage, newest entry of each stage; stages without an entry are told from their stage.json."""
    newest = {entry.stage: entry for entry in run.lineage}
    links = []
    for stage in run.finished:
        facts, entry = stage.facts, newest.get(stage.name)
        links.append(
            Link(
                stage=stage.name,
                how=label((entry.how if entry else "") or facts.how or "not known"),
                time=duration(facts.seconds),
                key=short_hash(facts.key or (entry.key if entry else "")),
                output=short_hash(facts.output_hash or (entry.output_hash if entry else "")),
                settings=tuple((label(key), label(value, 200)) for key, value in _flat(facts.settings))[:MOST_SETTINGS],
                at=moment(facts.finished_at or (entry.at if entry else "")),
            )
        )
    holds, verdict, faults = _check(run)
    return Lineage(tuple(links), holds, verdict, faults)


def _flat(settings: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Nested settings under the dotted names that --set takes."""
    for key, value in settings.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{above}{key}.")
        else:
            yield above + key, value


def _check(run: Run) -> tuple[bool | None, str, tuple[str, ...]]:
    if not run.lineage:
        return None, "This run has no record of its lineage, so nothing can be checked.", ()
    try:
        verify_lineage(run.folder)
    except (TriviumError, OSError, RecursionError) as error:
        faults = [label(line.replace(f"{run.folder}/", ""), 300) for line in str(error).splitlines()]
        more = [f"and {len(faults) - MOST_FAULTS} more"] if len(faults) > MOST_FAULTS else []
        return (
            False,
            "The chain does not hold: something was changed after it was recorded.",
            (*faults[:MOST_FAULTS], *more),
        )
    return (
        True,
        "The chain holds: every entry names the hash of the one before it, and every file is as it was recorded.",
        (),
    )
