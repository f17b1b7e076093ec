"""Thumbs and corrections from the chat: kept as ratings, taken back, exported as preferences, out of the way of a round."""

from __future__ import annotations

import pytest

from tests.feedback.shop import person, state, stock
from trivium.base.words import Message
from trivium.feedback import assignments, exchange, thumbs
from trivium.feedback.answers import read_answers
from trivium.feedback.database import Database
from trivium.feedback.words import JudgementError, Response

ASKED = [Message("user", "Tell me a story.")]


def rows(database: Database, form: str) -> list[dict[str, object]]:
    return list(exchange.export(database, form))


def test_thumbs_on_one_prompt_are_preferences_of_that_person(database: Database) -> None:
    ada, bo = person(database, "Ada"), person(database, "Bo")
    good, bad, same = Response("A fox.", policy="align:1"), Response("Fox fox", False, "pretrain:1"), Response("A fox.")
    thumbs.give(database, ada, ASKED, good, "up")
    assert rows(database, "trl") == []
    thumbs.give(database, ada, ASKED, bad, "down")
    thumbs.give(database, bo, ASKED, bad, "down")
    thumbs.give(database, ada, ASKED, same, "down")  # the same words of another model: no preference between them
    thumbs.give(database, ada, [Message("user", "Another.")], bad, "down")
    (pair,) = rows(database, "trl")
    assert (pair["chosen"][0]["content"], pair["rejected"][0]["content"]) == ("A fox.", "Fox fox")  # type: ignore[index]
    found = rows(database, "preferences")
    assert [(row["answer"], row["rating"], row["good"], row["ended"], row["policy"]) for row in found[:2]] == [
        ("A fox.", 7, True, True, "align:1"),
        ("Fox fox", 1, False, False, "pretrain:1"),
    ]
    assert found[0]["rater"] == f"human:{ada.id}" and found[0]["prompt"] == pair["prompt"]
    assert found[0]["prompt_id"] == found[2]["prompt_id"] != found[-1]["prompt_id"]
    assert [one["label"] for one in rows(database, "unpaired")] == [True, False, False, False, False]


def test_a_correction_is_an_example_and_better_than_what_it_mends(database: Database) -> None:
    ada = person(database, "Ada")
    thumbs.give(database, ada, ASKED, Response("Fox fox"), "none", "There was a fox.")
    (example,) = rows(database, "instructions")
    assert example["messages"][-1] == {"role": "assistant", "content": "There was a fox."}  # type: ignore[index]
    row, single = rows(database, "preferences")
    assert (row["chosen"], row["rejected"]) == ("There was a fox.", "Fox fox")
    assert (single["answer"], single["good"]) == ("Fox fox", False)
    with pytest.raises(JudgementError, match="changes nothing"):
        thumbs.give(database, ada, ASKED, Response("Fox fox"), "up", "Fox fox")


def test_a_second_thumb_takes_the_first_back_and_none_all(database: Database) -> None:
    ada, said = person(database, "Ada"), Response("A fox.")
    for thumb in ("up", "down", "up"):
        thumbs.give(database, ada, ASKED, said, thumb)  # type: ignore[arg-type]
    (answer,) = read_answers(database)
    assert answer.judgement.scores == {"helpful": 7}
    thumbs.give(database, ada, ASKED, said, "none")
    assert read_answers(database) == [] and rows(database, "unpaired") == []


def test_a_round_does_not_notice(database: Database) -> None:
    stock(database, 4)
    ada = person(database, "Ada")
    before = state(database)
    thumbs.give(database, ada, ASKED, Response("A fox."), "up")
    assert state(database) == before
    prompts = {task.item.prompt for task in assignments.take(database, person(database, "Bo"), 9)}
    assert prompts and tuple(ASKED) not in prompts
