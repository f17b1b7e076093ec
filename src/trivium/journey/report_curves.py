"""The learning curves of every stage that trains, each with one sentence that says what its figures did.

A stage that is not finished is drawn as far as it came. Rounds after the first are further lines in the same charts.
Without matplotlib there are sentences and no drawings.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trivium.base.errors import MissingExtra
from trivium.journey.charts import MOST_POINTS, Reference, Series, Style, line_chart
from trivium.journey.graph import is_named
from trivium.journey.report_phases import rater_ceiling
from trivium.journey.report_read import Run, Stage
from trivium.journey.report_values import count, label, number, percent, plain

Points = tuple[tuple[float, float], ...]
MOST_DOTS = 25
Line = tuple[str, str, Style]  # metrics key, legend label, how it is drawn
LINES: tuple[Style, ...] = ("line", "dashed", "dotted", "mixed")  # of rounds
MARKS: tuple[Style, ...] = ("dots", "squares", "triangles", "diamonds")


@dataclass(frozen=True)
class Plan:
    """A chart to draw where its metrics are there. `share` figures are told as percentages."""

    title: str
    stage: str
    art: str
    unit: str
    lines: tuple[Line, ...]
    why: str
    share: bool = False


@dataclass(frozen=True)
class Curve:
    """A chart on the page: `svg` is None where it could not be drawn; `summary` is the figures in words."""

    title: str
    art: str
    summary: str
    why: str
    svg: str | None


_LOSS: tuple[Line, ...] = (("train_loss", "training", "faint"), ("valid_loss", "validation", "dots"))
PLANS = (
    Plan(
        "Pre-training: loss", "pretrain", "grammar", "nats per token", _LOSS,
        "While training and validation fall together, it learns the language and not the texts by heart.",
    ),
    Plan(
        "Pre-training: bits per byte", "pretrain", "grammar", "bits per byte, validation",
        (("valid_bits_per_byte", "validation", "dots"),),
        "The same on unseen text alone, comparable between tokenizers.",
    ),
    Plan(
        "Fine-tuning: loss on answers", "finetune", "logic", "nats per token of the answer", _LOSS,
        "How surprised it is by the right answers. What it has understood, the scores on held-out instructions tell.",
    ),
    Plan(
        "Reward model: agreement with the rater", "reward", "rhetoric", "agreement",
        (("heldout_accuracy", "held-out pairs", "dots"),),
        "Half would be guessing. The ceiling is the best that anything can do: the rater's choices are partly chance.",
        share=True,
    ),
    Plan(
        "Alignment: reward", "align", "rhetoric", "mean reward of the answers", (("reward", "reward", "line"),),
        "This is what alignment raises; it is the reward model's opinion, not yet the rater's.",
    ),
    Plan(
        "Alignment: reward on requests kept aside", "align", "rhetoric", "mean reward of the answers",
        (("heldout_reward", "reward", "dots"),),
        "No step learns from these requests; but the reward is still the reward model's opinion.",
    ),
    Plan(
        "Alignment: fresh ratings", "align", "rhetoric", "pairs won against the fine-tuned model",
        (("fresh_wins", "new answers preferred", "dots"),),
        "The simulated rater's choices, noise and all. Where they fall while the reward rises, the reward is being fooled.",
        share=True,
    ),
    Plan(
        "Alignment: distance from the fine-tuned model", "align", "rhetoric", "KL, nats per answer",
        (("kl", "KL", "line"),),
        "The price: a steep rise without a rise of the win rate means a fooled reward model.",
    ),
    Plan(
        "Alignment: length of the answers", "align", "rhetoric", "tokens per answer", (("length", "length", "line"),),
        "If only length grows, the model has found that long answers are paid.",
    ),
    Plan(
        "Alignment: entropy", "align", "rhetoric", "nats per token", (("entropy", "entropy", "line"),),
        "Near zero, every answer is the same and nothing more can be learned from comparing.",
    ),
)  # fmt: skip


def curves(run: Run) -> tuple[tuple[Curve, ...], str]:
    """(the charts that this run has figures for, why there are no drawings or '')."""
    found, missing = [], ""
    for stage, plan in _plans(run):
        rounds = _rounds(run, plan) if stage.name == plan.stage else []
        series = rounds or _series(stage, plan)
        if not series:
            continue
        levels = _levels(run) if plan.stage == "reward" and not rounds else ()
        svg: str | None = None
        if not missing:
            try:
                name = f"chart-{stage.name}-{plan.lines[-1][0]}".replace("_", "-")
                svg = line_chart(name, series, x_label="step", y_label=plan.unit, levels=levels, share=plan.share)
            except MissingExtra as error:
                missing = str(error)
        found.append(Curve(plan.title, plan.art, _summary(stage, plan, series, levels), plan.why, svg))
    return tuple(found), missing


def _plans(run: Run) -> Iterator[tuple[Stage, Plan]]:
    """Each plan with its stage; those of alignment again for every alignment that the recipe names."""
    for plan in PLANS:
        yield run.stages[plan.stage], plan
    for name, stage in run.stages.items():
        for plan in PLANS:
            if is_named(name, plan.stage) and plan.stage == "align":
                what, _, rest = plan.title.partition(":")
                yield stage, dataclasses.replace(plan, title=f"{what} {label(name.partition('-')[2])}:{rest}")


def points(rows: Sequence[Mapping[str, Any]], key: str) -> Points:
    """(step, value) of the rows that hold both as finite numbers."""
    pairs = [(number(row.get("step")), number(row.get(key))) for row in rows]
    return tuple((float(step), float(value)) for step, value in pairs if step is not None and value is not None)


def _series(stage: Stage, plan: Plan) -> list[Series]:
    lines = []
    for key, name, style in plan.lines:
        found = points(stage.metrics, key)
        if found:
            lines.append(Series(name, found, plan.art, "line" if style == "dots" and len(found) > MOST_DOTS else style))
    if len(lines) == 1 and lines[0].style == "faint":  # nothing stands before it
        return [dataclasses.replace(lines[0], style="line")]
    return lines


def _rounds(run: Run, plan: Plan) -> list[Series]:
    """A line for each round that has figures, the first and the newest ones; none where there is only the first round."""
    if not any(plan.stage in later for later in run.later.values()):
        return []
    key, _, style = plan.lines[0]
    stages = {1: run.stages[plan.stage], **{number: later[plan.stage] for number, later in run.later.items()}}
    found = {number: line for number, stage in stages.items() if (line := points(stage.metrics, key))}
    if not set(found) - {1}:
        return []
    numbers = [*sorted(found)[:1], *sorted(found)[1:][-len(LINES) + 1 :]]
    styles = MARKS if style == "dots" and max(map(len, found.values())) <= MOST_DOTS else LINES
    return [
        Series(f"round {number}", found[number], plan.art, style)
        for number, style in zip(numbers, styles, strict=False)
    ]


def _levels(run: Run) -> tuple[Reference, ...]:
    """What the reward model's agreement is held against: the rater's ceiling, and a rule that needs no learning."""
    known = (
        ("ceiling", rater_ceiling(run)),
        ("by length alone", run.stages["reward"].figure("prefers_longer_accuracy")),
    )
    return tuple(Reference(f"{name} {percent(value)}", value) for name, value in known if value is not None)


def _summary(stage: Stage, plan: Plan, series: Sequence[Series], levels: Sequence[Reference]) -> str:
    write = percent if plan.share else plain
    ends = [(line.label, dict.fromkeys((line.points[0], line.points[-1]))) for line in series]
    text = "; ".join(
        f"{name} " + ", ".join(f"{write(value)} at step {count(step)}" for step, value in points)
        for name, points in ends
    )
    text += "".join(f"; {level.label}" for level in levels)
    if stage.state == "unfinished":
        text += "; not finished"
    if any(len(line.points) > MOST_POINTS for line in series):
        text += "; neighbouring steps are drawn as their mean"
    return text[0].upper() + text[1:] + "."
