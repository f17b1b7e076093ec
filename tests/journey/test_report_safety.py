"""No file of a run, damaged or hostile, can break or misuse the report; no window is too narrow for it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.journey.fake_run import ORDER, SAMPLES, build_run, write
from tests.journey.page import Page, page_of, read_page
from trivium.journey.report import write_report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NASTY = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'><svg onload=alert(3)>"
LIMIT = 1_500_000


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


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
    assert "<U+0000><U+0007><U+001B>[31m<U+0085>" in shown.section("changed")
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


def test_every_letter_has_the_contrast_that_wcag_aa_asks_for(html: str) -> None:
    light, dark = (
        dict(re.findall(r"--(\w+): (#\w{6})", block)) for block in re.findall(r":root \{(.*?)\}", html, re.S)
    )
    assert set(dark) == set(light)
    for colours in (light, dark):
        for letters in ("ink", "soft", "grammar", "logic", "rhetoric", "other", "right", "wrong", "inside"):
            for ground in ("paper", "ground"):
                assert _contrast(colours[letters], colours[ground]) >= 4.5, (letters, ground)
        for chip in ("t0", "t1", "t2", "t3", "t4"):
            assert _contrast(colours["ink"], colours[chip]) >= 4.5, chip
        for phase in ("grammar", "logic", "rhetoric"):
            assert _contrast(colours[phase], colours["paper"]) >= 3  # lines and dots


def _contrast(first: str, second: str) -> float:
    """The contrast ratio of WCAG 2.2, section 1.4.3."""
    light, dark = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")
def test_no_window_scrolls_sideways_and_the_browser_has_nothing_to_complain_of(
    tmp_path: Path, whole: Path, html: str
) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    heard: list[str] = []
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        window = browser.new_page()
        window.on("request", lambda request: heard.append(request.url))
        window.on("console", lambda message: heard.append(message.text))
        window.on("dialog", lambda dialog: heard.append(dialog.message))
        for path in (whole / "report.html", write_report(hostile_run(tmp_path / "hostile"))):
            heard.clear()
            window.goto(path.as_uri())
            window.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true })")
            assert heard == [path.as_uri()]
            for width in (390, 1400):
                window.set_viewport_size({"width": width, "height": 900})
                assert window.evaluate("document.documentElement.scrollWidth") <= width
        browser.close()
