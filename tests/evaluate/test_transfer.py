"""What learning curves say about pre-training: intervals over seeds, labels saved, a sentence that claims no more."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from trivium.evaluate.intervals import STUDENT, over_seeds
from trivium.evaluate.transfer import curve_of, gains, labels_needed, missing_way, summary
from trivium.task.declaration import Task


def rows(scores: Mapping[str, Mapping[int, Sequence[float]]]) -> list[dict[str, Any]]:
    """A row for each score of {arm: {labels: scores by seed}}."""
    return [
        {"arm": arm, "labels": labels, "seed": seed, "value": value, "parameters": 10, "seconds": 2.0}
        for arm, budgets in scores.items()
        for labels, values in budgets.items()
        for seed, value in enumerate(values)
    ]


def test_students_interval_is_scipy_s() -> None:
    scipy = pytest.importorskip("scipy.stats")
    assert pytest.approx([scipy.t.ppf(0.975, freedom) for freedom in range(1, 31)], abs=6e-4) == STUDENT
    values = [0.5, 0.6, 0.62]
    low, high = scipy.t.interval(0.95, 2, statistics.mean(values), statistics.stdev(values) / math.sqrt(3))
    found = over_seeds(values)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-4)


def test_differences_are_taken_by_seed() -> None:
    """Both arms vary by 0.4 with the draw of the items, their difference by nothing: it excludes zero."""
    found = gains(rows({"full": {8: [0.3, 0.5, 0.7]}, "scratch": {8: [0.2, 0.4, 0.6]}}), "full")
    assert [labels for labels, _ in found] == [8]
    assert found[0][1].value == pytest.approx(0.1)
    assert found[0][1].low == pytest.approx(0.1)


def test_labels_are_read_off_the_curve_between_budgets() -> None:
    curve = [(8, over_seeds([0.4, 0.4])), (32, over_seeds([0.6, 0.6])), (128, over_seeds([0.8, 0.8]))]
    assert labels_needed(curve, 0.5) == pytest.approx(16.0)  # half-way between 8 and 32 in logarithms
    assert labels_needed(curve, 0.1) == 8.0
    assert labels_needed(curve, 0.8) == pytest.approx(128.0)
    assert labels_needed(curve, 0.9) is None


def test_the_answer_names_what_is_saved_and_what_may_be_chance() -> None:
    scores = {
        "scratch": {8: [0.30, 0.32], 32: [0.40, 0.42], 128: [0.60, 0.62]},
        "full": {8: [0.40, 0.42], 32: [0.60, 0.62], 128: [0.70, 0.50]},
    }
    content = summary(rows(scores), "accuracy")
    assert content["answer"] == (
        "With 32 labels the pre-trained model scores 61.0%, and training from random weights needs about 130 to score as "
        "much: pre-training saves 75% of them; at 128 the difference may be chance."
    )
    assert [row["from_scratch"] for row in content["savings"]][:2] == pytest.approx([32.0, 128.0])
    assert content["curves"][0]["parameters"] == 10


def test_nothing_is_claimed_where_the_intervals_hold_zero() -> None:
    scores = {"scratch": {8: [0.3, 0.5], 32: [0.6, 0.61]}, "full": {8: [0.5, 0.3], 32: [0.5, 0.51]}}
    assert summary(rows(scores), "accuracy")["answer"] == (
        "At no number of labels is the pre-trained model better by more than chance; it is worse at 32 labels: it saves "
        "none here."
    )
    assert summary(rows({"lora": {8: [0.3, 0.5]}}), "accuracy")["answer"] == ""


def test_a_score_that_scratch_never_reaches_is_said_so() -> None:
    scores = {"scratch": {8: [0.3, 0.3], 32: [0.4, 0.4]}, "full": {8: [0.5, 0.5], 32: [0.7, 0.7]}}
    assert summary(rows(scores), "accuracy")["answer"] == (
        "With 8 labels the pre-trained model scores 50.0%, and training from random weights does not get there with all 32."
    )


def test_what_needs_no_label_brings_its_own_interval_and_is_told_beside_the_answer() -> None:
    alone = {"arm": "zero_shot", "labels": 0, "seed": 0, "parameters": 0, "seconds": 1.0}
    zero = {**alone, "value": 0.4, "low": 0.35, "high": 0.46, "items": 300}
    taught = rows(
        {"scratch": {8: [0.3, 0.32]}, "full": {8: [0.4, 0.42]}, "few_shot": {8: [0.5, 0.52], 32: [0.45, 0.47]}}
    )
    content = summary([zero, *taught], "accuracy")
    ((labels, estimate),) = curve_of([zero], "zero_shot")
    assert (labels, estimate.low, estimate.high, estimate.items) == (0, 0.35, 0.46, 300)
    assert content["asked"] == (
        "Asked in words, nothing trained, it scores 40.0% with no label at all, and 51.0% at best with examples in the "
        "prompt, out of 8 labels."
    )
    assert [row["labels"] for row in content["gains"]] == [8]  # asking moves no comparison of trainings
    assert summary(taught[:4], "accuracy")["asked"] == ""


MOOD = {"kind": "world", "task": "sentiment"}
PROMPT, CLOZE = {"prompt": {"template": "{text}"}}, {"cloze": {"template": "{text} [MASK]"}}


@pytest.mark.parametrize(
    ("views", "causal", "told"),
    [
        (PROMPT | CLOZE, True, ""),
        (PROMPT, False, ""),
        (CLOZE, False, ""),
        (CLOZE, None, ""),  # whether the model fills gaps is not known yet
        (CLOZE, True, "the task has no views.prompt to be asked by"),
        ({}, False, "the task has no views.prompt and no views.cloze to be asked by"),
        ({}, None, "the task has no views.prompt and no views.cloze to be asked by"),
    ],
)
def test_asking_needs_words_that_the_model_can_be_asked_by(views: Any, causal: bool | None, told: str) -> None:
    task = Task.model_validate({"data": MOOD, "views": views})
    assert missing_way("few_shot", task, True, causal) == missing_way("zero_shot", task, True, causal) == told
    assert missing_way("full", task, True, causal) == ""


def test_a_masked_model_has_no_way_of_writing() -> None:
    task = Task.model_validate(
        {"data": {"kind": "world", "task": "headlines"}, "views": {"prompt": {"template": "{source}"}}}
    )
    assert "writes no text" in missing_way("zero_shot", task, False, False)
    assert missing_way("zero_shot", task, False, True) == ""
    assert missing_way("frozen", task, False, True) == "a task that is asked in words has no head to train alone"
