"""The report tells what the run's files hold, all of it and nothing else, and no file can break or misuse the page."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.journey.fake_run import FIGURES, GATHER, ORDER, SAMPLES, TOKENIZE, build_run, scores, write, write_lines
from tests.journey.page import Page, read_page
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
NASTY = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'><svg onload=alert(3)>"
LIMIT = 1_500_000


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run; tests must not change it."""
    return build_run(tmp_path_factory.mktemp("runs") / "first")


def page_of(run: Path) -> Page:
    return read_page(write_report(run).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def html(whole: Path) -> str:
    return write_report(whole).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return read_page(html)


@pytest.fixture
def no_drawings(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if matplotlib were not installed; drawing is most of the time that a report takes."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)


@pytest.fixture
def small(tmp_path_factory: pytest.TempPathFactory, no_drawings: None) -> Path:
    """A run of the test's own, without drawings."""
    return build_run(tmp_path_factory.mktemp("small") / "run")


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
    for reason, number in GATHER["dropped"].items():
        assert f"{reason} {number}" in shown
    for figure in ("4,096", "4.13", "38", "4.21", "3.36", "·grandmother", "·light", "house"):
        assert figure in shown
    assert len(TOKENIZE["sample"]["tokens"]) == 4
    assert "4 tokens" in shown


def test_curves_say_in_words_what_they_draw(page: Page) -> None:
    drawings = [attributes for tag, attributes in page.elements if tag == "div" and "chart" not in attributes]
    labels = [attributes["aria-label"] for attributes in drawings if attributes.get("role") == "img"]
    curves = [label for label in labels if " at step " in label]
    assert len(curves) == 8
    assert any("KL 0.02 at step 1, 3.42 at step 150" in label for label in curves)
    assert any("83% at step 120; ceiling 88%; by length alone 61%" in label for label in curves)


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
    assert "From raw text to a model that knows the language" in shown.text


def test_a_damaged_line_is_named_and_the_others_are_used(tmp_path: Path) -> None:
    run = build_run(tmp_path / "run", ("gather", "tokenize", "pretrain"))
    metrics = run / "pretrain" / "trivium" / "metrics.jsonl"
    lines = metrics.read_text().splitlines(keepends=True)
    lines[4] = "no json\n"
    metrics.write_text("".join(lines))
    shown = page_of(run)
    assert "pretrain/trivium/metrics.jsonl: line 5 damaged and left out" in shown.text
    assert "at step 600" in shown.section("curves")


DAMAGES: dict[str, str | bytes] = {
    "empty": "",
    "cut": '{"a": [1, 2',
    "list": "[1, null, []]",
    "text": '"text"',
    "null": "null",
    "binary": b"\xff\xfe\x00\x80",
    "deep": "[" * 100_000,
    "wrong": json.dumps(
        {"figures": [], "scores": {"a": 1}, "sample": 3, "by_kind": [1], "seconds": "long", "prompt": 5}
    ),
}
ARTEFACTS = (
    "recipe.yaml",
    "lineage.json",
    "gather/gather.json",
    "tokenize/tokenize.json",
    "pretrain/trivium/stage.json",
    "align/trivium/metrics.jsonl",
    "rate/preferences.jsonl",
    "rate/ceiling.json",
    "evaluate/scores.json",
    "evaluate/samples.jsonl",
)


@pytest.mark.parametrize("artefact", ARTEFACTS)
def test_damaged_and_missing_files_are_said_and_nothing_crashes(
    whole: Path, tmp_path: Path, artefact: str, no_drawings: None
) -> None:
    run = shutil.copytree(whole, tmp_path / "run")
    for name, damage in DAMAGES.items():
        (run / artefact).write_bytes(damage if isinstance(damage, bytes) else damage.encode())
        shown = page_of(run)
        if name in ("cut", "binary", "deep") and not artefact.endswith("jsonl"):
            assert "What could not be read" in shown.text, name
            assert f"{artefact}: " in shown.text, name
    (run / artefact).unlink()
    page_of(run)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_value_in_any_place_of_any_file_still_gives_a_page(small: Path, data: st.DataObject) -> None:
    artefact = data.draw(st.sampled_from(ARTEFACTS[1:]))
    original = (small / artefact).read_text()
    lines = original.splitlines() if artefact.endswith("jsonl") else [original]
    content = json.loads(lines[0])
    lines[0] = json.dumps(_replace_somewhere(content, data))
    try:
        (small / artefact).write_text("\n".join(lines) + "\n")
        page_of(small)
    finally:
        (small / artefact).write_text(original)


def _replace_somewhere(content: Any, data: st.DataObject) -> Any:
    """`content` with a random value in one random place."""
    if not content or not isinstance(content, dict | list) or data.draw(st.integers(0, 5)) == 0:
        return data.draw(JSON_VALUES)
    places = list(content) if isinstance(content, dict) else list(range(len(content)))
    place = data.draw(st.sampled_from(places))
    content[place] = _replace_somewhere(content[place], data)
    return content


def test_without_matplotlib_the_report_is_written_and_says_how_to_get_the_drawings(small: Path) -> None:
    html = write_report(small).read_text()
    assert "<svg" not in html
    assert "pip install 'trivium-lm[report]'" in read_page(html).section("curves")
    assert "KL 0.02 at step 1, 3.42 at step 150" in read_page(html).section("curves")


def hostile_run(folder: Path) -> Path:
    """A run whose every text is hostile: markup, control and direction characters, very long lines."""
    endings = (
        "\u202egnp.exe",
        "\u2066" * 50,
        "\x00\x07\x1b[31m\x85",
        "‮" * 9,
        "\ud800",
        "word " * 25_000,
        "x" * 100_000,
        "\n" * 5_000,
    )
    samples = [
        {
            "prompt": NASTY + ending,
            "kind": NASTY + ending[:2000],
            "answers": dict.fromkeys(("pretrain", "finetune", "align"), ending + NASTY),
            "reference": None if number % 2 else NASTY + ending,
            "rewards": {"finetune": 0.5, "align": -1e308},
        }
        for number, ending in enumerate(endings * 3)
    ]
    run = build_run(folder, samples=samples)
    write(run / "recipe.yaml", json.dumps({"name": NASTY, "seed": 7, **dict.fromkeys(ORDER)}))
    write(
        run / "gather" / "gather.json",
        {"documents": 1, "bytes": 2, "by_kind": {NASTY + "\u202e": 3}, "dropped": {NASTY: 4}},
    )
    write(
        run / "tokenize" / "tokenize.json",
        {"longest_tokens": [NASTY] * 500, "sample": {"tokens": [NASTY, "\u202e"] * 500}},
    )
    rows: list[dict[str, Any]] = [{"name": NASTY, "stage": NASTY, "value": 0.5, "note": NASTY, "unit": NASTY}] * 3
    write(run / "evaluate" / "scores.json", {"scores": [*rows, {"name": f"instructions/family/{NASTY}", "value": 1}]})
    record = json.loads((run / "pretrain" / "trivium" / "stage.json").read_text())
    record |= {"settings": {NASTY: NASTY}, "how": NASTY, "versions": {"platform": NASTY}, "finished_at": NASTY}
    write(run / "pretrain" / "trivium" / "stage.json", record)
    write(run / "rate" / "ceiling.json", NASTY)
    return run


def test_hostile_texts_are_shown_as_text_and_nothing_else(tmp_path: Path, page: Page) -> None:
    run = hostile_run(tmp_path / "<b>run")
    html = write_report(run).read_text(encoding="utf-8")
    shown = read_page(html)
    assert {tag for tag, _ in shown.elements} <= {tag for tag, _ in page.elements} | {"details", "summary"}
    assert not [name for _, attributes in shown.elements for name in attributes if name.startswith("on")]
    assert shown.scripts == page.scripts
    assert NASTY in shown.section("changed")
    assert "<b>run" in shown.section("on")
    assert not re.findall("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", html), (
        "control characters are made visible"
    )
    assert "<U+202E>" in shown.section("changed")
    assert "␀␇␛[31m<U+0085>" in shown.section("changed")
    assert re.search(r"Show all \(1[0-9]{2},[0-9]{3} characters\)", shown.text)
    assert len(html.encode()) < LIMIT
    assert max(len(text) for text in shown.pieces) < 13_000


def test_texts_from_outside_are_isolated_from_the_direction_around_them(page: Page, html: str) -> None:
    texts = [attributes for _, attributes in page.elements if "text" in attributes.get("class", "").split()]
    assert len(texts) > len(SAMPLES) * 4
    assert all(attributes.get("dir") == "auto" for attributes in texts)
    style = re.search(r"^\.text \{[^}]*\}", html, re.MULTILINE)
    assert style
    assert "unicode-bidi: isolate" in style.group()


def test_the_page_asks_nothing_of_the_network(html: str, page: Page) -> None:
    for _, attributes in page.elements:
        for name in ("src", "href", "xlink:href", "srcset", "action", "poster", "data", "background", "formaction"):
            assert attributes.get(name, "#").startswith("#"), attributes
    assert set(re.findall(r"url\((.)", html)) <= {"#"}
    assert "@import" not in html
    assert "http:" not in html.replace("http-equiv", "")
    assert "https:" not in html
    policy = next(attributes["content"] for _, attributes in page.elements if "http-equiv" in attributes)
    digest = base64.b64encode(hashlib.sha256("".join(page.scripts).encode()).digest()).decode()
    assert policy.startswith("default-src 'none'")
    assert f"script-src 'sha256-{digest}'" in policy
    assert len(html.encode()) < LIMIT


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
    assert "not that you asked" in explain("pretrain", Seen("and then"))
    assert "among others" in explain("pretrain", Seen("a kite", "inside"))
    assert "answers it rightly" in explain("finetune", Seen("kite", "right"))
    assert "is wrong" in explain("finetune", Seen("kite", "wrong"))
    assert "earns more (0.00 points before, 1.00 now)" in explain("align", rich, poor)
    assert "not for the better" in explain("align", poor, rich)
    assert "as it was, mistake included" in explain("align", Seen("x", "wrong"), Seen("x", "wrong"))
    assert "spoiled" in explain("align", Seen("x", "wrong"), Seen("y", "right"))
    assert "has become right" in explain("align", Seen("y", "right"), Seen("x", "wrong"))
    assert "says nothing" in explain("align", Seen(" "), poor)
