"""A score as it is written: value, 95% interval, items, unit, and a note on how it was taken."""

from __future__ import annotations

from typing import Any

from trivium.evaluate.intervals import Estimate


def score_row(name: str, stage: str, estimate: Estimate, unit: str, note: str = "") -> dict[str, Any]:
    """One row of `scores.json`. `name` is the measure, or measure/level/NAME or measure/family/NAME."""
    return {
        "name": name,
        "stage": stage,
        "value": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "items": estimate.items,
        "unit": unit,
        "note": note,
    }
