"""How much labelled data pre-training saves: learning curves of several ways to a task, in figures and in words.

Rows are single trainings: {"arm", "labels", "seed", "value", "parameters", "seconds"}. Every arm sees the same items at the
same seed, so differences are taken by seed and have an interval over seeds. A row that stands alone brings its own interval
("low", "high", "items"): asking without a label gives the same at every seed. Nothing here trains.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from trivium.evaluate.intervals import Estimate, over_seeds
from trivium.task.declaration import Task

Row = Mapping[str, Any]
PRETRAINED = ("full", "lora", "frozen")  # in the order in which they stand for the pre-trained model
SCRATCH = "scratch"
# Which of the models begins with the pre-trained weights, and which of its parts are trained.
ARMS: Mapping[str, tuple[str, str]] = {
    SCRATCH: ("random", "full"),
    "frozen": ("pretrained", "head"),
    "lora": ("pretrained", "lora"),
    "full": ("pretrained", "full"),
}
ZERO_SHOT, FEW_SHOT = "zero_shot", "few_shot"  # the pre-trained model as it is, asked in words


def missing_way(arm: str, task: Task, by_head: bool, causal: bool | None) -> str:
    """Why a way does not exist for a task and a model that is causal or masked (None: not known yet), '' where it does."""
    if arm == "frozen" and not by_head:
        return "a task that is asked in words has no head to train alone"
    if arm not in (ZERO_SHOT, FEW_SHOT):
        return ""
    views = task.views
    if views.prompt is None and (views.cloze is None or causal):
        return f"the task has no {'views.prompt' if causal else 'views.prompt and no views.cloze'} to be asked by"
    if causal is False and task.kind in ("answer", "generate"):
        return f"a masked model writes no text; a task of kind {task.kind} needs a decoder"
    return ""


def values_of(rows: Sequence[Row], arm: str, labels: int) -> dict[int, float]:
    """The scores of an arm at a budget, by seed."""
    return {row["seed"]: row["value"] for row in rows if row["arm"] == arm and row["labels"] == labels}


def curve_of(rows: Sequence[Row], arm: str) -> list[tuple[int, Estimate]]:
    """(labels, mean score with its interval over seeds) of an arm, by rising budget."""
    budgets = sorted({row["labels"] for row in rows if row["arm"] == arm})
    return [(labels, _estimate(rows, arm, labels)) for labels in budgets]


def _estimate(rows: Sequence[Row], arm: str, labels: int) -> Estimate:
    own = [row for row in rows if row["arm"] == arm and row["labels"] == labels]
    if len(own) == 1 and "low" in own[0]:
        return Estimate(own[0]["value"], own[0]["low"], own[0]["high"], own[0]["items"])
    return over_seeds([row["value"] for row in own])


def gains(rows: Sequence[Row], arm: str, against: str = SCRATCH) -> list[tuple[int, Estimate]]:
    """(labels, mean score of `arm` less that of `against`, by seed) at every budget that both have."""
    found = []
    for labels in sorted({row["labels"] for row in rows}):
        one, two = values_of(rows, arm, labels), values_of(rows, against, labels)
        shared = sorted(one.keys() & two.keys())
        if len(shared) > 1:
            found.append((labels, over_seeds([one[seed] - two[seed] for seed in shared])))
    return found


def labels_needed(curve: Sequence[tuple[int, Estimate]], score: float) -> float | None:
    """How many labels a curve needs to reach a score: where the line between two budgets (over the logarithm of labels) first
    meets it. None where it never does; the smallest budget where it is there from the start."""
    before: tuple[int, float] | None = None
    for labels, estimate in curve:
        if estimate.value >= score:
            if before is None or estimate.value == before[1]:
                return float(labels)
            share = (score - before[1]) / (estimate.value - before[1])
            return math.exp(math.log(before[0]) + share * (math.log(labels) - math.log(before[0])))
        before = (labels, estimate.value)
    return None


def summary(rows: Sequence[Row], main: str) -> dict[str, Any]:
    """Curves, gains and savings as `transfer.json` holds them, with the answer in a sentence."""
    arms = list(dict.fromkeys(row["arm"] for row in rows))
    stands = next((arm for arm in PRETRAINED if arm in arms), None)
    curves = [
        {"arm": arm, "labels": labels, **asdict(estimate), **_cost(rows, arm, labels)}
        for arm in arms
        for labels, estimate in curve_of(rows, arm)
    ]
    content: dict[str, Any] = {"main": main, "curves": curves, "gains": [], "savings": [], "answer": ""}
    content["asked"] = told_in_words(rows)
    if stands is None or SCRATCH not in arms:
        return content
    found, scratch = gains(rows, stands), curve_of(rows, SCRATCH)
    savings = [
        {"labels": labels, "score": estimate.value, "from_scratch": labels_needed(scratch, estimate.value)}
        for labels, estimate in curve_of(rows, stands)
    ]
    told = [{"arm": stands, "labels": labels, **asdict(estimate)} for labels, estimate in found]
    return content | {"gains": told, "savings": savings, "answer": answer(found, savings, scratch[-1][0])}


def _cost(rows: Sequence[Row], arm: str, labels: int) -> dict[str, Any]:
    """Trained numbers, and the mean seconds of a training."""
    chosen = [row for row in rows if row["arm"] == arm and row["labels"] == labels]
    return {
        "parameters": chosen[0]["parameters"],
        "seconds": round(math.fsum(row["seconds"] for row in chosen) / len(chosen), 3),
    }


def answer(found: Sequence[tuple[int, Estimate]], savings: Sequence[Mapping[str, Any]], most: int) -> str:
    """How much labelled data pre-training saves, in one sentence that claims no more than the intervals hold.

    `savings` has the score at each budget and the labels that training from scratch needs for it; `most` is the largest budget
    that training from scratch was given.
    """
    better = [labels for labels, gain in found if gain.low > 0]
    worse = [labels for labels, gain in found if gain.high < 0]
    known = [row for row in savings if row["labels"] in better]
    if not known:
        ending = f"; it is worse at {_listed(worse)} labels" if worse else ""
        return (
            f"At no number of labels is the pre-trained model better by more than chance{ending}: it saves none here."
        )
    row = next((one for one in known if one["from_scratch"] is None), known[-1])  # the fewest labels that suffice
    needed = row["from_scratch"]
    if needed is None:
        saved = f"training from random weights does not get there with all {most:,}"
    else:
        share = 1 - row["labels"] / needed
        scratch = f"training from random weights needs about {_round(needed):,} to score as much"
        saved = f"{scratch}: pre-training saves {share:.0%} of them"
    ending = f"; at {_listed(worse)} labels it is worse" if worse else ""
    rest = [labels for labels, gain in found if labels not in better and labels not in worse]
    chance = f"; at {_listed(rest)} the difference may be chance" if rest else ""
    return (
        f"With {row['labels']:,} labels the pre-trained model scores {row['score']:.1%}, and {saved}{chance}{ending}."
    )


def told_in_words(rows: Sequence[Row]) -> str:
    """What the pre-trained model scores without any training, in one sentence; '' where it was not asked."""
    zero, few = curve_of(rows, ZERO_SHOT), curve_of(rows, FEW_SHOT)
    parts = [f"{zero[0][1].value:.1%} with no label at all"] if zero else []
    if few:
        labels, best = max(few, key=lambda point: point[1].value)
        parts.append(f"{best.value:.1%} at best with examples in the prompt, out of {labels:,} labels")
    return f"Asked in words, nothing trained, it scores {', and '.join(parts)}." if parts else ""


def _round(value: float) -> int:
    """Two significant digits: more would be more than is known."""
    scale: int = 10 ** max(0, math.floor(math.log10(max(value, 1.0))) - 1)
    return round(value / scale) * scale


def _listed(numbers: Sequence[int]) -> str:
    texts = [f"{number:,}" for number in numbers]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"
