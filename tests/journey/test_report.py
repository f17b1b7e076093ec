"""The report tells what the run's files hold, all of it and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.journey.fake_run import FIGURES, GATHER, ORDER, build_run, scores, write, write_lines
from tests.journey.page import Page, page_of, read_page
from trivium.base.errors import RunError
from trivium.journey.report import write_report
from trivium.journey.report_phases import changed_words
from trivium.journey.report_words import Seen, explain

SECTIONS = {
    "changed": "pretrain",
    "scores": "evaluate",
    "curves": "pretrain",
    "data": "gather",
    "lineage": "gather",
}


def test_the_head_tells_result_time_seed_and_machine(page: Page) -> None:
    assert "From raw text to an aligned assistant, in 4 min 56 s" in page.text  # the sum of all stages
    for said in ("5.31 million parameters", "0.65 bits per byte", "81% of instructions in new wordings", "(2% before)"):
        assert said in page.text
    assert "the simulated rater prefers its answers to the fine-tuned ones in 74% of pairs" in page.text
    for fact in ("21 November 2026, 09:17 UTC", "Linux-6.8-x86_64, 8 cores", "PyTorch 2.13.0", "Seed 7"):
        assert fact in page.text


def test_the_journey_has_every_stage_with_its_figure_and_seconds(page: Page) -> None:
    shown = page.section("journey")
    for stage, figure, time in (
        ("gather", "12.4 MB", "3.8 s"),
        ("tokenize", "4,096", "6.2 s"),
        ("pretrain", "0.65", "1 min 36 s"),
        ("finetune", "81%", "42 s"),
        ("rate", "1,900", "17 s"),
        ("reward", "83%", "23 s"),
        ("align", "74%", "1 min 15 s"),
        ("evaluate", "37", "33 s"),
    ):
        assert re.search(rf"{stage}\b.*?{re.escape(figure)}.*?{re.escape(time)}", shown), stage


def test_every_score_stands_in_the_page_with_its_interval_and_items(page: Page) -> None:
    shown = page.section("scores")
    for score in scores():
        if score["unit"] == "share":
            value, high = f"{100 * score['value']:.0f}%", f"{100 * score['high']:.0f}%"
            value = value if score["value"] > 0.01 else f"{100 * score['value']:.1f}%"
        else:
            value, high = f"{score['value']:.2f}", f"{score['high']:.2f}"
        assert re.search(rf"{value}.{{0,25}} to {high}", shown), score
        assert str(score["items"]) in shown


def test_the_table_of_phases_holds_the_figures_of_this_run(page: Page) -> None:
    shown = page.section("changed")
    for figure in (
        "18,204 documents, 12.4 MB",
        "story, facts, dialogue",
        "20,350 examples of 6 families",
        "1,900 pairs",
    ):
        assert figure in shown
    for figure in (
        "600 steps over 9.83 million tokens",
        "300 steps over 1.21 million",
        "150 steps of RLOO",
        "120 steps",
    ):
        assert figure in shown
    for figure in (
        "Right on 2% of",
        "Right on 81% of",
        "Right on 80% of",
        "in 83% of unseen pairs (ceiling 88%)",
        "KL 3.42",
    ):
        assert figure in shown


def test_samples_are_marked_against_the_reference_and_counted(page: Page) -> None:
    shown = page.section("changed")
    assert "Right, of these 4: 0 of 4 pre-trained 3 of 4 fine-tuned 2 of 4 aligned" in shown
    card = shown[shown.index("What is the last word") : shown.index("How many words are in this list")]
    assert re.findall(r"right words inside|✓ right|✗ wrong", card) == ["right words inside", "✓ right", "✓ right"]
    assert "Expected kite" in card
    for points in ("−0.42 points", "1.87 points", "0.34 points", "0.01 points"):
        assert points in shown


def test_data_and_tokenizer_figures(page: Page) -> None:
    shown = page.section("data")
    for source in (*GATHER["by_source"].values(), *GATHER["by_kind"].values()):
        assert f"{source['documents']:,}" in shown
    assert "exact duplicate for example notes/a.txt 311" in shown
    assert "no text for example notes/empty.txt 47" in shown
    assert "line endings 12" in shown
    for figure in (
        "Documents 18,204",
        "Text 12.4 MB",
        "To validate with 622 kB",
        "Instructions 21,850",
        "requests 3,410",
    ):
        assert figure in shown
    for figure in ("vocabulary 4,096", "Bytes per token 4.13", "To train on 11.8 MB", "2.86 million", "text 38"):
        assert figure in shown
    assert "world 4.21" in shown
    assert "notes 3.36" in shown
    chips = [attributes["title"] for _, attributes in page.elements if attributes.get("class", "").startswith("chip ")]
    assert chips == [
        "3 bytes",
        "4 bytes",
        "6 bytes",
        "5 bytes",
        "12 bytes, 208 times",
        "11 bytes, 97 times",
        "1 byte, 81,003 times",
        "4 bytes, 66,120 times",
        "1 byte, 40,871 times",
    ]
    assert "The·old·lighthouse" in shown
    assert "4 tokens; · is a space" in shown
    assert "↵" in shown


def test_curves_say_in_words_what_they_draw(page: Page) -> None:
    drawings = [attributes for tag, attributes in page.elements if tag == "div" and "chart" not in attributes]
    labels = [attributes["aria-label"] for attributes in drawings if attributes.get("role") == "img"]
    curves = [label for label in labels if " at step " in label]
    assert len(curves) == 8
    assert any("KL 0.02 at step 1, 3.42 at step 150" in label for label in curves)
    assert any("83% at step 120; ceiling 88%; by length alone 61%" in label for label in curves)


def test_nested_settings_are_told_by_the_names_that_set_takes(page: Page) -> None:
    shown = page.section("lineage")
    for setting in ("model.num_layers 6", "optimizer.learning_rate 0.0231", "kl_weight 0.04", "rater simulated:world"):
        assert setting in shown


def test_the_lineage_holds_and_a_changed_file_breaks_it(tmp_path: Path) -> None:
    run = build_run(tmp_path / "run", ("gather", "tokenize", "pretrain"))
    assert "The chain holds" in page_of(run).section("lineage")
    write(run / "pretrain" / "model.safetensors", "other weights")
    broken = page_of(run).section("lineage")
    assert "The chain does not hold" in broken
    assert "model.safetensors" in broken


@pytest.mark.parametrize("count", range(1, len(ORDER)))
def test_a_section_is_there_only_with_its_stage(tmp_path: Path, count: int, no_drawings: None) -> None:
    stages = ORDER[:count]
    shown = page_of(build_run(tmp_path / "part", stages))
    for section, stage in SECTIONS.items():
        assert bool(shown.section(section)) == (stage in stages), section
    boxes = shown.section("journey")
    assert all((stage in boxes) == (stage in stages) for stage in ("reward", "evaluate", "tokenize"))
    assert ("Reinforcement learning from" in shown.section("changed")) == ("align" in stages)
    assert "could not be read" not in shown.text


def test_an_unfinished_stage_is_drawn_as_far_as_it_came(tmp_path: Path) -> None:
    run = build_run(tmp_path / "stopped", ("gather", "tokenize", "pretrain", "finetune"))
    (run / "finetune" / "trivium" / "stage.json").unlink()
    metrics = run / "finetune" / "trivium" / "metrics.jsonl"
    lines = metrics.read_text().splitlines(keepends=True)[:41]
    metrics.write_text("".join(lines) + '{"step": 42, "train_lo')  # the process was stopped in the middle of a line
    shown = page_of(run)
    assert re.search(r"finetune.*41 steps so far.*not finished yet", shown.section("journey"))
    assert "at step 41; not finished" in shown.section("curves")
    assert "Go on where this run stopped" in shown.section("on")
    assert "could not be read" not in shown.text
    assert "From raw text to a language model" in shown.text


def test_scores_of_an_evaluation_that_is_not_finished_are_not_shown(small: Path) -> None:
    (small / "evaluate" / "trivium" / "stage.json").unlink()  # they may be about models that are there no more
    shown = page_of(small)
    assert not shown.section("scores")
    assert "Questions with one right answer" not in shown.text
    assert "74%" not in shown.text


def test_a_damaged_line_is_named_and_the_others_are_used(tmp_path: Path) -> None:
    run = build_run(tmp_path / "run", ("gather", "tokenize", "pretrain"))
    metrics = run / "pretrain" / "trivium" / "metrics.jsonl"
    lines = metrics.read_text().splitlines(keepends=True)
    lines[4] = "no json\n"
    metrics.write_text("".join(lines))
    shown = page_of(run)
    assert "pretrain/trivium/metrics.jsonl: line 5 damaged and left out" in shown.text
    assert "at step 600" in shown.section("curves")


def test_without_matplotlib_the_report_is_written_and_says_how_to_get_the_drawings(small: Path) -> None:
    html = write_report(small).read_text()
    assert "<svg" not in html
    assert "pip install 'trivium-lm[report]'" in read_page(html).section("curves")
    assert "KL 0.02 at step 1, 3.42 at step 150" in read_page(html).section("curves")


def test_ids_are_unique_and_every_reference_finds_its_target(page: Page, html: str) -> None:
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    wanted = {attributes["href"][1:] for _, attributes in page.elements if "href" in attributes}
    wanted |= {name for _, attributes in page.elements for name in attributes.get("aria-labelledby", "").split()}
    wanted |= set(re.findall(r"url\(#([^)]*)\)", html))
    assert wanted <= set(ids)


def test_charts_take_their_colours_and_letters_from_the_page(html: str) -> None:
    drawings = re.findall(r"<svg.*?</svg>", html, re.DOTALL)
    assert len(drawings) == 8
    for svg in drawings:
        assert not re.findall(r"(?:fill|stroke|color): ?(#[0-9a-f]{3,6})", svg)
        assert "var(--" in svg
        assert "font-family" not in svg
        assert "<text" in svg
        assert "<style" not in svg


def test_the_same_run_gives_the_same_page(html: str, whole: Path) -> None:
    again = write_report(whole).read_text()
    first, second = (re.sub(r"Written by Trivium on.*?UTC", "", text) for text in (html, again))
    assert first == second


def test_the_page_claims_no_more_than_the_scores_show(small: Path) -> None:
    rows = [{"name": "instructions", "stage": "finetune", "value": 0.07, "low": 0.03, "high": 0.2, "items": 57}]
    rows.append({"name": "win_rate", "stage": "align", "value": 0.32, "low": 0.2, "high": 0.48, "items": 40})
    write(small / "evaluate" / "scores.json", {"scores": [row | {"unit": "share"} for row in rows]})
    shown = page_of(small)
    assert "through all three phases, in 4 min 56 s" in shown.text
    assert "aligned assistant" not in shown.text
    assert "It has moved away from what is preferred." in shown.section("changed")


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.51, 0.6, "alignment did what it is for"),
        (0.45, 0.55, "this run shows no effect of alignment"),
        (0.3, 0.49, "alignment made the answers worse for the rater"),
        (None, None, "how much of that is chance is not known"),
    ],
)
def test_what_a_win_rate_means_follows_its_interval(
    small: Path, low: float | None, high: float | None, said: str
) -> None:
    row = {"name": "win_rate", "stage": "align", "value": 0.5, "low": low, "high": high, "items": 90, "unit": "share"}
    write(small / "evaluate" / "scores.json", {"scores": [row]})
    shown = page_of(small).section("scores")
    assert said in shown
    assert "Of 90 pairs of answers to requests that neither model was trained on, the simulated rater prefers" in shown


def test_people_who_rate_are_not_called_simulated(small: Path) -> None:
    write_lines(small / "rate" / "preferences.jsonl", [{"rater": "anna"}, {"rater": "simulated:world"}])
    assert "people and a simulated rater said which one is better" in page_of(small).section("changed")
    write_lines(small / "rate" / "preferences.jsonl", [{"rater": "anna"}])
    assert "answers; people said which one is better" in page_of(small).section("changed")


def test_commands_are_for_this_very_run_and_quoted(tmp_path: Path) -> None:
    run = build_run(tmp_path / "my run", ("gather", "tokenize", "pretrain", "finetune"))
    shown = page_of(run).section("on")
    assert f"trivium chat '{run}' --stage pretrain" in shown
    assert f"trivium run '{run / 'recipe.yaml'}' --set pretrain.steps={2 * FIGURES['pretrain']['steps']}" in shown


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no such run"):
        write_report(tmp_path / "absent")
    with pytest.raises(RunError, match="holds no stage"):
        write_report(tmp_path)


@given(before=st.text(alphabet="ab ,.", max_size=40), now=st.text(alphabet="ab ,.", max_size=40))
def test_marked_words_join_to_the_text_and_are_not_in_the_text_before(before: str, now: str) -> None:
    pieces = changed_words(before, now)
    assert "".join(piece for piece, _ in pieces) == now
    kept = sum(len(piece.split()) for piece, new in pieces if not new)
    assert kept <= len(before.split())
    if before == now:
        assert not any(new for _, new in pieces)


def test_only_new_words_are_marked() -> None:
    assert changed_words("A fox ran.", "A red, small fox ran!") == (
        ("A ", False),
        ("red, small", True),
        (" fox ran!", False),
    )


def test_explanations_claim_only_what_is_seen() -> None:
    poor, rich = Seen("dry", points=0.0), Seen("rich", points=1.0)
    assert "does not know that you asked" in explain("pretrain", Seen("and then"))
    assert "among others" in explain("pretrain", Seen("a kite", "inside"))
    assert "answers it rightly" in explain("finetune", Seen("kite", "right"))
    assert "is wrong" in explain("finetune", Seen("kite", "wrong"))
    assert "earns more (0.00 points before, 1.00 now)" in explain("align", rich, poor)
    assert "not for the better" in explain("align", poor, rich)
    assert "as it was, mistake included" in explain("align", Seen("x", "wrong"), Seen("x", "wrong"))
    assert "spoiled" in explain("align", Seen("x", "wrong"), Seen("y", "right"))
    assert "has become right" in explain("align", Seen("y", "right"), Seen("x", "wrong"))
    assert "the text was over" in explain("align", Seen(" "), poor)
    assert explain("pretrain", Seen("", ended=False)) == "It says nothing that can be read."
