"""Requirements: a run falls short with a table, and by intervals where it is held against another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trivium.base.files import write_json
from trivium.journey.required import RequirementError, require, verdicts
from trivium.stages.evaluate import Requirement


def row(name: str, stage: str, value: float, half: float = 0.02) -> dict[str, Any]:
    return {"name": name, "stage": stage, "value": value, "low": value - half, "high": value + half, "items": 100}


SCORES = [row("instructions", "finetune", 0.93), row("instructions", "align", 0.90), row("kl", "align", 3.0, 0.5)]


def holds(**given: Any) -> list[bool]:
    return [one.holds for one in verdicts([Requirement.model_validate(given)], SCORES)]


def test_bounds_are_of_the_newest_model_or_of_the_one_that_is_named() -> None:
    assert holds(score="instructions", at_least=0.91) == [False]
    assert holds(score="instructions", stage="finetune", at_least=0.91) == [True]
    assert holds(score="instructions", at_least=0.89, bound="low") == [False]
    assert holds(score="kl", at_most=3.2) == [True] and holds(score="kl", at_most=3.2, bound="high") == [False]
    assert holds(score="kl", at_least=1, at_most=2) == [True, False]


def test_what_was_not_measured_does_not_hold() -> None:
    (told,) = verdicts([Requirement(score="nothing", at_least=0.0)], SCORES)
    assert not told.holds and "there are: instructions, kl" in told.found


def test_worse_than_another_run_is_only_what_is_worse_beyond_both_intervals(tmp_path: Path) -> None:
    write_json(tmp_path / "last" / "evaluate" / "scores.json", {"scores": [row("instructions", "align", 0.93)]})
    assert holds(score="instructions", no_worse_than=tmp_path / "last") == [True]
    write_json(tmp_path / "best" / "evaluate" / "scores.json", {"scores": [row("instructions", "align", 0.97)]})
    assert holds(score="instructions", no_worse_than=tmp_path / "best") == [False]
    assert holds(score="instructions", no_worse_than=tmp_path / "best", better="lower") == [True]


def test_a_run_that_falls_short_ends_with_a_table_and_a_code_of_its_own(tmp_path: Path) -> None:
    write_json(tmp_path / "evaluate" / "scores.json", {"scores": SCORES})
    wanted = [Requirement(score="kl", at_most=5.0), Requirement(score="instructions", at_least=0.95)]
    with pytest.raises(RequirementError, match="1 of 2 requirements") as caught:
        require(wanted, tmp_path)
    lines = str(caught.value).splitlines()
    assert caught.value.exit_code == 4 and lines[2].startswith("ok") and lines[3].startswith("FAILS")
    assert "at least 0.95" in lines[3] and "0.9 (0.88 to 0.92, n 100)" in lines[3]
    assert require(wanted[:1], tmp_path)[0].holds


def test_a_requirement_that_asks_for_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="asks for nothing"):
        Requirement(score="kl")
