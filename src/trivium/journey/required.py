"""What a recipe requires of its scores. A run that falls short fails, with a table of what was asked and found.

It is looked at whenever the recipe is run, also where nothing had to be measured again; `require` is not in any key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trivium.base.errors import TriviumError, UserError
from trivium.base.files import read_json
from trivium.journey.graph import base_of

if TYPE_CHECKING:
    from trivium.stages.evaluate import Requirement

ORDER = ("pretrain", "finetune", "align")


class RequirementError(TriviumError):
    """A score is not what the recipe requires. The run's stages are finished and stay so."""

    exit_code = 4


@dataclass(frozen=True)
class Verdict:
    """One requirement: what was asked, what was found (with its interval), and whether it holds."""

    score: str
    stage: str
    wanted: str
    found: str
    holds: bool


def verdicts(requirements: Sequence[Requirement], scores: Sequence[Mapping[str, Any]]) -> list[Verdict]:
    """What each requirement comes to, one line for each of its conditions. Raises UserError where the run that a score is
    held against cannot be read."""
    return [one for requirement in requirements for one in _judge(requirement, scores)]


def _judge(requirement: Requirement, scores: Sequence[Mapping[str, Any]]) -> list[Verdict]:
    row = _find(requirement.score, requirement.stage, scores)
    if row is None or row.get(requirement.bound) is None:
        known = ", ".join(dict.fromkeys(str(one["name"]) for one in scores if "/family/" not in str(one["name"])))
        wanted = "to be measured"
        return [
            Verdict(requirement.score, requirement.stage, wanted, f"not there; there are: {known or 'none'}", False)
        ]
    value, stage = float(row[requirement.bound]), str(row["stage"])
    told = f"{row['value']:.4g} ({row['low']:.4g} to {row['high']:.4g}, n {row['items']})"
    which = "" if requirement.bound == "value" else f"{requirement.bound} end "
    found = []
    if requirement.at_least is not None:
        wanted = f"{which}at least {requirement.at_least:g}"
        found.append(Verdict(requirement.score, stage, wanted, told, value >= requirement.at_least))
    if requirement.at_most is not None:
        wanted = f"{which}at most {requirement.at_most:g}"
        found.append(Verdict(requirement.score, stage, wanted, told, value <= requirement.at_most))
    if requirement.no_worse_than is not None:
        found.append(_held_against(requirement, requirement.no_worse_than, row, told))
    return found


def _held_against(requirement: Requirement, run: Path, row: Mapping[str, Any], told: str) -> Verdict:
    """Worse is only what is worse beyond both intervals: two runs of one recipe differ by chance too."""
    try:
        scores = read_json(run / "evaluate" / "scores.json")["scores"]
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"require: {run}: its scores cannot be read ({error}); give a run with a finished evaluate"
        ) from None
    other = _find(requirement.score, str(row["stage"]), scores)
    if other is None:
        return Verdict(
            requirement.score, str(row["stage"]), f"no worse than {run.name}", f"{run.name} has no such score", False
        )
    if requirement.better == "higher":
        holds = float(row["high"]) >= float(other["low"])
    else:
        holds = float(row["low"]) <= float(other["high"])
    wanted = f"no worse than {run.name}: {other['value']:.4g} ({other['low']:.4g} to {other['high']:.4g})"
    return Verdict(requirement.score, str(row["stage"]), wanted, told, holds)


def _find(name: str, stage: str, scores: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The score of a stage, or of the newest that has it."""
    same = [row for row in scores if row.get("name") == name and (not stage or row.get("stage") == stage)]
    return max(same, key=lambda row: _age(str(row.get("stage"))), default=None)


def _age(stage: str) -> int:
    """How far along the journey a stage's model is; several alignments are as far as each other."""
    base = base_of(stage)
    return ORDER.index(base) if base in ORDER else -1


def table(found: Sequence[Verdict]) -> str:
    """The verdicts as lines of text."""
    rows = [("", "score", "stage", "required", "found")]
    rows += [("ok" if one.holds else "FAILS", one.score, one.stage, one.wanted, one.found) for one in found]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row[:4], widths, strict=True)), row[4]]) for row in rows
    )


def require(requirements: Sequence[Requirement], run_folder: Path) -> list[Verdict]:
    """The verdicts on a run whose evaluate is finished. Raises RequirementError, its message the table, where one fails."""
    if not requirements:
        return []
    found = verdicts(requirements, read_json(run_folder / "evaluate" / "scores.json")["scores"])
    short = sum(not one.holds for one in found)
    if short:
        raise RequirementError(
            f"{short} of {len(found)} requirements are not met; the run itself is finished\n{table(found)}"
        )
    return found
