"""The gate of the reward model on the page: each check, whether it passed, and the sentence with its figures."""

from __future__ import annotations

from dataclasses import dataclass

from trivium.journey.report_read import Reader, Run
from trivium.journey.report_values import label

TITLES = {
    "accuracy": "Knows what raters prefer",
    "length": "Knows more than lengths",
    "calibration": "Is as sure as it is right",
    "variance": "Tells answers to one request apart",
    "empty": "Dislikes empty answers",
    "repetition": "Dislikes repetition",
    "very long": "Dislikes endless answers",
}


@dataclass(frozen=True)
class GateRow:
    """One check; `mark` is 'passed', 'failed' or 'not asked'."""

    title: str
    mark: str
    told: str


@dataclass(frozen=True)
class Gate:
    """All checks, and what they come to in a sentence."""

    rows: tuple[GateRow, ...]
    sentence: str


def gate(run: Run) -> Gate | None:
    """The gate of this run's reward model; None where it was not measured."""
    found = Reader(run.folder).mapping(run.folder / "reward" / "gate.json").get("checks")
    checks = [check for check in found if isinstance(check, dict)] if isinstance(found, list) else []
    if not checks:
        return None
    marks = {True: "passed", False: "failed"}
    rows = []
    for check in checks:
        name, passed = label(check.get("name", "")), check.get("passed")
        mark = marks[passed] if isinstance(passed, bool) else "not asked"
        rows.append(GateRow(TITLES.get(name, name), mark, label(check.get("told", ""), 400)))
    failed = sum(row.mark == "failed" for row in rows)
    if not failed:
        return Gate(tuple(rows), "It passed every check, so it may be learned from.")
    of = f"It failed {failed} of {len(rows)} checks"
    followed = any(stage.there and reach_accept(stage.facts.settings) for stage in run.stages.values())
    return Gate(tuple(rows), f"{of}; learning from it all the same was accepted." if followed else f"{of}.")


def reach_accept(settings: object) -> bool:
    """Whether a stage's settings accept a reward model that failed."""
    return isinstance(settings, dict) and settings.get("accept") is True
