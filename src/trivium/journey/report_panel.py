"""The section "is it learning?": what the figures of each alignment say, in the words of the live panel."""

from __future__ import annotations

from dataclasses import dataclass

from trivium.journey.graph import base_of
from trivium.journey.report_read import Run
from trivium.journey.report_values import label
from trivium.rl.panel import ANSWERS, panel


@dataclass(frozen=True)
class Verdict:
    """One alignment: the answer in a few words, what it rests on, and what should be looked after."""

    name: str
    state: str
    answer: str
    seen: tuple[str, ...]
    warnings: tuple[str, ...]


def verdicts(run: Run) -> tuple[Verdict, ...]:
    """One for each alignment that has taken a step after a reward."""
    found = []
    rounds = {f"align, round {number}": stages["align"] for number, stages in run.later.items()}
    for name, stage in {**run.stages, **rounds}.items():
        if (base_of(name) == "align" or name in rounds) and any("reward" in row for row in stage.metrics):
            told = panel(stage.metrics, float(stage.figure("kl_budget") or 0.0))
            found.append(Verdict(label(name), told.state, ANSWERS[told.state], told.seen, told.warnings))
    return tuple(found)
