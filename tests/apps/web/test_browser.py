"""The rating page in a real browser: fifty pairs by the keyboard alone, a connection that fails, hostile texts, small windows."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.apps.web.site import Served, serving
from tests.apps.web.windows import CHROMIUM, open_window
from tests.feedback.shop import pair, state, stock
from trivium.apps.web.training import Training
from trivium.base.words import Message
from trivium.feedback import items
from trivium.feedback.answers import read_answers
from trivium.feedback.database import Database
from trivium.feedback.plan import Plan, write_plan
from trivium.feedback.words import Item, Response

NASTY = "<script>document.title='broken'</script><img src=x onerror=alert(1)>\x07\u202egnp.exe"
KEYS = ("1", "2", "3", "4", "5", "6", "7", "ArrowLeft", "ArrowRight", "t", "b")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")


def window_of(browser: Any, served: Served, heard: list[str], name: str = "Ada", **more: Any) -> Any:
    """A window in which that person is signed in and has an item before them; `Enter` on the link's button did it."""
    window = open_window(browser, served.site.address, heard, **more)
    window.goto(served.link(name))
    window.keyboard.press("Enter")
    window.wait_for_selector("#item:not([hidden]), #empty:not([hidden])")
    return window


def shown(window: Any) -> str:
    return str(window.locator("#responses").text_content())


def press_until_new(window: Any, key: str) -> None:
    """Press a key and wait until another item, or the end, is on the screen."""
    before = shown(window)
    window.keyboard.press(key)
    for _ in range(1000):
        if window.locator("#empty").is_visible() or (window.locator("#item").is_visible() and shown(window) != before):
            return
        window.wait_for_timeout(5)
    raise AssertionError(f"{key} changed nothing")


def test_fifty_pairs_by_the_keyboard_alone(browser: Any, served: Served, database: Database, heard: list[str]) -> None:
    stock(database, 50)
    window = window_of(browser, served, heard)
    chosen: dict[str, str] = {}
    for number in range(50):
        key = KEYS[number % len(KEYS)]
        request = window.locator("#prompt .turn.user .text").inner_text()
        chosen[request] = key + "|" + window.locator("#response-0 .text").inner_text()
        press_until_new(window, key)
    window.locator("#empty-title", has_text="All is rated").wait_for()
    found = read_answers(database)
    assert len(found) == 50 and state(database).done
    offered = items.read_items(database)
    for answer in found:
        item = offered[answer.item]
        key, first = chosen[item.prompt[0].content].split("|")
        assert item.responses[answer.shown[0]].text == first  # what stood first is what the record says
        judgement = answer.judgement
        if key in ("4", "t"):
            assert judgement.verdict == "tie"
        elif key == "b":
            assert judgement.verdict == "both_bad"
        else:
            left = key in ("1", "2", "3", "ArrowLeft")
            assert judgement.preferred == answer.shown[0 if left else 1]
            assert judgement.strength == {"1": 3, "7": 3, "3": 1, "5": 1}.get(key, 2)
        assert answer.milliseconds is not None
    assert heard == []


def test_undo_skip_rewrite_help_and_guidelines_by_keyboard(
    browser: Any, served: Served, database: Database, heard: list[str]
) -> None:
    stock(database, 8)
    window = window_of(browser, served, heard)
    first = shown(window)
    press_until_new(window, "1")
    window.keyboard.press("u")
    window.locator("#live", has_text="Undone").wait_for(state="attached")
    assert shown(window) == first
    window.keyboard.press("e")
    window.keyboard.press("Control+a")
    window.keyboard.type("what it should have said")
    window.keyboard.press("Control+Enter")
    assert "Your version of Answer A" in window.locator("#attached").inner_text()
    press_until_new(window, "7")
    window.keyboard.press("s")
    press_until_new(window, "2")
    window.keyboard.press("?")
    assert window.locator("#help").is_visible()
    window.keyboard.press("Escape")
    window.keyboard.press("g")
    assert "Both bad: neither is of use" in window.locator("#guidelines").inner_text()
    press_until_new(window, "t")
    for _ in range(200):
        if len(read_answers(database)) == 3:
            break
        window.wait_for_timeout(10)
    one, two, three = read_answers(database)
    assert one.judgement.correction == "what it should have said"
    assert one.judgement.corrects == one.shown[0] and one.judgement.preferred == one.shown[1]
    assert two.judgement.reason == "The request makes no sense" and three.judgement.verdict == "tie"
    assert heard == []


def test_a_ranking_and_points_by_keyboard(browser: Any, served: Served, database: Database, heard: list[str]) -> None:
    ranking = Item(
        "ranking", (Message("user", "r"),), tuple(Response(name) for name in ("w", "x", "y", "z")), priority=2
    )
    points = Item("likert", (Message("user", "p"),), (Response("a"),), ("helpful", "true"), priority=1)
    with database.writing() as work:
        write_plan(work, Plan(gold_share=0, repeat_share=0))
        items.offer(work, [ranking, points])
    window = window_of(browser, served, heard)
    for key in ("3", "1", "=", "2", "Backspace", "4", "2"):
        window.keyboard.press(key)
    press_until_new(window, "Enter")
    window.keyboard.press("6")
    window.keyboard.press("2")
    window.keyboard.press("ArrowUp")
    window.keyboard.press("7")
    press_until_new(window, "Enter")
    window.locator("#empty-title", has_text="All is rated").wait_for()
    ranked, scored = read_answers(database)
    places = ranked.shown
    assert ranked.judgement.ranking == ((places[2], places[0]), (places[3],), (places[1],))
    assert scored.judgement.scores == {"helpful": 7, "true": 2}
    assert heard == []


