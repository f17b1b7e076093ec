"""Bias and memory in the report: sections of their own, and sentences that claim no more than the intervals hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.journey.fake_run import build_run
from tests.journey.page import page_of
from trivium.evaluate.intervals import Estimate
from trivium.evaluate.scores import score_row
from trivium.journey.model_card import write_model_cards
from trivium.journey.report import render
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
    assert "likelier: 70% (60% to 80%) pre-trained, 55% (40% to 70%) fine-tuned. " in sentence
    assert sentence.endswith("Pre-trained: more than chance would give; fine-tuned: chance could give as much.")
    first, apart = part.tables
    assert [row.label for row in first.rows] == ["All", "gender"] and "50% is even" in first.rows[0].notes
    assert [row.label for row in apart.rows] == ["Own pairs: how far the two sentences are apart"]


def test_memory_is_told_beside_its_controls_and_privacy_with_what_it_leaves_out(tmp_path: Path) -> None:
    private = {"epsilon": 2.97, "delta": 4.9e-6, "private_unit": "one row (a conversation)"}
    part = memory_part(read_run(with_rows(build_run(tmp_path), ROWS, private)))
    assert part is not None
    exposure, membership, spent = part.sentences
    assert "1.41 bits, where chance alone gives 1.44" in exposure and "64 copies have 13.10: it has learned" in exposure
    assert "51% (45% to 57%) fine-tuned, no better than guessing" in membership
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


def test_many_groups_stand_behind_a_summary_and_every_section_has_a_link(tmp_path: Path) -> None:
    groups = [
        score_row(f"winogender/family/{number}", "pretrain", Estimate(0.5, 0.3, 0.7, 4), "share")
        for number in range(17)
    ]
    page = page_of(with_rows(build_run(tmp_path), [*ROWS, *groups]))
    assert "Winogender: he is likelier than she: show all 17 rows" in page.section("bias")
    links = [
        attributes["href"] for tag, attributes in page.elements if tag == "a" and attributes.get("href") != "#main"
    ]
    assert [f"#{name}" for name in page.sections] == links[-len(page.sections) :]


def test_a_card_tells_bias_and_memory_in_their_own_sections(tmp_path: Path) -> None:
    """Exposure is told by copies beside its controls; a private training by all that its guarantee rests on."""
    private = {"epsilon": 2.97, "delta": 4.9e-6, "private_unit": "one row (a conversation)"}
    run = with_rows(build_run(tmp_path), ROWS, private)
    for stage in ("pretrain", "finetune"):
        (run / stage / "config.json").write_text('{"architectures": ["Qwen3ForCausalLM"]}', encoding="utf-8")
    before, after = (path.read_text(encoding="utf-8") for path in write_model_cards(run)[:2])
    scores, bias, privacy = (
        before.partition(f"## {name}\n")[2].partition("\n## ")[0] for name in ("Scores", "Bias", "Privacy")
    )
    assert "| own_pairs | 0.70 | 0.60 to 0.80 | 38 | 0.5 is even |" in bias and "own_pairs_apart" in bias
    assert "own_pairs" not in scores and "valid_bits_per_byte" in scores
    assert "family/gender" not in bias and "Not measured in this run" in privacy
    told = after.partition("## Privacy\n")[2].partition("\n## ")[0]
    assert "| exposure/family/controls | 1.41 bits | 1.20 to 1.62 | 128 |" in told and "64 copies | 13.10 bits" in told
    assert (
        "membership_loss" in told and "epsilon 2.97 at delta 4.9e-06, the unit being one row (a conversation)" in told
    )
    assert "This training was private" not in before


def test_every_answer_is_shown_with_its_length_and_what_each_model_finds_of_it(tmp_path: Path) -> None:
    run = build_run(tmp_path)
    assert "log-likelihood" not in render(read_run(run)).partition('id="words"')[0]
    path = run / "evaluate" / "samples.jsonl"
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    lines[0]["answers"] = {"finetune": "A red fox.", "align": "Yes"}
    lines[0]["changes"] = {
        "finetune": {"log_likelihood": -3.21, "log_likelihood_of_newest": -25.07},
        "align": {"log_likelihood": -4.0, "log_likelihood_of_newest": -4.0, "kl": 21.07},
    }
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    html = render(read_run(run))
    assert "3 words; log-likelihood -3.2 nats; the newest answer has -25.1 here<" in html
    assert "1 word; log-likelihood -4.0 nats; KL 21.1<" in html
