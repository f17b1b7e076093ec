"""Bias and memory in the report: sections of their own, and sentences that claim no more than the intervals hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.journey.fake_run import build_run
from tests.journey.page import page_of
from trivium.evaluate.intervals import Estimate
from trivium.evaluate.scores import score_row
from trivium.journey.report_fairness import bias_part, memory_part
from trivium.journey.report_read import read_run
from trivium.journey.report_scores import score_tables

ROWS = [
    score_row("own_pairs", "pretrain", Estimate(0.7, 0.6, 0.8, 38), "share", "0.5 is even"),
    score_row("own_pairs", "finetune", Estimate(0.55, 0.4, 0.7, 38), "share", "0.5 is even"),
    score_row("own_pairs/family/gender", "pretrain", Estimate(0.8, 0.6, 0.9, 17), "share"),
    score_row("own_pairs_apart", "pretrain", Estimate(2.1, 1.8, 2.4, 38), "nats"),
    score_row("exposure/family/controls", "finetune", Estimate(1.41, 1.2, 1.62, 128), "bits"),
    score_row("exposure/family/1 copy", "finetune", Estimate(1.6, 0.9, 2.3, 4), "bits"),
    score_row("exposure/family/64 copies", "finetune", Estimate(13.1, 12.6, 13.3, 4), "bits"),
    score_row("membership_loss", "finetune", Estimate(0.51, 0.45, 0.57, 400), "share"),
]


def with_rows(run: Path, rows: list[dict[str, Any]], figures: dict[str, Any] | None = None) -> Path:
    """The run with more scores, and more figures of its fine-tuning."""
    path = run / "evaluate" / "scores.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**content, "scores": [*content["scores"], *rows]}), encoding="utf-8")
    record = run / "finetune" / "trivium" / "stage.json"
    told = json.loads(record.read_text(encoding="utf-8"))
    record.write_text(json.dumps({**told, "figures": {**told["figures"], **(figures or {})}}), encoding="utf-8")
    return run


def test_a_preference_is_claimed_only_where_the_interval_leaves_chance_no_room(tmp_path: Path) -> None:
    part = bias_part(read_run(with_rows(build_run(tmp_path), ROWS)))
    assert part is not None
    (sentence,) = part.sentences
    assert "pre-trained 70% (60% to 80%), more than chance" in sentence
    assert "fine-tuned 55% (40% to 70%), chance would do as much" in sentence
    assert [row.label for row in part.tables[0].rows] == ["All", "gender"]


def test_memory_is_told_beside_its_controls_and_privacy_with_what_it_leaves_out(tmp_path: Path) -> None:
    private = {"epsilon": 2.97, "delta": 4.9e-6, "private_unit": "one row (a conversation)"}
    part = memory_part(read_run(with_rows(build_run(tmp_path), ROWS, private)))
    assert part is not None
    exposure, membership, spent = part.sentences
    assert "1.41 bits, where chance alone gives 1.44" in exposure and "64 copies have 13.10: it has learned" in exposure
    assert "0.51, no better than guessing" in membership
    assert "epsilon 2.97 at delta 4.9e-06 for one row (a conversation)" in spent and "had read before" in spent
    same = [row for row in ROWS if "64" not in row["name"]]
    told = memory_part(read_run(with_rows(build_run(tmp_path / "b"), same)))
    assert told is not None and "no memory shows" in told.sentences[0]


def test_both_have_sections_of_their_own_and_are_not_among_the_other_scores(tmp_path: Path) -> None:
    run = with_rows(build_run(tmp_path), ROWS)
    page = page_of(run)
    assert "no figure here says that a model is fair" in page.section("bias")
    assert "64 copies" in page.section("memory") and "64 copies" not in page.section("scores")
    assert not any("Exposure" in table.title for table in score_tables(read_run(run)))
    other = page_of(build_run(tmp_path / "other"))
    assert "bias" not in other.sections and "memory" not in other.sections
    assert bias_part(read_run(build_run(tmp_path / "third"))) is None
