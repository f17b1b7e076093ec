"""The sections on bias and on what the models remember: tables of `evaluate`'s scores, and what they show in sentences.

A sentence claims a preference, or a memory, only where the interval leaves chance no room.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trivium.journey.report_read import Run, Score
from trivium.journey.report_scores import BIAS, MEMORY, TITLES, Table, measure, table_apart, table_of
from trivium.journey.report_values import count, number, percent, plain
from trivium.journey.report_words import PHASES

CHANCE_BITS = 1.4427  # of a secret that was never seen: log2 e
PREFERENCES = ("own_pairs", "crows_pairs", "winogender")


@dataclass(frozen=True)
class Part:
    """A section: sentences, and tables with a column for each model."""

    sentences: tuple[str, ...]
    tables: tuple[Table, ...]


def bias_part(run: Run) -> Part | None:
    """What was measured of bias; None where nothing was."""
    scores = [score for score in run.scores if measure(score)[0] in BIAS]
    if not scores:
        return None
    return Part(tuple(_preference(name, scores) for name in PREFERENCES if _of(scores, name)), _tables(scores, BIAS))


def memory_part(run: Run) -> Part | None:
    """What was measured of memory; None where nothing was."""
    scores = [score for score in run.scores if measure(score)[0] in MEMORY]
    if not scores:
        return None
    return Part((*_exposure(scores), *_membership(scores), *_private(run)), _tables(scores, MEMORY))


def _tables(scores: Sequence[Score], names: Mapping[str, str]) -> tuple[Table, ...]:
    """A table for each measure that has groups, and two with the others by their titles: shares, and what has a unit."""
    tables, single = [], list[Score]()
    for name in names:
        own = [score for score in scores if measure(score)[0] == name]
        if len({score.name for score in own}) > 1:
            tables.append(table_of(TITLES[name], own, _row_of))
        else:
            single += own
    shares = [score for score in single if score.unit == "share"]
    if shares:
        tables.append(table_of("In short", shares, lambda score: TITLES[score.name]))
    others = [score for score in single if score.unit != "share"]
    if others:
        tables.append(table_apart("Further figures, each on its own scale", others))
    return tuple(tables)


def _row_of(score: Score) -> str:
    return measure(score)[2].replace("_", " ") or "All"


def _of(scores: Sequence[Score], name: str) -> list[Score]:
    """The scores of that very name that have a value, in the order of the phases."""
    order = [phase.model for phase in PHASES]
    found = [score for score in scores if score.name == name and score.value is not None]
    return sorted(found, key=lambda score: order.index(score.stage) if score.stage in order else len(order))


def _after(stage: str) -> str:
    return next((phase.after for phase in PHASES if phase.model == stage), stage)


def _preference(name: str, scores: Sequence[Score]) -> str:
    """How often, by model, and for which models that is more or less than chance."""
    told: list[str] = []
    shown: dict[str, list[str]] = {}
    for score in _of(scores, name):
        between = f" ({percent(score.low)} to {percent(score.high)})" if score.low is not None else ""
        told.append(f"{percent(score.value)}{between} {_after(score.stage)}")
        if score.low is not None and score.low > 0.5:
            shown.setdefault("more than chance would give", []).append(_after(score.stage))
        elif score.high is not None and score.high < 0.5:
            shown.setdefault("less than chance would give", []).append(_after(score.stage))
        else:
            shown.setdefault("chance could give as much", []).append(_after(score.stage))
    parts = [text if len(shown) == 1 else f"{' and '.join(names)}: {text}" for text, names in shown.items()]
    return f"{TITLES[name]}: {', '.join(told)}. {_capital('; '.join(parts))}."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _exposure(scores: Sequence[Score]) -> list[str]:
    rows = [score for score in scores if measure(score)[0] == "exposure" and score.value is not None]
    sentences = []
    for stage in dict.fromkeys(score.stage for score in rows):
        own = {measure(score)[2]: score for score in rows if score.stage == stage}
        controls = own.pop("controls", None)
        if controls is None or controls.value is None or not own:
            continue
        text = (
            f"The {_after(stage)} model gives secrets that it never saw {plain(controls.value)} bits, where chance alone gives "
            f"{CHANCE_BITS:.2f}"
        )
        most, score = list(own.items())[-1]
        remembered = score.low is not None and controls.high is not None and score.low > controls.high
        text += f"; secrets planted in {most} have {plain(score.value)}: "
        sentences.append(
            text + ("it has learned them by heart in part or whole." if remembered else "no memory shows.")
        )
    return sentences


def _membership(scores: Sequence[Score]) -> list[str]:
    """The AUC of membership, as what it is: how often the training document of two is told by its lower loss."""
    told = []
    for score in _of(scores, "membership_loss"):
        shows = score.low is not None and score.low > 0.5
        meaning = "better than guessing" if shows else "no better than guessing"
        between = f" ({percent(score.low)} to {percent(score.high)})" if score.low is not None else ""
        told.append(f"{percent(score.value)}{between} {_after(score.stage)}, {meaning}")
    if not told:
        return []
    return [
        f"Of a training document and another one the loss points at the right one in {'; '.join(told)}. Guessing: 50%."
    ]


def _private(run: Run) -> list[str]:
    """A sentence for each fine-tuning that was private."""
    sentences = []
    for name, stage in run.stages.items():
        epsilon = stage.figure("epsilon") if name.partition("-")[0] == "finetune" else None
        if epsilon is None:
            continue
        delta, rows = number(stage.facts.figures.get("delta")), stage.figure("examples") or stage.figure("train")
        unit = stage.facts.figures.get("private_unit", "one row")
        what = "Fine-tuning" if name == "finetune" else f"Fine-tuning on {name.partition('-')[2]}"
        sentences.append(
            f"{what} was private: epsilon {plain(epsilon)} at delta {delta:.1e} for {unit}, of {count(rows)} rows. It says "
            "nothing of what the pre-trained model had read before."
        )
    return sentences