def test_answers_given_without_a_connection_arrive_later_once(
    browser: Any, served: Served, database: Database, heard: list[str]
) -> None:
    stock(database, 40)
    window = window_of(browser, served, heard)
    window.context.set_offline(True)
    for key in ("1", "7", "t"):
        press_until_new(window, key)
    window.locator("#connection", has_text="3 answers kept in this browser").wait_for()
    assert state(database).answers == 0
    window.context.set_offline(False)
    for _ in range(600):
        if state(database).answers == 3:
            break
        window.wait_for_timeout(10)
    assert state(database).answers == 3
    for _ in range(300):
        if window.locator("#connection").inner_text() == "":
            break
        window.wait_for_timeout(10)
    assert window.locator("#connection").inner_text() == ""


def test_two_tabs_lose_and_double_nothing(browser: Any, served: Served, database: Database, heard: list[str]) -> None:
    stock(database, 30)
    one = window_of(browser, served, heard)
    two = one.context.new_page()
    two.goto(served.site.address)
    two.wait_for_selector("#item:not([hidden])")
    assert shown(one) == shown(two)
    press_until_new(one, "1")
    for _ in range(300):
        if state(database).answers == 1:
            break
        one.wait_for_timeout(10)
    press_until_new(two, "7")
    two.locator("#message", has_text="perhaps in another tab").wait_for()
    (kept,) = read_answers(database)
    assert kept.judgement.preferred == kept.shown[0]


def test_hostile_texts_stay_texts_and_no_window_scrolls_sideways(
    browser: Any, served: Served, database: Database, heard: list[str]
) -> None:
    stock(database, 0)
    with database.writing() as work:
        both = (Response(NASTY + "x" * 1_000_000), Response("\n" * 3 + "w " * 500))
        items.offer(work, [Item("pair", (Message("user", NASTY),), both, priority=1), pair(1)])
    window = window_of(browser, served, heard)
    text = window.locator("#item").inner_text()
    assert "<script>document.title" in text and "U+202E" in text and "U+0007" in text
    assert window.title() == "Rate · Trivium"
    more = window.locator("button.more", has_text="Show all (1,000,")
    assert len(text) < 30_000
    more.click()
    assert len(window.locator("#item").inner_text()) > 1_000_000
    window.reload()
    window.wait_for_selector("#item:not([hidden])")
    for width in (320, 390, 1400):
        window.set_viewport_size({"width": width, "height": 800})
        assert window.evaluate("document.documentElement.scrollWidth") <= width
    assert heard == []


def test_the_owners_page_shows_the_round_and_its_buttons_work(
    browser: Any, served: Served, database: Database, heard: list[str]
) -> None:
    stock(database, 12)
    ada = served.join("Ada <b>")
    for _ in range(6):
        (task,) = ada.post("/api/take", {"count": 1})["tasks"]
        ada.post("/api/answer", {"id": f"answer-{task['id']}", "task": task["id"], "judgement": {"verdict": "tie"}})
    window = open_window(browser, served.site.address, heard)
    window.goto(served.link("Olga", "owner"))
    window.keyboard.press("Enter")
    window.wait_for_selector("#all:not([hidden])")
    assert "6 of 12" in window.locator("#cards").inner_text() and "Ada <b>" in window.locator("#raters").inner_text()
    window.fill("#invite-name", "Bo")
    window.keyboard.press("Enter")
    assert "/join#" in window.locator("#invite-link code").inner_text()
    window.click("#close-round")
    window.locator("#close-round", has_text="Open the round again").wait_for()
    assert state(database).closed
    for width in (320, 1400):
        window.set_viewport_size({"width": width, "height": 800})
        assert window.evaluate("document.documentElement.scrollWidth") <= width
    assert heard == []


def test_the_button_starts_the_next_round_and_the_page_follows_it(
    browser: Any, database: Database, tmp_path: Path, heard: list[str]
) -> None:
    (tmp_path / "recipe.yaml").write_text("rounds: 1\n")
    said = "import sys; print('<b>align: 3 of 4 steps</b>'); sys.exit(3)"
    stock(database, 4)
    with serving(database, training=Training(tmp_path, (sys.executable, "-c", said))) as served:
        window = open_window(browser, served.site.address, heard)
        window.goto(served.link("Olga", "owner"))
        window.keyboard.press("Enter")
        window.wait_for_selector("#next:not([hidden])")
        assert window.locator("#next-go").is_disabled()  # nothing is rated yet
        window.click("#close-round")
        window.locator("#next-go:not([disabled])").wait_for()
        window.fill("#next-rounds", "2")
        window.press("#next-rounds", "Enter")
        window.locator("#training-text", has_text="The run: ratings are needed.").wait_for()
        assert window.locator("#training-lines").inner_text() == "<b>align: 3 of 4 steps</b>"
        window.set_viewport_size({"width": 320, "height": 800})
        assert window.evaluate("document.documentElement.scrollWidth") <= 320
    assert heard == []


def test_a_used_link_is_explained(browser: Any, database: Database, tmp_path: Path) -> None:
    with serving(database) as served:
        link = served.link("Ada")
        window = open_window(browser, served.site.address, [])
        for told in (None, "has been used already"):
            window.context.clear_cookies()
            window.goto("about:blank")
            window.goto(link)
            window.keyboard.press("Enter")
            if told is None:
                window.wait_for_selector("#empty:not([hidden])")
            else:
                window.locator("#told", has_text=told).wait_for()
