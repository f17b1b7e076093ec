"""The chat page in a real browser: stages side by side, thumbs and corrections by the keyboard, small windows, a token."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.apps.web.models import LIMIT, Served, serving, slowed
from tests.apps.web.windows import CHROMIUM, open_window
from trivium.feedback import exchange

TOKEN = "a-secret-of-twenty-letters"
NASTY = "<script>document.title='broken'</script><img src=x onerror=alert(1)>\u202e"

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")


@pytest.fixture
def served(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setattr("trivium.feedback.database.SYNCHRONOUS", "OFF")
    with serving(run, tmp_path / "r.db", person="Ada") as server:
        yield server


def window_of(browser: Any, served: Served, heard: list[str], path: str = "/", **more: Any) -> Any:
    window = open_window(browser, served.address, heard, **more)
    window.goto(served.address + path)
    window.wait_for_selector("#stages input")
    return window


def settle(window: Any, answers: int) -> list[str]:
    """Wait until so many answers are there and done; their texts."""
    window.locator("article").nth(answers - 1).wait_for()
    window.locator("article[aria-busy=true]").first.wait_for(state="detached")
    return [str(text) for text in window.locator("article > .text").all_inner_texts()]


def test_two_stages_answer_side_by_side_and_are_rated_by_the_keyboard_alone(
    browser: Any, served: Served, heard: list[str]
) -> None:
    window = window_of(browser, served, heard)
    window.keyboard.type(f"Hello {NASTY}")
    window.keyboard.press("Enter")
    first = settle(window, 2)
    assert window.locator("article h2").all_inner_texts() == ["pretrain", "align"]
    asked = served.client().chat.completions.create(
        model="align", messages=[{"role": "user", "content": f"Hello {NASTY}"}], temperature=0, max_tokens=256
    )
    said = window.evaluate("document.querySelectorAll('article')[1].answer.text")
    assert said == asked.choices[0].message.content and first[1]
    window.locator("article").first.focus()
    window.keyboard.press("-")
    window.locator("#live", has_text="Kept as bad").wait_for(state="attached")
    window.keyboard.press("ArrowRight")
    window.keyboard.press("+")
    window.locator("#live", has_text="Kept as good").wait_for(state="attached")
    window.keyboard.press("e")
    window.keyboard.press("Control+a")
    window.keyboard.type("Hello to you.")
    window.keyboard.press("Control+Enter")
    window.locator(".mended", has_text="Hello to you.").wait_for()
    assert served.site.database is not None
    rows = list(exchange.export(served.site.database, "preferences"))
    (pair,) = [row for row in rows if "chosen" in row]  # the correction over what it mends
    assert (pair["chosen"], pair["rejected"]) == ("Hello to you.", said)
    opinions = {row["policy"].split(":")[0]: row["good"] for row in rows if "good" in row}
    assert opinions == {"pretrain": False, "align": True}
    assert all(row["prompt"] == [{"role": "user", "content": f"Hello {NASTY}"}] for row in rows)
    # a pre-trained model is asked the newest words alone, so the good answer is also one over the bad
    told = [
        (row["chosen"][0]["content"], row["rejected"][0]["content"])
        for row in exchange.export(served.site.database, "trl")
    ]
    assert ("Hello to you.", said) in told and said in [chosen for chosen, _ in told]
    assert [row["messages"][-1]["content"] for row in exchange.export(served.site.database, "instructions")] == [
        "Hello to you."
    ]
    window.keyboard.press("+")  # a second time: taken back, the correction stays
    window.locator("#live", has_text="Your version is kept").wait_for(state="attached")
    assert window.title() == "small · Trivium" and heard == []


def test_a_conversation_goes_on_and_loses_its_oldest_turns_when_it_must(
    browser: Any, served: Served, heard: list[str]
) -> None:
    window = window_of(browser, served, heard)
    window.keyboard.press("Alt+1")
    window.keyboard.press("Alt+s")
    window.fill("#most", "6")
    window.fill("#system", "Be brief.")
    window.keyboard.press("Alt+s")
    window.locator("#ask").focus()
    for number in range(4):
        window.keyboard.type(f"Turn {number} " + "and so on " * 8)
        window.keyboard.press("Enter")
        settle(window, number + 1)
    given = window.evaluate("[...document.querySelectorAll('article')].map((one) => one.answer.messages)")
    assert [message["role"] for message in given[1]] == ["system", "user", "assistant", "user"]
    assert given[0][1]["content"].startswith("Turn 0") and given[1][3]["content"].startswith("Turn 1")
    assert given[3][1]["content"].startswith(("Turn 1", "Turn 2", "Turn 3")), f"all fits into {LIMIT} tokens?"
    assert "earlier turns no longer fit" in window.locator("article .note").last.inner_text()
    window.keyboard.press("ArrowUp")
    assert window.input_value("#ask").startswith("Turn 3")
    window.keyboard.press("Alt+n")
    assert window.locator("article").count() == 0 and window.locator("#welcome").is_visible()
    assert all("400" in line for line in heard)  # the browser's own note of the refusal


def test_a_model_that_was_taught_single_requests_is_asked_each_on_its_own(
    browser: Any, run: Path, tmp_path: Path, heard: list[str]
) -> None:
    taught = Path(shutil.copytree(run, tmp_path / "taught"))
    (taught / "gather" / "instructions").mkdir(parents=True)
    turns = [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "No."}]
    (taught / "gather" / "instructions" / "train.jsonl").write_text(json.dumps({"messages": turns}) + "\n")
    with serving(taught) as server:
        window = window_of(browser, server, heard)
        assert window.locator("#single").is_visible()
        for number, text in enumerate(("First", "Second"), 1):
            window.fill("#ask", text)
            window.keyboard.press("Enter")
            settle(window, 2 * number)
        given = window.evaluate("[...document.querySelectorAll('article')].map((one) => one.answer.messages.length)")
        assert given == [1, 1, 3, 1]  # pretrain, which continues the newest alone anyhow, and align, twice
        assert heard == []


def test_answers_are_stopped_and_failures_told(browser: Any, served: Served, heard: list[str]) -> None:
    slowed(served, 0.05)
    window = window_of(browser, served, heard)
    window.keyboard.type("Hello")
    window.keyboard.press("Enter")
    window.locator("#halt").wait_for()
    window.locator("article > .text", has_text=re.compile(r"\S{2}")).first.wait_for()
    window.keyboard.press("Escape")
    settle(window, 2)
    assert set(window.locator("article .note").all_inner_texts()) == {"stopped"}
    for _ in range(400):
        if not served.site.scheduler.rows:
            break
        window.wait_for_timeout(10)
    assert served.site.scheduler.rows == 0 and heard == []
    window.route("**/v1/chat/completions", lambda route: route.abort())
    window.keyboard.type("Again")
    window.keyboard.press("Enter")
    settle(window, 4)
    assert "cannot be reached" in window.locator("article .note").last.inner_text()
    assert "(nothing)" not in window.locator("article").last.inner_text()
    window.unroute("**/v1/chat/completions")
    window.fill("#ask", "word " * LIMIT)
    window.keyboard.press("Enter")
    settle(window, 6)
    assert "shorten it" in window.locator("article .note").last.inner_text()
    lines = window.evaluate("[...document.querySelectorAll('article h2')].map((one) => one.getClientRects()[0].height)")
    assert len(set(lines)) == 1, "a long refusal breaks no name"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_and_is_named_for_screen_readers(
    browser: Any, served: Served, heard: list[str], scheme: str
) -> None:
    size = {"width": 360, "height": 640}
    window = window_of(browser, served, heard, viewport=size, color_scheme=scheme, has_touch=True, is_mobile=True)
    window.fill("#ask", "x" * 90)
    window.click("#send")
    settle(window, 2)
    window.click("#open-settings")
    assert window.evaluate("document.documentElement.scrollWidth") <= size["width"]
    unnamed = window.evaluate("""[...document.querySelectorAll('button, input, textarea, select')].filter((one) =>
        !one.labels?.length && !one.getAttribute('aria-label') && !one.textContent.trim()).map((one) => one.outerHTML)""")
    assert unnamed == []
    small = window.evaluate("""[...document.querySelectorAll('button, .stage')].filter((one) => one.offsetParent &&
        one.getBoundingClientRect().height < 30).map((one) => one.textContent)""")
    assert small == []
    assert window.locator("[role=status][aria-live=polite]").count() == 1 and heard == []


def test_with_a_token_the_page_asks_for_it(browser: Any, run: Path, heard: list[str]) -> None:
    with serving(run, token=TOKEN) as server:
        window = browser.new_page()
        window.goto(server.address)
        window.locator("#key-dialog[open]").wait_for()
        window.fill("#key", TOKEN)
        window.keyboard.press("Enter")
        window.locator("#stages input").first.wait_for(timeout=15_000)
        window = window_of(browser, server, heard, f"/#token={TOKEN}")
        assert window.url == f"{server.address}/" and heard == []
        window.keyboard.type("Hi")
        window.keyboard.press("Enter")
        settle(window, 2)
        assert window.locator(".thumb").count() == 0  # no ratings are kept here, so none are asked for
