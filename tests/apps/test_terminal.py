"""Rating in the terminal: every kind of answer by typing a line, and texts that cannot touch the screen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.feedback.shop import pair, person, state, stock
from trivium.apps.terminal import Session, visible
from trivium.base.words import Message
from trivium.feedback import items
from trivium.feedback.answers import read_answers
from trivium.feedback.database import Database
from trivium.feedback.words import Item, Response


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path / "r.db")
    yield opened
    opened.close()


def typed(database: Database, *lines: str) -> tuple[int, str]:
    """How many answers those lines give, and all that was shown."""
    waiting, shown = list(lines), []
    session = Session(
        database, person(database, "Ada"), lambda prompt: waiting.pop(0) if waiting else None, shown.append
    )
    return session.run(), "\n".join(shown)


def test_pairs_are_rated_skipped_undone_and_rewritten(database: Database) -> None:
    stock(database, 6)
    count, shown = typed(
        database, "1", "nonsense", "u", "7", "s too hard", "e", "B", "two", "lines", ".", "b", "g", "t", "q", "1"
    )
    found = read_answers(database)
    assert count == 4 and [one.judgement.verdict for one in found] == ["prefer", "skip", "both_bad", "tie"]
    assert (found[0].judgement.preferred, found[0].judgement.strength) == (found[0].shown[1], 3)
    assert found[1].judgement.reason == "too hard"
    assert (found[2].judgement.correction, found[2].judgement.corrects) == ("two\nlines", found[2].shown[1])
    assert "'nonsense' says nothing here" in shown and "taken back" in shown and "neither is of use" in shown


def test_rankings_and_points_are_typed(database: Database) -> None:
    stock(database, 0)
    ranking = Item("ranking", (Message("user", "r"),), tuple(Response(name) for name in ("x", "y", "z")), priority=2)
    points = Item("likert", (Message("user", "p"),), (Response("a"),), ("helpful", "true"), priority=1)
    with database.writing() as work:
        items.offer(work, [ranking, points])
    count, shown = typed(database, "A B", "b a=c", "9 9", "6", "6 4")
    ranked, scored = read_answers(database)
    places = ranked.shown
    assert count == 2 and ranked.judgement.ranking == ((places[1],), (places[0], places[2]))
    assert scored.judgement.scores == {"helpful": 6, "true": 4}
    assert "nothing is left for you just now" in shown


def test_texts_cannot_touch_the_screen(database: Database) -> None:
    stock(database, 0)
    nasty = "\x1b[2J\x1b]0;title\x07\r\u202egnp.exe\x9b31m"
    with database.writing() as work:
        items.offer(work, [Item("pair", (Message("user", nasty),), (Response(nasty), Response("b")))])
    _, shown = typed(database, "\x1b[31m", "q")
    assert all(char.isprintable() or char == "\n" for char in shown)
    assert "<U+001B>[2J" in shown and "<U+202E>gnp.exe<U+009B>31m" in shown
    assert visible("naïve 東京 🙂\n\tx") == "naïve 東京 🙂\n\tx"


def test_of_a_very_long_text_the_beginning_is_shown_until_all_is_asked_for(database: Database) -> None:
    stock(database, 0)
    long = "word " * 200_000 + "the end"
    with database.writing() as work:
        items.offer(work, [Item("pair", (Message("user", "r"),), (Response(long), Response("b")))])
    _, shown = typed(database, "q")
    assert len(shown) < 6_000 and f"({len(long) - 4_000:,} more characters: v)" in shown
    _, shown = typed(database, "v", "q")
    assert shown.count("the end") == 1


def test_an_answer_that_does_not_fit_is_told_and_asked_again(database: Database) -> None:
    stock(database, 1)
    text = pair(0).responses[0].text
    shown_first = "A"
    count, shown = typed(database, "e", shown_first, text, ".", "1", "1")
    if "changes nothing" in shown:  # the rewritten one stood first, and was rewritten as it is
        assert state(database).answers == 1
    assert count == 1
