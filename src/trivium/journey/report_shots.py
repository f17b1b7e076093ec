"""The section on tasks that are asked in words: scores by the number of examples, as a table and a curve, with chance.

Reads the `shots/TASK/NUMBER` scores of `evaluate`, and from its `tasks.json` chance, spread and notes; what makes no sense is
left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from trivium.base.errors import MissingExtra
from trivium.journey.charts import Reference, Series, Style, line_chart
from trivium.journey.report_read import Run, Score
from trivium.journey.report_scores import SHOTS, Table, table_of
from trivium.journey.report_values import label, many, number, percent
from trivium.journey.report_words import PHASES

AFTER = {phase.model: phase.after for phase in PHASES}
LOOKS: Mapping[str, tuple[str, Style]] = {  # colour and mark, as in the tables
    "pretrain": ("grammar", "dots"),
    "finetune": ("logic", "squares"),
    "align": ("rhetoric", "diamonds"),
}
OTHER_LOOK: tuple[str, Style] = ("soft", "crosses")
VIEWS = {"prompt": "asked at the end of a prompt", "cloze": "asked as a gap to fill"}
SCORINGS = {
    "sum": "the likeliest option counts",
    "per_token": "the option that is likeliest a token counts",
    "per_character": "the option that is likeliest a character counts",
    "calibrated": "the option that gains most over prompts without content counts",
    "constrained": "the option that is written token by token counts",
    "whole": "the option that makes the whole text likeliest counts",
}


@dataclass(frozen=True)
class ShotPart:
    """One task: its table, what is to be said of it, and its chart where it could be drawn."""

    name: str
    table: Table
    sentences: tuple[str, ...]
    notes: tuple[str, ...]
    svg: str | None


def shot_parts(run: Run) -> tuple[ShotPart, ...]:
    """A part for every task that was asked, in the order of the scores."""
    by_task: dict[str, list[tuple[int, Score]]] = {}
    for score in run.scores:
        parts = score.name.split("/")
        if parts[0] == SHOTS and len(parts) == 3 and parts[2].isdigit() and score.value is not None:
            by_task.setdefault(parts[1], []).append((int(parts[2]), score))
    return tuple(_part(run, task, found) for task, found in by_task.items())


def _part(run: Run, task: str, found: list[tuple[int, Score]]) -> ShotPart:
    curves = [one for one in run.asked if one.get("name") == task]
    chance = number(curves[0].get("chance")) if curves else None
    rows = [
        score.model_copy(update={"name": many(shots, "example")})
        for shots, score in sorted(found, key=lambda one: one[0])
    ]
    name = label(task).replace("_", " ")
    notes = dict.fromkeys(
        label(note, 300) for one in curves for note in one.get("notes") or () if isinstance(note, str)
    )
    table = replace(
        table_of(f"{name}: right answers", rows, lambda score: score.name), note=how_asked(found[0][1].note)
    )
    return ShotPart(name, table, tuple(_sentences(found, chance, curves)), tuple(notes), _chart(task, found, chance))


def how_asked(note: str) -> str:
    """A score's note, 'scoring, view', in words; any other as it is."""
    scoring, _, view = note.partition(", ")
    words = [words for words in (VIEWS.get(view, ""), SCORINGS.get(scoring, "")) if words]
    return "; ".join(words) if words else label(note, 160)


def _sentences(found: list[tuple[int, Score]], chance: float | None, curves: list[Mapping[str, Any]]) -> Iterator[str]:
    """Chance, what each model can do without an example, what examples change, and how far draws of them are apart."""
    if chance is not None:
        yield f"Guessing would score {percent(chance)}."
    by_stage: dict[str, list[tuple[int, Score]]] = {}
    for shots, score in sorted(found, key=lambda one: one[0]):
        by_stage.setdefault(score.stage, []).append((shots, score))
    said: dict[str, list[str]] = {}
    for stage, points in by_stage.items():
        (first, least), (last, most) = points[0], points[-1]
        if first == 0 and chance is not None and least.low is not None:
            above = "above chance" if least.low > chance else "not shown to be above chance"
            said.setdefault(f"Without an example {above}", []).append(AFTER.get(stage, label(stage)))
        if last > first and None not in (least.low, least.high, most.low, most.high):
            if (most.low or 0.0) > (least.high or 0.0):
                change = "better, and the intervals do not meet"
            elif (most.high or 0.0) < (least.low or 0.0):
                change = "worse, and the intervals do not meet"
            else:
                change = "no better or worse than chance could make it"
            said.setdefault(f"With {many(last, 'example')} {change}", []).append(AFTER.get(stage, label(stage)))
    for what, models in sorted(said.items(), key=lambda one: one[0].startswith("With ")):
        yield f"{what}: {', '.join(models)}."
    spreads = [
        number(point.get("spread")) for one in curves for point in one.get("points") or () if isinstance(point, Mapping)
    ]
    known = [spread for spread in spreads if spread]
    if known:
        most_of = f"{100 * max(known):.1f}"
        yield f"Between draws of the examples and phrasings it varies by up to {most_of} points (standard deviation)."


def _chart(task: str, found: list[tuple[int, Score]], chance: float | None) -> str | None:
    """Score against examples, a line a model; None with one number of examples, or without matplotlib."""
    lines: dict[str, list[tuple[float, float]]] = {}
    for shots, score in sorted(found, key=lambda one: one[0]):
        lines.setdefault(score.stage, []).append((float(shots), float(score.value or 0.0)))
    series = [
        Series(AFTER.get(stage, label(stage)), tuple(points), *LOOKS.get(stage, OTHER_LOOK))
        for stage, points in lines.items()
        if len(points) > 1
    ]
    if not series:
        return None
    name = "shots-" + "".join(one if one.isascii() and one.isalnum() else "-" for one in task)
    levels = () if chance is None else (Reference(f"chance {percent(chance)}", chance),)
    try:
        return line_chart(
            name,
            series,
            x_label="examples in the prompt",
            y_label="right answers",
            levels=levels,
            share="whole",
        )
    except MissingExtra:
        return None
